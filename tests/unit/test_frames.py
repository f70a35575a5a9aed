"""Frame sizes and lines: what a backtrace asks an image, compared with running functions."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from struct import unpack_from
from typing import Any

import pytest

from wasmine.abi.image import Image
from wasmine.abi.unwind import FrameRow, FrameTable
from wasmine.compiler.linker import link
from wasmine.vm.code import Code

from .objects import AARCH64, X86_64, c_address, emit, with_debug

I64 = ctypes.c_int64
only_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="runs x86-64 code")
THERE = "define i64 @there(i64 %x) { %r = add i64 %x, 1\n ret i64 %r }"


def function(code: Code, name: str, *params: Any) -> Callable[..., Any]:
    return ctypes.CFUNCTYPE(I64, *params)(code.address(name))


# Frames: functions that report their own frame size, from the stack pointer in the body and the
# place of the return address, which is 8 below the canonical frame address.

MEASURE = """
    %sp = call i64 @llvm.read_volatile_register.i64(metadata !{!"rsp"})
    %place = call ptr @llvm.addressofreturnaddress.p0()
    %address = ptrtoint ptr %place to i64
    %distance = sub i64 %address, %sp
    %frame = add i64 %distance, 8"""
FRAMES = f"""
    declare ptr @llvm.addressofreturnaddress.p0()
    declare i64 @llvm.read_volatile_register.i64(metadata)
    declare i64 @opaque(i64)
    declare void @use(ptr)
    define i64 @leaf() #0 {{
      {MEASURE}
      ret i64 %frame
    }}
    define i64 @spills(i64 %a, i64 %b, i64 %c, i64 %d, i64 %e) #0 {{
      {MEASURE}
      %r1 = call i64 @opaque(i64 %a)
      %r2 = call i64 @opaque(i64 %b)
      %r3 = call i64 @opaque(i64 %c)
      %r4 = call i64 @opaque(i64 %d)
      %r5 = call i64 @opaque(i64 %e)
      ret i64 %frame
    }}
    define i64 @large(i64 %i) #0 {{
      %array = alloca [3000 x i64]
      %p = getelementptr i64, ptr %array, i64 %i
      store volatile i64 %i, ptr %p
      {MEASURE}
      ret i64 %frame
    }}
    define i64 @huge(i64 %i) #0 {{
      %array = alloca [13000 x i64]
      %p = getelementptr i64, ptr %array, i64 %i
      store volatile i64 %i, ptr %p
      {MEASURE}
      ret i64 %frame
    }}
    define i64 @early(i64 %i) #0 {{
      %none = icmp eq i64 %i, 0
      br i1 %none, label %out, label %work
    out:
      ret i64 0
    work:
      %x = call i64 @opaque(i64 %i)
      {MEASURE}
      %y = call i64 @opaque(i64 %x)
      %z = and i64 %y, %i
      %small = icmp slt i64 %i, 100
      br i1 %small, label %one, label %two
    one:
      ret i64 %frame
    two:
      %w = call i64 @opaque(i64 %z)
      ret i64 %frame
    }}
    define void @dynamic(i64 %n) #0 {{
      %array = alloca i64, i64 %n
      call void @use(ptr %array)
      ret void
    }}
    define void @silent() nounwind {{ ret void }}
    attributes #0 = {{ nounwind uwtable "probe-stack"="inline-asm" }}"""


@only_x86_64
def test_frame_sizes_are_those_of_running_functions() -> None:
    code = Code(link([emit(FRAMES)]), lambda name: c_address("labs"))
    image = code.image
    sizes = {function.name: function.frame_size for function in image.functions}
    assert sizes["leaf"] == function(code, "leaf")() == 8
    spills = function(code, "spills", I64, I64, I64, I64, I64)
    assert sizes["spills"] == spills(1, 2, 3, 4, 5) > 16
    assert sizes["large"] == function(code, "large", I64)(7) > 23000  # less the red zone
    huge = image.extent("huge")
    assert huge.frame_size == function(code, "huge", I64)(7) > 100000
    # While the pages of a huge frame are touched one by one, it has no constant size.
    touched = range(huge.start, huge.start + huge.size)
    assert {image.frame_size_at(pc) for pc in touched} == {8, None, huge.frame_size}
    early = function(code, "early", I64)
    assert early(0) == 0
    assert sizes["early"] == early(5) == early(500) > 8
    # Before the prologue the frame is what the call has made it.
    assert image.frame_size_at(image.extent("early").start) == 8


@only_x86_64
def test_frames_of_no_constant_size_are_unknown() -> None:
    image = link([emit(FRAMES)])
    dynamic = image.extent("dynamic")
    assert dynamic.frame_size == 0
    assert image.frame_size_at(dynamic.start) == 8
    assert image.frame_size_at(dynamic.start + dynamic.size // 2) is None
    silent = image.extent("silent")
    assert silent.frame_size == 0
    assert image.frame_size_at(silent.start) is None


# Lines, and with them a walk over the stack as a backtrace makes it.

WALK = f"""
    declare void @host(i64)
    declare ptr @llvm.addressofreturnaddress.p0()
    declare i64 @llvm.read_volatile_register.i64(metadata)
    define void @inner(i64 %x, i64 %y) #0 !dbg !100 {{
      {MEASURE}
      call void @host(i64 %sp), !dbg !DILocation(line: 4000000000, scope: !100)
      call void @host(i64 %y), !dbg !DILocation(line: 70, scope: !100)
      ret void
    }}
    define i64 @outer(i64 %x, i64 %y, i64 %z) #0 !dbg !101 {{
      %u = mul i64 %x, %y
      call void @inner(i64 %u, i64 0), !dbg !DILocation(line: 12, scope: !101)
      %s = add i64 %u, %z
      call void @inner(i64 %s, i64 0), !dbg !DILocation(line: 0, scope: !101)
      ret i64 %s
    }}
    attributes #0 = {{ nounwind uwtable noinline }}"""


@only_x86_64
@pytest.mark.parametrize("version", [4, 5])
def test_backtraces(version: int) -> None:
    walks: list[list[tuple[str, int | None]]] = []

    def walk(sp: int) -> None:
        if not sp:
            return
        pc = I64.from_address(sp - 8).value
        walks.append([])
        while code.contains(pc):
            offset = code.offset(pc) - 1
            extent, size = code.image.function_at(offset), code.image.frame_size_at(offset)
            assert extent is not None
            assert size is not None
            walks[-1].append((extent.name, code.image.wasm_offset(offset)))
            sp += size
            pc = I64.from_address(sp - 8).value

    host = ctypes.CFUNCTYPE(None, I64)(walk)
    address = ctypes.cast(host, ctypes.c_void_p).value or 0
    # Another object in front, so that neither text nor line program starts at zero.
    first = emit(with_debug(THERE.replace("{", "!dbg !100 {", 1), ["there"], version))
    image = link([first, emit(with_debug(WALK, ["inner", "outer"], version))])
    code = Code(Image.from_bytes(image.to_bytes()), lambda name: address)
    outer = function(code, "outer", I64, I64, I64)
    outer(1, 2, 3)
    assert walks == [
        [("inner", 4000000000), ("outer", 12)],
        [("inner", 4000000000), ("outer", None)],
    ]


def test_without_debug_locations_nothing_is_known() -> None:
    image = link([emit(THERE)])
    assert image.wasm_offset(0) is None
    assert image.wasm_offset(len(image.code)) is None


# Where exceptions land, and where frames keep the registers of their callers.

LANDING = """
    declare i32 @wasmine_personality(...)
    declare tailcc i64 @f(i64)
    define tailcc i64 @catch(i64 %a, i64 %b) #0 personality ptr @wasmine_personality {
      %first = call tailcc i64 @f(i64 %a)
      %second = invoke tailcc i64 @f(i64 %first) to label %on unwind label %pad
    on:
      %third = invoke tailcc i64 @f(i64 %second) to label %end unwind label %other
    end:
      %sum = add i64 %first, %third
      ret i64 %sum
    pad:
      %p = landingpad { ptr, i32 } catch ptr null
      %e = extractvalue { ptr, i32 } %p, 0
      %n = ptrtoint ptr %e to i64
      %r = add i64 %n, %b
      ret i64 %r
    other:
      %p2 = landingpad { ptr, i32 } catch ptr null
      ret i64 %second
    }
    define tailcc i64 @pass(i64 %a) #0 { %r = call tailcc i64 @f(i64 %a)
      %s = add i64 %r, %a
      ret i64 %s }
    attributes #0 = { uwtable(sync) "disable-tail-calls"="true" "frame-pointer"="none" }"""


@pytest.mark.parametrize("triple", [X86_64, AARCH64])
def test_landing_pads_and_saved_registers(triple: str) -> None:
    """Nothing of the personality routine remains, although LLVM wants its address in writable data."""
    image = link([emit(LANDING, triple)])
    assert image.slots == ("f",)
    table = image.frame_table
    catch, through = image.extent("catch"), image.extent("pass")

    def rows(start: int, size: int) -> list[FrameRow]:
        found = [table.find(start + offset) for offset in range(size)]
        return [row for row in dict.fromkeys(found) if row is not None]

    landings = {row.landing for row in rows(catch.start, catch.size)} - {0}
    assert len(landings) == 2
    assert all(catch.start < landing < catch.start + catch.size for landing in landings)
    assert {row.landing for row in rows(through.start, through.size)} == {0}
    registers = {X86_64: 7, AARCH64: 20}[triple]
    native = table.native()
    (count,) = unpack_from("<Q", native)
    assert count == len(table)
    # Where a function begins right behind another, the last of two rows counts.
    last = {row[0]: row for row in (unpack_from("<4I", native, 8 + 16 * i) for i in range(count))}
    for start, size, landing, saved in last.values():
        row = table.find(start)
        assert row is not None
        assert row[:3] == (start, size, landing)
        places = native[saved : saved + registers]
        if row.landing:
            # The return address, and what is alive across the calls.
            assert places[-1]
            kept = [place for place in places if place]
            assert len(set(kept)) == len(kept) > 1
            assert max(kept) * 8 <= row.size - 1


def test_a_table_of_frames_survives_packing() -> None:
    rows = [FrameRow(0, 9, 0, 0), FrameRow(4, 17, 12, 7), FrameRow(12, 0, 0, 0)]
    table = FrameTable(rows, bytes(range(14)))
    again = FrameTable.unpack(table.pack())
    assert again.native() == table.native()
    assert [again.find(pc) for pc in (0, 3, 4, 11, 12, 99)] == [rows[i] for i in (0, 0, 1, 1, 2, 2)]
    assert FrameTable([], b"").find(0) is None
    assert FrameTable.unpack(FrameTable([], b"").pack()).native() == bytes(8)
