"""The road of a module to its Image, and the images of native code; imported when code is compiled.

Everything that knows the compiler is behind this module, so that a program which only inspects
modules never loads it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from wasmine.compiler import linker, target
from wasmine.compiler.module import MemoryStyle, Options
from wasmine.compiler.native.unit import heap_ir, runtime_ir, thunks_ir
from wasmine.compiler.unit import translate_unit
from wasmine.wasm.body import Body, decode_body
from wasmine.wasm.validator import validate_body

if TYPE_CHECKING:
    from wasmine.abi.baseline import CompiledFunction
    from wasmine.abi.image import Image
    from wasmine.types import FunctionType
    from wasmine.wasm.module import ModuleInfo

FUNCTIONS_PER_UNIT: Final = 1000
"""LLVM's memory is given back after each unit; units of this size lose no speed."""


def checked_body(info: ModuleInfo, local_index: int) -> Body:
    """A function's body, decoded and validated. Raises MalformedModule or InvalidModule."""
    body = decode_body(info, local_index)
    validate_body(info, local_index, body)
    return body


def validate_bodies(info: ModuleInfo) -> None:
    """Check all bodies of a module. Raises MalformedModule or InvalidModule."""
    for local_index in range(len(info.bodies)):
        checked_body(info, local_index)


def translate(
    info: ModuleInfo,
    indices: Sequence[int],
    styles: tuple[MemoryStyle, ...],
    *,
    entries: bool = False,
) -> str:
    """LLVM IR of functions of a module, by their indices with imports.

    `styles` are those of the module's memories; with `entries` other functions of the module are
    called through their entries. Raises CompileError.
    """
    ssse3 = target.host_machine().has("ssse3")
    options = Options(memory_styles=styles, ssse3=ssse3, entries=entries)
    bodies = (checked_body(info, index - info.imported_functions) for index in indices)
    return translate_unit(info, indices, options, bodies)


def compile_module(info: ModuleInfo, styles: tuple[MemoryStyle, ...], opt_level: str) -> Image:
    """Validate, translate, optimise and link all functions of a module. Raises CompileError."""
    first, end = info.imported_functions, len(info.functions)
    objects = []
    for start in range(first, max(end, first + 1), FUNCTIONS_PER_UNIT):
        ir = translate(info, range(start, min(start + FUNCTIONS_PER_UNIT, end)), styles)
        objects.append(target.emit_object(ir, target.host_machine(), opt_level))
    return linker.link(objects)


def compile_function(
    info: ModuleInfo, local_index: int, styles: tuple[MemoryStyle, ...], opt_level: str
) -> CompiledFunction | Image:
    """The code of one function of a module, by its index without imports. Raises CompileError."""
    index = info.imported_functions + local_index
    ir = translate(info, (index,), styles, entries=True)
    return linker.link([target.emit_object(ir, target.host_machine(), opt_level)])


def compile_thunks(
    entries: Iterable[FunctionType], raws: Iterable[FunctionType], imports: Iterable[FunctionType]
) -> Image:
    """The thunks for these function types, of the three kinds."""
    machine = target.host_machine()
    ir = thunks_ir(entries, raws, imports, machine.architecture)
    return linker.link([target.emit_object(ir, machine, "none")])


def compile_runtime() -> Image:
    """The native runtime."""
    machine = target.host_machine()
    return linker.link([target.emit_object(runtime_ir(machine.architecture), machine, "none")])


def compile_heap() -> Image:
    """The garbage-collected heap."""
    machine = target.host_machine()
    return linker.link([target.emit_object(heap_ir(machine.architecture), machine, target.NATIVE)])


def assembly(ir: str, opt_level: str) -> str:
    """Assembly of LLVM IR, for people."""
    return target.emit_assembly(ir, target.host_machine(), opt_level)
