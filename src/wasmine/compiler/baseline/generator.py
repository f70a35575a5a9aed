"""Makes the stencil library: drafts to LLVM IR to an object, and its functions to stencils."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from wasmine.compiler.architecture import x86_64
from wasmine.compiler.baseline.drafts import Draft, aliases, drafts
from wasmine.compiler.baseline.extraction import Extraction, Reference, may_share
from wasmine.compiler.baseline.plans import ALL_VECTORS, Operation
from wasmine.compiler.baseline.stencilir import module_text
from wasmine.compiler.baseline.stencils import dump
from wasmine.compiler.baseline.templates import Stencil
from wasmine.compiler.elf import SHF_ALLOC, SHF_EXECINSTR, ObjectFile
from wasmine.compiler.target import STENCILS, Machine, emit_object, host_machine
from wasmine.errors import InternalError, UnsupportedFeature


class ObjectReader:
    """The functions of an object; its constants go to the pool."""

    def __init__(self, data: bytes, pool: bytearray) -> None:
        self._file = file = ObjectFile(data)
        self._pool = pool
        (text,) = (
            index
            for index, section in enumerate(file.sections)
            if section.flags & SHF_EXECINSTR and section.size
        )
        self._code = file.content(file.sections[text])
        self._extents = {
            file.name(symbol): (symbol.value, symbol.size)
            for symbol in file.symbols
            if symbol.section == text and symbol.size
        }
        self._relocations = sorted(file.relocations(text))
        self._starts = [row[0] for row in self._relocations]
        self._places: dict[int, int] = {}
        """Where in the pool each section of constants begins."""

    def function(self, name: str) -> tuple[bytes, list[Reference]]:
        """The code of a function, and what it refers to."""
        start, size = self._extents[name]
        first, last = (bisect_left(self._starts, place) for place in (start, start + size))
        references = [self._reference(start, *row) for row in self._relocations[first:last]]
        return self._code[start : start + size], references

    def _reference(
        self, start: int, place: int, kind: int, symbol_index: int, addend: int
    ) -> Reference:
        file = self._file
        symbol = file.symbols[symbol_index]
        if kind == x86_64.PLT32:
            return Reference(place - start, file.name(symbol), 0, 0)
        if kind in x86_64.ABSOLUTE:
            return Reference(place - start, file.name(symbol), x86_64.ABSOLUTE[kind], addend)
        if kind == x86_64.PC32 and symbol.section:
            constant = self._constant(symbol.section, symbol.value + addend + 4)
            return Reference(place - start, "", 0, constant)
        raise InternalError(f"a stencil has a relocation of kind {kind}")

    def _constant(self, section: int, offset: int) -> int:
        """Where a constant lies in the pool, which its section joins."""
        if section not in self._places:
            row = self._file.sections[section]
            if not row.flags & SHF_ALLOC or next(self._file.relocations(section), None):
                raise InternalError("a stencil refers to something that is no constant")
            self._pool += bytes(-len(self._pool) % 16)
            self._places[section] = len(self._pool)
            self._pool += self._file.content(row)
        return self._places[section] + offset


def _made(
    wanted: list[Draft], pool: bytearray, machine: Machine
) -> Iterator[tuple[Draft, Stencil]]:
    file = ObjectReader(emit_object(module_text(wanted), machine, STENCILS), pool)
    for number, draft in enumerate(wanted):
        try:
            yield draft, Extraction(draft, *file.function(f"s{number}")).stencil()
        except InternalError as error:
            raise InternalError(f"{draft.name} {draft.pattern}: {error}") from error


def generate(machine: Machine | None = None) -> bytes:
    """The library for a processor, by default this one, as `Library.load` takes it.

    Raises UnsupportedFeature for one without SSE4.1: rounding would be a call, and LLVM would end
    the process over some of the instructions that vectors' recipes name.
    """
    machine = machine or host_machine()
    if not machine.has("sse4.1"):
        raise UnsupportedFeature("the baseline compiler needs a processor with SSE4.1")
    pool = bytearray()
    operations: dict[str, Operation] = {}
    more: list[Draft] = []
    for draft, stencil in _made(list(drafts()), pool, machine):
        operation = operations.setdefault(draft.name, Operation(draft.types, draft.has_result, {}))
        operation.stencils[draft.pattern] = stencil
        for alias in aliases(draft):
            if may_share(alias, stencil):
                operation.stencils[alias] = stencil
            else:
                more.append(draft._replace(pattern=alias))
    for draft, stencil in _made(more, pool, machine):
        operations[draft.name].stencils[draft.pattern] = stencil
    return dump(bytes(pool), operations, ALL_VECTORS if machine.has("avx") else ALL_VECTORS // 2)
