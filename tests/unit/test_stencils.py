"""Stencils are executed, with operands in places of every kind, and compared with other engines."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import pytest

from wasmine.compiler.architecture.x86_64_decoder import decode
from wasmine.compiler.baseline import drafts as drafts_module
from wasmine.compiler.baseline.drafts import drafts
from wasmine.compiler.baseline.extraction import is_merged, straighten, widened
from wasmine.compiler.baseline.generator import ObjectReader
from wasmine.compiler.baseline.locations import SLOT, Location
from wasmine.compiler.baseline.plans import Operation
from wasmine.compiler.baseline.stencilir import module_text
from wasmine.compiler.baseline.stencils import Library
from wasmine.compiler.baseline.templates import (
    BITS,
    Field,
    HoleKind,
    Stencil,
    rename,
)
from wasmine.compiler.target import STENCILS, emit_object, host_machine
from wasmine.errors import InternalError, TrapCode
from wasmine.wasm.opcodes import BY_NAME, Opcode

from . import baseline
from .stencilbench import FRAME_SIZE, MEMORY_SIZE, Bench, State
from .test_lowering import NUMERIC, check, expected

if host_machine().architecture != "x86_64":
    pytest.skip("there are stencils for x86-64 only", allow_module_level=True)

GENERAL = (3, 6, 7, 8, 9, 14, 15)
VECTORS = tuple(range(17, 23))
SCRATCH = {0, 1, 2, 10, 11, 16, *range(23, 32)}
SIZES = {"w": 4, "m": 4, "q": 8, "s": 4, "d": 8, "v": 16}
SCALAR = {opcode.name for opcode in NUMERIC}
NAMES = sorted({draft.name for draft in drafts()})
random_ = random.Random(1)


@pytest.fixture(scope="module")
def library() -> Library:
    return baseline.library()


@pytest.fixture(scope="module")
def bench(library: Library) -> Bench:
    return Bench(library)


def registers_of(type_: str) -> tuple[int, ...]:
    return VECTORS if type_ in "sdv" else GENERAL


def places(types: str, has_result: bool, values: list[int]) -> list[Location]:
    """Random locations; operands of equal values may share one."""
    found: list[Location] = []
    slots = itertools.count(SLOT, 16)
    for index, type_ in enumerate(types):
        is_result = has_result and index == 0
        choice = random_.random()
        if choice < 0.6:
            taken = {
                place
                for place, value in zip(found[has_result:], values, strict=False)
                if not is_result and value != values[index - has_result]
            }
            # The result's register is often an operand's.
            first = found[0] if found and has_result else None
            if first in registers_of(type_) and first not in taken and random_.random() < 0.4:
                found.append(first)
                continue
            free = [place for place in registers_of(type_) if place not in taken]
            found.append(random_.choice(free))
        elif choice < 0.8 or is_result or type_ == "v":
            found.append(next(slots) + random_.choice((0, 256)))
        else:
            found.append(constant(type_, values[index - has_result]))
    return found


def constant(type_: str, value: int) -> bytes:
    size = SIZES[type_]
    if type_ == "q" and (value < 1 << 31 or value >= (1 << 64) - (1 << 31)):
        return value.to_bytes(8, "little")[:4]
    return value.to_bytes(size, "little")


def put(state: State, place: Location, type_: str, value: int) -> None:
    """An operand where it belongs, with whatever may be in the bits that do not count."""
    if isinstance(place, bytes):
        return
    size = SIZES[type_]
    if place >= SLOT:
        state.frame[place - SLOT : place - SLOT + size] = value.to_bytes(size, "little")
    elif place < 16:
        state.registers[place] = value
    else:
        state.registers[place] = value | random_.getrandbits(128) >> 8 * size << 8 * size


def get(state: State, place: Location, type_: str) -> int:
    """A result. An i32 is zero-extended wherever it is."""
    assert isinstance(place, int)
    size = 8 if type_ == "w" else SIZES[type_]
    if place >= SLOT:
        return int.from_bytes(state.frame[place - SLOT : place - SLOT + size], "little")
    return state.registers[place] & (1 << 8 * size) - 1


def start(types: str, has_result: bool, where: list[Location], values: list[int]) -> State:
    state = State({number: random_.getrandbits(64) for number in (*GENERAL, 0, 1, 2, 10, 11)})
    state.registers |= {number: random_.getrandbits(128) for number in VECTORS}
    state.frame[:] = random_.randbytes(FRAME_SIZE)
    for place, type_, value in zip(where[has_result:], types[has_result:], values, strict=True):
        put(state, place, type_, value)
    return state


def check_rest(before: State, after: State, result: Location | None) -> None:
    """Nothing has changed but the result."""
    for number, value in before.registers.items():
        if number != result and number not in SCRATCH:
            assert after.registers[number] == value, f"register {number} has changed"
    if isinstance(result, int) and result >= SLOT:
        offset = result - SLOT
        after.frame[offset : offset + 16] = before.frame[offset : offset + 16]
    assert after.frame == before.frame


def run(
    bench: Bench, name: str, where: list[Location], values: list[int]
) -> tuple[State, int | TrapCode | None]:
    """The state after an operation on values, and its result."""
    operation = bench.library.operation(name)
    types, has_result = operation.types, operation.has_result
    before = start(types, has_result, where, values)
    after = bench.run(bench.library[(name, *where)], before)
    assert not after.exit or after.exit[0] in (HoleKind.TRAP, HoleKind.TARGET)
    if after.exit and after.exit[0] == HoleKind.TRAP:
        check_rest(before, after, where[0] if has_result else None)
        return after, next(code for code in TrapCode if code == after.exit[1])
    found = get(after, where[0], types[0]) if has_result else None
    check_rest(before, after, where[0] if has_result else None)
    return after, found


def samples(opcode: Opcode, count: int) -> Iterator[tuple[int, ...]]:
    every = list(expected(opcode))
    yield from random_.sample(every, min(count, len(every)))


@pytest.mark.parametrize("opcode", NUMERIC, ids=lambda opcode: opcode.name)
def test_numeric(bench: Bench, opcode: Opcode) -> None:
    operation = bench.library.operation(opcode.name)
    for values in samples(opcode, 250):
        where = places(operation.types, True, list(values))
        _, found = run(bench, opcode.name, where, list(values))
        assert found is not None
        check(opcode, values, found)


CONDITIONS = [opcode for opcode in NUMERIC if f"{opcode.name}.br_if" in NAMES]
TESTS: dict[str, Callable[..., bool]] = {
    "i32.nonzero": lambda a: a != 0,
    "i64.nonzero": lambda a: a != 0,
    "i32.and": lambda a, b: a & b != 0,
    "i64.and": lambda a, b: a & b != 0,
}


def cases(name: str) -> Iterator[tuple[tuple[int, ...], bool]]:
    if name in TESTS:
        width = 1 << int(name[1:3])
        numbers = (0, 1, 2, 6, width // 2, width - 1, width - 2, 1 << 20)
        arity = 1 if name.endswith("nonzero") else 2
        for values in itertools.product(numbers, repeat=arity):
            yield values, TESTS[name](*values)
        return
    opcode = BY_NAME[name]
    for values in samples(opcode, 60):
        yield values, bool(expected(opcode)[values])


@pytest.mark.parametrize("name", [*(opcode.name for opcode in CONDITIONS), *TESTS])
def test_conditions(bench: Bench, name: str) -> None:
    """Branches, both ways, and choices."""
    for values, holds in cases(name):
        for suffix, jumps in ((".br_if", holds), (".br_unless", not holds)):
            operation = bench.library.operation(name + suffix)
            where = places(operation.types, False, list(values))
            after, _ = run(bench, name + suffix, where, list(values))
            assert (after.exit == (HoleKind.TARGET, 0)) is jumps, (suffix, values)
        operation = bench.library.operation(f"{name}.select")
        both = [random_.getrandbits(64), random_.getrandbits(64), *values]
        where = places(operation.types, True, both)
        _, found = run(bench, f"{name}.select", where, both)
        assert found == both[not holds], values


@pytest.mark.parametrize("type_", ["i64", "f32", "f64", "v128"])
def test_select(bench: Bench, type_: str) -> None:
    operation = bench.library.operation(f"{type_}.select")
    bits = 8 * SIZES[operation.types[0]]
    for condition in (0, 1, 1 << 31, 0xFFFF_FFFF) * 20:
        values = [random_.getrandbits(bits), random_.getrandbits(bits), condition]
        where = places(operation.types, True, values)
        _, found = run(bench, f"{type_}.select", where, values)
        assert found == values[not condition]


@pytest.mark.parametrize("type_", ["i32", "i64", "f32", "f64", "v128"])
def test_moves(bench: Bench, type_: str) -> None:
    operation = bench.library.operation(f"{type_}.move")
    bits = 8 * SIZES[operation.types[0]]
    for _ in range(200):
        value = random_.choice((random_.getrandbits(bits), 0, 1, (1 << bits) - 1, 1 << bits - 1))
        where = places(operation.types, True, [value])
        _, found = run(bench, f"{type_}.move", where, [value])
        assert found is not None
        assert found & (1 << bits) - 1 == value


ACCESSES = [
    name
    for name in NAMES
    if name.partition(".")[0] in ("i32", "i64", "f32", "f64")
    and (".load" in name or ".store" in name)
    and ".atomic" not in name
]


@pytest.mark.parametrize("name", ACCESSES)
def test_accesses(bench: Bench, name: str) -> None:
    operation = bench.library.operation(name)
    raw = name.endswith(".raw")
    opcode = BY_NAME[name.removesuffix(".raw")]
    type_, size = operation.types[0 if operation.has_result else 1], opcode.access
    for _ in range(60):
        index, offset = random_.choice(((0, 0), (5, 127), (200, 128), (3, 1000), (77, 0)))
        content = random_.randbytes(MEMORY_SIZE)
        address = index + bench.memory_address if raw else index
        value = random_.getrandbits(8 * SIZES[type_])
        values = [address] if operation.has_result else [address, value]
        types = operation.types.removesuffix("o")
        where = places(types, operation.has_result, values)
        before = start(types, operation.has_result, where, values)
        before.memory[:] = content
        after = bench.run(bench.library[(name, *where, offset)], before)
        place = index + offset
        if operation.has_result:
            signed = opcode.name.endswith("_s")
            wanted = int.from_bytes(content[place : place + size], "little", signed=signed)
            assert get(after, where[0], type_) == wanted % (1 << 8 * SIZES[type_])
        else:
            stored = (value % (1 << 8 * size)).to_bytes(size, "little")
            before.memory[place : place + size] = stored
        assert after.memory == before.memory
        check_rest(before, after, where[0] if operation.has_result else None)


def long_form(code: bytes) -> bytes:
    """The code with the long forms of VEX prefixes, as stencils have it."""
    return b"".join(widened(code[row.start : row.end]) for row in decode(code))


def comparable(code: bytes, stencil: Stencil) -> bytes:
    """The code without values, and without the registers of lanes that do not matter."""
    made = bytearray(code)
    for offset, size, *_ in stencil.values:
        made[offset : offset + size] = bytes(size)
    for row in decode(code):
        for _, fields in row.registers:
            if is_merged(row, fields):
                made[fields[0][0]] |= BITS[Field.VEX_V][0]
    return bytes(made)


def test_renaming_gives_what_llvm_does(monkeypatch: pytest.MonkeyPatch, library: Library) -> None:
    """The same stencils made by LLVM for other registers, where it takes no shorter instructions."""
    wanted = [draft for draft in drafts() if draft.name in SCALAR and draft.has_result]
    compared = 0
    for operands, result in (((3, 6, 7), 15), ((6, 15, 9), 3), ((15, 14, 8), 9), ((9, 7, 3), 6)):
        monkeypatch.setattr(drafts_module, "GENERAL_OPERANDS", operands)
        monkeypatch.setattr(drafts_module, "GENERAL_RESULT", result)
        monkeypatch.setattr(drafts_module, "VECTOR_OPERANDS", (6, 5, 4))
        monkeypatch.setattr(drafts_module, "VECTOR_RESULT", 2)
        file = ObjectReader(emit_object(module_text(wanted), host_machine(), STENCILS), bytearray())
        for number, draft in enumerate(wanted):
            stencil = library.operation(draft.name).stencils[draft.pattern]
            locations = [place if place is not None else "l" for place in draft.places]
            if len(locations) < len(stencil.registers):
                locations.append("o")
            renamed = rename(stencil, tuple(locations)).code
            made = straighten(*file.function(f"s{number}"))[0]
            if len(made) == len(long_form(renamed)):
                compared += 1
                assert comparable(made, stencil) == comparable(long_form(renamed), stencil), draft
    assert compared > 200


def test_large_offsets_and_addresses(library: Library) -> None:
    """An address and an offset that are both constant are one displacement, if that fits."""
    near = library["i32.load", 6, (1000).to_bytes(4, "little"), 24]
    far = library["i32.load", 6, (0xFFFF_FFFF).to_bytes(4, "little"), 0x7FFF_FFFF]
    assert near.endswith((1024).to_bytes(4, "little"))
    assert far.endswith(b"\xff\xff\xff\x7f")
    assert b"\xff\xff\xff\xff" in bytes(far)


@pytest.mark.parametrize("name", [name for name in NAMES if "." in name and "x" in name[:5]])
def test_vectors_wherever_they_are(bench: Bench, name: str) -> None:
    """The same result as with all operands in different registers."""
    operation = bench.library.operation(name)
    types = operation.types
    for _ in range(6):
        values = [random_.getrandbits(8 * SIZES[type_]) for type_ in types[operation.has_result :]]
        general, vectors = iter(GENERAL), iter(VECTORS)
        apart: list[Location] = [next(vectors if type_ in "sdv" else general) for type_ in types]
        _, wanted = run(bench, name, apart, values)
        _, found = run(bench, name, places(types, operation.has_result, values), values)
        assert found == wanted


def kinds_of(type_: str) -> tuple[Location, ...]:
    registers = registers_of(type_)
    if type_ == "o":
        return (0,)
    constants = () if type_ == "v" else (b"\x07" * SIZES[type_],)
    return *registers[:2], SLOT + 16, SLOT + 1024, bytes(SIZES[type_]), *constants


@pytest.mark.parametrize("name", NAMES)
def test_every_place_is_served(library: Library, name: str) -> None:
    operation: Operation = library.operation(name)
    choices = [
        kinds_of(type_)[: 4 if operation.has_result and not index else 6]
        for index, type_ in enumerate(operation.types)
    ]
    every = list(itertools.product(*choices))
    for where in every if len(every) < 300 else random_.sample(every, 300):
        assert isinstance(library[(name, *where)], bytes)


def test_short_forms(library: Library) -> None:
    """Small numbers take one byte, and an offset of zero none."""
    small, large = (library["i32.add", 6, 6, n.to_bytes(4, "little")] for n in (100, 1000))
    assert len(large) == len(small) + 3
    none, one, four = (len(library["i64.load", 6, 7, offset]) for offset in (0, 127, 128))
    assert (one - none, four - none) == (1, 4)
    negative = library["i32.add", 6, 6, (0xFFFF_FFFF).to_bytes(4, "little")]
    assert len(negative) == len(small)


def test_moves_change_one_register_beside(library: Library) -> None:
    """Others may hold operands that have been moved before."""
    for type_ in ("i32", "i64", "f32", "f64", "v128"):
        for stencil in library.operation(f"{type_}.move").stencils.values():
            assert stencil.uses & ~1 == 0


def test_unknown_name(library: Library) -> None:
    with pytest.raises(InternalError, match="no stencil is named"):
        library["i32.bogus", 6, 7]
