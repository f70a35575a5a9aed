"""link(): objects become an image whose functions run, and errors name what is wrong."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable
from typing import Any

import pytest

from wasmine.abi.image import Image
from wasmine.compiler.linker import link
from wasmine.errors import InternalError
from wasmine.vm.code import Code

from .objects import AARCH64, X86_64, c_address, emit, with_debug

I64 = ctypes.c_int64
only_x86_64 = pytest.mark.skipif(platform.machine() != "x86_64", reason="runs x86-64 code")


def load(*modules: str) -> Code:
    return Code(link([emit(module) for module in modules]), c_address)


def function(code: Code, name: str, result: Any = I64, *params: Any) -> Callable[..., Any]:
    native = ctypes.CFUNCTYPE(result, *params)(code.address(name))
    native.code = code  # type: ignore[attr-defined]  # whoever has the function keeps its memory
    return native


def test_floating_point_constants() -> None:
    code = load("""
        define double @scale(double %x) {
          %a = fmul double %x, 3.14159
          %b = fadd double %a, 2.5
          ret double %b
        }""")
    scale = function(code, "scale", ctypes.c_double, ctypes.c_double)
    assert scale(10.0) == 10.0 * 3.14159 + 2.5


def test_vector_constants_keep_their_alignment() -> None:
    code = load("""
        @table = internal constant [4 x i64] [i64 2, i64 3, i64 5, i64 7], align 64
        define i64 @place() { ret i64 ptrtoint (ptr @table to i64) }
        define i64 @pick(i64 %i) {
          %p = getelementptr i64, ptr @table, i64 %i
          %v = load i64, ptr %p
          ret i64 %v
        }""")
    assert function(code, "place")() % 64 == 0
    assert [function(code, "pick", I64, I64)(i) for i in range(4)] == [2, 3, 5, 7]


def test_jump_table() -> None:
    cases = "\n".join(f"i32 {i}, label %l{i}" for i in range(20))
    bodies = "\n".join(
        f"l{i}:\n %r{i} = call i32 @abs(i32 {-i * i})\n ret i32 %r{i}" for i in range(20)
    )
    code = load(f"""
        declare i32 @abs(i32)
        define i32 @choose(i32 %x) nobuiltin {{
          switch i32 %x, label %other [ {cases} ]
          {bodies}
          other: ret i32 -1
        }}""")
    choose = function(code, "choose", ctypes.c_int32, ctypes.c_int32)
    assert len(code.image.code) > code.image.text_size + 20 * 4 - 1
    assert [choose(i) for i in range(21)] == [*(i * i for i in range(20)), -1]


def test_calls_between_objects_in_both_directions() -> None:
    code = load(
        """
        declare i64 @odd(i64)
        define i64 @even(i64 %n) {
          %zero = icmp eq i64 %n, 0
          br i1 %zero, label %yes, label %no
        yes:
          ret i64 1
        no:
          %m = sub i64 %n, 1
          %r = call i64 @odd(i64 %m)
          %s = add i64 %r, 0
          ret i64 %s
        }""",
        """
        declare hidden i64 @even(i64)
        @limit = hidden constant i64 0
        define i64 @odd(i64 %n) {
          %l = load i64, ptr @limit
          %zero = icmp eq i64 %n, %l
          br i1 %zero, label %no, label %next
        no:
          ret i64 0
        next:
          %m = sub i64 %n, 1
          %r = call i64 @even(i64 %m)
          %s = xor i64 %r, 0
          ret i64 %s
        }""",
    )
    assert code.image.slots == ()
    even = function(code, "even", I64, I64)
    assert [even(n) for n in range(5)] == [1, 0, 1, 0, 1]


REFERENCES = """
    declare i64 @there(i64) {nonlazybind}
    define ptr @address() {{ ret ptr @there }}
    define i64 @call(i64 %x) {{
      %r = call i64 @there(i64 %x)
      %s = mul i64 %r, 10
      ret i64 %s
    }}
    define i64 @jump(i64 %x) {{
      %r = tail call i64 @there(i64 %x)
      ret i64 %r
    }}
    define i1 @same(ptr %f) {{
      %r = icmp eq ptr %f, @there
      ret i1 %r
    }}"""
THERE = "define i64 @there(i64 %x) { %r = add i64 %x, 1\n ret i64 %r }"
DEBUGGED = with_debug(THERE.replace("{", "!dbg !100 {", 1), ["there"])


@pytest.mark.parametrize("attribute", ["", "nonlazybind"])
def test_every_way_to_refer_to_a_function_of_another_object(attribute: str) -> None:
    code = load(REFERENCES.format(nonlazybind=attribute), THERE)
    assert function(code, "address")() == code.address("there")
    assert function(code, "call", I64, I64)(4) == 50
    assert function(code, "jump", I64, I64)(4) == 5
    same = function(code, "same", ctypes.c_bool, ctypes.c_void_p)
    assert same(code.address("there"))
    assert not same(code.address("call"))


@only_x86_64
def test_references_that_go_without_a_cell_are_relaxed() -> None:
    image = link([emit(REFERENCES.format(nonlazybind="nonlazybind"), X86_64), emit(THERE, X86_64)])
    # A comparison with memory has no form that computes the address: that one keeps its cell.
    assert image.slots == ("there",)
    address = image.extent("address")
    assert image.code[address.start : address.start + 3] == b"\x48\x8d\x05"  # lea there(%rip), %rax
    jump = image.extent("jump")
    assert image.code[jump.start] == 0xE9
    assert b"\x67\xe8" in bytes(image.code)


@pytest.mark.parametrize("attribute", ["", "nonlazybind"])
def test_calls_to_the_outside_go_through_one_cell_each(attribute: str) -> None:
    code = load(f"""
        declare i64 @strlen(ptr) {attribute}
        declare ptr @memset(ptr, i32, i64) {attribute}
        @text = internal constant [6 x i8] c"hello\\00"
        define i64 @measure(ptr %s) nobuiltin {{
          %n = call i64 @strlen(ptr %s)
          %k = call i64 @strlen(ptr @text) nobuiltin
          %r = mul i64 %n, %k
          ret i64 %r
        }}
        define i64 @tail(ptr %s) {{
          %n = tail call i64 @strlen(ptr %s)
          ret i64 %n
        }}
        define ptr @clear(ptr %s, i64 %n) {{
          %r = call ptr @memset(ptr %s, i32 0, i64 %n)
          ret ptr %s
        }}""")
    assert sorted(code.image.slots) == ["memset", "strlen"]
    text = ctypes.create_string_buffer(b"0123456")
    assert function(code, "measure", I64, ctypes.c_char_p)(text) == 35
    assert function(code, "tail", I64, ctypes.c_char_p)(text) == 7
    function(code, "clear", I64, ctypes.c_char_p, I64)(text, 3)
    assert text.raw == b"\0\0\x003456\0"


def test_linking_is_deterministic() -> None:
    objects = [emit(REFERENCES.format(nonlazybind=""), X86_64), emit(DEBUGGED, X86_64)]
    first, second = link(objects), link(list(objects))
    assert first == second
    assert first.to_bytes() == second.to_bytes()


def test_extents_are_sorted_and_cover_the_functions() -> None:
    image = link([emit(REFERENCES.format(nonlazybind="")), emit(THERE)])
    assert [f.name for f in image.functions] == ["address", "call", "jump", "same", "there"]
    for before, after in zip(image.functions, image.functions[1:], strict=False):
        assert 0 < before.size <= after.start - before.start
    assert image.functions[-1].start + image.functions[-1].size <= image.text_size


REFUSED = {
    "writable data: counter in .bss": "@counter = global i64 0",
    "writable data: counter in .data": "@counter = global i64 1",
    "writable data: local in .tbss": "@local = thread_local global i64 0",
    # A table of addresses would have to be written when the image is mapped.
    "writable data: table in .data.rel.ro": "@table = constant [1 x ptr] [ptr @f]",
    "direct reference in .text against 'far', which is outside the image": """
        @far = external hidden global i64
        define i64 @g() { %v = load i64, ptr @far ret i64 %v }""",
    ".rodata is aligned to 131072 bytes": "@wide = constant i64 1, align 131072",
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_an_image_cannot_hold(message: str) -> None:
    with pytest.raises(InternalError) as caught:
        link([emit(REFUSED[message] + "\ndefine void @f() { ret void }", X86_64)])
    assert str(caught.value) == message


def test_absolute_relocations_are_refused() -> None:
    module = "declare void @g()\ndefine ptr @f() { ret ptr @g }"
    with pytest.raises(InternalError, match=r"^absolute or unknown .* in \.ltext against 'g'"):
        link([emit(module, X86_64, reloc="static", codemodel="large")])


def test_symbols_defined_twice() -> None:
    with pytest.raises(InternalError, match="symbol 'there' is defined twice"):
        link([emit(THERE), emit(THERE)])


def test_local_functions_of_several_objects_may_share_a_name() -> None:
    unit = """
        define internal i64 @helper(i64 %x) noinline nounwind {{
          %y = mul i64 %x, {0}
          ret i64 %y
        }}
        define i64 @f{0}(i64 %x) {{
          %y = call i64 @helper(i64 %x)
          %z = add i64 %y, 1
          ret i64 %z
        }}"""
    code = load(unit.format(3), unit.format(5))
    assert function(code, "f3", I64, I64)(7) == 22
    assert function(code, "f5", I64, I64)(7) == 36
    names = [extent.name for extent in code.image.functions]
    assert names.count("helper") == 2
    first = code.image.functions[names.index("helper")]
    assert code.image.extent("helper") == first
    with pytest.raises(InternalError, match="a local and a global function are called 'helper'"):
        link([emit(unit.format(3)), emit("define void @helper() { ret void }")])


def test_what_is_not_an_object() -> None:
    data = emit(THERE)
    with pytest.raises(InternalError, match="not a 64-bit little-endian ELF object"):
        link([b"\0asm" + data])
    for size in (16, 63, 200, len(data) - 100):
        with pytest.raises(InternalError, match="malformed ELF object"):
            link([data[:size]])
    with pytest.raises(InternalError, match="processors"):
        link([emit(THERE, X86_64), emit(THERE, AARCH64)])
    with pytest.raises(InternalError, match="processors"):
        link([])


# AArch64: what instructions refer to, taken apart by hand.


def word(image: Image, offset: int) -> int:
    return int.from_bytes(image.code[offset : offset + 4], "little")


def page_address(image: Image, offset: int, shift: int) -> int:
    """What ADRP at `offset` and the instruction after it, an addition or an access of 1 << `shift`
    bytes, refer to."""
    adrp, access = word(image, offset), word(image, offset + 4)
    assert adrp & 0x9F000000 == 0x90000000
    pages = (adrp >> 5 & 0x7FFFF) << 2 | adrp >> 29 & 3
    pages -= (pages >> 20) << 21
    return (offset & ~0xFFF) + (pages << 12) + ((access >> 10 & 0xFFF) << shift)


def branch_target(image: Image, offset: int) -> int:
    distance = word(image, offset) & 0x3FFFFFF
    return offset + (distance - (distance >> 25 << 26)) * 4


def test_aarch64() -> None:
    text = """
        @seven = hidden constant i64 7
        declare i64 @strlen(ptr)
        declare i64 @there(i64)
        @outside = external constant i64
        define double @constant() { ret double 3.14159 }
        define ptr @seven_address() { ret ptr @seven }
        define i64 @seven_value() { %v = load i64, ptr @seven
          ret i64 %v }
        define ptr @outside_address() { ret ptr @outside }
        define ptr @there_address() { ret ptr @there }
        define i64 @jump(ptr %s) { %r = tail call i64 @strlen(ptr %s)
          ret i64 %r }
        define i64 @jump_there(i64 %s) { %r = tail call i64 @there(i64 %s)
          ret i64 %r }"""
    image = link([emit(text, AARCH64), emit(THERE, AARCH64)])
    place = {function.name: function.start for function in image.functions}
    assert image.page == 65536
    assert image.table_offset == 65536
    assert image.slots == ("strlen", "outside")
    constant = page_address(image, place["constant"], 3)
    assert image.code[constant : constant + 8] == bytes.fromhex("6e861bf0f9210940")
    seven = page_address(image, place["seven_address"], 0)
    assert image.code[seven : seven + 8] == bytes([7, *bytes(7)])
    assert page_address(image, place["seven_value"], 3) == seven
    assert page_address(image, place["outside_address"], 3) == image.table_offset + 8
    assert page_address(image, place["there_address"], 0) == place["there"]
    assert word(image, place["there_address"] + 4) & 0xFFC003FF == 0x91000000  # add x0, x0, #n
    assert branch_target(image, place["jump_there"]) == place["there"]
    stub = branch_target(image, place["jump"])
    assert place["there"] < stub < image.text_size
    assert page_address(image, stub, 3) == image.table_offset
    assert [word(image, stub + offset) for offset in (8, 12)] == [0xD61F0200, 0]
