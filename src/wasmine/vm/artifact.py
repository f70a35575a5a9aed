"""A compiled module in executable memory: what all its instances have in common."""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Sequence
from functools import cached_property
from struct import pack_into
from typing import Final, Self

from wasmine.abi.image import Image
from wasmine.abi.runtime import VMINSTANCE_SIZE
from wasmine.abi.vmcontext import VMCallerCheckedAnyfunc, offset_of
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.vm.code import Code
from wasmine.vm.codespace import CodeSpace, FunctionCompiler
from wasmine.vm.process import current
from wasmine.vm.signatures import SignatureRegistry
from wasmine.wasm.module import ModuleInfo

DEFAULT_STACK_LIMIT: Final = 100 * 1024
"""The reference's counted stack limit, in 8-byte slots."""


class Artifact:
    """The code of a module and what instantiating needs to know of it."""

    def __init__(self, info: ModuleInfo, code: Code | CodeSpace) -> None:
        """`code` has all functions of the module; see `compiled` and `lazy`."""
        self.info: Final = info
        self.offsets: Final = VMOffsets.for_host(info)
        self.code: Final = code
        self._registration: object = None
        self._templates: Final[weakref.WeakKeyDictionary[SignatureRegistry, bytes]] = (
            weakref.WeakKeyDictionary()
        )

    @classmethod
    def compiled(cls, info: ModuleInfo, code: Code) -> Self:
        """The artifact of code of the whole module."""
        self = cls(info, code)
        self._registration = current().add_code(code, info)
        return self

    @classmethod
    def lazy(cls, info: ModuleInfo, compiler: FunctionCompiler, *, counter_start: int = 0) -> Self:
        """The artifact of a module whose functions are compiled when they are first called."""
        field = VMOffsets.for_host(info).vmctx_compile_on_call()
        process = current()
        space = CodeSpace(info, process, compiler, field, counter_start)
        self = cls(info, space)
        self._registration = process.add_code(space, info)
        return self

    @property
    def image(self) -> Image | None:
        """All code of the module, None if its functions are compiled when they are first called."""
        return self.code.image if isinstance(self.code, Code) else None

    @property
    def function_addresses(self) -> Sequence[int]:
        """The addresses of the module's own functions, in order, as references to them hold them."""
        if isinstance(self.code, CodeSpace):
            return self.code.stubs()
        first = self.info.imported_functions
        return [self.code.address(f"f{first + i}") for i in range(len(self.info.bodies))]

    @cached_property
    def data_address(self) -> int:
        """Where the bytes of the module are in memory; `info` keeps them there."""
        return ctypes.cast(ctypes.c_char_p(self.info.data), ctypes.c_void_p).value or 0

    def template(self, signatures: SignatureRegistry) -> bytes:
        """A VMInstance and VMContext with everything in it that is the same for all instances.

        `signatures` numbers the module's types. What depends on the instance is zero.
        """
        template = self._templates.get(signatures)
        if template is None:
            template = self._templates[signatures] = self._make_template(signatures)
        return template

    def _make_template(self, signatures: SignatureRegistry) -> bytes:
        info, process = self.info, current()
        content = bytearray(VMINSTANCE_SIZE + self.offsets.size_of_vmctx())
        numbers = [signatures.register(type_) for type_ in info.types]

        def put(layout: str, region: str, index: int, *values: int) -> None:
            place = VMINSTANCE_SIZE + self.offsets.element(region, index)
            pack_into(layout, content, place, *values)

        for index, number in enumerate(numbers):
            put("I", "signature_ids", index, number)
        for index, address in enumerate(process.builtins):
            put("Q", "builtins", index, address)
        put("Q", "trap_handler", 0, process.trap_handler)
        put("i", "stack_limit", 0, DEFAULT_STACK_LIMIT)
        put("i", "initial_stack_limit", 0, DEFAULT_STACK_LIMIT)
        put("Q", "compile_on_call", 0, process.compile_on_call)
        if isinstance(self.code, CodeSpace):
            put("Q", "entries", 0, self.code.entries)
        self._put_functions(content, numbers)
        # Passive segments; to the builtins all others look as if they had been dropped.
        for index, data in info.data_segments.others.items():
            if data.mode == "passive":
                length = data.end - data.start
                put("QQ", "data_segments", index, self.data_address + data.start, length)
        return bytes(content)

    def _put_functions(self, content: bytearray, numbers: Sequence[int]) -> None:
        """Fill in the records of the module's own functions; there may be a hundred thousand."""
        info, offsets = self.info, self.offsets
        if not info.bodies:
            return
        words = memoryview(content)[: len(content) & -8].cast("Q")
        stride = offsets.stride("anyfuncs") >> 3
        first = VMINSTANCE_SIZE + offsets.element("anyfuncs", info.imported_functions) >> 3
        body = first + (offset_of(VMCallerCheckedAnyfunc, "func_ptr") >> 3)
        number = first + (offset_of(VMCallerCheckedAnyfunc, "type_index") >> 3)
        end = first + len(info.bodies) * stride
        words[body:end:stride] = array("Q", self.function_addresses)
        own = info.functions[info.imported_functions :]
        words[number:end:stride] = array("Q", map(numbers.__getitem__, own))
