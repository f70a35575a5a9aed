"""Memory: bytes in and out, bounds, typed views, growth in both styles."""

from __future__ import annotations

import array
import ctypes
import sys
import timeit
from typing import Any, Literal

import numpy as np
import pytest

from tests.harness import instance, module
from wasmine import Engine, Instance, Limits, Memory, MemoryType, ResourceError, Store, Trap

from .harness import exports

PAGE = 65536
STYLES = pytest.mark.parametrize("style", ["static", "dynamic"])
Style = Literal["static", "dynamic"]

GROWER = """
(module
  (import "env" "look" (func $look))
  (memory (export "memory") 1 64)
  (func (export "size") (result i32) memory.size)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
  ;; Grows by one page at a time, marks each page, asks the host to look, and adds the marks up.
  (func (export "climb") (param $pages i32) (result i32) (local $i i32) (local $sum i32)
    (i32.store (i32.const 4) (i32.const 1000))
    (loop $next
      (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then (return (i32.const -1))))
      (i32.store (i32.mul (i32.sub (memory.size) (i32.const 1)) (i32.const 65536))
        (i32.add (local.get $i) (i32.const 1)))
      (call $look)
      (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (local.get $pages))))
    (local.set $i (i32.const 0))
    (loop $add
      (local.set $sum (i32.add (local.get $sum)
        (i32.load (i32.mul (local.get $i) (i32.const 65536)))))
      (br_if $add (i32.le_u (local.tee $i (i32.add (local.get $i) (i32.const 1)))
        (local.get $pages))))
    (i32.add (local.get $sum) (i32.load (i32.const 4)))))
"""


def memory(minimum: int = 1, maximum: int | None = None, style: Style = "static") -> Memory:
    return Memory(MemoryType(Limits(minimum, maximum)), store=Store(Engine(memory=style)))


def grower(style: Style, look: Any = lambda: None) -> Any:
    return exports(GROWER, {"env": {"look": look}}, engine=Engine(memory=style))


@STYLES
@pytest.mark.parametrize(
    "data",
    [
        b"\1\2\3\4",
        bytearray(b"\1\2\3\4"),
        memoryview(b"\1\2\3\4"),
        memoryview(b"\1_\2_\3_\4_")[::2],
        memoryview(b"\4\3\2\1")[::-1],
        array.array("H", [0x0201, 0x0403]),
        array.array("f", [1.5399896144396998e-36]),
        np.array([[1, 2], [3, 4]], dtype=np.uint8),
        np.array([[1, 3], [2, 4]], dtype=np.uint8).T,
        np.array([0x0102, 0x0304], dtype=">u2"),
        np.frombuffer(b"\1\2\3\4", dtype=[("a", "u1"), ("b", "<u2"), ("c", "u1")]),
        np.array([0x04030201], dtype=np.int32),
        (ctypes.c_uint16 * 2)(0x0201, 0x0403),
    ],
    ids=lambda data: type(data).__name__,
)
def test_write_takes_any_bytes(data: Any, style: Style) -> None:
    target = memory(style=style)
    target.write(PAGE - 4, data)
    assert target.read(PAGE - 4, 4) == b"\1\2\3\4"
    target[0:4] = data
    assert target[:5] == b"\1\2\3\4\0"
    with pytest.raises(IndexError, match="4 bytes at 65533, the memory has 65536"):
        target.write(PAGE - 3, data)
    assert target[PAGE - 4 :] == b"\1\2\3\4"


@pytest.mark.parametrize("data", [b"", array.array("d"), np.zeros((0, 3)), memoryview(b"")[::2]])
def test_writing_nothing(data: Any) -> None:
    target = memory()
    target.write(PAGE, data)
    assert target.read(0, PAGE) == bytes(PAGE)


@pytest.mark.parametrize("data", ["text", 5, None, [1, 2], 1.5])
def test_what_is_not_bytes(data: Any) -> None:
    with pytest.raises(TypeError, match="bytes-like object is required"):
        memory().write(0, data)
    with pytest.raises(TypeError, match="bytes-like object is required"):
        memory()[0:2] = data


def test_overlapping_writes() -> None:
    target = memory()
    target.write(0, b"abcdef")
    target.write(2, target.uint8_view()[0:4])
    assert target[0:6] == b"ababcd"
    target.write(0, memoryview(target)[1:5])
    assert target[0:6] == b"babccd"


@pytest.mark.parametrize(
    ("offset", "length"),
    [(-1, 1), (-1, 0), (0, -1), (PAGE, 1), (PAGE - 1, 2), (1 << 40, 1), (1 << 70, 1), (0, 1 << 70)],
)
@STYLES
def test_reading_beyond_the_end(offset: int, length: int, style: Style) -> None:
    target = memory(style=style)
    message = f"^out of bounds memory access: {length} bytes at {offset}, the memory has 65536$"
    with pytest.raises(IndexError, match=message):
        target.read(offset, length)
    with pytest.raises(IndexError, match="out of bounds memory access"):
        target.read_string(offset, length)
    if length == 1:
        with pytest.raises(IndexError, match=message):
            target.write(offset, b"x")


@pytest.mark.parametrize(
    ("index", "ok"),
    [
        (0, True), (PAGE - 1, True), (-1, True), (-PAGE, True), (np.int64(5), True),
        (PAGE, False), (-PAGE - 1, False), (1 << 70, False), (-(1 << 70), False),
        (slice(0, PAGE), True), (slice(PAGE, PAGE), True), (slice(None), True),
        (slice(-4, None), True), (slice(5, 2), True), (slice(0, 100, 3), True),
        (slice(None, None, -1), True), (slice(0, PAGE + 1), False), (slice(PAGE + 1, None), False),
        (slice(-PAGE - 1, 5), False), (slice(0, 1 << 70), False),
    ],
    ids=str,
)  # fmt: skip
def test_indices(index: Any, ok: bool) -> None:
    target = memory()
    content = bytes(range(256)) * 256
    target[:] = content
    if ok:
        assert target[index] == content[index]
        target[index] = content[index]
        assert target[:] == content
        return
    for use in (target.__getitem__, lambda i: target.__setitem__(i, b"")):
        with pytest.raises(
            IndexError, match=r"^out of bounds memory access: -?\d+ of 65536 bytes$"
        ):
            use(index)


def test_assigning_another_length() -> None:
    with pytest.raises(ValueError, match="different structures"):
        memory()[0:4] = b"abc"
    with pytest.raises(ValueError, match="memoryview: invalid value for format 'B'"):
        memory()[0] = 256


@STYLES
def test_typed_views(style: Style) -> None:
    target = memory(style=style)
    target[0:8] = b"\xff\xff\xff\xff\0\0\xc0\x7f"
    kinds: dict[str, tuple[str, object]] = {
        "uint8": ("B", 255), "int8": ("b", -1), "uint16": ("H", 65535), "int16": ("h", -1),
        "uint32": ("I", (1 << 32) - 1), "int32": ("i", -1), "uint64": ("Q", 0x7FC0_0000_FFFF_FFFF),
        "int64": ("q", 0x7FC0_0000_FFFF_FFFF),
    }  # fmt: skip
    for kind, (code, first) in kinds.items():
        view = getattr(target, f"{kind}_view")()
        assert (view.format, view.nbytes, view[0], view.readonly) == (code, PAGE, first, False)
    target.float32_view()[2] = 1.5
    target.float64_view(2)[0] = -2.0
    assert target[8:24] == b"\0\0\xc0\x3f\0\0\0\0\0\0\0\0\0\0\0\xc0"
    view = target.uint32_view(PAGE // 4 - 1)
    view[0] = 7
    assert (len(view), target[-4:]) == (1, b"\7\0\0\0")
    assert len(target.uint32_view(PAGE // 4)) == 0
    for offset in (-1, PAGE // 4 + 1, 1 << 70):
        with pytest.raises(
            IndexError, match=rf"out of bounds .*: uint32 element {offset} of 16384"
        ):
            target.uint32_view(offset)


def test_an_empty_memory() -> None:
    empty = memory(0, 1)
    assert (len(empty), empty.size, empty[:], empty.read(0, 0)) == (0, 0, b"", b"")
    assert len(memoryview(empty)) == len(empty.uint64_view()) == 0
    with pytest.raises(IndexError):
        empty[0]
    assert empty.grow(1) == 0
    assert empty[PAGE - 1] == 0


def test_buffers_and_numpy() -> None:
    target = memory()
    whole = np.asarray(memoryview(target))
    assert np.shares_memory(whole, np.frombuffer(memoryview(target), dtype=np.uint8))
    whole[0:4] = [1, 2, 3, 4]
    assert target[0:4] == b"\1\2\3\4"
    floats = np.asarray(target.float64_view(1))
    floats[:] = np.arange(len(floats))
    assert target.read(16, 8) == b"\0\0\0\0\0\0\xf0\x3f"
    assert bytes(target)[:4] == b"\1\2\3\4"
    target.write(0, np.arange(10))
    assert target.int64_view()[9] == 9
    (ctypes.c_char * 4).from_buffer(target).value = b"abc"
    assert target[0:4] == b"abc\0"


@pytest.mark.parametrize("text", ["", "plain", "zwölf Boxkämpfer", "🦀 and 🐍"])
def test_strings(text: str) -> None:
    target = memory()
    length = target.write_string(100, text)
    assert length == len(text.encode())
    assert target.read_string(100, length) == text
    assert target.read_c_string(100) == text
    target[:] = b"x" * PAGE
    target.write_string(PAGE - length - 1, text)
    target[PAGE - 1] = 0
    assert target.read_c_string(PAGE - length - 1) == text


def test_strings_that_are_none() -> None:
    target = memory()
    target[:] = b"\xff" * PAGE
    with pytest.raises(UnicodeDecodeError, match="invalid start byte"):
        target.read_string(0, 4)
    for offset in (0, PAGE - 1, PAGE, -1):
        with pytest.raises(IndexError, match="out of bounds memory access"):
            target.read_c_string(offset)
    with pytest.raises(IndexError):
        target.write_string(PAGE - 1, "ab")


@STYLES
def test_growth_from_the_host(style: Style) -> None:
    target = memory(1, 3, style)
    target.write(PAGE - 2, b"ok")
    assert (target.grow(0), target.grow(1), target.size, target.data_size) == (1, 1, 2, 2 * PAGE)
    assert target.read(PAGE - 2, 4) == b"ok\0\0"
    assert target.type == MemoryType(Limits(2, 3))
    assert str(target.type) == "memory 2 3"
    with pytest.raises(ResourceError, match="current size 2 pages, requested increase: 2 pages"):
        target.grow(2)
    assert repr(target) == "<wasmine.Memory of 2 pages>"


@STYLES
def test_growth_from_code(style: Style) -> None:
    made = grower(style)
    view = made.memory.uint32_view()
    made.store(65532, 77)
    assert view[16383] == 77
    assert [made.grow(n) for n in (0, 1, 10, 100, -1, 52)] == [1, 1, 2, -1, -1, 12]
    assert (made.size(), made.memory.size) == (64, 64)
    assert made.load(65532) == 77
    made.store(64 * PAGE - 4, 5)
    assert made.memory[-4:] == b"\5\0\0\0"
    with pytest.raises(Trap, match="out of bounds memory access"):
        made.store(64 * PAGE - 3, 5)
    assert len(view) == PAGE // 4


@STYLES
def test_growth_while_code_runs_and_views_exist(style: Style) -> None:
    """A dynamic memory moves under the feet of the code and of the host's views."""
    views: list[memoryview] = []
    bases = set()

    def look() -> None:
        bases.add(made.memory.linear.base)
        views.append(made.memory.uint32_view())
        last = len(views[-1]) - PAGE // 4
        assert views[-1][last] == made.memory.size - 1
        views[-1][last] += 100

    made = grower(style, look)
    assert made.climb(60) == sum(range(1, 61)) + 60 * 100 + 1000
    assert (made.grow(2), made.grow(3), made.size()) == (61, -1, 63)
    assert [len(view) for view in views[:60]] == [n * PAGE // 4 for n in range(2, 62)]
    assert all(view[1] == 1000 for view in views)
    assert (len(bases) == 1) == (style == "static")


@STYLES
def test_growth_by_the_host_while_code_runs(style: Style) -> None:
    sizes: list[int] = []
    made: Any = grower(style, lambda: sizes.append(made.memory.grow(1)))
    # Every other page has a mark, and the first half of them is added up.
    assert made.climb(20) == sum(range(1, 11)) + 1000
    assert sizes == list(range(2, 42, 2))
    assert made.memory.size == 41


@STYLES
def test_no_memory_left_is_minus_one(style: Style, monkeypatch: pytest.MonkeyPatch) -> None:
    made = grower(style)
    made.memory.linear._record.maximum_pages = 1 << 40
    if style == "dynamic":
        assert made.grow(0x7FFF_FFFF) == -1
    assert made.size() == 1


@pytest.mark.parametrize("exporter", ["static", "dynamic"])
@pytest.mark.parametrize("importer", ["static", "dynamic"])
def test_memories_of_other_styles_are_imported(exporter: Style, importer: Style) -> None:
    """A module is compiled again for a memory whose style is not its own engine's."""
    given = memory(1, 4, exporter)
    text = """
      (module (import "e" "m" (memory 1))
        (func (export "put") (param i32 i32) (i32.store (local.get 0) (local.get 1)))
        (func (export "grow") (result i32) (memory.grow (i32.const 1))))
    """
    engine = Engine(memory=importer)
    for _ in range(2):
        made = Instance(module(text, engine), {"e": {"m": given}})
        assert made.store is given.store
        made.exports.put(PAGE * given.size - 4, 9)
        assert given[-4:] == b"\t\0\0\0"
        with pytest.raises(Trap, match="out of bounds memory access"):
            made.exports.put(PAGE * given.size - 3, 9)
        with pytest.raises(Trap, match="out of bounds memory access"):
            made.exports.put(-4, 9)
        assert made.exports.grow() == given.size - 1
        made.exports.put(PAGE * given.size - 4, 8)
        assert given[-4:] == b"\x08\0\0\0"
    own = Instance(module(GROWER, engine), {"env": {"look": print}})
    assert own.exports.memory.linear.style.__class__.__name__ == f"{importer.title()}Memory"


@STYLES
def test_two_instances_share_a_memory(style: Style) -> None:
    first = grower(style)
    second = exports(
        '(module (import "a" "memory" (memory 1))'
        '(func (export "load") (param i32) (result i32) (i32.load (local.get 0)))'
        '(export "memory" (memory 0)))',
        {"a": first},
    )
    assert second.memory is first.memory
    first.store(8, 6)
    assert second.load(8) == 6
    first.grow(30)
    first.store(31 * PAGE - 4, 7)
    assert second.load(31 * PAGE - 4) == 7


def test_two_instances_of_one_module_have_memories_of_their_own() -> None:
    one, other = (instance(GROWER, {"env": {"look": print}}).exports for _ in range(2))
    one.store(0, 5)
    assert (one.load(0), other.load(0)) == (5, 0)


def test_a_memory_is_a_sequence_of_bytes() -> None:
    target = memory()
    target[PAGE - 1] = 5
    assert 5 in target  # type: ignore[operator]
    assert sum(target) == 5  # type: ignore[call-overload]
    assert len(target) == PAGE


def test_small_accesses_are_fast() -> None:
    """Under a microsecond each; the bound is loose because test machines are busy."""
    target, data = memory(), b"0123456789abcdef"
    number = 2000
    uses = [
        lambda: target.read(64, 16), lambda: target[64:80], lambda: target.write(64, data),
        lambda: target[64],
    ]  # fmt: skip
    limit = 10e-6 if sys.flags.dev_mode else 4e-6
    for use in uses:
        assert min(timeit.repeat(use, number=number, repeat=5)) / number < limit
