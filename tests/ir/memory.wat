(module
  (memory 1)
  (func (param i32 i64) (result i32)
    (i64.store32 offset=8 (local.get 0) (local.get 1))
    (i32.add (i32.load16_s (local.get 0)) (i32.load offset=2147483648 (local.get 0))))
  (func (result i32) (memory.size)))
;; define dso_local hidden tailcc i32 @f0(ptr %vmctx, i32 %arg0, i64 %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca i64
;; store i64 %arg1, ptr %l1
;; %memory0d = getelementptr i8, ptr %vmctx, i64 8
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %memory0n = getelementptr i8, ptr %memory0d, i64 8
;; %z2 = zext i32 %arg0 to i64
;; %a2 = getelementptr i8, ptr %memory0, i64 %z2
;; %o2 = getelementptr i8, ptr %a2, i64 8
;; %v2 = trunc i64 %arg1 to i32
;; store volatile i32 %v2, ptr %o2, align 1, !tbaa !2
;; %v4n = load volatile i16, ptr %a2, align 1, !tbaa !2
;; %v4 = sext i16 %v4n to i32
;; %z6 = zext i32 %arg0 to i64
;; %g6 = load i64, ptr %memory0n, !tbaa !5
;; %e6 = add i64 %z6, 2147483652
;; %h6 = icmp ugt i64 %e6, %g6
;; br i1 %h6, label %T6, label %N6, !prof !1
;; N6:
;; %a6 = getelementptr i8, ptr %memory0, i64 %z6
;; %o6 = getelementptr i8, ptr %a6, i64 2147483648
;; %v6 = load volatile i32, ptr %o6, align 1, !tbaa !2
;; %v7 = add i32 %v4, %v6
;; ret i32 %v7
;; T6:
;; call void @trap(ptr %vmctx, i32 1) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f1(ptr %vmctx) #0 {
;; %memory0d = getelementptr i8, ptr %vmctx, i64 8
;; %memory0n = getelementptr i8, ptr %memory0d, i64 8
;; %g0 = load i64, ptr %memory0n, !tbaa !5
;; %v0p = lshr i64 %g0, 16
;; %v0 = trunc i64 %v0p to i32
;; ret i32 %v0
;; }
