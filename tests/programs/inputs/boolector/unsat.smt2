; x * y = y * x for 8 bits has no counterexample
(set-logic QF_BV)
(declare-fun x () (_ BitVec 8))
(declare-fun y () (_ BitVec 8))
(assert (not (= (bvmul x y) (bvmul y x))))
(check-sat)
