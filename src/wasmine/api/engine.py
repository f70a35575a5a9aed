"""How code is compiled: the options, the thunks every module shares, a module's road to an Image."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Final

from wasmine.abi.image import Image
from wasmine.api import hooks
from wasmine.compiler import linker, target
from wasmine.compiler.module import MemoryStyle, Options
from wasmine.compiler.native.boundary import entry_name, import_name, raw_name
from wasmine.compiler.native.unit import runtime_ir, thunks_ir
from wasmine.compiler.unit import translate_unit
from wasmine.types import FunctionType
from wasmine.vm import process
from wasmine.vm.code import Code
from wasmine.vm.signatures import SignatureRegistry
from wasmine.wasm.body import Body, decode_body
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.validator import validate_body

FUNCTIONS_PER_UNIT: Final = 1000
"""LLVM's memory is given back after each unit; units of this size lose no speed."""


class Engine:
    """How modules are compiled. Stores and modules of one engine fit together.

    `opt_level` is what LLVM is asked to do: `"none"` (code generation only), `"light"` (the default), `"O1"`,
    `"O2"` or `"O3"`. `memory` is `"static"` (4 GiB of address space for each
    memory, no bounds checks; the default) or `"dynamic"` (as little as possible, with checks).
    Raises ValueError for other values.
    """

    def __init__(self, *, opt_level: str = "light", memory: MemoryStyle = "static") -> None:
        if opt_level not in target.OPT_LEVELS:
            raise ValueError(f"opt_level is one of {', '.join(target.OPT_LEVELS)}, not {opt_level!r}")
        if memory not in ("static", "dynamic"):
            raise ValueError(f"memory is 'static' or 'dynamic', not {memory!r}")
        self.opt_level: Final = opt_level
        self.memory: Final[MemoryStyle] = memory
        self.signatures: Final = SignatureRegistry()

    def __repr__(self) -> str:
        return f"Engine(opt_level={self.opt_level!r}, memory={self.memory!r})"

    @property
    def machine(self) -> target.Machine:
        """The processor that code is generated for."""
        return target.host_machine()

    def compile(self, info: ModuleInfo, options: Options) -> Image:
        """Validate, translate, optimise and link all functions of a module.

        Raises MalformedModule or InvalidModule for a body that breaks the rules, and
        UnsupportedFeature for one that needs what is not implemented.
        """
        first, end = info.imported_functions, len(info.functions)
        objects = []
        for start in range(first, max(end, first + 1), FUNCTIONS_PER_UNIT):
            indices = range(start, min(start + FUNCTIONS_PER_UNIT, end))
            ir = self._translate(info, indices, options)
            objects.append(target.emit_object(ir, self.machine, self.opt_level))
        return linker.link(objects)

    @staticmethod
    def _translate(info: ModuleInfo, indices: range, options: Options) -> str:
        bodies = (checked_body(info, index - info.imported_functions) for index in indices)
        return translate_unit(info, indices, options, bodies)

    def function_ir(self, info: ModuleInfo, index: int) -> str:
        """LLVM IR of one function, by its index with imports. Raises IndexError."""
        if not info.imported_functions <= index < len(info.functions):
            raise IndexError(f"the module defines no function {index}")
        options = Options(memory_styles=(self.memory,) * len(info.memories))
        return self._translate(info, range(index, index + 1), options)

    def function_assembly(self, info: ModuleInfo, index: int) -> str:
        """Assembly of one function, by its index with imports. Raises IndexError."""
        return target.emit_assembly(self.function_ir(info, index), self.machine, self.opt_level)


def checked_body(info: ModuleInfo, local_index: int) -> Body:
    """A function's body, decoded and validated."""
    body = decode_body(info, local_index)
    validate_body(info, local_index, body)
    return body


class Thunks:
    """The compiled boundary: one thunk for each function type and direction, for the whole process.

    Thunks depend on nothing but the type, so that they are never freed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._codes: list[Code] = []
        self._addresses: dict[str, int] = {}

    def entry(self, type_: FunctionType) -> int:
        """The address of the vectorcall function for functions of this type."""
        return self._address(entry_name(type_), type_)

    def raw(self, type_: FunctionType) -> int:
        """The same for calls with values as bits."""
        return self._address(raw_name(type_), type_)

    def host(self, type_: FunctionType) -> int:
        """The address of the function that stands for a Python callable of this type."""
        return self._address(import_name(type_), type_)

    def _address(self, name: str, type_: FunctionType) -> int:
        if name not in self._addresses:
            kinds: dict[str, list[FunctionType]] = {"entry": [], "raw": [], "import": []}
            kinds[name.partition("_")[0]].append(type_)
            self.prepare(kinds["entry"], kinds["raw"], kinds["import"])
        return self._addresses[name]

    def prepare(
        self,
        entries: Iterable[FunctionType],
        raws: Iterable[FunctionType],
        imports: Iterable[FunctionType],
    ) -> None:
        """Compile what is missing of these thunks, all together."""
        with self._lock:
            missing_entries = self._missing(entries, entry_name)
            missing_raws = self._missing(raws, raw_name)
            missing_imports = self._missing(imports, import_name)
            if not (missing_entries or missing_raws or missing_imports):
                return
            machine = target.host_machine()
            ir = thunks_ir(missing_entries, missing_raws, missing_imports, machine.architecture)
            image = linker.link([target.emit_object(ir, machine, "none")])
            code = Code(image, process.current().resolve)
            self._codes.append(code)
            self._addresses.update(
                (extent.name, code.base + extent.start) for extent in image.functions
            )

    def _missing(
        self, types: Iterable[FunctionType], name: Callable[[FunctionType], str]
    ) -> list[FunctionType]:
        return [type_ for type_ in dict.fromkeys(types) if name(type_) not in self._addresses]


THUNKS: Final = Thunks()


def _runtime_image() -> Image:
    machine = target.host_machine()
    return linker.link([target.emit_object(runtime_ir(machine.architecture), machine, "O1")])


def ensure_runtime() -> process.Process:
    """The native runtime of this process, installed if it is not yet."""
    return process.install(_runtime_image, hooks.HOOKS)


