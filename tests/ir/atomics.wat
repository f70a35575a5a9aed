(module
  (memory $s 1 2 shared)
  (memory $u 1)
  (func $narrow (param $p i32) (param $x i64) (result i64)
    (i64.atomic.store16 offset=2 (local.get $p) (local.get $x))
    (i64.atomic.load8_u (local.get $p)))
  (func $modify (param $p i32) (param $x i32) (result i32)
    (i32.atomic.rmw.add offset=1 (local.get $p) (local.get $x)))
  (func $exchange (param $p i32) (param $x i32) (result i32)
    (i32.atomic.rmw16.cmpxchg_u (local.get $p) (local.get $x) (i32.const 1)))
  (func $wait (param $p i32) (result i32)
    (atomic.fence)
    (memory.atomic.wait32 $s (local.get $p) (i32.const 1) (i64.const -1)))
  (func $not_shared (param $p i32) (result i32)
    (memory.atomic.wait32 $u (local.get $p) (i32.const 1) (i64.const -1)))
  (func $notify (param $p i32) (result i32)
    (memory.atomic.notify (local.get $p) (i32.const 1)))
  (func $size (result i32)
    (memory.size $s)))
;; define dso_local hidden tailcc i64 @f0(ptr %vmctx, i32 %arg0, i64 %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca i64
;; store i64 %arg1, ptr %l1
;; %memory0d = getelementptr i8, ptr %vmctx, i64 16
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %w2 = and i32 %arg0, 1
;; %u2 = icmp ne i32 %w2, 0
;; br i1 %u2, label %T2u, label %N2u, !prof !1
;; N2u:
;; %z2 = zext i32 %arg0 to i64
;; %a2 = getelementptr i8, ptr %memory0, i64 %z2
;; %o2 = getelementptr i8, ptr %a2, i64 2
;; %v2 = trunc i64 %arg1 to i16
;; store atomic volatile i16 %v2, ptr %o2 seq_cst, align 2, !tbaa !2
;; %v4n = load atomic volatile i8, ptr %a2 seq_cst, align 1, !tbaa !2
;; %v4 = zext i8 %v4n to i64
;; ret i64 %v4
;; T2u:
;; call void @trap(ptr %vmctx, i32 11) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f1(ptr %vmctx, i32 %arg0, i32 %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 %arg1, ptr %l1
;; %memory0d = getelementptr i8, ptr %vmctx, i64 16
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %w2o = add i32 %arg0, 1
;; %w2 = and i32 %w2o, 3
;; %u2 = icmp ne i32 %w2, 0
;; br i1 %u2, label %T2u, label %N2u, !prof !1
;; N2u:
;; %z2 = zext i32 %arg0 to i64
;; %a2 = getelementptr i8, ptr %memory0, i64 %z2
;; %o2 = getelementptr i8, ptr %a2, i64 1
;; %v2 = atomicrmw volatile add ptr %o2, i32 %arg1 seq_cst, align 4
;; ret i32 %v2
;; T2u:
;; call void @trap(ptr %vmctx, i32 11) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f2(ptr %vmctx, i32 %arg0, i32 %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 %arg1, ptr %l1
;; %memory0d = getelementptr i8, ptr %vmctx, i64 16
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %w3 = and i32 %arg0, 1
;; %u3 = icmp ne i32 %w3, 0
;; br i1 %u3, label %T3u, label %N3u, !prof !1
;; N3u:
;; %z3 = zext i32 %arg0 to i64
;; %a3 = getelementptr i8, ptr %memory0, i64 %z3
;; %w3e = trunc i32 %arg1 to i16
;; %x3 = trunc i32 1 to i16
;; %y3 = cmpxchg volatile ptr %a3, i16 %w3e, i16 %x3 seq_cst seq_cst, align 2
;; %v3n = extractvalue { i16, i1 } %y3, 0
;; %v3 = zext i16 %v3n to i32
;; ret i32 %v3
;; T3u:
;; call void @trap(ptr %vmctx, i32 11) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f3(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %memory0d = getelementptr i8, ptr %vmctx, i64 16
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %storep = getelementptr i8, ptr %vmctx, i64 288
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; fence seq_cst
;; %w4 = and i32 %arg0, 3
;; %u4 = icmp ne i32 %w4, 0
;; br i1 %u4, label %T4u, label %N4u, !prof !1
;; N4u:
;; %z4 = zext i32 %arg0 to i64
;; %a4 = getelementptr i8, ptr %memory0, i64 %z4
;; %t4 = load atomic volatile i32, ptr %a4 seq_cst, align 4, !tbaa !2
;; %v4 = call i32 @wasmine_atomic_wait32(ptr %a4, i32 1, i64 -1) #3
;; ret i32 %v4
;; T4u:
;; call void @trap(ptr %vmctx, i32 11) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f4(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %memory1d = getelementptr i8, ptr %vmctx, i64 32
;; %memory1p = getelementptr i8, ptr %memory1d, i64 0
;; %memory1 = load ptr, ptr %memory1p, !invariant.load !0, !tbaa !5
;; %w3 = and i32 %arg0, 3
;; %u3 = icmp ne i32 %w3, 0
;; br i1 %u3, label %T3u, label %N3u, !prof !1
;; N3u:
;; %z3 = zext i32 %arg0 to i64
;; %a3 = getelementptr i8, ptr %memory1, i64 %z3
;; %t3 = load atomic volatile i32, ptr %a3 seq_cst, align 4, !tbaa !2
;; br label %T3s
;; T3u:
;; call void @trap(ptr %vmctx, i32 11) #2
;; unreachable
;; T3s:
;; call void @trap(ptr %vmctx, i32 23) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f5(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %memory0d = getelementptr i8, ptr %vmctx, i64 16
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %storep = getelementptr i8, ptr %vmctx, i64 288
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %w2 = and i32 %arg0, 3
;; %u2 = icmp ne i32 %w2, 0
;; br i1 %u2, label %T2u, label %N2u, !prof !1
;; N2u:
;; %z2 = zext i32 %arg0 to i64
;; %a2 = getelementptr i8, ptr %memory0, i64 %z2
;; %t2 = load atomic volatile i32, ptr %a2 seq_cst, align 4, !tbaa !2
;; %v2 = call i32 @wasmine_atomic_notify(ptr %a2, i32 1) #3
;; ret i32 %v2
;; T2u:
;; call void @trap(ptr %vmctx, i32 11) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f6(ptr %vmctx) #0 {
;; %memory0d = getelementptr i8, ptr %vmctx, i64 16
;; %memory0n = getelementptr i8, ptr %memory0d, i64 8
;; %g0 = load atomic i64, ptr %memory0n seq_cst, align 8, !tbaa !5
;; %v0p = lshr i64 %g0, 16
;; %v0 = trunc i64 %v0p to i32
;; ret i32 %v0
;; }
