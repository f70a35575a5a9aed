"""The trap matrix: every code that compiled code or a builtin raises, and what is left afterwards.

Rows X01-X06, I04 and R02.
"""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from tests.harness import instance
from wasmine import (
    EXTERNREF,
    Engine,
    Function,
    FunctionType,
    Instance,
    Store,
    Trap,
    TrapCode,
    WasmineError,
)
from wasmine.abi.vmcontext import ThreadRecord
from wasmine.vm import process

from .harness import open_files, resident_bytes, trap_of

ROUNDS = 10_000
ENGINES = {
    "light": Engine(tier="optimized"),
    "O2": Engine(opt_level="O2", tier="optimized"),
    "dynamic": Engine(memory="dynamic", tier="optimized"),
    "baseline": Engine(tier="baseline"),
    "baseline, dynamic": Engine(memory="dynamic", tier="baseline"),
}

# name, parameters, body, arguments, code. The memory has one page, the tables ten elements.
ROWS: list[tuple[str, str, str, tuple[object, ...], TrapCode]] = [
    ("unreachable", "", "unreachable", (), TrapCode.UNREACHABLE_CODE_REACHED),
    *(
        (
            f"{kind}.{operation} by zero",
            f"{kind} {kind}",
            f"({kind}.{operation} (local.get 0) (local.get 1)) drop",
            (7, 0),
            TrapCode.INTEGER_DIVISION_BY_ZERO,
        )
        for kind in ("i32", "i64")
        for operation in ("div_s", "div_u", "rem_s", "rem_u")
    ),
    *(
        (
            f"i{width}.div_s overflow",
            f"i{width} i{width}",
            f"(i{width}.div_s (local.get 0) (local.get 1)) drop",
            (-(1 << (width - 1)), -1),
            TrapCode.INTEGER_OVERFLOW,
        )
        for width in (32, 64)
    ),
    *(
        (
            f"{to}.trunc_{source}_{sign} {value}",
            source,
            f"({to}.trunc_{source}_{sign} (local.get 0)) drop",
            (float(value),),
            TrapCode.BAD_CONVERSION_TO_INTEGER if value == "nan" else TrapCode.INTEGER_OVERFLOW,
        )
        for to in ("i32", "i64")
        for source in ("f32", "f64")
        for sign in "su"
        for value in ("nan", "inf", "1e20")
    ),
    *(
        (f"call_indirect {name}", "i32", "(call_indirect (local.get 0))", (index,), code)
        for name, index, code in (
            ("at the end", 10, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS),
            ("far beyond", -1, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS),
            ("null", 1, TrapCode.INDIRECT_CALL_TO_NULL),
            ("of another type", 2, TrapCode.BAD_SIGNATURE),
        )
    ),
    ("recursion", "", "call $recurse drop", (), TrapCode.STACK_OVERFLOW),
    ("load", "i32", "(i32.load (local.get 0)) drop", (-1,), TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS),
    (
        "store",
        "i32",
        "(i64.store (local.get 0) (i64.const -1))",
        (65529,),
        TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
    ),
    *(
        (
            name,
            "i32 i32 i32",
            f"({name} (local.get 0) (local.get 1) (local.get 2))",
            arguments,
            code,
        )
        for name, code, table in (
            (
                "memory.copy",
                TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
                ((0, 65530, 7), (65530, 0, 7), (65537, 0, 0), (0, -1, -1)),
            ),
            (
                "memory.fill",
                TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
                ((65530, 1, 7), (65537, 1, 0), (-1, 1, -1)),
            ),
            (
                "memory.init $bytes",
                TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS,
                ((0, 3, 3), (65533, 0, 4), (0, 6, 0), (-1, -1, -1)),
            ),
            (
                "table.copy $refs $functions",
                TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS,
                ((0, 5, 6), (5, 0, 6), (11, 0, 0), (-1, -1, -1)),
            ),
            (
                "table.init $functions $items",
                TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS,
                ((0, 1, 2), (9, 0, 2), (0, 3, 0), (-1, -1, -1)),
            ),
        )
        for arguments in table
    ),
    *(
        (name, parameters, body, arguments, TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS)
        for name, parameters, body, arguments in (
            ("table.get", "i32", "(table.get $functions (local.get 0)) drop", (10,)),
            ("table.get extern", "i32", "(table.get $externs (local.get 0)) drop", (-1,)),
            ("table.set", "i32", "(table.set $functions (local.get 0) (ref.null func))", (10,)),
            (
                "table.set extern",
                "i32 externref",
                "(table.set $externs (local.get 0) (local.get 1))",
                (10, "object"),
            ),
            (
                "table.fill",
                "i32 externref i32",
                "(table.fill $externs (local.get 0) (local.get 1) (local.get 2))",
                (5, "object", 6),
            ),
        )
    ),
]
IDS = [f"{row[0]} {row[3]}" for row in ROWS]
REPEATED = {
    name: min(number for number, row in enumerate(ROWS) if row[0].startswith(name))
    for name in (
        "unreachable", "i32.div_s by zero", "i64.div_s overflow", "i32.trunc_f32_s nan",
        "call_indirect at the end", "call_indirect null", "call_indirect of another", "recursion",
        "load", "store", "memory.copy", "memory.fill", "memory.init", "table.copy", "table.init",
        "table.get", "table.set extern", "table.fill",
    )
}  # fmt: skip
MATRIX = """(module
  (memory (export "memory") 1)
  (table $functions (export "functions") 10 funcref)
  (table $refs 10 funcref)
  (table $externs (export "externs") 10 externref)
  (global $reached (export "reached") (mut i32) (i32.const 0))
  (data $bytes "hello")
  (elem $items func $fine $other)
  (elem (table $functions) (i32.const 0) func $fine)
  (elem (table $functions) (i32.const 2) func $other)
  (func $fine)
  (func $other (param i64))
  (func $recurse (result i32) (i32.add (i32.const 1) (call $recurse)))
""" + "".join(
    f'(func (export "{number}") {f"(param {parameters})" if parameters else ""}\n'
    f"  (global.set $reached (i32.const {number + 1}))\n"
    f"  (i32.store (i32.const 100) (i32.const {number + 1}))\n"
    f"  {body}\n"
    "  (global.set $reached (i32.const -1)))\n"
    for number, (_, parameters, body, _, _) in enumerate(ROWS)
) + ")"  # fmt: skip


@cache
def matrix(name: str) -> Instance:
    return instance(MATRIX, engine=ENGINES[name])


def idle(made: Instance) -> bool:
    """Whether nothing of a call is left: no landing place, no claim, no deferred references."""
    record = made.store.context._record
    thread = process.current().current_thread()
    landing = ThreadRecord.from_address(thread).landing if thread else 0
    return not (record.depth or record.thread or record.externrefs or landing)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("number", range(len(ROWS)), ids=IDS)
def test_every_trap_and_the_state_after_it(number: int, engine: str) -> None:
    made = matrix(engine)
    _, _, _, arguments, code = ROWS[number]
    with pytest.raises(Trap) as caught:
        made.exports[str(number)](*arguments)
    assert caught.value.code is caught.value.to_trap() is code
    assert caught.value.message == code.message
    assert str(caught.value).startswith(code.message + "\n    at ")
    assert isinstance(caught.value, RuntimeError)
    assert isinstance(caught.value, WasmineError)
    if code is TrapCode.STACK_OVERFLOW:  # a trace has the innermost frames only
        assert {frame.function_name for frame in caught.value.trace} == {"recurse"}
    else:
        assert [frame.function_name for frame in caught.value.trace] == [str(number)]
    # What was written before the trap stays, nothing after it has happened.
    assert made.exports.reached.value == number + 1
    assert made.exports.memory.int32_view(25)[0] == number + 1
    assert idle(made)


def repeat(made: Instance, number: int, rounds: int) -> None:
    function, arguments, code = made.exports[str(number)], ROWS[number][3], ROWS[number][4]
    for _ in range(rounds):
        assert trap_of(function, *arguments) is code


@pytest.mark.parametrize("engine", ["light", "baseline"])
@pytest.mark.parametrize("name", REPEATED)
def test_ten_thousand_in_a_row(name: str, engine: str) -> None:
    """In the main thread and in another one, leaving nothing behind."""
    made, number = matrix(engine), REPEATED[name]
    # A stack overflow touches megabytes of stack each time, which takes longer.
    rounds = ROUNDS // 10 if name == "recursion" else ROUNDS
    repeat(made, number, 200)
    gc.collect()
    before, files = resident_bytes(), open_files()
    repeat(made, number, rounds)
    thread = threading.Thread(target=repeat, args=(made, number, rounds))
    thread.start()
    thread.join()
    gc.collect()
    assert open_files() <= files  # of workers that earlier tests have started one may have ended
    assert resident_bytes() - before < 12 << 20  # a leak of 1 KiB each would be 20 MB
    assert idle(made)


NESTED = """(module
  (import "host" "call" (func $host (param i32) (result i32)))
  (func (export "run") (param $level i32) (result i32)
    (i32.add (i32.const 1) (call $host (local.get $level))))
  (func (export "run_then_trap") (param $level i32) (result i32)
    (drop (call $host (local.get $level)))
    unreachable)
  (func (export "divide") (param i32) (result i32)
    (i32.div_u (i32.const 1) (local.get 0))))"""


def nested(host: Callable[[Any, int], int]) -> Instance:
    made: list[Instance] = []
    made.append(instance(NESTED, {"host": {"call": lambda level: host(made[0].exports, level)}}))
    return made[0]


def test_a_trap_that_the_host_function_catches() -> None:
    def host(exports: Any, level: int) -> int:
        if level:
            return int(exports.run(level - 1))
        assert trap_of(exports.divide, 0) is TrapCode.INTEGER_DIVISION_BY_ZERO
        return 10

    made = nested(host)
    for _ in range(100):
        assert made.exports.run(5) == 16
    assert idle(made)


def test_a_trap_that_passes_through_both_levels() -> None:
    made = nested(lambda exports, level: exports.run(level - 1) if level else exports.divide(0))
    for _ in range(100):
        with pytest.raises(Trap) as caught:
            made.exports.run(5)
        assert caught.value.code is TrapCode.INTEGER_DIVISION_BY_ZERO
        # Its frames are those up to the innermost host; Python's traceback has the rest.
        assert [frame.function_name for frame in caught.value.trace] == ["divide"]
    assert idle(made)


def test_an_outer_trap_after_an_inner_success() -> None:
    made = nested(lambda exports, level: int(exports.divide(1)) + level)
    for _ in range(100):
        assert trap_of(made.exports.run_then_trap, 3) is TrapCode.UNREACHABLE_CODE_REACHED
        assert made.exports.run(3) == 5
    assert idle(made)


def test_an_exception_passes_two_levels_unchanged() -> None:
    error = KeyError("mine")

    def host(exports: Any, level: int) -> int:
        if level:
            return int(exports.run(level - 1))
        raise error

    made = nested(host)
    with pytest.raises(KeyError) as caught:
        made.exports.run(2)
    assert caught.value is error
    names = [entry.name for entry in caught.traceback]
    assert names.count("host") == 3
    assert error.__cause__ is error.__context__ is None
    assert idle(made)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=repr)
def test_exceptions_of_any_kind_pass(error: BaseException) -> None:
    def host(exports: Any, level: int) -> int:
        raise error

    made = nested(host)
    with pytest.raises(type(error)) as caught:
        made.exports.run(0)
    assert caught.value is error


REFERENCES = """(module
  (import "host" "fresh" (func $fresh (result externref)))
  (table $table (export "table") 4 externref)
  (global $global (mut externref) (ref.null extern))
  (func (export "drop_and_trap") (param externref i32)
    (table.set $table (i32.const 0) (local.get 0))
    (global.set $global (table.get $table (i32.const 0)))
    (table.set $table (i32.const 1) (call $fresh))
    (table.fill $table (i32.const 0) (ref.null extern) (i32.const 4))
    (global.set $global (ref.null extern))
    (table.set $table (local.get 1) (call $fresh))
    unreachable))"""


@pytest.mark.parametrize("index", [2, 99])
def test_references_are_balanced_after_traps(index: int) -> None:
    """Row R02: whatever frames held when the trap dropped them."""
    value = object()
    store = Store()
    fresh = Function(lambda: value, FunctionType((), (EXTERNREF,)), store=store)
    made = instance(REFERENCES, {"host": {"fresh": fresh}}, store=store)
    before = sys.getrefcount(value)
    expected = before + (1 if index == 2 else 0)  # what the table still holds
    for _ in range(ROUNDS):
        assert trap_of(made.exports.drop_and_trap, value, index) is not None
    assert sys.getrefcount(value) == expected
    assert idle(made)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(start $bad) (func $bad unreachable)", TrapCode.UNREACHABLE_CODE_REACHED),
        ('(data (i32.const 65535) "xy")', TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS),
        ("(elem (i32.const 2) func $f)", TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS),
    ],
)
def test_a_trap_while_instantiating_keeps_what_was_written(text: str, code: TrapCode) -> None:
    """Row I04: element segments, then data, then start; partial writes stay."""
    owner = instance('(module (memory (export "memory") 1) (table (export "table") 2 funcref))')
    with pytest.raises(Trap) as caught:
        instance(
            '(module (import "o" "memory" (memory 1)) (import "o" "table" (table 2 funcref))'
            f'(elem (i32.const 0) func $f) (data (i32.const 5) "written") (func $f) {text})',
            {"o": owner.exports},
        )
    assert caught.value.code is code
    gc.collect()
    written = owner.exports.memory[5:12] == b"written"
    assert written is (code is not TrapCode.TABLE_ACCESS_OUT_OF_BOUNDS)
    owner.exports.table[0]()  # the function outlives the instance that failed
