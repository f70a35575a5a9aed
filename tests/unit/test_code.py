"""Code: images in memory, from objects and from files, and never writable and executable."""

from __future__ import annotations

import ctypes
import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.harness import run_script
from wasmine.abi.image import FunctionExtent, Image
from wasmine.compiler.linker import link
from wasmine.errors import DeserializeError, InternalError
from wasmine.vm.code import Code

from .objects import c_address, emit

MODULE = """
    declare i64 @strlen(ptr)
    @primes = internal constant [4 x i64] [i64 2, i64 3, i64 5, i64 7]
    define i64 @measure(ptr %s) {
      %n = call i64 @strlen(ptr %s)
      %p = getelementptr i64, ptr @primes, i64 %n
      %r = load i64, ptr %p
      ret i64 %r
    }"""


@pytest.fixture(scope="module")
def image() -> Image:
    return link([emit(MODULE)])


def measure(code: Code, text: bytes) -> int:
    native = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(code.address("measure"))
    return int(native(text))


def permissions(start: int, end: int) -> Iterator[tuple[int, str]]:
    """(address, protection) of the mappings between two addresses."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        place, protection, *_ = line.split()
        first, last = (int(part, 16) for part in place.split("-"))
        if first < end and start < last:
            yield max(first, start), protection


def test_functions_run_and_reach_the_outside(image: Image) -> None:
    code = Code(image, c_address)
    assert [measure(code, b"xyz"[:n]) for n in range(4)] == [2, 3, 5, 7]


def test_addresses(image: Image) -> None:
    code = Code(image, c_address)
    address = code.address("measure")
    assert address == code.base + image.extent("measure").start
    assert code.end == code.base + len(image.code)
    assert code.contains(address)
    assert code.offset(address) == image.extent("measure").start
    assert code.contains(code.base)
    assert not code.contains(code.base - 1)
    assert not code.contains(code.end)
    with pytest.raises(InternalError, match="no function 'missing'"):
        code.address("missing")


def test_no_page_is_writable_once_mapped(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(image.to_bytes())
    with path.open("rb") as file:
        codes = [Code(image, c_address), Code.map_file(file.fileno(), 0, c_address)]
    for code in codes:
        table = code.base + image.table_offset
        found = dict(permissions(code.base, table + image.table_size))
        assert found == {code.base: "r-xp", table: "r--p"}


def test_no_page_is_writable_and_executable_at_any_time(image: Image) -> None:
    before = set(permissions(0, 1 << 64))  # ctypes may have such pages
    seen: list[str] = []

    def resolve(name: str) -> int:
        # While the table is filled the code is executable already.
        seen.extend(protection for _, protection in set(permissions(0, 1 << 64)) - before)
        return c_address(name)

    Code(image, resolve)
    assert {"r-xp", "rw-p"} <= set(seen)
    assert not [protection for protection in seen if "wx" in protection]


def test_what_has_no_address_is_named(image: Image) -> None:
    with pytest.raises(InternalError, match="compiled code needs 'strlen', which has no address"):
        Code(image, lambda name: 0)


def test_closing(image: Image) -> None:
    code = Code(image, c_address)
    base, end = code.base, code.base + image.table_offset + image.page
    assert list(permissions(base, end))
    code.close()
    code.close()
    assert not [protection for _, protection in permissions(base, end) if "x" in protection]
    assert not code.contains(base)
    assert (code.base, code.end) == (0, 0)
    with pytest.raises(InternalError, match="closed"):
        code.address("measure")


def test_memory_is_freed_with_the_object(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(image.to_bytes())
    with path.open("rb") as file:
        code = Code.map_file(file.fileno(), 0, c_address)
    assert str(path) in Path("/proc/self/maps").read_text()
    kept = code.image
    del code
    gc.collect()
    assert kept.to_bytes() == image.to_bytes()
    del kept
    gc.collect()
    assert str(path) not in Path("/proc/self/maps").read_text()


def test_an_image_without_code(image: Image) -> None:
    code = Code(image.replace(code=b"", functions=(), slots=()), c_address)
    assert code.base == code.end != 0
    assert not code.contains(code.base)


def test_a_cell_may_hold_an_address_of_the_image_itself(image: Image) -> None:
    functions = (FunctionExtent("f", 8, 8, 0),)
    code = Code(image.replace(functions=functions, slots=("f",)), lambda name: 0)
    cell = ctypes.c_uint64.from_address(code.base + image.table_offset)
    assert cell.value == code.address("f") == code.base + 8


def test_code_for_another_processor_is_not_mapped(image: Image) -> None:
    with pytest.raises(DeserializeError, match="compiled for another processor"):
        Code(image.replace(machine=8), c_address)


CHILD = """
import ctypes, os, sys
from wasmine.vm.code import Code

def resolve(name):
    return ctypes.cast(getattr(ctypes.CDLL(None), name), ctypes.c_void_p).value

fd = os.open(sys.argv[1], os.O_RDONLY)
code = Code.map_file(fd, int(sys.argv[2]), resolve)
os.close(fd)
measure = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_char_p)(code.address("measure"))
print(measure(b""), measure(b"a"), measure(b"abc"), "llvmlite" in sys.modules)
"""


def test_another_process_maps_the_code_from_a_file(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "artifact"
    path.write_bytes(bytes(65536) + image.to_bytes() + b"something else")
    source = Path(sys.modules["wasmine"].__path__[0]).parent
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), "65536"],
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout.split() == ["2", "3", "7", "False"]


def test_files_that_hold_no_image(image: Image, tmp_path: Path) -> None:
    data = image.to_bytes()
    path = tmp_path / "image"

    def map_file(content: bytes, offset: int = 0, *, verify: bool = True) -> Code:
        path.write_bytes(content)
        with path.open("rb") as file:
            return Code.map_file(file.fileno(), offset, c_address, verify=verify)

    with pytest.raises(DeserializeError, match="truncated: the file ends within the image"):
        map_file(data[:-1])
    with pytest.raises(DeserializeError, match="truncated"):
        map_file(b"")
    with pytest.raises(DeserializeError, match="magic number"):
        map_file(bytes(len(data)))
    with pytest.raises(InternalError, match="no page boundary"):
        map_file(bytes(16) + data, 16)
    corrupt = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(DeserializeError, match="does not match its checksum"):
        map_file(corrupt)
    assert measure(map_file(corrupt, verify=False), b"a") == 3


def test_a_mapped_image_equals_the_one_written(image: Image, tmp_path: Path) -> None:
    path = tmp_path / "image"
    many = image.replace(code=bytes(image.code) + bytes(1 << 20), slots=("strlen",) * 700)
    path.write_bytes(many.to_bytes())
    with path.open("rb") as file:
        code = Code.map_file(file.fileno(), 0, c_address)
    assert code.image == many
    cells = (ctypes.c_uint64 * 700).from_address(code.base + many.table_offset)
    assert set(cells) == {c_address("strlen")}


def test_interrupted_compiling_frees_in_order() -> None:
    run_script(
        """
from llvmlite.binding import ModuleRef
enter = ModuleRef.__enter__
def interrupt(_):
    ModuleRef.__enter__ = enter
    raise KeyboardInterrupt
ModuleRef.__enter__ = interrupt
try:
    Module("(module (func))", engine=Engine(tier="optimized", cache=False))
except KeyboardInterrupt as error:
    kept = error  # and with it the frames, which have the module of LLVM
del kept
Module("(module (func))", engine=Engine(tier="optimized", cache=False))
"""
    )
