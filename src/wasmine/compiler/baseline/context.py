"""What the functions of a module have in common for the baseline compiler."""

from __future__ import annotations

from wasmine.abi.baseline import may_hold_vectors, mentions_vectors
from wasmine.abi.vmoffsets import VMOffsets
from wasmine.compiler.baseline.conventions import Convention, convention
from wasmine.compiler.baseline.locations import (
    MORE_VECTOR_PINNED,
    MORE_VECTOR_TEMPORARIES,
    TEMPORARIES,
    VECTOR_PINNED,
    VECTOR_TEMPORARIES,
)
from wasmine.compiler.baseline.plans import ALL_VECTORS
from wasmine.compiler.baseline.stencils import Library
from wasmine.frozen import Frozen
from wasmine.types import I32, DefinedType, FunctionType
from wasmine.wasm.body import Body
from wasmine.wasm.module import ModuleInfo


class BaselineOptions(Frozen):
    """How baseline code is generated; part of the key of a module's snapshot."""

    memory_styles: tuple[str, ...] = ()
    """By memory index, "static" or "dynamic"; memories beyond the end are static."""
    counters: bool = False
    """Whether functions and loops count, and ask for better code when they have run often."""


class BaselineContext:
    """A module, where its parts lie in VMContext, the stencils, and the options."""

    def __init__(self, info: ModuleInfo, library: Library, options: BaselineOptions) -> None:
        self.info = info
        self.library = library
        self.options = options
        self.offsets = VMOffsets.for_host(info)
        self.has_plain_memory = (
            bool(info.memories) and info.memories[0].address is I32 and self.is_static(0)
        )
        """Whether accesses to memory 0 need no check."""
        more = library.vectors == ALL_VECTORS
        self.vector_temporaries = (*MORE_VECTOR_TEMPORARIES * more, *VECTOR_TEMPORARIES)
        """Vector registers for operands; the last is taken first."""
        self.temporaries = frozenset((*TEMPORARIES, *self.vector_temporaries))
        """Registers of both classes for operands."""
        self.vector_pinned = (*VECTOR_PINNED, *MORE_VECTOR_PINNED * more)
        """Vector registers for locals; the first is taken first."""
        self._conventions: dict[int, Convention] = {}
        self._type_indices: dict[DefinedType, int] = {}
        self._mentions_vectors = mentions_vectors(info)

    def index_of(self, type_: DefinedType) -> int:
        """An index of a defined type that the module names."""
        if not self._type_indices:
            self._type_indices = {type_: index for index, type_ in enumerate(self.info.types)}
        return self._type_indices[type_]

    def type_index(self, local_index: int) -> int:
        """The index of the type of a function, counted from the first that is not imported."""
        return self.info.functions[self.info.imported_functions + local_index]

    def convention(self, type_index: int) -> Convention:
        """How the values of a function type travel. Raises UnsupportedFeature for too many."""
        known = self._conventions.get(type_index)
        if known is None:
            known = convention(self.info.function_type(type_index))
            self._conventions[type_index] = known
        return known

    def type_of(self, local_index: int) -> FunctionType:
        """The type of a function, counted from the first that is not imported."""
        return self.info.function_type(self.type_index(local_index))

    def may_hold_vectors(self, body: Body) -> bool:
        """Whether operands of a function may be v128."""
        return may_hold_vectors(self._mentions_vectors, body)

    def is_static(self, memory: int) -> bool:
        """Whether a memory never moves, and has a guard behind it."""
        return self.options.memory_styles[memory : memory + 1] != ("dynamic",)
