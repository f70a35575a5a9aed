"""Module: WebAssembly code, checked and compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Self

from wasmine.api import archive
from wasmine.api.engine import Engine, Tier
from wasmine.api.source import Source, read_source
from wasmine.api.thunks import THUNKS, ensure_runtime
from wasmine.errors import CompileError, DeserializeError
from wasmine.public import public
from wasmine.types import DefinedType, ExportType, ExternType, FunctionType, ImportType, TagType
from wasmine.vm.artifact import Artifact
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.module import Kind, ModuleInfo
from wasmine.wasm.validator import validate, validate_module

if TYPE_CHECKING:
    from wasmine.abi.image import Image
    from wasmine.compiler.module import MemoryStyle

VALIDATED_AT_ONCE: Final = 128 * 1024
"""Bytes of code up to which all bodies are checked when a module is made, even if each is compiled when
it is first called. Bodies of larger modules are checked then, which the specification allows."""


@public
class Module:
    """A module: validated, compiled, and ready to be instantiated any number of times.

    `source` is the binary format as bytes, the text format as string or bytes, or the path of a file
    with either: a string that begins with a parenthesis is text, any other a path. Raises
    MalformedModule (MalformedText for text), InvalidModule or UnsupportedFeature with the place in the
    module, and OSError for a path that cannot be read. With an engine that compiles functions when they
    are first called, errors in a body of a large module come out of the call. Threads may share a module.
    """

    def __init__(self, source: Source, *, engine: Engine | None = None) -> None:
        engine = _engine_for(engine)
        info = decode(read_source(source), engine.features)
        validate_module(info)
        self._prepare(info, engine)
        if not engine.is_lazy:
            self._own_image()
        elif info.code_size <= VALIDATED_AT_ONCE:
            engine.validate_bodies(info)

    def _prepare(self, info: ModuleInfo, engine: Engine) -> None:
        self._info = info
        self._engine = engine
        self._artifacts: dict[tuple[MemoryStyle, ...], Artifact] = {}
        self._thunks_ready = False

    @staticmethod
    def validate(source: Source, *, features: Features = DEFAULT) -> bool:
        """Whether the source is a valid module that uses these features at most.

        Raises TypeError or OSError if there is none.
        """
        try:
            validate(read_source(source), features)
        except CompileError:
            return False
        return True

    def _styles(self, imported: Sequence[MemoryStyle], own: MemoryStyle) -> tuple[MemoryStyle, ...]:
        own_count = len(self.info.memories) - self.info.imported_memories
        return (*imported, *[own] * own_count)

    def _compile(self, styles: tuple[MemoryStyle, ...]) -> Image:
        return self.engine.compile(self.info, styles)

    def _own_image(self) -> Image:
        """The code for memories as this engine makes them."""
        memory = self.engine.memory
        imported = [memory] * self.info.imported_memories
        image = None if self.engine.is_lazy else self.artifact(imported, memory).image
        return image or self._compile(self._styles(imported, memory))

    def artifact(self, imported: Sequence[MemoryStyle], own: MemoryStyle) -> Artifact:
        """The module's code for memories of these styles, compiled when it is first asked for."""
        styles = self._styles(imported, own)
        artifact = self._artifacts.get(styles)
        if artifact is None:
            ensure_runtime()
            # Of threads that get here together one makes what all use.
            artifact = self._artifacts.setdefault(styles, self._make_artifact(styles))
        return artifact

    def _make_artifact(self, styles: tuple[MemoryStyle, ...]) -> Artifact:
        if not self.engine.is_lazy:
            return Artifact.compiled(self.info, self._compile(styles))
        return Artifact.lazy(self.info, self.engine.function_compiler(self.info, styles))

    def prepare_thunks(self) -> None:
        """Compile, in one go, the thunks that the module's imports and exports need."""
        if not self._thunks_ready:
            exports = (export.type for export in self.exports)
            imports = (import_.type for import_ in self.imports)
            THUNKS.prepare(
                entry=[type_ for type_ in exports if isinstance(type_, FunctionType)],
                host=[type_ for type_ in imports if isinstance(type_, FunctionType)],
            )
            self._thunks_ready = True

    def _extern_type(self, kind: Kind, index: int) -> ExternType:
        info = self.info
        match kind:
            case "func":
                return info.function_type(info.functions[index])
            case "table":
                return info.tables[index]
            case "memory":
                return info.memories[index]
            case "global":
                return info.globals[index]
            case "tag":
                type_index = info.tags[index]
                return TagType(info.function_type(type_index), info.types[type_index])

    @property
    def info(self) -> ModuleInfo:
        """What the decoder found in the module."""
        return self._info

    @property
    def engine(self) -> Engine:
        """What compiled it."""
        return self._engine

    @property
    def name(self) -> str | None:
        """The module's name in its name section."""
        return self.info.names.module

    @property
    def types(self) -> list[DefinedType]:
        """The types that the module defines, in order."""
        return list(self.info.types)

    @property
    def imports(self) -> list[ImportType]:
        """What the module asks for, in order."""
        counts: dict[Kind, int] = {}
        found = []
        for import_ in self.info.imports:
            index = counts.get(import_.kind, 0)
            counts[import_.kind] = index + 1
            found.append(
                ImportType(import_.module, import_.name, self._extern_type(import_.kind, index))
            )
        return found

    @property
    def exports(self) -> list[ExportType]:
        """What the module provides, in order."""
        return [
            ExportType(export.name, self._extern_type(export.kind, export.index))
            for export in self.info.exports
        ]

    def custom_sections(self, name: str) -> list[bytes]:
        """The contents of all custom sections with this name, in order."""
        return [
            self.info.data[section.start : section.end]
            for section in self.info.custom_sections
            if section.name == name
        ]

    def ir(self, function: int) -> str:
        """The LLVM IR of one function, by its index with imports, before optimisation.

        Raises IndexError if the module defines no such function.
        """
        return self.engine.function_ir(self.info, function)

    def asm(self, function: int) -> str:
        """The machine code of one function as assembly. Raises IndexError as `ir` does."""
        return self.engine.function_assembly(self.info, function)

    def serialize(self) -> bytes:
        """The compiled module as bytes for `deserialize`, for this version and this kind of CPU."""
        return archive.pack(self.info.data, self._own_image(), self.engine)

    @classmethod
    def deserialize(cls, data: bytes, *, engine: Engine | None = None) -> Self:
        """A module from what `serialize` gave; nothing is compiled.

        Raises DeserializeError for anything else, for another version or CPU, or for an engine
        with other options.
        """
        engine = _engine_for(engine)
        wasm, image = archive.unpack(bytes(memoryview(data)), engine)
        try:
            info = decode(wasm, engine.features)
        except CompileError as error:
            raise DeserializeError(f"the compiled module contains no module: {error}") from None
        self = cls.__new__(cls)
        self._prepare(info, engine)
        ensure_runtime()
        memory = engine.memory
        styles = self._styles([memory] * self.info.imported_memories, memory)
        self._artifacts[styles] = Artifact.compiled(self.info, image)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        engine = self.engine
        options = (engine.opt_level, engine.memory, engine.features, engine.tier)
        return (_from_bytes, (self.info.data, *options))

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<wasmine.Module{name} of {len(self.info.data)} bytes>"


def _engine_for(engine: object) -> Engine:
    if engine is None:
        return Engine()
    if not isinstance(engine, Engine):
        raise TypeError(f"a module's engine is an Engine, not {engine!r}")
    return engine


def _from_bytes(
    data: bytes, opt_level: str, memory: MemoryStyle, features: Features, tier: Tier
) -> Module:
    engine = Engine(opt_level=opt_level, memory=memory, features=features, tier=tier)
    return Module(data, engine=engine)
