"""Runs translated functions without the runtime: a VMContext of bytes, llvmlite's own linker.

So what the translator says can be tested apart from images, instances and signal handlers. Traps land
in a wrapper around each function, which takes and gives values as 64-bit slots.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from llvmlite import binding as llvm
from wasmtime import wat2wasm

from wasmine.abi.vmcontext import (
    VMCallerCheckedAnyfunc,
    VMGlobalDefinition,
    VMMemoryDefinition,
    VMStoreContext,
    VMTableDefinition,
    size_of,
)
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.compiler.ir import Signature, call_function
from wasmine.compiler.module import ModuleContext, Options
from wasmine.compiler.unit import translate_unit
from wasmine.errors import TrapCode
from wasmine.types import FunctionType
from wasmine.wasm.body import Body, decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.validator import validate_body, validate_module

# The landing of traps, as in the runtime but without threads and signals.
LANDING = """
@buffer = internal global [5 x ptr] zeroinitializer
@trapped = internal global i32 0
declare i32 @llvm.eh.sjlj.setjmp(ptr) returns_twice nounwind
declare void @llvm.eh.sjlj.longjmp(ptr) noreturn nounwind
define void @handler(ptr %pc, i32 %code) noreturn nounwind {
  store i32 %code, ptr @trapped
  call void @llvm.eh.sjlj.longjmp(ptr @buffer)
  unreachable
}
"""
STACK_POINTER = """
define i64 @stack_pointer() {
  %sp = call ptr @llvm.stacksave()
  %address = ptrtoint ptr %sp to i64
  ret i64 %address
}
"""
ENTRY = """
define i32 @enter{index}(ptr %vmctx, ptr %slots) noinline nounwind "frame-pointer"="all" {{
  %frame = call ptr @llvm.frameaddress(i32 0)
  store ptr %frame, ptr @buffer
  %sp = call ptr @llvm.stacksave()
  %place = getelementptr ptr, ptr @buffer, i64 2
  store ptr %sp, ptr %place
  %again = call i32 @llvm.eh.sjlj.setjmp(ptr @buffer)
  %first = icmp eq i32 %again, 0
  br i1 %first, label %run, label %landed
run:
{loads}
  %storep = getelementptr i8, ptr %vmctx, i64 {store}
  %store = load ptr, ptr %storep
{call}
{stores}
  ret i32 -1
landed:
  %code = load i32, ptr @trapped
  ret i32 %code
}}
"""


def checked_bodies(info: ModuleInfo) -> list[Body]:
    """All function bodies of a module, decoded and validated."""
    validate_module(info)
    bodies = [decode_body(info, index) for index in range(len(info.bodies))]
    for index, body in enumerate(bodies):
        validate_body(info, index, body)
    return bodies


def translate(info: ModuleInfo, options: Options | None = None) -> str:
    """The IR of all functions of a module as one unit."""
    first = info.imported_functions
    indices = range(first, first + len(info.bodies))
    return translate_unit(info, indices, options or Options(), checked_bodies(info))


def _entry(index: int, signature: Signature, store: int) -> str:
    loads, stores = [], []
    for number, type_ in enumerate(signature.params):
        loads.append(f"  %p{number} = getelementptr i64, ptr %slots, i64 {number}")
        loads.append(f"  %value.{number} = load {type_}, ptr %p{number}")
    for number, type_ in enumerate(signature.results):
        stores.append(f"  %o{number} = getelementptr i64, ptr %slots, i64 {number}")
        stores.append(f"  store {type_} %part.{number}, ptr %o{number}")
    return ENTRY.format(
        index=index,
        loads="\n".join(loads),
        stores="\n".join(stores),
        store=store,
        call=call_function(signature, f"@f{index}"),
    )


ENTRY_TYPE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
_MASKS = {"i32": 0xFFFF_FFFF, "float": 0xFFFF_FFFF}


class Program:
    """A module's functions as machine code, with a context in which they can run."""

    def __init__(self, source: str | bytes, options: Options | None = None, opt: int = 2) -> None:
        data = bytes(wat2wasm(source)) if isinstance(source, str) else source
        self.info = info = decode(data)
        self.module = ModuleContext(info, options or Options())
        self.exports = {export.name: export.index for export in info.exports}
        first = info.imported_functions
        self.indices = range(first, len(info.functions))
        store = self.module.offsets.vmctx_store()
        entries = [_entry(index, self.module.signature_of(index), store) for index in self.indices]
        self.ir = "\n".join((translate(info, options), LANDING, STACK_POINTER, *entries))
        self._engine = self._compile(opt)
        self._entries: dict[int, Callable[[int, int], int]] = {}
        self._memory: list[Any] = []
        self.offsets = VMOffsets.for_host(info)
        self.context = ctypes.create_string_buffer(self.offsets.size_of_vmctx() + 16)
        self.vmctx = ctypes.addressof(self.context) + -ctypes.addressof(self.context) % 16
        self._fill()

    def _compile(self, opt: int) -> Any:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        # In LLVM's global context: one of its own might be freed before the engine that needs it,
        # if the garbage collector takes them apart.
        parsed = llvm.parse_assembly(self.ir)
        parsed.verify()
        machine = llvm.Target.from_default_triple().create_target_machine(
            cpu=llvm.get_host_cpu_name(),
            features=llvm.get_host_cpu_features().flatten(),
            opt=opt,
        )
        if opt:
            tuning = llvm.create_pipeline_tuning_options(speed_level=opt)
            with llvm.create_pass_builder(machine, tuning) as builder:
                builder.getModulePassManager().run(parsed, builder)
        engine = llvm.create_mcjit_compiler(parsed, machine)
        engine.finalize_object()
        return engine

    def allocate(self, size: int) -> int:
        """The address of zeroed memory, aligned to 16, that lives as long as the program."""
        buffer = ctypes.create_string_buffer(size + 16)
        self._memory.append(buffer)
        return ctypes.addressof(buffer) + -ctypes.addressof(buffer) % 16

    def put(self, offset: int, value: int, size: int = 8) -> None:
        """Write a field of the VMContext."""
        ctypes.memmove(self.vmctx + offset, value.to_bytes(size, "little"), size)

    def _fill(self) -> None:
        offsets, info = self.offsets, self.info
        self.put(offsets.vmctx_trap_handler(), self._engine.get_function_address("handler"))
        self.store = VMStoreContext.from_address(self.allocate(size_of(VMStoreContext)))
        self.put(offsets.vmctx_store(), ctypes.addressof(self.store))
        ids: dict[FunctionType, int] = {}
        for index, type_ in enumerate(info.types):
            if isinstance(type_.composite, FunctionType):
                number = ids.setdefault(type_.composite, len(ids) + 7)
                self.put(offsets.vmctx_signature_id(index), number, 4)
        for index in self.indices:
            record = VMCallerCheckedAnyfunc.from_address(self.vmctx + offsets.vmctx_anyfunc(index))
            record.func_ptr = self.function_address(index)
            record.type_index = ids[info.function_type(info.functions[index])]
            record.vmctx.vmctx = self.vmctx
        self.memories = [self._memory_at(index) for index in range(len(info.memories))]
        for index, _ in enumerate(info.global_initializers):
            place = self.vmctx + offsets.vmctx_global_storage(index)
            self.put(offsets.vmctx_global(index), place)

    def _memory_at(self, index: int) -> VMMemoryDefinition:
        place = self.vmctx + self.offsets.vmctx_memory_definition(index)
        definition = VMMemoryDefinition.from_address(place)
        definition.current_length = self.info.memories[index].minimum << 16
        definition.base = self.allocate(definition.current_length)
        return definition

    def table(self, index: int, functions: list[int | None]) -> VMTableDefinition:
        """Give a local table these elements."""
        place = self.vmctx + self.offsets.vmctx_table_definition(index)
        definition = VMTableDefinition.from_address(place)
        definition.current_elements = len(functions)
        definition.base = self.allocate(8 * len(functions))
        elements = (ctypes.c_size_t * len(functions)).from_address(definition.base)
        for number, function in enumerate(functions):
            if function is not None:
                elements[number] = self.vmctx + self.offsets.vmctx_anyfunc(function)
        return definition

    def global_(self, index: int) -> VMGlobalDefinition:
        """The storage of a local global."""
        place = self.vmctx + self.offsets.vmctx_global_storage(index)
        return VMGlobalDefinition.from_address(place)

    def function_address(self, index: int) -> int:
        """The machine code of a function."""
        return int(self._engine.get_function_address(f"f{index}"))

    def stack_pointer(self) -> int:
        """Where the stack of this thread is, nearly."""
        return int(
            ctypes.CFUNCTYPE(ctypes.c_int64)(self._engine.get_function_address("stack_pointer"))()
        )

    def _enter(self, index: int) -> Callable[[int, int], int]:
        known = self._entries.get(index)
        if known is None:
            address = self._engine.get_function_address(f"enter{index}")
            known = self._entries[index] = ENTRY_TYPE(address)
        return known

    def call(self, name: str, *bits: int) -> tuple[int, ...] | TrapCode:
        """Call an export: arguments and results are the bits of values, a trap is its code."""
        index = self.exports[name]
        signature = self.module.signature_of(index)
        slots = (ctypes.c_uint64 * max(len(signature.params), len(signature.results), 1))(*bits)
        code = self._enter(index)(self.vmctx, ctypes.addressof(slots))
        if code != -1:
            return next(trap for trap in TrapCode if trap.value == code)
        pairs = zip(signature.results, slots, strict=False)
        return tuple(value & _MASKS.get(type_, (1 << 64) - 1) for type_, value in pairs)
