(module
  (global $pointer (mut i32) (i32.const 0))
  (global $constant f32 (f32.const nan:0x200000))
  (global $kept (mut externref) (ref.null extern))
  (table 1 10 externref)
  (func (param i32) (result f32)
    (global.set $pointer (i32.sub (global.get $pointer) (local.get 0)))
    (global.get $constant))
  (func (result externref) (global.get $kept))
  (func (param i32 externref) (table.set (local.get 0) (local.get 1))))
;; define dso_local hidden tailcc float @f0(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %global0 = getelementptr i8, ptr %vmctx, i64 304
;; %v0 = load i32, ptr %global0, !tbaa !3
;; %v2 = sub i32 %v0, %arg0
;; store volatile i32 %v2, ptr %global0, !tbaa !3
;; ret float bitcast (i32 2141192192 to float)
;; }
;; define dso_local hidden tailcc ptr @f1(ptr %vmctx) #0 {
;; %global2 = getelementptr i8, ptr %vmctx, i64 336
;; %storep = getelementptr i8, ptr %vmctx, i64 288
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %r0 = load ptr, ptr %global2, !tbaa !3
;; %v0 = call ptr @wasmine_externref_activate(ptr %vmctx, ptr %r0) #3
;; ret ptr %v0
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc void @f2(ptr %vmctx, i32 %arg0, ptr %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca ptr
;; store ptr %arg1, ptr %l1
;; %table0d = getelementptr i8, ptr %vmctx, i64 16
;; %table0n = getelementptr i8, ptr %table0d, i64 8
;; %table0p = getelementptr i8, ptr %table0d, i64 0
;; %table0 = load ptr, ptr %table0p, !invariant.load !0, !tbaa !5
;; %storep = getelementptr i8, ptr %vmctx, i64 288
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %n2 = load i32, ptr %table0n, !tbaa !5
;; %h2 = icmp uge i32 %arg0, %n2
;; br i1 %h2, label %T2, label %N2, !prof !1
;; N2:
;; %z2 = zext i32 %arg0 to i64
;; %e2 = getelementptr ptr, ptr %table0, i64 %z2
;; call void @wasmine_externref_store(ptr %vmctx, ptr %e2, ptr %arg1) #3
;; ret void
;; T2:
;; call void @trap(ptr %vmctx, i32 3) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
