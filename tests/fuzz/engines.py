"""The two engines, with one interface."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

import wasmtime

import wasmine
from wasmine.api import tiering
from wasmine.api.engine import Tier
from wasmine.api.tiering import Policy
from wasmine.types import (
    I32,
    ExternType,
    FunctionType,
    GlobalType,
    ImportType,
    MemoryType,
    TableType,
    ValType,
)
from wasmine.vm.codespace import CodeSpace

from .script import Place, Script, shown, value_of
from .visible import VISIBLE, all_visible

_CODES: Final = {
    wasmtime.TrapCode.STACK_OVERFLOW: wasmine.TrapCode.STACK_OVERFLOW,
    wasmtime.TrapCode.MEMORY_OUT_OF_BOUNDS: wasmine.TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
    wasmtime.TrapCode.TABLE_OUT_OF_BOUNDS: wasmine.TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS,
    wasmtime.TrapCode.INDIRECT_CALL_TO_NULL: wasmine.TrapCode.INDIRECT_CALL_TO_NULL,
    wasmtime.TrapCode.BAD_SIGNATURE: wasmine.TrapCode.BAD_SIGNATURE,
    wasmtime.TrapCode.INTEGER_OVERFLOW: wasmine.TrapCode.INTEGER_OVERFLOW,
    wasmtime.TrapCode.INTEGER_DIVISION_BY_ZERO: wasmine.TrapCode.INTEGER_DIVISION_BY_ZERO,
    wasmtime.TrapCode.BAD_CONVERSION_TO_INTEGER: wasmine.TrapCode.BAD_CONVERSION_TO_INTEGER,
    wasmtime.TrapCode.UNREACHABLE: wasmine.TrapCode.UNREACHABLE_CODE_REACHED,
    wasmtime.TrapCode.HEAP_MISALIGNED: wasmine.TrapCode.UNALIGNED_ATOMIC,
    wasmtime.TrapCode.ATOMIC_WAIT_NON_SHARED_MEMORY: wasmine.TrapCode.EXPECTED_SHARED_MEMORY,
    wasmtime.TrapCode.ARRAY_OUT_OF_BOUNDS: wasmine.TrapCode.ARRAY_OUT_OF_BOUNDS,
    wasmtime.TrapCode.ALLOCATION_TOO_LARGE: wasmine.TrapCode.ALLOCATION_TOO_LARGE,
    wasmtime.TrapCode.CAST_FAILURE: wasmine.TrapCode.CAST_FAILURE,
    # It has one code for what the specification calls by many names.
    wasmtime.TrapCode.NULL_REFERENCE: wasmine.TrapCode.NULL_REFERENCE,
}
_OUT_OF_BOUNDS: Final = wasmine.TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
_NULLS: Final = frozenset(code for code in wasmine.TrapCode if code.name.startswith("NULL_"))
_THROWN: Final = "exception"
"""What stands for the reason where an exception was not caught."""
_SIGNS: Final = {
    "thrown Wasm exception": _THROWN,
    "GC heap out of memory": wasmine.TrapCode.OUT_OF_MEMORY.message,
}
"""What wasmtime's messages say of errors that have no code."""

Host = Callable[[str, FunctionType], Callable[..., Any]]


@functools.cache
def _directory() -> TemporaryDirectory[str]:
    """Of a cache of compiled code, which goes when the process ends."""
    return TemporaryDirectory(prefix="wasmine-fuzz-")


def _digest(data: bytes | bytearray) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def _plain(value: Any) -> Any:
    """The value that wasmtime hands out in a wrapper when it is null."""
    return value.value if isinstance(value, wasmtime.Val) else value


def initial(type_: ValType, name: str) -> Any:
    """The value of an imported global."""
    return value_of(type_, Random(name))


class Wasmine:
    """A module in wasmine, compiled with the options that a seed picks."""

    def __init__(self, wasm: bytes, seed: int, tier: Tier) -> None:
        self.tier: Final = tier
        self._takeovers: Final[list[int]] = []
        variant = seed // 2  # whether a seed is even already says where its module comes from
        self._inlines = variant % 8 == 0 and tier != "baseline"
        begun = variant % 4 == 1 and tier != "optimized"
        engine = wasmine.Engine(
            opt_level="O2" if variant % 8 == 0 else "light",
            memory="dynamic" if variant % 5 == 0 else "static",
            tier=tier,
            cache=_directory().name if begun else False,
        )
        # Better code comes at calls and loops that the seed picks.
        tiering.policy = Policy(first=variant % 4, releases=0.0, at_once=Random(seed))
        self.module = wasmine.Module(wasm, engine=engine)
        if variant % 16 == 3 and tier == "optimized":
            self.module = wasmine.Module.deserialize(self.module.serialize(), engine=engine)
        if begun and self.module.info.bodies:
            self._begin(Random(seed))
            self.module = wasmine.Module(wasm, engine=engine)
            assert self._code().compiled_functions()
        self._space = self._counting() if tier == "auto" else None
        self._instance: wasmine.Instance | None = None

    def _code(self) -> CodeSpace:
        memory, info = self.module.engine.memory, self.module.info
        code = self.module.artifact([memory] * info.imported_memories, memory).code
        assert isinstance(code, CodeSpace)
        return code

    def _begin(self, random: Random) -> None:
        """Put code of some functions into the cache, where the next Module finds it."""
        space = self._code()
        functions = range(len(self.module.info.bodies))
        for local in random.sample(functions, random.randint(1, len(functions))):
            space.ensure(local)
        del space, self.module  # which stores it

    def _counting(self) -> CodeSpace:
        """The code of the module, which takes note of loops that go on in better code."""
        space = self._code()
        on_count, takeovers = space.on_count, self._takeovers

        def counting(local: int, loop: int) -> int:
            address = on_count(local, loop)
            if address:
                takeovers.append(address)
            return address

        space.on_count = counting
        return space

    def taken_over(self) -> int:
        """How often a loop went on in better code."""
        return len(self._takeovers)

    def replaced(self) -> int:
        """How many functions have got better code."""
        space = self._space
        if space is None:
            return 0
        return sum(
            not space.base <= space.entry(local) < space.end
            for local in range(len(self.module.info.bodies))
        )

    def functions(self) -> dict[str, FunctionType]:
        """The types of the exported functions."""
        return {
            export.name: export.type
            for export in self.module.exports
            if isinstance(export.type, FunctionType) and all_visible(export.type)
        }

    def instantiate(self, host: Host) -> None:
        """See Guest."""
        store = wasmine.Store(self.module.engine)
        imports: dict[str, dict[str, Any]] = {}
        for import_ in self.module.imports:
            value = self._import(store, import_, host)
            imports.setdefault(import_.module, {})[import_.name] = value
        self._instance = wasmine.Instance(self.module, imports, store=store)

    @staticmethod
    def _import(store: wasmine.Store, import_: ImportType, host: Host) -> Any:
        match import_.type:
            case FunctionType() as type_:
                return host(import_.name, type_)
            case GlobalType(value=value) as global_type:
                return wasmine.Global(global_type, initial(value, import_.name), store=store)
            case MemoryType() as memory_type:
                return wasmine.Memory(memory_type, store=store)
            case TableType() as table_type:
                return wasmine.Table(table_type, store=store)
            case _:
                raise AssertionError(import_)

    def call(self, name: str, arguments: list[Any]) -> Any:
        """See Guest."""
        assert self._instance is not None
        return self._instance.exports[name](*arguments)

    def state(self) -> Iterator[tuple[str, object]]:
        """See Guest."""
        assert self._instance is not None
        for name, extern in self._instance.exports.items():
            match extern:
                case wasmine.Memory() if not extern.type.shared:
                    yield name, (extern.size, _digest(extern.read(0, extern.data_size)))
                case wasmine.Table() if extern.type.element in VISIBLE:
                    yield name, [shown(extern.type.element, element) for element in extern]
                case wasmine.Global() if extern.type.value in VISIBLE:
                    yield name, shown(extern.type.value, extern.value)
                case _:
                    continue

    def reason(self, error: Exception) -> str | None:
        """See Guest."""
        if isinstance(error, wasmine.WasmException):
            return _THROWN
        if not isinstance(error, wasmine.Trap):
            return None
        return (wasmine.TrapCode.NULL_REFERENCE if error.code in _NULLS else error.code).message

    def frames(self, error: Exception) -> list[Place] | None:
        """See Guest. Functions that have been inlined are missing."""
        if not isinstance(error, wasmine.Trap) or self._inlines:
            return None
        places = [(frame.function_index, frame.module_offset) for frame in error.trace]
        if error.code is _OUT_OF_BOUNDS and self.tier != "baseline" and places:
            # LLVM folds accesses into instructions that have other places, or none.
            places[0] = places[0][0], None
        return places


@functools.cache
def wasmtime_engine() -> wasmtime.Engine:
    """wasmtime with WebAssembly 3.0, threads, and nothing else."""
    config = wasmtime.Config()
    config.wasm_threads = True
    config.shared_memory = True
    config.wasm_tail_call = True
    config.wasm_multi_memory = True
    config.wasm_memory64 = True
    config.wasm_relaxed_simd = True
    config.wasm_relaxed_simd_deterministic = True
    config.wasm_exceptions = True
    config.wasm_function_references = True
    config.wasm_gc = True
    config.wasm_wide_arithmetic = False
    config.wasm_custom_page_sizes = False
    config.parallel_compilation = False
    # Room for what the fuel of a module allows, as far as possible.
    config.max_wasm_stack = 1 << 20
    return wasmtime.Engine(config)


class Wasmtime:
    """A module in wasmtime. The types are wasmine's, by import and export."""

    def __init__(self, wasm: bytes, types: wasmine.Module) -> None:
        self._module = wasmtime.Module(wasmtime_engine(), wasm)
        self._types = types
        self._store = wasmtime.Store(wasmtime_engine())
        self._exports: dict[str, Any] = {}

    def instantiate(self, host: Host) -> None:
        """See Guest."""
        store = self._store = wasmtime.Store(wasmtime_engine())
        made: dict[tuple[str, str], Any] = {}
        imports = []
        for import_, ours in zip(self._module.imports, self._types.imports, strict=True):
            key = ours.module, ours.name
            if key not in made:
                made[key] = self._import(import_.type, ours, host)
            imports.append(made[key])
        self._exports = dict(wasmtime.Instance(store, self._module, imports).exports(store))

    def _import(self, type_: object, ours: ImportType, host: Host) -> Any:
        match type_, ours.type:
            case wasmtime.FuncType(), FunctionType() as function:
                return wasmtime.Func(self._store, type_, host(ours.name, function))
            case wasmtime.GlobalType(), GlobalType(value=value):
                return wasmtime.Global(self._store, type_, initial(value, ours.name))
            case wasmtime.MemoryType(), _:
                return wasmtime.Memory(self._store, type_)
            case wasmtime.TableType(), _:
                return wasmtime.Table(self._store, type_, None)
            case _:
                raise AssertionError(ours)

    def call(self, name: str, arguments: list[Any]) -> Any:
        """See Guest."""
        return self._exports[name](self._store, *arguments)

    def state(self) -> Iterator[tuple[str, object]]:
        """See Guest."""
        store = self._store
        for export in self._types.exports:
            extern = self._exports[export.name]
            match export.type:
                case MemoryType(shared=False):
                    yield export.name, (extern.size(store), _digest(extern.read(store)))
                case TableType(element=element) if element in VISIBLE:
                    size = range(extern.size(store))
                    yield export.name, [shown(element, _plain(extern.get(store, i))) for i in size]
                case GlobalType(value=value) if value in VISIBLE:
                    yield export.name, shown(value, _plain(extern.value(store)))
                case _:
                    continue

    def reason(self, error: Exception) -> str | None:
        """See Guest."""
        if isinstance(error, wasmtime.Trap) and error.trap_code is not None:
            return _CODES[error.trap_code].message
        # These have no code, and are no traps where they end an instantiation.
        for sign, reason in _SIGNS.items():
            if sign in str(error):
                return reason
        return None

    def frames(self, error: Exception) -> list[Place] | None:
        """See Guest."""
        if not isinstance(error, wasmtime.Trap):
            return None
        # For the instruction that traps it gives a neighbour's offset now and then.
        return [
            (frame.func_index, frame.module_offset if number else None)
            for number, frame in enumerate(error.frames)
        ]


def _possible(type_: ExternType) -> bool:
    """Whether both packages can make something of this type."""
    match type_:
        case FunctionType():
            return all_visible(type_)
        case GlobalType(value=value):
            return value in VISIBLE
        case TableType(element=element, address=address):
            return element in VISIBLE and address is I32
        case MemoryType(shared=shared):
            return not shared
        case _:
            return False


def observe(
    wasm: bytes, seed: int, tiers: Sequence[Tier]
) -> Iterator[tuple[str, list[str], Wasmine | None]]:
    """What wasmtime, and wasmine in each of the tiers, do with a valid module."""
    events: list[str] | None = None
    for tier in tiers:
        guest = Wasmine(wasm, seed, tier)
        script = Script(seed, guest.functions())
        if events is None:
            events = _in_wasmtime(wasm, guest.module, script)
            if events is None:
                return
            yield "wasmtime", events, None
        yield tier, script.run(guest), guest


def _in_wasmtime(wasm: bytes, module: wasmine.Module, script: Script) -> list[str] | None:
    """What wasmtime does with a module; None if that cannot be compared."""
    types: dict[tuple[str, str], object] = {}
    for import_ in module.imports:
        # Imports are given by name here, so that one name cannot be two things.
        if (
            not _possible(import_.type)
            or types.setdefault((import_.module, import_.name), import_.type) != import_.type
        ):
            return None
    try:
        return script.run(Wasmtime(wasm, module))
    except wasmtime.WasmtimeError as error:
        # Its package makes no functions of types that are not final.
        if "incompatible import type" in str(error):
            return None
        raise
