(module
  (memory $w i64 1)
  (memory $m 1)
  (table $t i64 4 8 funcref)
  (type $v (func))
  (func $one_check (param $p i64) (result i32)
    (i32.store offset=8 (local.get $p) (i32.const 1))
    (i32.load offset=16 (local.get $p)))
  (func $far (param $p i64) (result i32)
    (i32.load8_u offset=0xffffffffffffffff (local.get $p)))
  (func $constant (result i32)
    (i32.load8_u (i64.const 100)))
  (func $sizes (result i64)
    (i64.add (memory.size $w) (memory.grow $w (i64.const 1))))
  (func $copy (param $p i64) (param $q i32)
    (memory.copy $w $m (local.get $p) (local.get $q) (i32.const 3)))
  (func $table (param $i i64) (result i64)
    (call_indirect $t (type $v) (local.get $i))
    (table.size $t)))
;; define dso_local hidden tailcc i32 @f0(ptr %vmctx, i64 %arg0) #0 {
;; %l0 = alloca i64
;; store i64 %arg0, ptr %l0
;; %memory0rp = getelementptr i8, ptr %vmctx, i64 480
;; %memory0r = load ptr, ptr %memory0rp, !invariant.load !0, !tbaa !5
;; %memory0sp = getelementptr i8, ptr %memory0r, i64 16
;; %memory0s = load i64, ptr %memory0sp, !invariant.load !0, !tbaa !5
;; %memory0d = getelementptr i8, ptr %vmctx, i64 40
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %h2 = icmp uge i64 %arg0, %memory0s
;; br i1 %h2, label %T2, label %N2, !prof !1
;; N2:
;; %a2 = getelementptr i8, ptr %memory0, i64 %arg0
;; %o2 = getelementptr i8, ptr %a2, i64 8
;; store volatile i32 1, ptr %o2, align 1, !tbaa !2
;; %o4 = getelementptr i8, ptr %a2, i64 16
;; %v4 = load volatile i32, ptr %o4, align 1, !tbaa !2
;; ret i32 %v4
;; T2:
;; call void @trap(ptr %vmctx, i32 1) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f1(ptr %vmctx, i64 %arg0) #0 {
;; %l0 = alloca i64
;; store i64 %arg0, ptr %l0
;; %memory0d = getelementptr i8, ptr %vmctx, i64 40
;; %memory0n = getelementptr i8, ptr %memory0d, i64 8
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %g1 = load i64, ptr %memory0n, !tbaa !5
;; br i1 true, label %T1, label %N1, !prof !1
;; N1:
;; %a1 = getelementptr i8, ptr %memory0, i64 %arg0
;; %o1 = getelementptr i8, ptr %a1, i64 -1
;; %v1n = load volatile i8, ptr %o1, align 1, !tbaa !2
;; %v1 = zext i8 %v1n to i32
;; ret i32 %v1
;; T1:
;; call void @trap(ptr %vmctx, i32 1) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f2(ptr %vmctx) #0 {
;; %memory0d = getelementptr i8, ptr %vmctx, i64 40
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %a1 = getelementptr i8, ptr %memory0, i64 100
;; %v1n = load volatile i8, ptr %a1, align 1, !tbaa !2
;; %v1 = zext i8 %v1n to i32
;; ret i32 %v1
;; }
;; define dso_local hidden tailcc i64 @f3(ptr %vmctx) #0 {
;; %memory0d = getelementptr i8, ptr %vmctx, i64 40
;; %memory0n = getelementptr i8, ptr %memory0d, i64 8
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %g0 = load i64, ptr %memory0n, !tbaa !5
;; %v0 = lshr i64 %g0, 16
;; %v2 = call i64 @wasmine_memory64_grow(ptr %vmctx, i64 1, i32 0) #3
;; %v3 = add i64 %v0, %v2
;; ret i64 %v3
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc void @f4(ptr %vmctx, i64 %arg0, i32 %arg1) #0 {
;; %l0 = alloca i64
;; store i64 %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 %arg1, ptr %l1
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %y3 = zext i32 %arg1 to i64
;; call void @wasmine_memory64_copy(ptr %vmctx, i32 0, i32 1, i64 %arg0, i64 %y3, i64 3) #3
;; ret void
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i64 @f5(ptr %vmctx, i64 %arg0) #0 {
;; %l0 = alloca i64
;; store i64 %arg0, ptr %l0
;; %table0d = getelementptr i8, ptr %vmctx, i64 24
;; %table0n = getelementptr i8, ptr %table0d, i64 8
;; %table0p = getelementptr i8, ptr %table0d, i64 0
;; %table0 = load ptr, ptr %table0p, !invariant.load !0, !tbaa !5
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %n1 = load i32, ptr %table0n, !tbaa !5
;; %n1w = zext i32 %n1 to i64
;; %h1 = icmp uge i64 %arg0, %n1w
;; br i1 %h1, label %T1, label %N1, !prof !1
;; N1:
;; %e1 = getelementptr ptr, ptr %table0, i64 %arg0
;; %f1 = load ptr, ptr %e1, !tbaa !4
;; %f1z = icmp eq ptr %f1, null
;; br i1 %f1z, label %T1z, label %N1z, !prof !1
;; N1z:
;; %t1p = getelementptr i8, ptr %vmctx, i64 0
;; %t1 = load i32, ptr %t1p, !invariant.load !0, !tbaa !5
;; %f1tp = getelementptr i8, ptr %f1, i64 8
;; %f1t = load i32, ptr %f1tp, !tbaa !5
;; %f1x = icmp ne i32 %f1t, %t1
;; br i1 %f1x, label %T1x, label %N1x, !prof !1
;; N1x:
;; %f1bp = getelementptr i8, ptr %f1, i64 0
;; %f1b = load ptr, ptr %f1bp, !tbaa !5
;; %f1mp = getelementptr i8, ptr %f1, i64 16
;; %f1m = load ptr, ptr %f1mp, !tbaa !5
;; call tailcc void %f1b(ptr %f1m)
;; %n2 = load i32, ptr %table0n, !tbaa !5
;; %n2w = zext i32 %n2 to i64
;; ret i64 %n2w
;; T1:
;; call void @trap(ptr %vmctx, i32 3) #2
;; unreachable
;; T1z:
;; call void @trap(ptr %vmctx, i32 5) #2
;; unreachable
;; T1x:
;; call void @trap(ptr %vmctx, i32 6) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
