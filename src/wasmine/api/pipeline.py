"""The road of a module to its Image, and the images of native code; imported when code is compiled.

Everything that knows the compiler is behind this module, so that a program which only inspects
modules never loads it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Container, Iterable, Sequence
from typing import TYPE_CHECKING, Final

from wasmine.compiler import linker, target
from wasmine.compiler.module import MemoryStyle, Options
from wasmine.compiler.native.unit import heap_ir, runtime_ir, thunks_ir
from wasmine.compiler.unit import translate_unit, translated
from wasmine.wasm.body import decode_body
from wasmine.wasm.opcodes import BY_NAME
from wasmine.wasm.validator import checked_body

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.types import FunctionType
    from wasmine.wasm.module import ModuleInfo

FUNCTIONS_PER_UNIT: Final = 1000
BYTES_PER_UNIT: Final = 1 << 16
"""LLVM's memory is given back after each unit; units of this size lose no speed."""

CALLS: Final = frozenset(BY_NAME[name].index for name in ("call", "return_call"))


def options_for(styles: tuple[MemoryStyle, ...], *, entries: bool = False) -> Options:
    """How code is generated on this processor for memories of these styles."""
    return Options(styles, ssse3=target.host_machine().has("ssse3"), entries=entries)


def translate(
    info: ModuleInfo,
    indices: Sequence[int],
    options: Options,
    loops: Collection[tuple[int, int]] = (),
) -> str:
    """LLVM IR of functions of a module, by their indices with imports, and of code that takes them
    over at some of their loops: see `translate_unit`. Raises CompileError."""
    first = info.imported_functions
    bodies = (checked_body(info, index - first) for index in translated(indices, loops))
    return translate_unit(info, indices, options, bodies, loops)


def units(info: ModuleInfo) -> list[range]:
    """The functions of a module as they are compiled together, by their indices with imports."""
    first = start = info.imported_functions
    found = []
    size = 0
    for index, body in enumerate(info.bodies, first):
        size += body.end - body.start
        if size >= BYTES_PER_UNIT or index + 1 - start == FUNCTIONS_PER_UNIT:
            found.append(range(start, index + 1))
            start, size = index + 1, 0
    if start < len(info.functions) or not found:
        found.append(range(start, len(info.functions)))
    return found


def compile_object(
    info: ModuleInfo, indices: Sequence[int], options: Options, opt_level: str
) -> bytes:
    """Validate, translate and optimise functions of a module: an object to link. Raises CompileError."""
    ir = translate(info, indices, options)
    return target.emit_object(ir, target.host_machine(), opt_level)


def with_callees(info: ModuleInfo, indices: Sequence[int], wanted: Container[int]) -> list[int]:
    """These functions, and those of `wanted` that they call directly, or that such a one calls, up to
    the size of a unit: ascending indices with imports."""
    first = info.imported_functions
    found = dict.fromkeys(indices)
    size = sum(info.bodies[index - first].end - info.bodies[index - first].start for index in found)
    left = deque(found)
    while left:
        body = decode_body(info, left.popleft() - first)
        for code, callee in zip(body.codes, body.immediates, strict=True):
            if code not in CALLS or not isinstance(callee, int) or callee in found:
                continue
            if callee in wanted:
                entry = info.bodies[callee - first]
                size += entry.end - entry.start
                if size > BYTES_PER_UNIT:
                    return sorted(found)
                found[callee] = None
                left.append(callee)
    return sorted(found)


def compile_functions(
    info: ModuleInfo,
    indices: Sequence[int],
    loops: Collection[tuple[int, int]],
    options: Options,
    opt_level: str,
) -> Image:
    """Some functions of a module, to replace those that there are, and code that takes them over at
    loops. Raises CompileError."""
    ir = translate(info, indices, options, loops)
    return linker.link([target.emit_object(ir, target.host_machine(), opt_level)])


def compile_module(info: ModuleInfo, styles: tuple[MemoryStyle, ...], opt_level: str) -> Image:
    """Validate, translate, optimise and link all functions of a module. Raises CompileError."""
    options = options_for(styles)
    return linker.link([compile_object(info, unit, options, opt_level) for unit in units(info)])


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
