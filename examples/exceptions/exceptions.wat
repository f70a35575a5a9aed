;; Sums "12,x,-5": numbers and names, separated by commas. The host knows what names stand for.
(module
  (import "host" "lookup" (func $lookup (param $address i32) (param $length i32) (result i32)))
  (import "host" "unknown" (tag $unknown))  ;; thrown by the host: nothing has this name
  (tag $malformed (export "malformed") (param $offset i32) (param $character i32))
  (memory (export "memory") 1)
  (global $place (mut i32) (i32.const 0))

  (func $character (result i32) (i32.load8_u (global.get $place)))
  (func $skip (global.set $place (i32.add (global.get $place) (i32.const 1))))
  (func $is_digit (result i32)
    (i32.lt_u (i32.sub (call $character) (i32.const 48)) (i32.const 10)))
  (func $is_letter (result i32)
    (i32.lt_u
      (i32.sub (i32.or (call $character) (i32.const 32)) (i32.const 97))
      (i32.const 26)))
  (func $complain (throw $malformed (global.get $place) (call $character)))

  ;; What a name stands for, or the default if the host says that it is unknown.
  (func $name (param $default i32) (result i32) (local $start i32)
    (local.set $start (global.get $place))
    (loop $letter (call $skip) (br_if $letter (call $is_letter)))
    (block $missing
      (try_table (result i32) (catch $unknown $missing)
        (call $lookup (local.get $start) (i32.sub (global.get $place) (local.get $start))))
      (return))
    (local.get $default))

  (func $number (result i32) (local $sign i32) (local $value i32)
    (local.set $sign (i32.const 1))
    (if (i32.eq (call $character) (i32.const 45))  ;; -
      (then (call $skip) (local.set $sign (i32.const -1))))
    (if (i32.eqz (call $is_digit)) (then (call $complain)))
    (loop $digit
      (local.set $value
        (i32.add
          (i32.mul (local.get $value) (i32.const 10))
          (i32.sub (call $character) (i32.const 48))))
      (call $skip)
      (br_if $digit (call $is_digit)))
    (i32.mul (local.get $value) (local.get $sign)))

  ;; The sum of the values in the text at 0, which ends with a zero byte.
  (func (export "sum") (param $default i32) (result i32) (local $sum i32)
    (global.set $place (i32.const 0))
    (loop $next
      (local.set $sum
        (i32.add
          (local.get $sum)
          (if (result i32) (call $is_letter)
            (then (call $name (local.get $default)))
            (else (call $number)))))
      (if (i32.eq (call $character) (i32.const 44))  ;; ,
        (then (call $skip) (br $next))))
    (if (call $character) (then (call $complain)))
    (local.get $sum)))
