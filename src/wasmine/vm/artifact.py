"""A compiled module in executable memory: what all its instances have in common."""

from __future__ import annotations

import ctypes
from functools import cached_property
from typing import Final

from wasmine.abi.image import Image
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.vm.code import Code
from wasmine.vm.process import current
from wasmine.wasm.module import ModuleInfo


class Artifact:
    """The code of a module and what instantiating needs to know of it."""

    def __init__(self, info: ModuleInfo, image: Image) -> None:
        self.info: Final = info
        self.offsets: Final = VMOffsets.for_host(info)
        process = current()
        self.code: Final = Code(image, process.resolve)
        self._registration = process.add_code(self.code, info)

    @cached_property
    def function_addresses(self) -> list[int]:
        """The addresses of the module's own functions, in order."""
        first = self.info.imported_functions
        return [self.code.address(f"f{first + i}") for i in range(len(self.info.bodies))]

    @cached_property
    def data_address(self) -> int:
        """Where the bytes of the module are in memory; `info` keeps them there."""
        return ctypes.cast(ctypes.c_char_p(self.info.data), ctypes.c_void_p).value or 0
