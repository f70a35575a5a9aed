"""Programs that live on objects, with a collection at every few allocations: trees, closures, vectors."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from tests.harness import instance
from wasmine.vm import heap

pytestmark = pytest.mark.usefixtures("every_tier")

TREE = """
(module
  ;; A treap: a search tree by key that is a heap by priority; values are objects themselves.
  (type $value (sub (struct)))
  (type $number (sub final $value (struct (field $n i64))))
  (type $pair (sub final $value (struct (field $a (ref null $value)) (field $b (ref null $value)))))
  (type $node (struct
    (field $key i32) (field $priority i32) (field $value (mut (ref $value)))
    (field $left (mut (ref null $node))) (field $right (mut (ref null $node)))))
  (type $keys (array (mut i32)))
  (global $root (mut (ref null $node)) (ref.null $node))
  (global $seed (mut i32) (i32.const 12345))

  (func $random (result i32)
    (global.set $seed (i32.add (i32.mul (global.get $seed) (i32.const 1664525))
                               (i32.const 1013904223)))
    (i32.shr_u (global.get $seed) (i32.const 1)))

  (func $put (param $t (ref null $node)) (param $key i32) (param $value (ref $value))
      (result (ref $node))
    (local $n (ref $node)) (local $c (ref $node))
    (if (ref.is_null (local.get $t)) (then
      (return (struct.new $node (local.get $key) (call $random) (local.get $value)
                                (ref.null $node) (ref.null $node)))))
    (local.set $n (ref.as_non_null (local.get $t)))
    (if (i32.eq (local.get $key) (struct.get $node $key (local.get $n))) (then
      (struct.set $node $value (local.get $n) (local.get $value))
      (return (local.get $n))))
    (if (i32.lt_s (local.get $key) (struct.get $node $key (local.get $n)))
      (then
        (local.set $c (call $put (struct.get $node $left (local.get $n))
                                 (local.get $key) (local.get $value)))
        (struct.set $node $left (local.get $n) (local.get $c))
        (if (i32.gt_s (struct.get $node $priority (local.get $c))
                      (struct.get $node $priority (local.get $n))) (then
          (struct.set $node $left (local.get $n) (struct.get $node $right (local.get $c)))
          (struct.set $node $right (local.get $c) (local.get $n))
          (return (local.get $c)))))
      (else
        (local.set $c (call $put (struct.get $node $right (local.get $n))
                                 (local.get $key) (local.get $value)))
        (struct.set $node $right (local.get $n) (local.get $c))
        (if (i32.gt_s (struct.get $node $priority (local.get $c))
                      (struct.get $node $priority (local.get $n))) (then
          (struct.set $node $right (local.get $n) (struct.get $node $left (local.get $c)))
          (struct.set $node $left (local.get $c) (local.get $n))
          (return (local.get $c))))))
    (local.get $n))

  (func $sum (param $v (ref null $value)) (result i64) (local $p (ref $pair))
    (block $other (result (ref null $value))
      (br_on_cast_fail $other (ref null $value) (ref $number) (local.get $v))
      (return (struct.get $number $n)))
    (block $pair (param (ref null $value)) (result (ref $pair))
      (br_on_cast $pair (ref null $value) (ref $pair))
      (return (drop) (i64.const 0)))
    (local.set $p)
    (i64.add
      (call $sum (struct.get $pair $a (local.get $p)))
      (call $sum (struct.get $pair $b (local.get $p)))))

  (func (export "put") (param $key i32) (param $n i64)
    (global.set $root (call $put (global.get $root) (local.get $key)
      (struct.new $number (local.get $n)))))
  (func (export "wrap") (param $key i32) (param $n i64)
    (global.set $root (call $put (global.get $root) (local.get $key)
      (struct.new $pair
        (struct.new $number (local.get $n))
        (struct.new $pair (ref.null none) (struct.new $number (i64.const 1000)))))))

  (func $walk (param $t (ref null $node)) (param $keys (ref $keys)) (param $at i32) (result i32)
    (if (ref.is_null (local.get $t)) (then (return (local.get $at))))
    (local.set $at (call $walk (struct.get $node $left (local.get $t))
                               (local.get $keys) (local.get $at)))
    (array.set $keys (local.get $keys) (local.get $at)
      (struct.get $node $key (local.get $t)))
    (call $walk (struct.get $node $right (local.get $t)) (local.get $keys)
      (i32.add (local.get $at) (i32.const 1))))
  (func (export "keys") (param $count i32) (result (ref $keys)) (local $keys (ref $keys))
    (local.set $keys (array.new_default $keys (local.get $count)))
    (drop (call $walk (global.get $root) (local.get $keys) (i32.const 0)))
    (local.get $keys))
  (func (export "get") (param $key i32) (result i64) (local $t (ref null $node))
    (local.set $t (global.get $root))
    (loop $down (result i64)
      (if (i32.eq (local.get $key) (struct.get $node $key (local.get $t)))
        (then (return (call $sum (struct.get $node $value (local.get $t))))))
      (local.set $t
        (if (result (ref null $node))
            (i32.lt_s (local.get $key) (struct.get $node $key (local.get $t)))
          (then (struct.get $node $left (local.get $t)))
          (else (struct.get $node $right (local.get $t)))))
      (br $down)))
)"""

CLOSURES = """
(module
  (rec
    (type $function (func (param (ref $closure)) (param anyref) (result anyref)))
    (type $closure (sub (struct (field $code (ref $function))))))
  (type $adder (sub final $closure (struct (field (ref $function)) (field $n i32))))
  (type $composed (sub final $closure
    (struct (field (ref $function)) (field $f (ref $closure)) (field $g (ref $closure)))))
  (type $vector (array (mut anyref)))
  (elem declare func $add $then)
  (func $add (type $function)
    (ref.i31 (i32.add
      (struct.get $adder $n (ref.cast (ref $adder) (local.get 0)))
      (i31.get_s (ref.cast (ref i31) (local.get 1))))))
  (func $then (type $function) (local $c (ref $composed))
    (local.set $c (ref.cast (ref $composed) (local.get 0)))
    (call $apply (struct.get $composed $g (local.get $c))
      (call $apply (struct.get $composed $f (local.get $c)) (local.get 1))))
  (func $apply (export "apply") (param $f (ref $closure)) (param $x anyref) (result anyref)
    (call_ref $function (local.get $f) (local.get $x)
      (struct.get $closure $code (local.get $f))))
  (func $adder (export "adder") (param $n i32) (result (ref $closure))
    (struct.new $adder (ref.func $add) (local.get $n)))
  (func $compose (export "compose") (param (ref $closure) (ref $closure)) (result (ref $closure))
    (struct.new $composed (ref.func $then) (local.get 0) (local.get 1)))
  (func (export "chain") (param $count i32) (result (ref $closure)) (local $f (ref $closure))
    (local.set $f (call $adder (i32.const 0)))
    (loop $more
      (local.set $f (call $compose (local.get $f) (call $adder (local.get $count))))
      (br_if $more (local.tee $count (i32.sub (local.get $count) (i32.const 1)))))
    (local.get $f))

  ;; A vector that doubles, as array.copy makes it.
  (func (export "grown") (param $count i32) (result (ref $vector))
    (local $v (ref $vector)) (local $w (ref $vector)) (local $i i32)
    (local.set $v (array.new_fixed $vector 1 (ref.i31 (i32.const -1))))
    (loop $more
      (if (i32.eq (local.get $i) (array.len (local.get $v))) (then
        (local.set $w (array.new $vector (ref.i31 (i32.const -2))
          (i32.mul (i32.const 2) (array.len (local.get $v)))))
        (array.copy $vector $vector (local.get $w) (i32.const 0) (local.get $v) (i32.const 0)
          (array.len (local.get $v)))
        (local.set $v (local.get $w))))
      (array.set $vector (local.get $v) (local.get $i)
        (if (result anyref) (i32.and (local.get $i) (i32.const 1))
          (then (ref.i31 (local.get $i)))
          (else (array.new_fixed $vector 2 (ref.i31 (local.get $i)) (local.get $v)))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $more (i32.lt_u (local.get $i) (local.get $count))))
    ;; Shifted by one within itself, forwards and back.
    (array.copy $vector $vector (local.get $v) (i32.const 1) (local.get $v) (i32.const 0)
      (i32.sub (array.len (local.get $v)) (i32.const 1)))
    (array.copy $vector $vector (local.get $v) (i32.const 0) (local.get $v) (i32.const 1)
      (i32.sub (array.len (local.get $v)) (i32.const 1)))
    (local.get $v))
)"""


@pytest.fixture(name="stress", params=[0, 1, 7])
def _stress(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many allocations there are from one collection to the next; 0 is as usual."""
    monkeypatch.setattr(heap, "STRESS", request.param)
    stress: int = request.param
    return stress


def run(text: str) -> Any:
    return instance(text).exports


@pytest.mark.usefixtures("stress")
def test_a_tree_under_collection() -> None:
    made, random, expected = run(TREE), Random(3), {}
    for number in range(400):
        key = random.randrange(-100, 100)
        if number % 3:
            made.put(key, number)
            expected[key] = number
        else:
            made.wrap(key, number)
            expected[key] = number + 1000
    assert made.keys(len(expected))[:] == sorted(expected)
    assert {key: made.get(key) for key in expected} == expected


@pytest.mark.usefixtures("stress")
def test_closures_under_collection() -> None:
    made = run(CLOSURES)
    chain = made.chain(50)
    assert made.apply(chain, 7) == 7 + sum(range(51))
    both = made.compose(made.adder(1), made.compose(chain, made.adder(-5)))
    del chain
    assert made.apply(both, 0) == sum(range(51)) - 4


@pytest.mark.usefixtures("stress")
def test_vectors_under_collection() -> None:
    vector = run(CLOSURES).grown(40)
    assert len(vector) == 64
    for number in range(40):
        found = vector[number] if number % 2 else vector[number][0]
        assert found == number
    assert vector[40] == -2
    # What an element holds is the vector of that time, which was copied from since.
    assert len(vector[20][1]) == 32


def test_stress_is_no_illusion(stress: int) -> None:
    made = run(CLOSURES)
    made.chain(100)
    collections = made.chain.store.heap.collections
    assert collections > 20 if stress else collections == 0
