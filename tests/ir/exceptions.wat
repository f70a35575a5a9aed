(module
  (import "m" "t" (tag $imported (param i32)))
  (tag $own (param i64 f32))
  (func $f (param i32))
  (func (param i32) (result i32)
    (block $h (result i32)
      (try_table (catch $imported $h) (call $f (local.get 0)))
      (return (i32.const 0))))
  (func (result i64 f32 exnref)
    (block $h (result i64 f32 exnref)
      (try_table (catch_ref $own $h) (throw $own (i64.const 1) (f32.const 2)))
      (unreachable)))
  (func (param exnref)
    (block $all
      (try_table (catch_all $all)
        (throw_ref (local.get 0))))
    (throw $imported (i32.const 3))))
;; define dso_local hidden tailcc void @f0(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; ret void
;; }
;; define dso_local hidden tailcc i32 @f1(ptr %vmctx, i32 %arg0) #0 personality ptr @wasmine_personality {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %x1 = alloca ptr
;; %s0_0 = alloca i32
;; %storep = getelementptr i8, ptr %vmctx, i64 272
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; invoke tailcc void @f0(ptr %vmctx, i32 %arg0) to label %K3 unwind label %P1
;; K3:
;; br label %L1
;; P1:
;; %P1l = landingpad { ptr, i32 } catch ptr null
;; %P1e = extractvalue { ptr, i32 } %P1l, 0
;; store ptr %P1e, ptr %x1
;; br label %D1
;; D1:
;; %D1e = load ptr, ptr %x1
;; %D1etp = getelementptr i8, ptr %D1e, i64 8
;; %D1et = load ptr, ptr %D1etp
;; %H1_0gp = getelementptr i8, ptr %vmctx, i64 384
;; %H1_0g = load ptr, ptr %H1_0gp, !invariant.load !0, !tbaa !5
;; %H1_0c = icmp eq ptr %D1et, %H1_0g
;; br i1 %H1_0c, label %H1_0, label %G1_0
;; H1_0:
;; %H1_0_0p = getelementptr i8, ptr %D1e, i64 16
;; %H1_0_0 = load i32, ptr %H1_0_0p
;; store i32 %H1_0_0, ptr %s0_0
;; br label %L0
;; G1_0:
;; call void @wasmine_throw(ptr %vmctx, ptr %D1e) #6
;; unreachable
;; L1:
;; ret i32 0
;; L0:
;; %v0_0 = load i32, ptr %s0_0
;; ret i32 %v0_0
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc { i64, float, ptr } @f2(ptr %vmctx) #0 {
;; %storep = getelementptr i8, ptr %vmctx, i64 272
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %x1 = alloca ptr
;; %heapp = getelementptr i8, ptr %store, i64 64
;; %heap = load ptr, ptr %heapp, !invariant.load !0, !tbaa !5
;; %s0_0 = alloca i64
;; %s0_1 = alloca float
;; %s0_2 = alloca ptr
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %t4p = getelementptr i8, ptr %vmctx, i64 4
;; %t4 = load i32, ptr %t4p, !invariant.load !0, !tbaa !5
;; %o4c = getelementptr i8, ptr %heap, i64 312
;; %o4m = getelementptr i8, ptr %heap, i64 320
;; %o4f = load ptr, ptr %o4c, !tbaa !5
;; %o4l = load ptr, ptr %o4m, !tbaa !5
;; %o4n = getelementptr i8, ptr %o4f, i64 32
;; %o4x = icmp ugt ptr %o4n, %o4l
;; br i1 %o4x, label %A4s, label %A4f, !prof !1
;; A4f:
;; store ptr %o4n, ptr %o4c, !tbaa !5
;; br label %A4
;; A4:
;; %o4 = phi ptr [ %o4f, %A4f ], [ %o4s, %A4s ]
;; %o4t = zext i32 %t4 to i64
;; store i64 %o4t, ptr %o4
;; fence syncscope("singlethread") seq_cst
;; %k4p = getelementptr i8, ptr %vmctx, i64 392
;; %k4 = load ptr, ptr %k4p, !invariant.load !0, !tbaa !5
;; %o4g = getelementptr i8, ptr %o4, i64 8
;; store ptr %k4, ptr %o4g
;; %o4_0 = getelementptr i8, ptr %o4, i64 16
;; store i64 1, ptr %o4_0
;; %o4_1 = getelementptr i8, ptr %o4, i64 24
;; store float 0x4000000000000000, ptr %o4_1
;; store i64 1, ptr %s0_0
;; store float 0x4000000000000000, ptr %s0_1
;; store ptr %o4, ptr %s0_2
;; br label %L0
;; L0:
;; %v0_0 = load i64, ptr %s0_0
;; %v0_1 = load float, ptr %s0_1
;; %v0_2 = load ptr, ptr %s0_2
;; %r8_0 = insertvalue { i64, float, ptr } poison, i64 %v0_0, 0
;; %r8_1 = insertvalue { i64, float, ptr } %r8_0, float %v0_1, 1
;; %r8_2 = insertvalue { i64, float, ptr } %r8_1, ptr %v0_2, 2
;; ret { i64, float, ptr } %r8_2
;; A4s:
;; %o4s = call ptr @wasmine_heap_allocate(ptr %vmctx, i64 32) #3
;; br label %A4
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc void @f3(ptr %vmctx, ptr %arg0) #0 {
;; %storep = getelementptr i8, ptr %vmctx, i64 272
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %x1 = alloca ptr
;; %heapp = getelementptr i8, ptr %store, i64 64
;; %heap = load ptr, ptr %heapp, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %i3 = icmp eq ptr %arg0, null
;; br i1 %i3, label %T3, label %N3, !prof !1
;; N3:
;; store ptr %arg0, ptr %x1
;; br label %D1
;; D1:
;; %D1e = load ptr, ptr %x1
;; br label %L0
;; L0:
;; %t7p = getelementptr i8, ptr %vmctx, i64 0
;; %t7 = load i32, ptr %t7p, !invariant.load !0, !tbaa !5
;; %o7c = getelementptr i8, ptr %heap, i64 312
;; %o7m = getelementptr i8, ptr %heap, i64 320
;; %o7f = load ptr, ptr %o7c, !tbaa !5
;; %o7l = load ptr, ptr %o7m, !tbaa !5
;; %o7n = getelementptr i8, ptr %o7f, i64 32
;; %o7x = icmp ugt ptr %o7n, %o7l
;; br i1 %o7x, label %A7s, label %A7f, !prof !1
;; A7f:
;; store ptr %o7n, ptr %o7c, !tbaa !5
;; br label %A7
;; A7:
;; %o7 = phi ptr [ %o7f, %A7f ], [ %o7s, %A7s ]
;; %o7t = zext i32 %t7 to i64
;; store i64 %o7t, ptr %o7
;; fence syncscope("singlethread") seq_cst
;; %k7p = getelementptr i8, ptr %vmctx, i64 384
;; %k7 = load ptr, ptr %k7p, !invariant.load !0, !tbaa !5
;; %o7g = getelementptr i8, ptr %o7, i64 8
;; store ptr %k7, ptr %o7g
;; %o7_0 = getelementptr i8, ptr %o7, i64 16
;; store i32 3, ptr %o7_0
;; call void @wasmine_throw(ptr %vmctx, ptr %o7) #6
;; unreachable
;; T3:
;; call void @trap(ptr %vmctx, i32 17) #2
;; unreachable
;; A7s:
;; %o7s = call ptr @wasmine_heap_allocate(ptr %vmctx, i64 24) #3
;; br label %A7
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
