"""Code spaces: machine code that is placed function by function, and what is known of it."""

from __future__ import annotations

import ctypes
import re
import threading
from array import array
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

from wasmine import (
    DeserializeError,
    Engine,
    Instance,
    Module,
    ResourceError,
    Trap,
    TrapCode,
)
from wasmine.abi.baseline import CELL_NUMBERS, CompiledFunction, Fixup, FixupKind
from wasmine.abi.codespace import X86_64, CodeSpaceLayout
from wasmine.abi.unwind import FrameRow
from wasmine.vm.code import MACHINE
from wasmine.vm.codespace import CodeSpace, FunctionCompiler
from wasmine.vm.frames import GrowingFrames

pytestmark = pytest.mark.skipif(MACHINE != X86_64, reason="code spaces are for x86-64")

SAVED = b"\0\0\0\0\0\0\1"
"""All registers are as they were, the return address is where a call puts it."""
RETURN = b"\xc2\x08\x00"  # ret $8: see abi/convention.py
PUSH_POP = (b"\x48\x83\xec\x08", b"\x48\x83\xc4\x08")  # sub $8, %rsp; add $8, %rsp
CALL = b"\xff\x15"  # call *field(%rip)


def constant(value: int) -> bytes:
    """mov $value, %eax"""
    return b"\xb8" + value.to_bytes(4, "little")


def function(code: bytes, *fixups: Fixup, loops: int = 0, framed: bool = False) -> CompiledFunction:
    """A function whose code comes from the offset in the module that is a hundred times its own."""
    frames = [FrameRow(0, 9, 0, 0), *([FrameRow(4, 17, 0, 0)] if framed else [])]
    rows = ((place, 100 * (place + 1)) for place in range(len(code)))
    lines = array("I", chain.from_iterable(rows))
    return CompiledFunction(code, [*fixups], frames, SAVED, lines, list(range(loops)))


def calling(kind: FixupKind, index: int, before: bytes = b"") -> CompiledFunction:
    """A function that calls what a cell holds, after some instructions, and returns what that does."""
    start, end = PUSH_POP
    head = start + before + CALL
    code = head + bytes(4) + start + end + RETURN  # the callee took 8 bytes off the stack
    return function(code, (len(head), kind, index, 0), framed=True)


class Given(Engine):
    """An engine whose code is given."""

    constants = b""

    def __init__(self, functions: Sequence[CompiledFunction]) -> None:
        super().__init__(tier="baseline")
        self.functions = functions

    def function_compiler(self, *_: Any) -> FunctionCompiler:
        return self

    def __call__(self, local: int) -> CompiledFunction:
        return self.functions[local]


def space_of(instance: Instance) -> CodeSpace:
    """The code space of an instance's module."""
    space = instance._handle.artifact.code
    assert isinstance(space, CodeSpace)
    return space


def made(*functions: CompiledFunction) -> tuple[Instance, CodeSpace]:
    """An instance whose functions are these, all without parameters and with an i32 result."""
    names = range(len(functions))
    text = "".join(f'(func (export "{i}") (result i32) (i32.const 0))' for i in names)
    instance = Instance(Module(f"(module {text})", engine=Given(functions)))
    return instance, space_of(instance)


def test_calls_go_through_entries_and_code_can_be_replaced() -> None:
    instance, space = made(calling(FixupKind.ENTRY, 1), function(constant(42) + RETURN))
    exports = instance.exports
    assert [space.is_compiled(local) for local in range(2)] == [False, False]
    assert exports["0"]() == 42
    assert [space.is_compiled(local) for local in range(2)] == [True, True]
    space.place(1, function(constant(43) + RETURN))
    assert exports["0"]() == exports["1"]() == 43


def test_traps_and_backtraces() -> None:
    code = TrapCode.INTEGER_OVERFLOW.value
    raising = calling(
        FixupKind.CELL,
        CELL_NUMBERS["wasmer_vm_raise_trap"],
        b"\xbf" + code.to_bytes(4, "little"),  # mov $code, %edi
    )
    outer = calling(FixupKind.ENTRY, 1)
    instance, _ = made(outer, raising)
    bodies = instance.module.info.bodies
    # rows for the last byte of each call instruction
    start = bodies[0].start
    outer.lines[:] = array("I", (0, start, 4 + 5, start + 1, 4 + 6, start + 2))
    start = bodies[1].start
    raising.lines[:] = array("I", (0, start, 4 + 5 + 5, start + 1))
    with pytest.raises(Trap) as caught:
        instance.exports["0"]()
    assert caught.value.code is TrapCode.INTEGER_OVERFLOW
    trace = [(frame.function_index, frame.function_offset) for frame in caught.value.trace]
    assert trace == [(1, 1), (0, 1)]


def test_counters() -> None:
    # sub $1, counter(%rip); mov counter(%rip), %eax
    code = b"\x83\x2d" + bytes(4) + b"\x01" + b"\x8b\x05" + bytes(4) + RETURN
    counted = [
        function(code, (2, FixupKind.COUNTER, index, 1), (9, FixupKind.COUNTER, index, 0), loops=2)
        for index in (0, 1, 2, 2)
    ]
    instance, space = made(*counted)
    exports = instance.exports
    for name in range(4):
        assert [exports[str(name)]() for _ in range(3)] == [-1, -2, -3]
    assert space.loops(3) == [0, 1]


def test_places() -> None:
    functions = [function(constant(i) + RETURN) for i in range(300)]
    instance, space = made(*functions)
    for local in range(299, -1, -1):
        assert instance.exports[str(local)]() == local
    addresses = [space.entry(local) for local in range(300)]
    assert all(one - other == 16 for one, other in pairwise(addresses))
    for local in (0, 1, 298, 299):
        assert space.function_at(addresses[local]) == local
        assert space.function_at(addresses[local] + 5) == local
        assert space.function_at(addresses[local] + 8) is None
        assert space.function_at(space.stubs()[local]) == local
        assert space.wasm_offset(addresses[local] + 3) == 400
        assert space.frame_size_at(addresses[local]) == 8
    assert space.wasm_offset(space.stubs()[0]) is None
    table = ctypes.c_uint64.from_address(space.frames_address())
    assert table.value == 300


@pytest.fixture(params=["bytes", "file"])
def begin(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[CodeSpace, bytes], None]:
    """What lets a space begin with a snapshot, from memory or from within a file."""

    def restore(space: CodeSpace, snapshot: bytes) -> None:
        if request.param == "bytes":
            space.restore(snapshot)
            return
        path = tmp_path / "snapshot"
        path.write_bytes(bytes(2 * 4096) + snapshot)
        with path.open("rb") as file:
            space.restore(snapshot, file.fileno(), 2 * 4096)

    return restore


def test_snapshots(begin: Callable[[CodeSpace, bytes], None]) -> None:
    code = b"\x83\x2d" + bytes(4) + b"\x01" + b"\x8b\x05" + bytes(4) + RETURN
    counter = [(2, FixupKind.COUNTER, 2, 1), (9, FixupKind.COUNTER, 2, 0)]
    raising = calling(FixupKind.CELL, CELL_NUMBERS["wasmer_vm_raise_trap"], b"\xbf\x05\0\0\0")
    functions = [
        function(constant(40) + RETURN),
        calling(FixupKind.ENTRY, 0),
        function(code, *counter, loops=2),
        raising,
        function(code, *counter, loops=3),
        calling(FixupKind.ENTRY, 3),
    ]
    first, space = made(*functions)
    for local in (3, 5):
        functions[local].lines[:] = array("I", (0, first.module.info.bodies[local].start))
    for name in ("0", "2", "1"):
        first.exports[name]()
    with pytest.raises(Trap):
        first.exports["3"]()
    snapshot = space.snapshot()
    assert snapshot == space.snapshot()

    second, restored = made(*functions)
    begin(restored, snapshot)
    exports = second.exports
    assert [restored.is_compiled(local) for local in range(6)] == [True] * 4 + [False] * 2
    assert (exports["0"](), exports["1"]()) == (40, 40)
    assert [exports["2"]() for _ in range(2)] == [-1, -2]
    assert [exports["4"]() for _ in range(2)] == [-1, -2]
    assert exports["2"]() == -3
    for name, frames in (("3", 1), ("5", 2)):
        with pytest.raises(Trap) as caught:
            exports[name]()
        assert len(caught.value.trace) == frames
    for local in range(4):
        address, here = space.entry(local), restored.entry(local)
        assert here - restored.base == address - space.base
        assert restored.function_at(here + 1) == local
        assert restored.loops(local) == space.loops(local)
        for place in range(6):
            assert restored.wasm_offset(here + place) == space.wasm_offset(address + place)
            assert restored.frame_size_at(here + place) == space.frame_size_at(address + place)
    restored.place(0, function(constant(41) + RETURN))
    assert exports["1"]() == 41

    third, again = made(*functions)
    begin(again, restored.snapshot())
    assert all(again.is_compiled(local) for local in range(6))
    assert third.exports["1"]() == 41
    assert [third.exports["4"](), third.exports["2"]()] == [-1, -1]


def test_snapshots_that_do_not_fit() -> None:
    one, space = made(function(constant(1) + RETURN))
    one.exports["0"]()
    snapshot = space.snapshot()
    _, other = made(*[function(RETURN)] * 2)
    for damaged, message in (
        (snapshot, "of another module"),
        (snapshot[:100], "truncated"),
        (snapshot[:-1], "truncated"),
        (b"x" + snapshot[1:], "not a snapshot"),
    ):
        with pytest.raises(DeserializeError, match=message):
            (other if damaged is snapshot else made(function(RETURN))[1]).restore(damaged)


def resident(space: CodeSpace) -> int:
    """Bytes of memory that hold code of a space, as its writable view has it."""
    for part in re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", Path("/proc/self/smaps").read_text()):
        if part.startswith(f"{space.end:x}-"):
            return 1024 * sum(map(int, re.findall(r"^Rss: +(\d+) kB", part, re.MULTILINE)))
    raise AssertionError("the space is not mapped")


def large(value: int) -> CompiledFunction:
    """A function of about 10 pages."""
    return function(constant(value) + RETURN + bytes(40_000))


def test_replaced_code_is_given_back() -> None:
    instance, space = made(*[large(value) for value in range(10)])
    exports = instance.exports
    for value in range(10):
        exports[str(value)]()
    before = resident(space)
    assert before > 10 * 9 * 4096
    assert space.release_replaced() == 0
    for value in (2, 3, 4, 5, 7):
        space.place(value, function(constant(value + 100) + RETURN))
    released = space.release_replaced()
    assert 5 * 40_000 - 5 * 4096 < released < 5 * 40_100
    assert before - 5 * 40_100 < resident(space) < before - released + 8192
    assert space.release_replaced() == 0
    results = [exports[str(value)]() for value in range(10)]
    assert results == [0, 1, 102, 103, 104, 105, 6, 107, 8, 9]
    other, restored = made(*[large(0)] * 10)
    restored.restore(space.snapshot())
    assert [other.exports[str(value)]() for value in range(10)] == results


HOSTS = """(module (import "" "host" (func $host))
  (func (export "outer") (result i32) (call $host) (i32.const 1))
  (func (export "inner") (result i32) (call $host) (i32.const 2)))"""


def within_a_call(space: CodeSpace, local: int, import_offset: int) -> CompiledFunction:
    """A function of 10 pages that calls the import and returns its own number."""
    start, end = PUSH_POP
    # mov body(%rdi), %rax; mov environment(%rdi), %rdi; call *%rax
    call = b"\x48\x8b\x87" + import_offset.to_bytes(4, "little")
    call += b"\x48\x8b\xbf" + (import_offset + 24).to_bytes(4, "little") + b"\xff\xd0"
    code = start + call + start + end + constant(local) + RETURN
    return function(code + bytes(40_000), framed=True)


@pytest.mark.parametrize("how", ["this thread", "another thread"])
def test_code_that_a_frame_is_in_is_kept(how: str) -> None:
    released: list[int] = []

    def host() -> None:
        for local in range(2):
            space.place(local, function(constant(10 + local) + RETURN))
        if how == "this thread":
            released.append(space.release_replaced())
        else:
            thread = threading.Thread(target=lambda: released.append(space.release_replaced()))
            thread.start()
            thread.join()

    functions: list[CompiledFunction] = []
    module = Module(HOSTS, engine=Given(functions))
    instance = Instance(module, {"": {"host": host}})
    space = space_of(instance)
    offset = instance._handle.artifact.offsets.vmctx_imported_function_body(0)
    functions += [within_a_call(space, local, offset) for local in range(2)]
    space.place(0, functions[0])
    space.place(1, functions[1])
    assert instance.exports.outer() == 0
    (during,) = released
    if how == "this thread":
        assert 40_000 - 3 * 4096 < during < 40_100  # of the function that is not running
    else:
        assert during == 0
    after = space.release_replaced()
    assert 80_000 - 3 * 4096 < during + after < 80_200
    assert (instance.exports.outer(), instance.exports.inner()) == (10, 11)


def test_a_space_that_is_full_says_so() -> None:
    _, space = made(function(RETURN))
    with pytest.raises(ResourceError, match="no room for more code"):
        space.place(
            0, CompiledFunction(bytes(space.end - space.base), [], [], SAVED, array("I"), [])
        )
    assert not space.is_compiled(0)


def test_growing_frames() -> None:
    frames = GrowingFrames()
    sets = [bytes([number, *SAVED[1:]]) for number in range(200)]
    addresses = {frames.address}
    for number in range(1000):
        saved = sets[number % 200]
        given = [FrameRow(0, 9, 0, 0), FrameRow(4, 17, number % 2 and 8, 0)]
        frames.make_room(len(given), saved)
        rows = frames.native_rows(given, saved, 32 * number)
        table = frames.table
        assert rows is not None
        count = table.count[0]
        table.rows[4 * count : 4 * count + len(rows)] = rows
        table.count[0] = count + len(given)
        addresses.add(frames.address)
    assert len(addresses) == 3
    for number in (0, 1, 511, 999):
        first, second = (frames.find(32 * number + place) for place in (3, 4))
        assert first is not None
        assert second is not None
        assert (first.start, first.size, first.landing) == (32 * number, 9, 0)
        assert (second.start, second.size) == (32 * number + 4, 17)
        assert second.landing == (32 * number + 8 if number % 2 else 0)
        assert ctypes.string_at(frames.address + second.saved, 7) == sets[number % 200]


def test_layouts_fit_in_distances_of_32_bits() -> None:
    for functions, size in ((0, 0), (1, 2), (60_000, 60 << 20), (1_000_000, 1 << 30)):
        layout = CodeSpaceLayout.of(functions, size, 5000, 4096)
        assert layout.end < 1 << 31
        assert layout.end - layout.code >= min(size, 1 << 29)
        assert list(layout[1:]) == sorted(layout[1:])
        assert len(layout.stub_code(0)) == layout.lazy_stubs - layout.stubs + 16 * functions
