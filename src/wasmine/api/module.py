"""Module: WebAssembly code, checked and compiled."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Self

from wasmine.abi.image import Image
from wasmine.api import archive, tiering
from wasmine.api.engine import Engine, EngineOptions, Progress
from wasmine.api.importing import import_apart
from wasmine.api.loading import decode_module
from wasmine.api.savedcode import SavedArtifact, SavedCode
from wasmine.api.source import Source, read_source
from wasmine.api.thunks import THUNKS, ensure_runtime
from wasmine.errors import CompileError, DeserializeError
from wasmine.public import public
from wasmine.types import DefinedType, ExportType, ExternType, ImportType, TagType
from wasmine.vm.artifact import Artifact
from wasmine.vm.code import Code, map_view
from wasmine.vm.codespace import CodeSpace
from wasmine.wasm.decoder import decode
from wasmine.wasm.features import DEFAULT, Features
from wasmine.wasm.module import Kind, ModuleInfo

if TYPE_CHECKING:
    from wasmine.compiler.module import MemoryStyle
    from wasmine.vm.codespace import FunctionCompiler

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
        info = decode_module(read_source(source), engine)
        self._prepare(info, engine)
        styles = self._own_styles()
        if not engine.is_lazy:
            self._artifact(styles)
        else:
            compiler = self._compilers[styles] = engine.function_compiler(info, styles)
            if not (isinstance(compiler, SavedCode) and compiler.found):
                engine.validate(info, bodies=info.code_size <= VALIDATED_AT_ONCE)

    def _prepare(self, info: ModuleInfo, engine: Engine) -> None:
        self._info = info
        self._engine = engine
        self._artifacts: dict[tuple[MemoryStyle, ...], Artifact] = {}
        self._compilers: dict[tuple[MemoryStyle, ...], FunctionCompiler] = {}
        """Those that no artifact uses yet."""
        self._thunks_ready = False

    @staticmethod
    def validate(source: Source, *, features: Features = DEFAULT) -> bool:
        """Whether the source is a valid module that uses these features at most.

        Raises TypeError or OSError if there is none.
        """
        import_apart("wasmine.wasm.validator")
        from wasmine.wasm.validator import validate  # a module from the cache does without

        try:
            validate(read_source(source), features)
        except CompileError:
            return False
        return True

    def _own_styles(self) -> tuple[MemoryStyle, ...]:
        """Of memories that are all as this engine makes them."""
        return (self.engine.memory,) * len(self.info.memories)

    def artifact(self, imported: Sequence[MemoryStyle], own: MemoryStyle) -> Artifact:
        """The module's code for memories of these styles, compiled when it is first asked for."""
        own_count = len(self.info.memories) - self.info.imported_memories
        return self._artifact((*imported, *[own] * own_count))

    def _artifact(self, styles: tuple[MemoryStyle, ...]) -> Artifact:
        artifact = self._artifacts.get(styles)
        if artifact is None:
            ensure_runtime()
            # Of threads that get here together one makes what all use.
            artifact = self._artifacts.setdefault(styles, self._make_artifact(styles))
        return artifact

    def _make_artifact(self, styles: tuple[MemoryStyle, ...]) -> Artifact:
        if not self.engine.is_lazy:
            return Artifact.compiled(self.info, self._load(styles))
        compiler = self._compilers.pop(styles, None) or self.engine.function_compiler(
            self.info, styles
        )
        auto = self.engine.tier == "auto"
        counter_start = tiering.policy.first if auto else 0
        if isinstance(compiler, SavedCode):
            artifact: Artifact = SavedArtifact.of(self.info, compiler, counter_start)
        else:
            artifact = Artifact.lazy(self.info, compiler, counter_start=counter_start)
        if auto and isinstance(artifact.code, CodeSpace):
            tiering.attach(self.info, styles, self.engine, artifact.code)
        return artifact

    def _load(self, styles: tuple[MemoryStyle, ...], progress: Progress | None = None) -> Code:
        """Code of the whole module, from the cache or compiled."""
        return self.engine.load(self.info, styles, ensure_runtime().resolve, progress)

    def prepare_thunks(self) -> None:
        """Load, in one go, the thunks that the module's imports and exports need.

        They are compiled if the module is.
        """
        if not self._thunks_ready:
            info = self.info
            functions = info.functions
            exports = {functions[each.index] for each in info.exports if each.kind == "func"}
            imports = set(functions[: info.imported_functions])
            THUNKS.prepare(
                compiles=not self.engine.is_lazy,
                entry=[info.function_type(index) for index in sorted(exports)],
                host=[info.function_type(index) for index in sorted(imports)],
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

    def serialize(self, *, progress: Progress | None = None) -> bytes:
        """The compiled module as bytes for `deserialize`, for this version and this kind of CPU.

        An engine that compiles functions when they are first called compiles and optimises all of them
        for this. With `progress` other processes help; it is told how many bytes of code are compiled,
        and of how many.
        """
        styles = self._own_styles()
        artifact = self._artifacts.get(styles)
        image = None if artifact is None else artifact.image
        if image is None:
            image = self._load(styles, progress).image
        return archive.pack(self.info.data, image, self.engine)

    @classmethod
    def deserialize(cls, data: bytes, *, engine: Engine | None = None) -> Self:
        """A module from what `serialize` gave; nothing is compiled, and the machine code is trusted.

        Without an engine it gets one with the options that the module was compiled with. Raises
        DeserializeError for anything else, for another version or CPU, or for an engine with other
        options.
        """
        found = archive.unpack(memoryview(bytes(memoryview(data))))

        def load(resolve: Callable[[str], int]) -> Code:
            return Code(Image.from_bytes(found.image, verify=False), resolve)

        return cls._from_archive(found, engine, load)

    @classmethod
    def deserialize_file(
        cls, path: str | os.PathLike[str], *, engine: Engine | None = None
    ) -> Self:
        """As `deserialize`, from a file, whose code is mapped and not copied.

        So the file may be replaced, but not be written again, while the module is in use. Raises
        OSError too.
        """
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            found = archive.unpack(map_view(file.fileno(), 0, size) if size else memoryview(b""))

            def load(resolve: Callable[[str], int]) -> Code:
                return Code.map_file(file.fileno(), found.image_offset, resolve, verify=False)

            return cls._from_archive(found, engine, load)

    @classmethod
    def _from_archive(
        cls,
        found: archive.Archive,
        engine: Engine | None,
        load: Callable[[Callable[[str], int]], Code],
    ) -> Self:
        if engine is None:
            engine = archive.engine_for(found.options)
        archive.check(found.options, _engine_for(engine))
        try:
            info = decode(found.wasm, engine.features)
        except CompileError as error:
            raise DeserializeError(f"the compiled module contains no module: {error}") from None
        self = cls.__new__(cls)
        self._prepare(info, engine)
        code = load(ensure_runtime().resolve)
        self._artifacts[self._own_styles()] = Artifact.compiled(info, code)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return (_from_bytes, (self.info.data, self.engine.options))

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<wasmine.Module{name} of {len(self.info.data)} bytes>"


def _engine_for(engine: object) -> Engine:
    if engine is None:
        return Engine()
    if not isinstance(engine, Engine):
        raise TypeError(f"a module's engine is an Engine, not {engine!r}")
    return engine


def _from_bytes(data: bytes, options: EngineOptions) -> Module:
    return Module(data, engine=Engine(**options))
