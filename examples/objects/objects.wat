;; A persistent map from i64 to anything: inserting makes a new version and leaves the old one as it
;; was; the two share all nodes off the path to the key. It is a treap: a search tree by the key and
;; a heap by a number that is computed from the key, which keeps it balanced.
(module
  (type $node (struct
    (field $key i64)
    (field $value externref)
    (field $left (ref null $node))
    (field $right (ref null $node))))

  (func $rank (param $key i64) (result i64)
    (local.set $key (i64.mul (local.get $key) (i64.const 0x9e3779b97f4a7c15)))
    (i64.mul
      (i64.xor (local.get $key) (i64.shr_u (local.get $key) (i64.const 32)))
      (i64.const 0xd6e8feb86659fd93)))

  (func $above (param $a (ref $node)) (param $b (ref $node)) (result i32)
    (i64.gt_u
      (call $rank (struct.get $node $key (local.get $a)))
      (call $rank (struct.get $node $key (local.get $b)))))

  (func $insert (export "insert")
      (param $n (ref null $node)) (param $key i64) (param $value externref) (result (ref $node))
    (local $child (ref $node))
    (if (ref.is_null (local.get $n))
      (then
        (return
          (struct.new $node
            (local.get $key) (local.get $value) (ref.null $node) (ref.null $node)))))
    (if (i64.eq (local.get $key) (struct.get $node $key (local.get $n)))
      (then
        (return
          (struct.new $node
            (local.get $key)
            (local.get $value)
            (struct.get $node $left (local.get $n))
            (struct.get $node $right (local.get $n))))))
    (if (i64.lt_s (local.get $key) (struct.get $node $key (local.get $n)))
      (then
        (local.set $child
          (call $insert
            (struct.get $node $left (local.get $n)) (local.get $key) (local.get $value)))
        (if (call $above (local.get $child) (ref.as_non_null (local.get $n)))
          (then (return (call $rotated_right (ref.as_non_null (local.get $n)) (local.get $child)))))
        (return
          (struct.new $node
            (struct.get $node $key (local.get $n))
            (struct.get $node $value (local.get $n))
            (local.get $child)
            (struct.get $node $right (local.get $n))))))
    (local.set $child
      (call $insert
        (struct.get $node $right (local.get $n)) (local.get $key) (local.get $value)))
    (if (call $above (local.get $child) (ref.as_non_null (local.get $n)))
      (then (return (call $rotated_left (ref.as_non_null (local.get $n)) (local.get $child)))))
    (struct.new $node
      (struct.get $node $key (local.get $n))
      (struct.get $node $value (local.get $n))
      (struct.get $node $left (local.get $n))
      (local.get $child)))

  ;; The left child on top of its parent.
  (func $rotated_right (param $n (ref $node)) (param $child (ref $node)) (result (ref $node))
    (struct.new $node
      (struct.get $node $key (local.get $child))
      (struct.get $node $value (local.get $child))
      (struct.get $node $left (local.get $child))
      (struct.new $node
        (struct.get $node $key (local.get $n))
        (struct.get $node $value (local.get $n))
        (struct.get $node $right (local.get $child))
        (struct.get $node $right (local.get $n)))))

  ;; The right child on top of its parent.
  (func $rotated_left (param $n (ref $node)) (param $child (ref $node)) (result (ref $node))
    (struct.new $node
      (struct.get $node $key (local.get $child))
      (struct.get $node $value (local.get $child))
      (struct.new $node
        (struct.get $node $key (local.get $n))
        (struct.get $node $value (local.get $n))
        (struct.get $node $left (local.get $n))
        (struct.get $node $left (local.get $child)))
      (struct.get $node $right (local.get $child))))

  ;; The node with a key, or null.
  (func (export "find") (param $n (ref null $node)) (param $key i64) (result (ref null $node))
    (block $end
      (loop $down
        (br_if $end (ref.is_null (local.get $n)))
        (br_if $end (i64.eq (local.get $key) (struct.get $node $key (local.get $n))))
        (local.set $n
          (if (result (ref null $node))
            (i64.lt_s (local.get $key) (struct.get $node $key (local.get $n)))
            (then (struct.get $node $left (local.get $n)))
            (else (struct.get $node $right (local.get $n)))))
        (br $down)))
    (local.get $n)))
