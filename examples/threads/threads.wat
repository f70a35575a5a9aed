;; A picture of the Mandelbrot set, drawn by as many threads as there are instances of this module
;; over one shared memory. Its first cells are for the threads, the picture begins at 64.
(module
  (memory (import "host" "memory") 1 100 shared)
  (global $next_row i32 (i32.const 0))  ;; where the number of the next row that nobody draws is
  (global $drawn i32 (i32.const 4))     ;; how many are done
  (global $picture i32 (i32.const 64))

  ;; How many steps until the point is known to be outside, at most 255.
  (func $steps (param $x f64) (param $y f64) (result i32)
    (local $a f64) (local $b f64) (local $aa f64) (local $bb f64) (local $count i32)
    (loop $step
      (local.set $aa (f64.mul (local.get $a) (local.get $a)))
      (local.set $bb (f64.mul (local.get $b) (local.get $b)))
      (local.set $b
        (f64.add
          (f64.mul (f64.mul (f64.const 2) (local.get $a)) (local.get $b))
          (local.get $y)))
      (local.set $a (f64.add (f64.sub (local.get $aa) (local.get $bb)) (local.get $x)))
      (br_if $step
        (i32.and
          (f64.lt (f64.add (local.get $aa) (local.get $bb)) (f64.const 4))
          (i32.lt_u
            (local.tee $count (i32.add (local.get $count) (i32.const 1)))
            (i32.const 255)))))
    (local.get $count))

  ;; Draws rows that nobody else draws until there are none; the number of rows.
  (func (export "draw") (param $width i32) (param $height i32) (result i32)
    (local $row i32) (local $column i32) (local $mine i32)
    (block $done
      (loop $take
        (local.set $row (i32.atomic.rmw.add (global.get $next_row) (i32.const 1)))
        (br_if $done (i32.ge_u (local.get $row) (local.get $height)))
        (local.set $column (i32.const 0))
        (loop $pixel
          (i32.store8
            (i32.add
              (global.get $picture)
              (i32.add (i32.mul (local.get $row) (local.get $width)) (local.get $column)))
            (call $steps
              (f64.sub
                (f64.div
                  (f64.mul (f64.const 3) (f64.convert_i32_u (local.get $column)))
                  (f64.convert_i32_u (local.get $width)))
                (f64.const 2.2))
              (f64.sub
                (f64.div
                  (f64.mul (f64.const 2.4) (f64.convert_i32_u (local.get $row)))
                  (f64.convert_i32_u (local.get $height)))
                (f64.const 1.2))))
          (br_if $pixel
            (i32.lt_u
              (local.tee $column (i32.add (local.get $column) (i32.const 1)))
              (local.get $width))))
        (local.set $mine (i32.add (local.get $mine) (i32.const 1)))
        (drop (i32.atomic.rmw.add (global.get $drawn) (i32.const 1)))
        (drop (memory.atomic.notify (global.get $drawn) (i32.const -1)))
        (br $take)))
    (local.get $mine))

  ;; Sleeps until more rows are drawn than `seen`, or for `timeout` nanoseconds; how many there are.
  (func (export "progress") (param $seen i32) (param $timeout i64) (result i32)
    (drop (memory.atomic.wait32 (global.get $drawn) (local.get $seen) (local.get $timeout)))
    (i32.atomic.load (global.get $drawn))))
