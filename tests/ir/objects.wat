(module
  (type $point (sub (struct (field $x (mut i32)) (field $tag (mut i8)) (field $next (mut (ref null $point))))))
  (type $final (sub final $point (struct (field (mut i32)) (field (mut i8)) (field (mut (ref null $point))))))
  (type $ints (array (mut i32)))
  (type $externs (array (mut externref)))
  (memory 1)

  (func (export "struct.new") (param i32) (result (ref $point))
    (struct.new $point (local.get 0) (i32.const 0) (ref.null $point)))

  (func (export "fields") (param (ref null $point)) (result i32)
    (struct.set $point $x (local.get 0) (i32.const 7))
    (struct.set $point $tag (local.get 0) (i32.const 8))
    (i32.add
      (struct.get $point $x (local.get 0))
      (struct.get_s $point $tag (local.get 0))))

  (func (export "elements") (param (ref null $ints) i32) (result i32)
    (array.set $ints (local.get 0) (local.get 1) (i32.const 5))
    (array.get $ints (local.get 0) (local.get 1)))

  (func (export "array.new") (param i32 i32) (result (ref $ints))
    (array.new $ints (local.get 0) (local.get 1)))

  (func (export "array.copy") (param (ref $ints) (ref $ints) i32)
    (array.copy $ints $ints
      (local.get 0) (i32.const 1) (local.get 1) (i32.const 2) (local.get 2)))

  (func (export "array.set externref") (param (ref $externs) externref)
    (array.set $externs (local.get 0) (i32.const 0) (local.get 1)))

  (func (export "ref.cast to a type with subtypes") (param anyref) (result (ref $point))
    (ref.cast (ref $point) (local.get 0)))

  (func (export "ref.test of a final type") (param anyref) (result i32)
    (ref.test (ref null $final) (local.get 0)))

  (func (export "ref.test of structref") (param anyref) (result i32)
    (ref.test structref (local.get 0)))

  (func (export "br_on_cast") (param anyref) (result i32)
    (block $small (result (ref i31))
      (br_on_cast $small anyref (ref i31) (local.get 0))
      (drop)
      (return (i32.const -1)))
    (i31.get_s))

  (func (export "ref.i31") (param i32) (result anyref)
    (ref.i31 (local.get 0)))

  (func (export "any.convert_extern") (param externref) (result anyref)
    (any.convert_extern (local.get 0)))
)
;; define dso_local hidden tailcc ptr @f0(ptr %vmctx, i32 %arg0) #0 {
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %heapp = getelementptr i8, ptr %store, i64 64
;; %heap = load ptr, ptr %heapp, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %g3tp = getelementptr i8, ptr %vmctx, i64 0
;; %g3t = load i32, ptr %g3tp, !invariant.load !0, !tbaa !5
;; %o3c = getelementptr i8, ptr %heap, i64 312
;; %o3m = getelementptr i8, ptr %heap, i64 320
;; %o3f = load ptr, ptr %o3c, !tbaa !5
;; %o3l = load ptr, ptr %o3m, !tbaa !5
;; %o3n = getelementptr i8, ptr %o3f, i64 32
;; %o3x = icmp ugt ptr %o3n, %o3l
;; br i1 %o3x, label %A3s, label %A3f, !prof !1
;; A3f:
;; store ptr %o3n, ptr %o3c, !tbaa !5
;; br label %A3
;; A3:
;; %o3 = phi ptr [ %o3f, %A3f ], [ %o3s, %A3s ]
;; %o3t = zext i32 %g3t to i64
;; store i64 %o3t, ptr %o3
;; fence syncscope("singlethread") seq_cst
;; %g3e0 = getelementptr i8, ptr %o3, i64 8
;; store volatile i32 %arg0, ptr %g3e0, !tbaa !17
;; ret ptr %o3
;; A3s:
;; %o3s = call ptr @wasmine_heap_allocate(ptr %vmctx, i64 24) #3
;; br label %A3
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f1(ptr %vmctx, ptr %arg0) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %g2n = icmp eq ptr %arg0, null
;; br i1 %g2n, label %T2n, label %N2n, !prof !1
;; N2n:
;; %g2e = getelementptr i8, ptr %arg0, i64 8
;; store volatile i32 7, ptr %g2e, !tbaa !17
;; %g5e = getelementptr i8, ptr %arg0, i64 12
;; %g5w = trunc i32 8 to i8
;; store volatile i8 %g5w, ptr %g5e, !tbaa !17
;; %g7e = getelementptr i8, ptr %arg0, i64 8
;; %v7 = load i32, ptr %g7e, !tbaa !17
;; %g9e = getelementptr i8, ptr %arg0, i64 12
;; %g9w = load i8, ptr %g9e, !tbaa !17
;; %v9 = sext i8 %g9w to i32
;; %v10 = add i32 %v7, %v9
;; ret i32 %v10
;; T2n:
;; call void @trap(ptr %vmctx, i32 14) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f2(ptr %vmctx, ptr %arg0, i32 %arg1) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 %arg1, ptr %l1
;; %g3n = icmp eq ptr %arg0, null
;; br i1 %g3n, label %T3n, label %N3n, !prof !1
;; N3n:
;; %g3a = getelementptr i8, ptr %arg0, i64 4
;; %g3an = load i32, ptr %g3a, !tbaa !5
;; %g3x = icmp uge i32 %arg1, %g3an
;; br i1 %g3x, label %T3x, label %N3x, !prof !1
;; N3x:
;; %g3ez = zext i32 %arg1 to i64
;; %g3eb = getelementptr i8, ptr %arg0, i64 8
;; %g3e = getelementptr i32, ptr %g3eb, i64 %g3ez
;; store volatile i32 5, ptr %g3e, !tbaa !17
;; %g6a = getelementptr i8, ptr %arg0, i64 4
;; %g6an = load i32, ptr %g6a, !tbaa !5
;; %g6x = icmp uge i32 %arg1, %g6an
;; br i1 %g6x, label %T6x, label %N6x, !prof !1
;; N6x:
;; %g6ez = zext i32 %arg1 to i64
;; %g6eb = getelementptr i8, ptr %arg0, i64 8
;; %g6e = getelementptr i32, ptr %g6eb, i64 %g6ez
;; %v6 = load i32, ptr %g6e, !tbaa !17
;; ret i32 %v6
;; T3n:
;; call void @trap(ptr %vmctx, i32 15) #2
;; unreachable
;; T3x:
;; call void @trap(ptr %vmctx, i32 19) #2
;; unreachable
;; T6x:
;; call void @trap(ptr %vmctx, i32 19) #2
;; unreachable
;; }
;; define dso_local hidden tailcc ptr @f3(ptr %vmctx, i32 %arg0, i32 %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
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
;; %g2tp = getelementptr i8, ptr %vmctx, i64 8
;; %g2t = load i32, ptr %g2tp, !invariant.load !0, !tbaa !5
;; %o2w = zext i32 %arg1 to i64
;; %o2e = mul nuw i64 %o2w, 4
;; %o2b = add nuw i64 %o2e, 8
;; %o2x = icmp ugt i64 %o2b, 4294967295
;; br i1 %o2x, label %T2a, label %N2a, !prof !1
;; N2a:
;; %o2 = call ptr @wasmine_heap_allocate_array(ptr %vmctx, i32 %g2t, i32 %arg1, i64 %o2b) #3
;; %g2z = zext i32 %arg1 to i64
;; %g2b = getelementptr i8, ptr %o2, i64 8
;; call void @wasmine_array_fill_32(ptr %g2b, i64 %g2z, i32 %arg0) #3
;; ret ptr %o2
;; T2a:
;; call void @trap(ptr %vmctx, i32 21) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc void @f4(ptr %vmctx, ptr %arg0, ptr %arg1, i32 %arg2) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %l1 = alloca ptr
;; store ptr %arg1, ptr %l1
;; %l2 = alloca i32
;; store i32 %arg2, ptr %l2
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %g5z = zext i32 %arg2 to i64
;; %g5ad = getelementptr i8, ptr %arg0, i64 4
;; %g5adn = load i32, ptr %g5ad, !tbaa !5
;; %g5xdl = zext i32 %g5adn to i64
;; %g5xds = zext i32 1 to i64
;; %g5xde = add nuw i64 %g5xds, %g5z
;; %g5xd = icmp ugt i64 %g5xde, %g5xdl
;; br i1 %g5xd, label %T5xd, label %N5xd, !prof !1
;; N5xd:
;; %g5edz = zext i32 1 to i64
;; %g5edb = getelementptr i8, ptr %arg0, i64 8
;; %g5ed = getelementptr i32, ptr %g5edb, i64 %g5edz
;; %g5as = getelementptr i8, ptr %arg1, i64 4
;; %g5asn = load i32, ptr %g5as, !tbaa !5
;; %g5xsl = zext i32 %g5asn to i64
;; %g5xss = zext i32 2 to i64
;; %g5xse = add nuw i64 %g5xss, %g5z
;; %g5xs = icmp ugt i64 %g5xse, %g5xsl
;; br i1 %g5xs, label %T5xs, label %N5xs, !prof !1
;; N5xs:
;; %g5esz = zext i32 2 to i64
;; %g5esb = getelementptr i8, ptr %arg1, i64 8
;; %g5es = getelementptr i32, ptr %g5esb, i64 %g5esz
;; %g5m = mul nuw i64 %g5z, 4
;; call void @llvm.memmove.p0.p0.i64(ptr align 4 %g5ed, ptr %g5es, i64 %g5m, i1 true)
;; ret void
;; T5xd:
;; call void @trap(ptr %vmctx, i32 19) #2
;; unreachable
;; T5xs:
;; call void @trap(ptr %vmctx, i32 19) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc void @f5(ptr %vmctx, ptr %arg0, ptr %arg1) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %l1 = alloca ptr
;; store ptr %arg1, ptr %l1
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; %g3a = getelementptr i8, ptr %arg0, i64 4
;; %g3an = load i32, ptr %g3a, !tbaa !5
;; %g3x = icmp uge i32 0, %g3an
;; br i1 %g3x, label %T3x, label %N3x, !prof !1
;; N3x:
;; %g3ez = zext i32 0 to i64
;; %g3eb = getelementptr i8, ptr %arg0, i64 8
;; %g3e = getelementptr ptr, ptr %g3eb, i64 %g3ez
;; call void @wasmine_externref_keep(ptr %arg1) #3
;; store volatile ptr %arg1, ptr %g3e, !tbaa !17
;; ret void
;; T3x:
;; call void @trap(ptr %vmctx, i32 19) #2
;; unreachable
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
;; define dso_local hidden tailcc ptr @f6(ptr %vmctx, ptr %arg0) #0 {
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %typesp = getelementptr i8, ptr %store, i64 56
;; %types = load ptr, ptr %typesp, !invariant.load !0, !tbaa !5
;; %k1z = icmp eq ptr %arg0, null
;; br i1 %k1z, label %T1, label %C1a
;; C1a:
;; %k1tp = getelementptr i8, ptr %vmctx, i64 0
;; %k1t = load i32, ptr %k1tp, !invariant.load !0, !tbaa !5
;; %k1v = ptrtoint ptr %arg0 to i64
;; %k1b = and i64 %k1v, 3
;; %k1y = icmp eq i64 %k1b, 0
;; %k1yn = xor i1 %k1y, true
;; br i1 %k1yn, label %T1, label %C1b, !prof !1
;; C1b:
;; %q1t = load i32, ptr %arg0
;; %k1q = icmp eq i32 %q1t, %k1t
;; br i1 %k1q, label %N1, label %C1c
;; C1c:
;; %q1w = zext i32 %q1t to i64
;; %q1o = mul nuw i64 %q1w, 288
;; %q1r = getelementptr i8, ptr %types, i64 %q1o
;; %q1p = getelementptr i8, ptr %q1r, i64 32
;; %q1d = load i32, ptr %q1p, !invariant.load !0, !tbaa !5
;; %q1 = icmp eq i32 %q1d, %k1t
;; %q1n = xor i1 %q1, true
;; br i1 %q1n, label %T1, label %N1, !prof !1
;; N1:
;; ret ptr %arg0
;; T1:
;; call void @trap(ptr %vmctx, i32 20) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f7(ptr %vmctx, ptr %arg0) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %k1z = icmp eq ptr %arg0, null
;; br i1 %k1z, label %C1y, label %C1a
;; C1a:
;; %k1tp = getelementptr i8, ptr %vmctx, i64 4
;; %k1t = load i32, ptr %k1tp, !invariant.load !0, !tbaa !5
;; %k1v = ptrtoint ptr %arg0 to i64
;; %k1b = and i64 %k1v, 3
;; %k1y = icmp eq i64 %k1b, 0
;; %k1yn = xor i1 %k1y, true
;; br i1 %k1yn, label %C1n, label %C1b
;; C1b:
;; %q1t = load i32, ptr %arg0
;; %q1 = icmp eq i32 %q1t, %k1t
;; %q1n = xor i1 %q1, true
;; br i1 %q1n, label %C1n, label %C1y
;; C1y:
;; br label %C1e
;; C1n:
;; br label %C1e
;; C1e:
;; %c1b = phi i1 [ true, %C1y ], [ false, %C1n ]
;; %c1 = zext i1 %c1b to i32
;; ret i32 %c1
;; }
;; define dso_local hidden tailcc i32 @f8(ptr %vmctx, ptr %arg0) #0 {
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %typesp = getelementptr i8, ptr %store, i64 56
;; %types = load ptr, ptr %typesp, !invariant.load !0, !tbaa !5
;; %k1z = icmp eq ptr %arg0, null
;; br i1 %k1z, label %C1y, label %C1a
;; C1a:
;; %k1v = ptrtoint ptr %arg0 to i64
;; %k1b = and i64 %k1v, 3
;; %k1y = icmp eq i64 %k1b, 0
;; %k1yn = xor i1 %k1y, true
;; br i1 %k1yn, label %C1n, label %C1b
;; C1b:
;; %q1t = load i32, ptr %arg0
;; %k1w = zext i32 %q1t to i64
;; %k1o = mul nuw i64 %k1w, 288
;; %k1r = getelementptr i8, ptr %types, i64 %k1o
;; %k1p = getelementptr i8, ptr %k1r, i64 0
;; %k1k = load i32, ptr %k1p, !invariant.load !0, !tbaa !5
;; %k1q = icmp eq i32 %k1k, 0
;; %k1qn = xor i1 %k1q, true
;; br i1 %k1qn, label %C1n, label %C1y
;; C1y:
;; br label %C1e
;; C1n:
;; br label %C1e
;; C1e:
;; %c1b = phi i1 [ true, %C1y ], [ false, %C1n ]
;; %c1 = zext i1 %c1b to i32
;; ret i32 %c1
;; }
;; define dso_local hidden tailcc i32 @f9(ptr %vmctx, ptr %arg0) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %s0_0 = alloca ptr
;; store ptr %arg0, ptr %s0_0
;; %k2z = icmp eq ptr %arg0, null
;; br i1 %k2z, label %N2, label %C2a
;; C2a:
;; %k2v = ptrtoint ptr %arg0 to i64
;; %k2b = and i64 %k2v, 1
;; %k2q = icmp ne i64 %k2b, 0
;; %k2qn = xor i1 %k2q, true
;; br i1 %k2qn, label %N2, label %L0
;; N2:
;; ret i32 -1
;; L0:
;; %v0_0 = load ptr, ptr %s0_0
;; %g7n = icmp eq ptr %v0_0, null
;; br i1 %g7n, label %T7n, label %N7n, !prof !1
;; N7n:
;; %v7w = ptrtoint ptr %v0_0 to i64
;; %v7n = trunc i64 %v7w to i32
;; %v7 = ashr i32 %v7n, 1
;; ret i32 %v7
;; T7n:
;; call void @trap(ptr %vmctx, i32 16) #2
;; unreachable
;; }
;; define dso_local hidden tailcc ptr @f10(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %v1s = shl i32 %arg0, 1
;; %v1o = or i32 %v1s, 1
;; %v1w = zext i32 %v1o to i64
;; %v1 = inttoptr i64 %v1w to ptr
;; ret ptr %v1
;; }
;; define dso_local hidden tailcc ptr @f11(ptr %vmctx, ptr %arg0) #0 {
;; %l0 = alloca ptr
;; store ptr %arg0, ptr %l0
;; %storep = getelementptr i8, ptr %vmctx, i64 320
;; %store = load ptr, ptr %storep, !invariant.load !0, !tbaa !5
;; %limitp = getelementptr i8, ptr %store, i64 0
;; %limit = load ptr, ptr %limitp, !tbaa !5
;; %sp = call ptr @llvm.stacksave()
;; %low = icmp ult ptr %sp, %limit
;; br i1 %low, label %T0stack, label %Nstack, !prof !1
;; Nstack:
;; call void @wasmine_externref_keep(ptr %arg0) #3
;; %v1w = ptrtoint ptr %arg0 to i64
;; %v1i = and i64 %v1w, 1
;; %v1s = icmp ne i64 %v1i, 0
;; %v1z = icmp eq ptr %arg0, null
;; %v1k = or i1 %v1s, %v1z
;; %v1x = xor i64 %v1w, 2
;; %v1p = inttoptr i64 %v1x to ptr
;; %v1 = select i1 %v1k, ptr %arg0, ptr %v1p
;; ret ptr %v1
;; T0stack:
;; call void @trap(ptr %vmctx, i32 0) #2
;; unreachable
;; }
