"""Which proposals a module may use, and the errors for what is switched off or not implemented."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Final, Self

from wasmine.errors import CompileError, MalformedModule
from wasmine.frozen import Frozen
from wasmine.public import public


@public
class Features(Frozen, kw_only=True, namespace=True):
    """Proposals that modules may use, beyond the first version of WebAssembly.

    `Features(gc=False)` is the default, WebAssembly 3.0 and threads, without one; `Features.of(["simd"])`
    are those named and no others; iterating gives the names of what is on. Where a proposal builds on
    another one, as `gc` does on `function_references`, switching off the other one takes its part away
    only. A module that uses what is off is malformed or invalid, as without the proposal. Raises
    TypeError for unknown names.
    """

    sign_extension: bool = True
    """Instructions that extend the sign within an integer."""
    saturating_float_to_int: bool = True
    """Conversions that saturate instead of trapping."""
    multi_value: bool = True
    """Several results, and blocks with parameters."""
    reference_types: bool = True
    """externref, several tables, and instructions for tables and references."""
    bulk_memory: bool = True
    """Copying and filling, passive segments."""
    simd: bool = True
    """Vectors of 128 bits."""
    relaxed_simd: bool = True
    """Vector instructions whose results may depend on the processor."""
    multi_memory: bool = True
    """Several memories."""
    memory64: bool = True
    """Memories and tables with 64-bit addresses."""
    extended_const: bool = True
    """Arithmetic in constant expressions."""
    tail_call: bool = True
    """Calls that replace their caller."""
    function_references: bool = True
    """Typed and non-nullable references."""
    exceptions: bool = True
    """Tags and exceptions."""
    gc: bool = True
    """Structs, arrays, i31 and subtypes."""
    threads: bool = True
    """Shared memories and atomic instructions."""
    legacy_exceptions: bool = False
    """The instructions for exceptions that came before those of WebAssembly 3.0."""

    def __post_init__(self) -> None:
        for field in Features.defaults:
            value = getattr(self, field)
            if not isinstance(value, bool):
                raise TypeError(f"{field} is True or False, not {value!r}")

    @cached_property
    def _hash(self) -> int:
        return hash(self._values())

    def __hash__(self) -> int:
        return self._hash  # asked for with every function body

    @classmethod
    def of(cls, proposals: Iterable[str]) -> Self:
        """These proposals and no others; they are named with hyphens. Raises ValueError for others."""
        names = {field.replace("_", "-"): field for field in Features.defaults}
        values = dict.fromkeys(names.values(), False)
        for proposal in proposals:
            if proposal not in names:
                raise ValueError(f"no proposal is named {proposal!r}: there are {', '.join(names)}")
            values[names[proposal]] = True
        return cls(**values)

    def __iter__(self) -> Iterator[str]:
        """The names of the proposals that are on, with hyphens."""
        for field in Features.defaults:
            if getattr(self, field):
                yield field.replace("_", "-")

    def __repr__(self) -> str:
        different = (
            f"{field}={getattr(self, field)}"
            for field, default in Features.defaults.items()
            if getattr(self, field) != default
        )
        return f"Features({', '.join(different)})"

    def has(self, proposal: str) -> bool:
        """Whether a proposal, named as in the opcode table, is on; the first version always is."""
        return proposal == "mvp" or bool(getattr(self, proposal.replace("-", "_")))

    def require(
        self,
        proposals: str | tuple[str, ...],
        phrase: str,
        offset: int | None = None,
        error: type[CompileError] = MalformedModule,
    ) -> None:
        """Raises the error that an engine without these proposals gives, unless one of them is on."""
        if isinstance(proposals, str):
            proposals = (proposals,)
        if not any(map(self.has, proposals)):
            raise error(f"{phrase}: needs the {proposals[0]} proposal, which is off", offset)

    def __and__(self, other: Features) -> Features:
        """What is on in both."""
        return Features.of(set(self) & set(other))


DEFAULT: Final = Features()
ALL: Final = Features(**dict.fromkeys(Features.defaults, True))
