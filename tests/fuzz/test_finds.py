"""What fuzzing has found, as small as it gets."""

from __future__ import annotations

import struct
from typing import Final

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")

from wasmtime import wat2wasm

import wasmine

_CONDITIONAL_LOADS: Final = """(module (memory 1)
  (func (export "move") (param i32 i32) (result i32)
    (i32.eqz (select (i32.load (local.get 0)) (i32.load offset=65000 (i32.const 1022))
                     (local.get 1))))
  (func (export "narrow") (param i32 i32) (result i32)
    (i32.ctz (select (i32.load16_u (local.get 0)) (i32.load16_u offset=65000 (i32.const 1022))
                     (local.get 1)))))"""


@pytest.mark.parametrize("opt_level", ["none", "light", "O2"])
@pytest.mark.parametrize("name", ["move", "narrow"])
def test_a_load_whose_value_is_not_selected_still_traps(name: str, opt_level: str) -> None:
    """LLVM made a jump around the load of a conditional move, although it is volatile."""
    engine = wasmine.Engine(tier="optimized", opt_level=opt_level)
    module = wasmine.Module(bytes(wat2wasm(_CONDITIONAL_LOADS)), engine=engine)
    function = wasmine.Instance(module).exports[name]
    for chosen in (1, 0):
        with pytest.raises(wasmine.Trap) as caught:
            function(0, chosen)
        assert caught.value.code is wasmine.TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS


_ROOTS: Final = """(module
  (func (export "f64") (param v128) (result i64) (local f64)
    (local.set 1 (f64x2.extract_lane 0 (local.get 0)))
    (i64.reinterpret_f64
      (select (f64.const nan) (f64.sqrt (local.get 1)) (f64.lt (local.get 1) (f64.const 0)))))
  (func (export "f64x2") (param v128) (result i64) (local v128)
    (local.set 1 (f64x2.sqrt (local.get 0)))
    (i64x2.extract_lane 0
      (f64x2.pmax
        (v128.bitselect (local.get 1) (v128.const f64x2 nan nan)
          (f64x2.eq (local.get 1) (local.get 1)))
        (v128.const f64x2 1 1)))))"""


@pytest.mark.parametrize("opt_level", ["none", "light", "O2"])
@pytest.mark.parametrize("name", ["f64", "f64x2"])
def test_the_nan_that_replaces_a_root_is_that_nan(name: str, opt_level: str) -> None:
    """LLVM took the root for it, because the root of a negative number is a NaN as well."""
    engine = wasmine.Engine(tier="optimized", opt_level=opt_level)
    module = wasmine.Module(bytes(wat2wasm(_ROOTS)), engine=engine)
    function = wasmine.Instance(module).exports[name]
    assert function(struct.pack("<2d", -1.0, -1.0)) == 0x7FF8_0000_0000_0000
    assert function(struct.pack("<2d", 4.0, 4.0)) == 0x4000_0000_0000_0000


_IDENTITIES: Final = {
    "f32x4.add {} {-0}": 1,
    "f32x4.add {-0} {}": 1,
    "f32x4.sub {} {0}": 1,
    "f32x4.sub {-0} {}": -1,
    "f32x4.mul {} {1}": 1,
    "f32x4.mul {1} {}": 1,
    "f32x4.mul {} {-1}": -1,
    "f32x4.mul {-1} {}": -1,
    "f32x4.div {} {1}": 1,
    "f32x4.div {} {-1}": -1,
}
"""Operations on a half vector, `{}`, and four equal numbers, with their factor."""


@pytest.mark.parametrize("operation", _IDENTITIES)
@pytest.mark.parametrize("opt_level", ["none", "light", "O2"])
def test_quieting_of_half_a_vector(operation: str, opt_level: str) -> None:
    """LLVM made it a `canonicalize` of half the width, which aborted the process."""
    name, *operands = operation.split()
    half = "(f32x4.demote_f64x2_zero (local.get 0))"
    first, second = (
        f"(v128.const f32x4 {' '.join([operand[1:-1]] * 4)})" if operand != "{}" else half
        for operand in operands
    )
    text = f"""(module (func (export "f") (param v128) (result v128)
      (f64x2.promote_low_f32x4 ({name} {first} {second}))))"""
    module = wasmine.Module(text, engine=wasmine.Engine(tier="optimized", opt_level=opt_level))
    factor = _IDENTITIES[operation]
    result = wasmine.Instance(module).exports.f(struct.pack("<2d", 1.5, -2.25))
    assert struct.unpack("<2d", result) == (1.5 * factor, -2.25 * factor)


@pytest.mark.parametrize("opt_level", ["light", "O2", "O3"])
def test_quieting_of_two_neighbours(opt_level: str) -> None:
    """LLVM's vectorizer made a `canonicalize` of two numbers, which aborted the process as well."""
    text = """(module (memory (export "memory") 1) (func (export "f") (param f32 f32 f32 f32) (result f32)
      (f32.store offset=0 (i32.const 8) (f32.mul (local.get 0) (f32.const 1)))
      (f32.store offset=4 (i32.const 8) (f32.mul (local.get 1) (f32.const 1)))
      (f32.add
        (f32.mul (f32.mul (f32.add (local.get 0) (local.get 2)) (f32.const 1)) (f32.const 3))
        (f32.mul (f32.mul (f32.add (local.get 1) (local.get 3)) (f32.const 1)) (f32.const 3)))))"""
    module = wasmine.Module(text, engine=wasmine.Engine(tier="optimized", opt_level=opt_level))
    exports = wasmine.Instance(module).exports
    assert exports.f(1.5, -2.25, 0.5, 4.25) == 12.0
    assert struct.unpack("<2f", exports.memory[8:16]) == (1.5, -2.25)
