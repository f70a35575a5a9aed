"""From what the native runtime recorded of a trap to the exception that Python sees."""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Final

from wasmine.abi.vmcontext import ThreadRecord
from wasmine.errors import Frame, Trap, TrapCode
from wasmine.vm.code import NativeCode
from wasmine.vm.codespace import CodeSpace
from wasmine.vm.process import current
from wasmine.wasm.module import ModuleInfo

_CODES: Final = {code.value: code for code in TrapCode}


def raise_trap(record_address: int) -> None:
    """Raise the Trap that the record of this thread describes; native code calls this."""
    record = ThreadRecord.from_address(record_address)
    stack = ctypes.string_at(record.slice, record.slice_length)
    innermost = current().find_code(record.trap_pc)
    frames = partial(_walk, record.trap_pc, stack, innermost)
    raise Trap(_CODES[record.trap_code], frames=frames)


def _walk(pc: int, stack: bytes, found: tuple[NativeCode, ModuleInfo] | None) -> Sequence[Frame]:
    """The WebAssembly frames from `pc` outwards, as far as the saved stack reaches.

    `stack` is the memory from the stack pointer upwards, `found` the code that contains `pc`.
    Compiled functions keep no frame pointer; how far the return address is from the stack pointer
    is known for every instruction.
    """
    frames: list[Frame] = []
    position = 0
    while found is not None:
        code, info = found
        frames += _frames(code, info, pc)
        size = code.frame_size_at(pc)
        if size is None or position + size > len(stack):
            break
        position += size
        # An address inside the calling instruction, as for the innermost frame.
        pc = int.from_bytes(stack[position - 8 : position], "little") - 1
        found = current().find_code(pc)
    return frames


def _frames(code: NativeCode, info: ModuleInfo, pc: int) -> list[Frame]:
    """What was active at an address; nothing for the helpers that every image contains.

    Above the light pipeline LLVM inlines calls. The instruction then is another function's than
    the code; of the functions between the two nothing is known.
    """
    index = code.function_at(pc)
    if index is None:
        return []
    place = code.wasm_offset(pc)
    if place is None:
        # Of baseline code it is a frame that other code has taken over, whose caller it is now.
        return [] if isinstance(code, CodeSpace) else [_frame(info, index, None)]
    owner = bisect_right(info.bodies.starts, place) - 1 + info.imported_functions
    inner = _frame(info, owner, place)
    return [inner] if owner == index else [inner, _frame(info, index, None)]


def _frame(info: ModuleInfo, index: int, place: int | None) -> Frame:
    """The frame of a function at an offset in the module, if that is known."""
    start = info.bodies[index - info.imported_functions].start
    return Frame(
        info.names.module,
        index,
        info.function_name(index),
        place,
        None if place is None else place - start,
    )
