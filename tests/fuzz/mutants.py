"""Modules of the official suite with some instructions changed, as text, and made safe to compare.

A mutant may loop for ever, make NaNs of any bits, or want all memory. So every function and every loop
uses up fuel, NaNs are made equal, memories and tables grow by little, and vectors cross the boundary
as two integers, because wasmtime's API for Python has none.
"""

from __future__ import annotations

import functools
import re
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from typing import Final

from tests.spec import suite
from wasmine.errors import CompileError
from wasmine.types import (
    EXTERNREF,
    F32,
    F64,
    FUNCREF,
    I32,
    I64,
    V128,
    FunctionType,
    GlobalType,
    MemoryType,
    TableType,
    ValType,
)
from wasmine.wasm.body import decode_locals
from wasmine.wasm.decoder import decode
from wasmine.wasm.disassembler import disassemble
from wasmine.wasm.module import ModuleInfo
from wasmine.wasm.opcodes import OPCODES
from wasmine.wasm.text.assembler import wat2wasm
from wasmine.wasm.text.commands import ModuleCommand
from wasmine.wasm.text.encoder import HEADER, section
from wasmine.wasm.text.script import parse_script
from wasmine.wasm.validator import validate

_LEFT_OUT: Final = re.compile(r"relaxed|proposals/|names|memory_grow|memory_redundancy")
"""Scripts of instructions whose results each engine may choose, and of large memories."""
_CHANGES: Final = 5
_FUEL: Final = 1000
_LARGEST_MEMORY: Final = 4
_LARGEST_TABLE: Final = 1000
_AT_THE_BOUNDARY: Final = {I32, I64, F32, F64, FUNCREF, EXTERNREF}
_INDENT: Final = " " * 4


def mutant(seed: int) -> bytes | None:
    """A module; None where this seed has none that can be compared."""
    random = Random(seed)
    modules = _modules(random.choice(_scripts()))
    if not modules:
        return None
    info = decode(_without_names(random.choice(modules)), resolve=False)
    if not _is_comparable(info):
        return None
    lines = [_COMMENT.sub("", line) for line in disassemble(info)]
    if any("extern.convert_any" in line for line in lines):
        return None  # what it makes of an i31, wasmtime's API for Python takes for null
    for _ in range(random.randint(1, _CHANGES)):
        lines = _changed(lines, random)
    return wat2wasm("\n".join(_made_safe(lines, info)))


_COMMENT: Final = re.compile(r" \(;[^\"]*?;\)")


def _without_names(data: bytes) -> bytes:
    """The module without its custom sections, so that everything has a number."""
    parts = [part for part in decode(data).sections if part.number]
    return HEADER + b"".join(section(part.number, data[part.start : part.end]) for part in parts)


@functools.cache
def _scripts() -> list[str]:
    return [name for name in suite.names() if not _LEFT_OUT.search(name)]


@functools.lru_cache(maxsize=64)
def _modules(name: str) -> list[bytes]:
    """The valid modules of a script."""
    found = []
    for command in parse_script(suite.path(name).read_bytes()):
        if isinstance(command, ModuleCommand) and command.source.kind == "text":
            data = command.source.encode()
            if _is_valid(data):
                found.append(data)
    return found


def _is_valid(data: bytes) -> bool:
    try:
        validate(data)
    except CompileError:
        return False
    return True


def _is_comparable(info: ModuleInfo) -> bool:
    """Whether the fuzzer's engines can give the module what it imports, and it is small."""
    imported = all(
        isinstance(entry.type, int | MemoryType)
        or (isinstance(entry.type, GlobalType) and entry.type.value in _AT_THE_BOUNDARY)
        or (isinstance(entry.type, TableType) and entry.type.element in (FUNCREF, EXTERNREF))
        for entry in info.imports
    )
    functions = map(info.function_type, info.functions[: info.imported_functions])
    return (
        imported
        and not info.imported_tags
        and all(_AT_THE_BOUNDARY.issuperset((*type_.params, *type_.results)) for type_ in functions)
        and all(m.minimum <= _LARGEST_MEMORY and not m.shared for m in info.memories)
        and all(table.minimum <= _LARGEST_TABLE for table in info.tables)
    )


# --- changes

_INSTRUCTION: Final = re.compile(r"    ( *)([a-z][\w.]*)(?: (.*))?")
_NUMBERS: Final = {
    "i32": ("0", "1", "-1", "2", "7", "31", "32", "255", "65535", "65536", "2147483647", "-2147483648"),
    "i64": ("0", "1", "-1", "63", "64", "4294967295", "9223372036854775807", "-9223372036854775808"),
    "f32": ("0", "-0", "1", "-1.5", "inf", "-inf", "nan", "0x1p-149", "0x1.fffffep+127", "2147483648"),
    "f64": ("0", "-0", "1", "-1.5", "inf", "-inf", "nan", "0x1p-1074", "9223372036854775808"),
}  # fmt: skip
_OFFSETS: Final = (0, 1, 2, 7, 8, 4095, 65533, 65535, 65536, 1 << 31, (1 << 32) - 1)


def _alike() -> dict[str, list[str]]:
    """By instruction: those with the same type and immediates, which can stand in its place."""
    groups = defaultdict(list)
    for opcode in OPCODES:
        if opcode.params is not None and opcode.immediates in ((), ("memarg",)):
            key = (opcode.params, opcode.results, opcode.immediates, opcode.feature == "threads")
            if opcode.feature != "relaxed-simd":
                groups[key].append(opcode.mnemonic)
    return {name: group for group in groups.values() for name in group if len(group) > 1}


_ALIKE: Final = _alike()


def _changed(lines: list[str], random: Random) -> list[str]:
    """The module with one instruction changed; as it was where that makes it invalid."""
    places = [number for number, line in enumerate(lines) if _INSTRUCTION.fullmatch(line)]
    if not places:
        return lines
    place = random.choice(places)
    match = _INSTRUCTION.fullmatch(lines[place])
    assert match is not None
    indent, name, rest = match[1], match[2], match[3] or ""
    changed = [*lines]
    changed[place] = f"{_INDENT}{indent}{_other(name, rest, random)}"
    try:
        return changed if _is_valid(wat2wasm("\n".join(changed))) else lines
    except CompileError:
        return lines


def _other(name: str, rest: str, random: Random) -> str:
    """Another instruction for this one."""
    prefix = name.partition(".")[0]
    if name.endswith(".const") and prefix in _NUMBERS:
        return f"{name} {random.choice(_NUMBERS[prefix])}"
    if name in _ALIKE:
        offset = ""
        if rest:
            # the alignment of another access may be none that it can have
            kept = [word for word in rest.split() if not word.startswith(("align=", "offset="))]
            offset = " ".join([*kept, f"offset={random.choice(_OFFSETS)}"])
        return f"{random.choice(_ALIKE[name])} {offset}".rstrip()
    if name.startswith(("local.", "br", "call", "global.")) and " " not in rest:
        return f"{name} {random.randrange(6)}"
    return f"{name} {rest}".rstrip()


# --- what makes it comparable

_CLOSED: Final = "  )"


def _made_safe(lines: list[str], info: ModuleInfo) -> Iterator[str]:
    """The module with what the head of this file says."""
    fuel = len(info.globals)
    head, *fields, end = lines
    yield head
    scratch = _Scratch(0)
    inside = header = False
    function = info.imported_functions
    for line in fields:
        if inside and line == _CLOSED:
            if header:
                yield from _start(scratch, fuel)
            inside = header = False
            yield line
            continue
        if line.startswith("  (func"):
            inside = header = True
            scratch = _Scratch(_locals(info, function))
            function += 1
            yield line
            continue
        if header and not line.startswith(f"{_INDENT}(local"):
            yield from _start(scratch, fuel)
            header = False
        if inside:
            yield from _instruction(line, scratch, info)
        elif not line.startswith("  (export"):
            yield line
    yield f"  (global (mut i32) i32.const {_FUEL})"
    yield from _exports(info)
    yield end


class _Scratch:
    """Locals for what makes NaNs equal, behind the `first` that the function has."""

    def __init__(self, first: int) -> None:
        self.locals = {"f32": first, "f64": first + 1, "v128": first + 2}


def _locals(info: ModuleInfo, function: int) -> int:
    return len(decode_locals(info, function - info.imported_functions))


def _start(scratch: _Scratch, fuel: int) -> Iterator[str]:
    yield f"{_INDENT}(local {' '.join(scratch.locals)})"
    yield from _burn(fuel)


def _burn(fuel: int) -> Iterator[str]:
    code = f"global.get {fuel} i32.eqz if unreachable end"
    yield f"{_INDENT}{code} global.get {fuel} i32.const 1 i32.sub global.set {fuel}"


_NAN_MAKERS: Final = {
    opcode.mnemonic: "v128" if opcode.results == (V128,) else opcode.results[0].name
    for opcode in OPCODES
    if opcode.results in ((F32,), (F64,)) or opcode.mnemonic.startswith(("f32x4.", "f64x2."))
    if opcode.results and {F32, F64, V128} & set(opcode.params or ())
}
"""Instructions that may make a NaN, and of what type."""


def _instruction(line: str, scratch: _Scratch, info: ModuleInfo) -> Iterator[str]:
    """An instruction with what it needs before or after it."""
    name, _, rest = line.strip().partition(" ")
    if name in ("memory.grow", "table.grow"):
        spaces = info.memories if name == "memory.grow" else info.tables
        address = spaces[int(rest or 0)].address
        yield f"{_INDENT}{address}.const {1 if name == 'memory.grow' else 15} {address}.and"
    yield line
    if name == "loop":
        yield from _burn(len(info.globals))
    type_ = _NAN_MAKERS.get(name)
    if type_ == "v128":
        local, lanes = scratch.locals[type_], name.partition(".")[0]
        if lanes in ("f32x4", "f64x2"):
            number = " ".join(["nan"] * int(lanes[-1]))
            yield (
                f"{_INDENT}local.tee {local} v128.const {lanes} {number} "
                f"local.get {local} local.get {local} {lanes}.eq v128.bitselect"
            )
    elif type_ is not None:
        local = scratch.locals[type_]
        yield (
            f"{_INDENT}local.tee {local} {type_}.const nan "
            f"local.get {local} local.get {local} {type_}.eq select"
        )


def _exports(info: ModuleInfo) -> Iterator[str]:
    """Exports that can be compared: of functions with vectors, one that calls them."""
    for number, export in enumerate(info.exports):
        name = f'"{export.kind} {number}"'
        plain = f"  (export {name} ({export.kind} {export.index}))"
        match export.kind:
            case "func":
                type_ = info.function_type(info.functions[export.index])
                values = {*type_.params, *type_.results}
                if values <= _AT_THE_BOUNDARY:
                    yield plain
                elif values <= {*_AT_THE_BOUNDARY, V128}:
                    yield _wrapper(name, export.index, type_)
            case "table":
                if info.tables[export.index].element in (FUNCREF, EXTERNREF):
                    yield plain
            case "global":
                if info.globals[export.index].value in _AT_THE_BOUNDARY:
                    yield plain
            case "memory":
                yield plain
            case "tag":
                continue


def _flat(types: tuple[ValType, ...]) -> list[str]:
    return [name for type_ in types for name in (["i64"] * 2 if type_ is V128 else [str(type_)])]


def _wrapper(name: str, function: int, type_: FunctionType) -> str:
    """A function that passes on vectors as two integers each."""
    params, results = _flat(type_.params), _flat(type_.results)
    code, position = [], 0
    for param in type_.params:
        code.append(f"local.get {position}")
        if param is V128:
            code.append(f"i64x2.splat local.get {position + 1} i64x2.replace_lane 1")
        position += 1 + (param is V128)
    code.append(f"call {function}")
    code += [f"local.set {position + number}" for number in reversed(range(len(type_.results)))]
    for number, result in enumerate(type_.results, position):
        lanes = " ".join(f"local.get {number} i64x2.extract_lane {lane}" for lane in (0, 1))
        code.append(lanes if result is V128 else f"local.get {number}")
    shape = f"(param {' '.join(params)}) (result {' '.join(results)})"
    locals_ = " ".join(map(str, type_.results))
    return f"  (func (export {name}) {shape} (local {locals_}) {' '.join(code)})"
