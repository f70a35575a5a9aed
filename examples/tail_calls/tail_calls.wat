;; An interpreter in threaded code: every instruction is a function that ends with a tail call of the
;; next one, so that the machine's registers are parameters and its loop is nowhere.
(module
  (memory (export "memory") 1)  ;; the program: for each instruction its number and an argument, i32
  (type $instruction (func (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)))
  (table $instructions funcref
    (elem $halt $set_a $set_b $set_c $swap $add $multiply $decrement $jump $jump_unless_c))

  (func $argument (param $pc i32) (result i32) (i32.load offset=4 (local.get $pc)))

  (func $run (export "run") (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call_indirect $instructions (type $instruction)
      (local.get $pc) (local.get $a) (local.get $b) (local.get $c)
      (i32.load (local.get $pc))))

  (func $next (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $run
      (i32.add (local.get $pc) (i32.const 8)) (local.get $a) (local.get $b) (local.get $c)))

  (func $halt (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (local.get $a))
  (func $set_a (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc)
      (i64.extend_i32_s (call $argument (local.get $pc))) (local.get $b) (local.get $c)))
  (func $set_b (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc)
      (local.get $a) (i64.extend_i32_s (call $argument (local.get $pc))) (local.get $c)))
  (func $set_c (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc)
      (local.get $a) (local.get $b) (i64.extend_i32_s (call $argument (local.get $pc)))))
  (func $swap (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc) (local.get $b) (local.get $a) (local.get $c)))
  (func $add (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc)
      (i64.add (local.get $a) (local.get $b)) (local.get $b) (local.get $c)))
  (func $multiply (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc)
      (i64.mul (local.get $a) (local.get $b)) (local.get $b) (local.get $c)))
  (func $decrement (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $next (local.get $pc)
      (local.get $a) (local.get $b) (i64.sub (local.get $c) (i64.const 1))))
  (func $jump (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (return_call $run
      (call $argument (local.get $pc)) (local.get $a) (local.get $b) (local.get $c)))
  (func $jump_unless_c (param $pc i32) (param $a i64) (param $b i64) (param $c i64) (result i64)
    (if (i64.eqz (local.get $c))
      (then
        (return_call $jump (local.get $pc) (local.get $a) (local.get $b) (local.get $c))))
    (return_call $next (local.get $pc) (local.get $a) (local.get $b) (local.get $c))))
