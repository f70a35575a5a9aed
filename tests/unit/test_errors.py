"""The exception tree and the trap codes (reference rows X01, X02 and X07)."""

from __future__ import annotations

import pickle

import pytest

import wasmine
from wasmine.errors import CompileError, Frame, Trap, TrapCode

# Reference section 4.1: value, message, short identifier.
CODES = [
    (0, "call stack exhausted", "stk_ovf"),
    (1, "out of bounds memory access", "heap_get_oob"),
    (2, "misaligned heap", "heap_misaligned"),
    (3, "undefined element: out of bounds table access", "table_get_oob"),
    (4, "out of bounds", "oob"),
    (5, "uninitialized element", "icall_null"),
    (6, "indirect call type mismatch", "bad_sig"),
    (7, "integer overflow", "int_ovf"),
    (8, "integer divide by zero", "int_divz"),
    (9, "invalid conversion to integer", "bad_toint"),
    (10, "unreachable", "unreachable"),
    (11, "unaligned atomic access", "unalign_atom"),
    (12, "gas limit exceeded", "out_of_gas"),
]


def test_the_first_thirteen_codes_are_those_of_the_reference() -> None:
    assert [(code.value, code.message, code.identifier) for code in TrapCode][:13] == CODES


def test_codes_are_dense_and_have_names_and_messages_of_their_own() -> None:
    assert [code.value for code in TrapCode] == list(range(len(TrapCode)))
    assert len({code.message for code in TrapCode}) == len(TrapCode)
    assert len({code.identifier for code in TrapCode}) == len(TrapCode)


@pytest.mark.parametrize("code", TrapCode)
def test_a_code_is_parsed_from_what_it_shows(code: TrapCode) -> None:
    assert TrapCode.parse(str(code)) is code


@pytest.mark.parametrize("text", ["bogus", "user", "user-1", "users", "", "STACK_OVERFLOW"])
def test_any_other_text_is_no_code(text: str) -> None:
    with pytest.raises(ValueError, match="unknown trap code"):
        TrapCode.parse(text)


def test_a_trap_shows_its_frames() -> None:
    frames = [
        Frame("module", 3, "inner", 0x1F, 4),
        Frame(None, 2, None, None, None),
    ]
    trap = Trap(TrapCode.UNREACHABLE_CODE_REACHED, frames=lambda: frames)
    assert str(trap) == (
        "unreachable\n    at inner (module[3]:0x1f)\n    at <unnamed> (<module>[2]:?)"
    )
    assert trap.trace == frames
    assert trap.to_trap() is trap.code is TrapCode.UNREACHABLE_CODE_REACHED
    assert isinstance(trap, RuntimeError)


def test_frames_are_found_when_they_are_first_asked_for() -> None:
    asked = []

    def frames() -> list[Frame]:
        asked.append(1)
        return []

    trap = Trap(TrapCode.INTEGER_OVERFLOW, frames=frames)
    assert asked == []
    assert trap.trace == []
    assert trap.trace == []
    assert asked == [1]


def test_a_trap_survives_pickling() -> None:
    frame = Frame("m", 0, "f", 10, 2)
    trap = pickle.loads(pickle.dumps(Trap(TrapCode.BAD_SIGNATURE, frames=lambda: [frame])))
    assert trap.code is TrapCode.BAD_SIGNATURE
    assert trap.trace == [frame]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (CompileError("type mismatch"), "type mismatch"),
        (CompileError("type mismatch", 16), "type mismatch (offset 0x10)"),
        (CompileError("type mismatch", 16, 3), "type mismatch (function 3, offset 0x10)"),
    ],
)
def test_a_compile_error_says_where(error: CompileError, text: str) -> None:
    assert str(error) == text


def test_classes_fit_what_python_programs_catch() -> None:
    assert issubclass(wasmine.ResourceError, MemoryError)
    assert issubclass(wasmine.Trap, RuntimeError)
    assert all(
        issubclass(error, wasmine.WasmineError)
        for error in (
            wasmine.CompileError,
            wasmine.LinkError,
            wasmine.Trap,
            wasmine.ResourceError,
            wasmine.StoreError,
            wasmine.DeserializeError,
            wasmine.InternalError,
        )
    )
