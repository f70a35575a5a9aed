"""The instructions for exceptions that came before those of WebAssembly 3.0: try, catch, rethrow, delegate."""

from __future__ import annotations

from pathlib import Path

import pytest

from wasmine import (
    Engine,
    Features,
    Instance,
    MalformedModule,
    Module,
    TrapCode,
    WasmException,
)

from .harness import trap_of

pytestmark = pytest.mark.usefixtures("every_tier")

OPT_LEVELS = ("none", "light", "O2")
PROGRAMS = Path(__file__).parent / "programs"

TEXT = """(module
 (tag $a (export "a") (param i32)) (tag $b (param i64)) (tag $c)
 (func $thrower (param i32) (result i32)
   (if (i32.eq (local.get 0) (i32.const 1)) (then (throw $a (i32.const 10))))
   (if (i32.eq (local.get 0) (i32.const 2)) (then (throw $b (i64.const 20))))
   (if (i32.eq (local.get 0) (i32.const 3)) (then (throw $c)))
   (if (i32.eq (local.get 0) (i32.const 4)) (then unreachable))
   (i32.const 0))
 (func (export "basic") (param i32) (result i32)
   try (result i32)
     local.get 0 call $thrower
   catch $a
     i32.const 100 i32.add
   catch $b
     i32.wrap_i64 i32.const 200 i32.add
   catch_all
     i32.const 300
   end)
 (func (export "inline") (param i32) (result i32)
   try (result i32)
     local.get 0 i32.const 5 i32.eq if throw $c end
     local.get 0 throw $a
   catch $a
     i32.const 1000 i32.add
   end)
 (func (export "rethrow") (param i32) (result i32)
   try (result i32)
     try (result i32)
       local.get 0 call $thrower
     catch $a
       drop
       rethrow 0
     catch_all
       try (result i32)
         i32.const 1 call $thrower
       catch $a
         drop
         rethrow 1
       end
     end
   catch $a i32.const 1 i32.add
   catch $b drop i32.const 2
   catch_all i32.const 3
   end)
 (func (export "delegate") (param i32) (result i32)
   try $outer (result i32)
     try (result i32)
       try (result i32)
         local.get 0 call $thrower
       delegate 1
     catch_all
       i32.const -1
     end
   catch $a i32.const 7 i32.add
   catch $b drop i32.const 8
   end)
 (func (export "delegate_out") (param i32) (result i32)
   try (result i32)
     try (result i32)
        local.get 0 call $thrower
     delegate 1
   catch_all
     i32.const -1
   end)
 (func (export "loop") (param i32) (result i32) (local i32)
   loop
     try
       i32.const 1 call $thrower drop
     catch $a
       local.get 1 i32.add local.set 1
     end
     local.get 0 i32.const 1 i32.sub local.tee 0 br_if 0
   end
   local.get 1)
 (func (export "nocatch") (param i32) (result i32) try (result i32) local.get 0 call $thrower end)
)"""


def old_engine(level: str) -> Engine:
    return Engine(opt_level=level, features=Features(legacy_exceptions=True))


@pytest.mark.parametrize("level", OPT_LEVELS)
def test_where_control_goes(level: str) -> None:
    """With what is thrown: nothing, $a, $b, $c. What nobody catches comes out with its values."""
    exports = Instance(Module(TEXT, engine=old_engine(level))).exports

    def outcome(name: str, value: int) -> object:
        try:
            return exports[name](value)
        except WasmException as error:
            return error.payload

    assert [outcome("basic", i) for i in range(4)] == [0, 110, 220, 300]
    assert [outcome("rethrow", i) for i in range(4)] == [0, 11, 2, 3]
    assert [outcome("delegate", i) for i in range(4)] == [0, 17, 8, ()]
    for name in ("delegate_out", "nocatch"):
        assert [outcome(name, i) for i in range(4)] == [0, (10,), (20,), ()]
    assert [outcome("inline", i) for i in (3, 5)] == [1003, ()]
    assert exports.loop(1000) == 10_000
    for name in ("basic", "rethrow", "delegate", "delegate_out", "nocatch"):
        assert trap_of(exports[name], 4) is TrapCode.UNREACHABLE_CODE_REACHED


def test_they_are_off_unless_asked_for() -> None:
    with pytest.raises(MalformedModule, match="try needs the legacy-exceptions proposal"):
        Module(TEXT)


def expected(n: int) -> int:
    """What `run` of programs/exceptions.cpp returns."""
    rounds = range(10)
    caught = sum(101 if i & 1 else 1 for i in rounds)
    return caught * 100_000 + sum((n + i) * (n + i + 1) // 2 + 1 for i in rounds)


@pytest.mark.parametrize("level", OPT_LEVELS)
@pytest.mark.parametrize("name", ["exceptions", "exceptions_old"])
def test_a_program_in_cpp(name: str, level: str) -> None:
    """Compiled by clang to either kind of instructions: destructors, rethrowing, nesting."""
    module = Module((PROGRAMS / f"{name}.wasm").read_bytes(), engine=old_engine(level))
    exports = Instance(module).exports
    assert [exports.run(n) for n in (0, 5, 100)] == [expected(n) for n in (0, 5, 100)]
    assert exports.balance() == 0
