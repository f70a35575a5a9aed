"""A compiled module in executable memory: what all its instances have in common."""

from __future__ import annotations

import ctypes
import weakref
from functools import cached_property
from struct import pack_into
from typing import Final

from wasmine.abi.image import Image
from wasmine.abi.runtime import VMINSTANCE_SIZE
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.vm.code import Code
from wasmine.vm.process import current
from wasmine.vm.signatures import SignatureRegistry
from wasmine.wasm.module import ModuleInfo

DEFAULT_STACK_LIMIT: Final = 100 * 1024
"""The reference's counted stack limit, in 8-byte slots."""


class Artifact:
    """The code of a module and what instantiating needs to know of it."""

    def __init__(self, info: ModuleInfo, image: Image) -> None:
        self.info: Final = info
        self.offsets: Final = VMOffsets.for_host(info)
        process = current()
        self.code: Final = Code(image, process.resolve)
        self._registration = process.add_code(self.code, info)
        self._templates: Final[weakref.WeakKeyDictionary[SignatureRegistry, bytes]] = (
            weakref.WeakKeyDictionary()
        )

    @cached_property
    def function_addresses(self) -> list[int]:
        """The addresses of the module's own functions, in order."""
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
        for local, body in enumerate(self.function_addresses):
            index = info.imported_functions + local
            put("QQ", "anyfuncs", index, body, numbers[info.functions[index]])
        # Passive segments; to the builtins all others look as if they had been dropped.
        for index, data in enumerate(info.data_segments):
            if data.mode == "passive":
                length = data.end - data.start
                put("QQ", "data_segments", index, self.data_address + data.start, length)
        return bytes(content)
