(module
  (func (param i32) (result i32)
    (block (result i32)
      (br_if 0 (i32.const 1) (i32.lt_u (local.get 0) (i32.const 2)))
      (drop)
      (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 3)) (else (return (i32.const 4))))))
  (func (param i32) (local i32)
    (loop
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if 0 (local.get 1))))
  (func (param i32)
    (block (block (br_table 0 1 0 (local.get 0))) (unreachable))))
;; define dso_local hidden tailcc i32 @f0(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %s0_0 = alloca i32
;; %s9_0 = alloca i32
;; %c4b = icmp ult i32 %arg0, 2
;; %c4 = zext i1 %c4b to i32
;; store i32 1, ptr %s0_0
;; br i1 %c4b, label %L0, label %N5
;; N5:
;; %c8b = icmp eq i32 %arg0, 0
;; %c8 = zext i1 %c8b to i32
;; br i1 %c8b, label %N9, label %E9
;; N9:
;; store i32 3, ptr %s9_0
;; br label %L9
;; E9:
;; ret i32 4
;; L9:
;; %v9_0 = load i32, ptr %s9_0
;; store i32 %v9_0, ptr %s0_0
;; br label %L0
;; L0:
;; %v0_0 = load i32, ptr %s0_0
;; ret i32 %v0_0
;; }
;; define dso_local hidden tailcc void @f1(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 0, ptr %l1
;; br label %L0
;; L0:
;; %v1 = load i32, ptr %l1
;; %v2 = load i32, ptr %l0
;; %v3 = add i32 %v1, %v2
;; store i32 %v3, ptr %l1
;; %i6 = icmp ne i32 %v3, 0
;; br i1 %i6, label %L0, label %N6
;; N6:
;; ret void
;; }
;; define dso_local hidden tailcc void @f2(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; switch i32 %arg0, label %L1 [ i32 0, label %L1 i32 1, label %L0 ]
;; L1:
;; br label %T5
;; L0:
;; ret void
;; T5:
;; call void @trap(ptr %vmctx, i32 10) #2
;; unreachable
;; }
