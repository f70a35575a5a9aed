(module
  (type $t (func (param i32) (result i32 f64)))
  (import "m" "f" (func (type $t)))
  (table 1 funcref)
  (func (type $t) (call 0 (local.get 0)))
  (func (type $t) (call_indirect (type $t) (local.get 0) (i32.const 0)))
  (func (result f64) (call 1 (i32.const 5)) (return)))
;; define dso_local hidden tailcc { i32, double } @f1(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %storep = getelementptr i8, ptr %vmctx, i64 304
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %b1p = getelementptr i8, ptr %vmctx, i64 8
;; %b1 = load ptr, ptr %b1p, !invariant.load !0, !tbaa !5
;; %m1p = getelementptr i8, ptr %vmctx, i64 32
;; %m1 = load ptr, ptr %m1p, !invariant.load !0, !tbaa !5
;; %v1 = call tailcc { i32, double } %b1(ptr %m1, i32 %arg0)
;; %v1_0 = extractvalue { i32, double } %v1, 0
;; %v1_1 = extractvalue { i32, double } %v1, 1
;; %r2_0 = insertvalue { i32, double } poison, i32 %v1_0, 0
;; %r2_1 = insertvalue { i32, double } %r2_0, double %v1_1, 1
;; ret { i32, double } %r2_1
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc { i32, double } @f2(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %table0d = getelementptr i8, ptr %vmctx, i64 40
;; %table0n = getelementptr i8, ptr %table0d, i64 8
;; %table0p = getelementptr i8, ptr %table0d, i64 0
;; %table0 = load ptr, ptr %table0p, !invariant.load !0, !tbaa !5
;; %storep = getelementptr i8, ptr %vmctx, i64 304
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %n2 = load i32, ptr %table0n, !tbaa !5
;; %h2 = icmp uge i32 0, %n2
;; br i1 %h2, label %T2, label %N2, !prof !1
;; N2:
;; %e2 = getelementptr ptr, ptr %table0, i64 0
;; %f2 = load ptr, ptr %e2, !tbaa !4
;; %f2z = icmp eq ptr %f2, null
;; br i1 %f2z, label %T2z, label %N2z, !prof !1
;; N2z:
;; %t2p = getelementptr i8, ptr %vmctx, i64 0
;; %t2 = load i32, ptr %t2p, !invariant.load !0, !tbaa !5
;; %f2tp = getelementptr i8, ptr %f2, i64 8
;; %f2t = load i32, ptr %f2tp, !tbaa !5
;; %f2x = icmp ne i32 %f2t, %t2
;; br i1 %f2x, label %T2x, label %N2x, !prof !1
;; N2x:
;; %f2bp = getelementptr i8, ptr %f2, i64 0
;; %f2b = load ptr, ptr %f2bp, !tbaa !5
;; %f2mp = getelementptr i8, ptr %f2, i64 16
;; %f2m = load ptr, ptr %f2mp, !tbaa !5
;; %v2 = call tailcc { i32, double } %f2b(ptr %f2m, i32 %arg0)
;; %v2_0 = extractvalue { i32, double } %v2, 0
;; %v2_1 = extractvalue { i32, double } %v2, 1
;; %r3_0 = insertvalue { i32, double } poison, i32 %v2_0, 0
;; %r3_1 = insertvalue { i32, double } %r3_0, double %v2_1, 1
;; ret { i32, double } %r3_1
;; T2:
;; call void @trap(ptr %vmctx, i32 3) #2
;; unreachable
;; T2z:
;; call void @trap(ptr %vmctx, i32 5) #2
;; unreachable
;; T2x:
;; call void @trap(ptr %vmctx, i32 6) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc double @f3(ptr %vmctx) #0 {
;; %storep = getelementptr i8, ptr %vmctx, i64 304
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %v1 = call tailcc { i32, double } @f1(ptr %vmctx, i32 5)
;; %v1_0 = extractvalue { i32, double } %v1, 0
;; %v1_1 = extractvalue { i32, double } %v1, 1
;; ret double %v1_1
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
