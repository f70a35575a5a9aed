"""Objects in, an Image out: sections are laid out and every relocation inside them is resolved.

Everything that is outside becomes a cell of the image's address table. An image holds no address,
so writable data and absolute relocations are errors: generated code keeps its state in VMContext.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from wasmine.abi.image import SLOT_SIZE, FunctionExtent, Image, round_up
from wasmine.abi.linetable import pack_line_programs
from wasmine.abi.unwind import FrameRow, FrameTable
from wasmine.compiler.architecture import ARCHITECTURES, Architecture, Fixups, Use
from wasmine.compiler.elf import (
    SHF_ALLOC,
    SHF_EXECINSTR,
    SHF_TLS,
    SHF_WRITE,
    SHN_LORESERVE,
    SHN_UNDEF,
    STB_LOCAL,
    STT_FUNC,
    ObjectFile,
    Section,
)
from wasmine.compiler.frames import Frame, State, read_frames
from wasmine.compiler.lines import read_line_programs
from wasmine.errors import InternalError

# Allocated in an ordinary program; here only read, and the last, which names the personality routine,
# not even that.
_UNPLACED = (".eh_frame", ".gcc_except_table", ".data.DW.ref.")


def link(objects: Sequence[bytes]) -> Image:
    """The image made of these ELF objects, which may refer to each other's global symbols.

    The same objects in the same order give the same image. Raises InternalError, naming section
    and symbol, for what an image cannot hold: writable data, absolute addresses, data that belongs
    to something outside; and for symbols that are defined twice.
    """
    files = [ObjectFile(data) for data in objects]
    machines = sorted({file.machine for file in files})
    if len(machines) != 1 or machines[0] not in ARCHITECTURES:
        raise InternalError(f"objects for the processors {machines}, as ELF numbers them")
    return _Linker(ARCHITECTURES[machines[0]], files).link()


class _Placed(NamedTuple):
    """A section that is part of the image's code."""

    file: int
    section: int
    start: int


class _Linker:
    """One image in the making. All places are in bytes from the start of its code."""

    def __init__(self, architecture: Architecture, files: Sequence[ObjectFile]) -> None:
        self._architecture = architecture
        self._files = files
        self._code = bytearray()
        self._placed: list[_Placed] = []
        self._places: list[dict[int, int]] = [{} for _ in files]  # section -> place
        self._definitions = _definitions(files)
        self._stubs: dict[str, int] = {}
        self._cells: dict[str, int] = {}  # name -> index
        self._table_offset = 0
        self._targets: list[list[int]] = []

    def link(self) -> Image:
        sections = [list(_loaded_sections(file)) for file in self._files]
        self._place(sections, SHF_EXECINSTR, self._architecture.filler)
        self._reserve_stubs(sections)
        text_size = len(self._code)
        self._place(sections, 0, b"\0")
        self._table_offset = round_up(len(self._code), self._architecture.page)
        self._targets = [self._find_targets(index) for index in range(len(self._files))]
        self._write_stubs()
        self._apply_relocations()
        functions, frames = self._describe_functions()
        return Image(
            machine=self._architecture.machine,
            page=self._architecture.page,
            code=bytes(self._code),
            text_size=text_size,
            functions=functions,
            slots=tuple(self._cells),
            frames=frames.pack(),
            lines=self._pack_lines(),
        )

    def _place(
        self, sections: Sequence[Sequence[tuple[int, Section]]], executable: int, filler: bytes
    ) -> None:
        """Append the executable sections, or the others, of all objects to the code."""
        code = self._code
        for number, rows in enumerate(sections):
            for index, section in rows:
                if section.flags & SHF_EXECINSTR != executable:
                    continue
                if section.alignment > self._architecture.page:
                    raise InternalError(f"{section.name} is aligned to {section.alignment} bytes")
                start = round_up(len(code), section.alignment)
                code += filler * (start - len(code))
                code += self._files[number].content(section)
                self._places[number][index] = start
                self._placed.append(_Placed(number, index, start))

    def _reserve_stubs(self, sections: Sequence[Sequence[tuple[int, Section]]]) -> None:
        """Check every relocation and make room for a stub for each outside symbol jumped to."""
        architecture = self._architecture
        names: dict[str, None] = {}  # a set in order of first use
        for number, rows in enumerate(sections):
            for index, _ in rows:
                names |= dict.fromkeys(self._jumps_outside(number, index))
        if names:
            self._code += architecture.filler * (-len(self._code) % architecture.stub_size)
        for name in names:
            self._stubs[name] = len(self._code)
            self._code += bytes(architecture.stub_size)

    def _jumps_outside(self, number: int, index: int) -> Iterator[str]:
        """The outside symbols that the section jumps to.

        Raises InternalError for a relocation that an image cannot have.
        """
        file, uses = self._files[number], self._architecture.uses
        loaded = {i for i, section in enumerate(file.sections) if _is_loaded(section)}
        odd = {i for i, symbol in enumerate(file.symbols) if symbol.section not in loaded}
        pairs = {
            (kind, symbol)
            for _, kind, symbol, _ in file.relocations(index)
            if symbol in odd or kind not in uses
        }
        for kind, symbol_index in sorted(pairs):
            symbol = file.symbols[symbol_index]
            name = file.name(symbol)
            place = f"in {file.sections[index].name} against {name!r}"
            if kind not in uses:
                raise InternalError(f"absolute or unknown relocation (kind {kind}) {place}")
            if symbol.section != SHN_UNDEF:
                raise InternalError(f"relocation {place}, which is not part of an image")
            if name in self._definitions or uses[kind] is Use.TABLE:
                continue
            if uses[kind] is Use.DIRECT:
                raise InternalError(f"direct reference {place}, which is outside the image")
            yield name

    def _find_targets(self, number: int) -> list[int]:
        """For each symbol of the object its place, its stub's, or 0 if it has neither."""
        file, places = self._files[number], self._places[number]
        targets = []
        for symbol in file.symbols:
            if symbol.section in places:
                targets.append(places[symbol.section] + symbol.value)
                continue
            name = file.name(symbol) if symbol.section == SHN_UNDEF else ""
            definition = self._definitions.get(name)
            if definition is None:
                targets.append(self._stubs.get(name, 0))
            else:
                other, section, value = definition
                targets.append(self._places[other][section] + value)
        return targets

    def _write_stubs(self) -> None:
        for name, place in self._stubs.items():
            stub = self._architecture.stub(place, self._cell(name))
            self._code[place : place + len(stub)] = stub

    def _cell(self, name: str) -> int:
        """The place of the address table's cell for that symbol; made if there is none yet."""
        index = self._cells.setdefault(name, len(self._cells))
        return self._table_offset + index * SLOT_SIZE

    def _apply_relocations(self) -> None:
        for number, file in enumerate(self._files):
            inside = [
                symbol.section != SHN_UNDEF or file.name(symbol) in self._definitions
                for symbol in file.symbols
            ]

            def cell(symbol: int, file: ObjectFile = file) -> int:
                return self._cell(file.name(file.symbols[symbol]))

            for placed in self._placed:
                if placed.file != number:
                    continue
                fixups = Fixups(
                    self._code,
                    placed.start,
                    file.relocations(placed.section),
                    self._targets[number],
                    inside,
                    cell,
                )
                try:
                    self._architecture.apply(fixups)
                except (struct.error, OverflowError) as error:
                    name = file.sections[placed.section].name
                    raise InternalError(f"distance too large in {name}: {error}") from error

    def _describe_functions(self) -> tuple[tuple[FunctionExtent, ...], FrameTable]:
        """The functions, sorted by start, and the table of frames."""
        frames = self._read_frames()
        functions = sorted(self._functions(), key=lambda function: function.start)
        stride = len(self._architecture.saved_registers)
        sets: dict[bytes, int] = {}  # the sets of saved registers, each with its place
        rows: list[FrameRow] = []
        for index, function in enumerate(functions):
            frame = frames.get(function.start)
            if frame is None:
                continue
            start = function.start
            functions[index] = function._replace(frame_size=frame.layout.size)
            rows += [
                FrameRow(
                    start + offset,
                    0 if state.size is None else state.size + 1,
                    landing and start + landing,
                    sets.setdefault(state.saved, len(sets) * stride),
                )
                for offset, state, landing in _with_landings(frame)
            ]
            rows.append(FrameRow(start + frame.length, 0, 0, 0))
        return tuple(functions), FrameTable(rows, b"".join(sets))

    def _functions(self) -> Iterator[FunctionExtent]:
        """Every function, with its frame size still unknown.

        Several objects may have a local function of one name, but none that hides a global one.
        """
        for file, places in zip(self._files, self._places, strict=True):
            for symbol in file.symbols:
                if symbol.kind != STT_FUNC or symbol.section not in places:
                    continue
                name = file.name(symbol)
                if symbol.binding == STB_LOCAL and name in self._definitions:
                    raise InternalError(f"a local and a global function are called {name!r}")
                yield FunctionExtent(name, places[symbol.section] + symbol.value, symbol.size, 0)

    def _read_frames(self) -> dict[int, Frame]:
        """The frame description of functions by their start."""
        frames = {}
        for file, targets in zip(self._files, self._targets, strict=True):
            for frame in read_frames(file, self._architecture):
                frames[targets[frame.symbol] + frame.addend] = frame
        return frames

    def _pack_lines(self) -> bytes:
        return pack_line_programs(
            program
            for file, targets in zip(self._files, self._targets, strict=True)
            for program in read_line_programs(file, targets)
        )


def _with_landings(frame: Frame) -> Iterable[tuple[int, State, int]]:
    """The rows of a frame, each with the landing pad of calls there or 0, in bytes from its start."""
    rows = frame.layout.rows
    if not frame.landings:
        return ((offset, state, 0) for offset, state in rows)
    changes: dict[int, State | None] = dict.fromkeys(
        place for start, end, _ in frame.landings for place in (start, end)
    )
    changes |= rows
    landings = {start: landing for start, _, landing in frame.landings}
    ends = {end for _, end, _ in frame.landings}
    merged = []
    state, landing = rows[0][1], 0
    for offset in sorted(changes):
        state = changes[offset] or state
        if offset in ends:
            landing = 0
        landing = landings.get(offset, landing)
        merged.append((offset, state, landing))
    return merged


def _definitions(files: Iterable[ObjectFile]) -> dict[str, tuple[int, int, int]]:
    """For each global symbol that an object defines: the object, section, and place in it."""
    definitions: dict[str, tuple[int, int, int]] = {}
    for number, file in enumerate(files):
        for symbol in file.symbols:
            if symbol.binding == STB_LOCAL or symbol.section == SHN_UNDEF:
                continue
            name = file.name(symbol)
            if name.startswith("DW.ref."):
                continue
            if name in definitions:
                raise InternalError(f"symbol {name!r} is defined twice")
            if symbol.section >= SHN_LORESERVE:
                raise InternalError(f"symbol {name!r} is common or absolute")
            definitions[name] = (number, symbol.section, symbol.value)
    return definitions


def _is_loaded(section: Section) -> bool:
    return (
        bool(section.flags & SHF_ALLOC)
        and section.size > 0
        and not section.name.startswith(_UNPLACED)
    )


def _loaded_sections(file: ObjectFile) -> Iterator[tuple[int, Section]]:
    """The sections that become part of the image. Raises InternalError if one is writable."""
    for index, section in enumerate(file.sections):
        if not _is_loaded(section):
            continue
        if section.flags & (SHF_WRITE | SHF_TLS):
            names = [file.name(symbol) for symbol in file.symbols if symbol.section == index]
            raise InternalError(
                f"writable data: {', '.join(filter(None, names))} in {section.name}"
            )
        yield index, section
