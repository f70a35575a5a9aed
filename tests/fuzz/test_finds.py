"""What fuzzing has found, as small as it gets."""

from __future__ import annotations

import pytest

pytest.importorskip("wasmtime", reason="differential fuzzing compares with wasmtime")

from wasmtime import wat2wasm

import wasmine

_CONDITIONAL_LOADS = """(module (memory 1)
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
    engine = wasmine.Engine(opt_level=opt_level)
    module = wasmine.Module(bytes(wat2wasm(_CONDITIONAL_LOADS)), engine=engine)
    function = wasmine.Instance(module).exports[name]
    for chosen in (1, 0):
        with pytest.raises(wasmine.Trap) as caught:
            function(0, chosen)
        assert caught.value.code is wasmine.TrapCode.HEAP_ACCESS_OUT_OF_BOUNDS
