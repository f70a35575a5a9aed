(module
  (memory 1)
  (func (param v128 v128) (result v128)
    (f32x4.add (f32x4.mul (local.get 0) (local.get 1)) (f32x4.splat (f32.const 1))))
  (func (param v128 v128) (result v128) (f32x4.mul (v128.const f32x4 1 1 1 1) (f32x4.min (local.get 0) (local.get 1))))
  (func (param v128) (result v128) (i16x8.extend_low_i8x16_s (local.get 0)))
  (func (param i32 v128) (result v128) (v128.load16_lane offset=8 3 (local.get 0) (local.get 1)))
  (func (param i32 v128) (v128.store (local.get 0) (i8x16.shuffle 4 5 6 7 0 1 2 3 16 17 18 19 28 29 30 31 (local.get 1) (local.get 1))))
  (func (param v128 i32) (result i32)
    (if (result i32) (i8x16.all_true (i8x16.shr_u (local.get 0) (local.get 1)))
      (then (i16x8.extract_lane_s 5 (local.get 0))) (else (i32.const 0)))))
;; define dso_local hidden tailcc <2 x i64> @f0(ptr %vmctx, <2 x i64> %arg0, <2 x i64> %arg1) #0 {
;; %l0 = alloca <2 x i64>
;; store <2 x i64> %arg0, ptr %l0
;; %l1 = alloca <2 x i64>
;; store <2 x i64> %arg1, ptr %l1
;; %k2_0 = bitcast <2 x i64> %arg0 to <4 x float>
;; %k2_1 = bitcast <2 x i64> %arg1 to <4 x float>
;; %x2 = fmul <4 x float> %k2_0, %k2_1
;; %v2 = bitcast <4 x float> %x2 to <2 x i64>
;; %x5 = fadd <4 x float> %x2, bitcast (<2 x i64> <i64 4575657222473777152, i64 4575657222473777152> to <4 x float>)
;; %v5 = bitcast <4 x float> %x5 to <2 x i64>
;; ret <2 x i64> %v5
;; }
;; define dso_local hidden tailcc <2 x i64> @f1(ptr %vmctx, <2 x i64> %arg0, <2 x i64> %arg1) #0 {
;; %l0 = alloca <2 x i64>
;; store <2 x i64> %arg0, ptr %l0
;; %l1 = alloca <2 x i64>
;; store <2 x i64> %arg1, ptr %l1
;; %k3_0 = bitcast <2 x i64> %arg0 to <4 x float>
;; %k3_1 = bitcast <2 x i64> %arg1 to <4 x float>
;; %x3x = fcmp olt <4 x float> %k3_0, %k3_1
;; %x3m = select <4 x i1> %x3x, <4 x float> %k3_0, <4 x float> %k3_1
;; %x3y = fcmp olt <4 x float> %k3_1, %k3_0
;; %x3n = select <4 x i1> %x3y, <4 x float> %k3_1, <4 x float> %k3_0
;; %x3i = bitcast <4 x float> %x3m to <4 x i32>
;; %x3j = bitcast <4 x float> %x3n to <4 x i32>
;; %x3k = or <4 x i32> %x3i, %x3j
;; %x3z = bitcast <4 x i32> %x3k to <4 x float>
;; %x3u = fcmp uno <4 x float> %k3_0, %k3_1
;; %x3 = select <4 x i1> %x3u, <4 x float> splat (float 0x7FF8000000000000), <4 x float> %x3z
;; %v3 = bitcast <4 x float> %x3 to <2 x i64>
;; %x4f = call <4 x float> @llvm.arithmetic.fence.v4f32(<4 x float> <float 0x3FF0000000000000, float 0x3FF0000000000000, float 0x3FF0000000000000, float 0x3FF0000000000000>)
;; %x4 = fmul <4 x float> %x3, %x4f
;; %v4 = bitcast <4 x float> %x4 to <2 x i64>
;; ret <2 x i64> %v4
;; }
;; define dso_local hidden tailcc <2 x i64> @f2(ptr %vmctx, <2 x i64> %arg0) #0 {
;; %l0 = alloca <2 x i64>
;; store <2 x i64> %arg0, ptr %l0
;; %k1_0 = bitcast <2 x i64> %arg0 to <16 x i8>
;; %x1af = freeze <16 x i8> %k1_0
;; %x1ah = shufflevector <16 x i8> %x1af, <16 x i8> poison, <8 x i32> <i32 0, i32 1, i32 2, i32 3, i32 4, i32 5, i32 6, i32 7>
;; %x1 = sext <8 x i8> %x1ah to <8 x i16>
;; %v1 = bitcast <8 x i16> %x1 to <2 x i64>
;; ret <2 x i64> %v1
;; }
;; define dso_local hidden tailcc <2 x i64> @f3(ptr %vmctx, i32 %arg0, <2 x i64> %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca <2 x i64>
;; store <2 x i64> %arg1, ptr %l1
;; %memory0d = getelementptr i8, ptr %vmctx, i64 24
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %z2 = zext i32 %arg0 to i64
;; %a2 = getelementptr i8, ptr %memory0, i64 %z2
;; %o2 = getelementptr i8, ptr %a2, i64 8
;; %m2 = load volatile i16, ptr %o2, align 1, !tbaa !2
;; %k2_0 = bitcast <2 x i64> %arg1 to <8 x i16>
;; %x2 = insertelement <8 x i16> %k2_0, i16 %m2, i32 3
;; %v2 = bitcast <8 x i16> %x2 to <2 x i64>
;; ret <2 x i64> %v2
;; }
;; define dso_local hidden tailcc void @f4(ptr %vmctx, i32 %arg0, <2 x i64> %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca <2 x i64>
;; store <2 x i64> %arg1, ptr %l1
;; %memory0d = getelementptr i8, ptr %vmctx, i64 24
;; %memory0p = getelementptr i8, ptr %memory0d, i64 0
;; %memory0 = load ptr, ptr %memory0p, !invariant.load !0, !tbaa !5
;; %k3_0 = bitcast <2 x i64> %arg1 to <4 x i32>
;; %x3 = shufflevector <4 x i32> %k3_0, <4 x i32> %k3_0, <4 x i32> <i32 1, i32 0, i32 4, i32 7>
;; %v3 = bitcast <4 x i32> %x3 to <2 x i64>
;; %z4 = zext i32 %arg0 to i64
;; %a4 = getelementptr i8, ptr %memory0, i64 %z4
;; store volatile <2 x i64> %v3, ptr %a4, align 1, !tbaa !2
;; ret void
;; }
;; define dso_local hidden tailcc i32 @f5(ptr %vmctx, <2 x i64> %arg0, i32 %arg1) #0 {
;; %l0 = alloca <2 x i64>
;; store <2 x i64> %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 %arg1, ptr %l1
;; %s4_0 = alloca i32
;; %k2_0 = bitcast <2 x i64> %arg0 to <16 x i8>
;; %x2m = and i32 %arg1, 7
;; %x2c = trunc i32 %x2m to i8
;; %x2f = insertelement <16 x i8> poison, i8 %x2c, i32 0
;; %x2s = shufflevector <16 x i8> %x2f, <16 x i8> poison, <16 x i32> zeroinitializer
;; %x2 = lshr <16 x i8> %k2_0, %x2s
;; %v2 = bitcast <16 x i8> %x2 to <2 x i64>
;; %c3l = icmp ne <16 x i8> %x2, zeroinitializer
;; %c3i = bitcast <16 x i1> %c3l to i16
;; %c3b = icmp eq i16 %c3i, -1
;; %c3 = zext i1 %c3b to i32
;; br i1 %c3b, label %N4, label %E4
;; N4:
;; %k6_0 = bitcast <2 x i64> %arg0 to <8 x i16>
;; %v6n = extractelement <8 x i16> %k6_0, i32 5
;; %v6 = sext i16 %v6n to i32
;; store i32 %v6, ptr %s4_0
;; br label %L4
;; E4:
;; store i32 0, ptr %s4_0
;; br label %L4
;; L4:
;; %v4_0 = load i32, ptr %s4_0
;; ret i32 %v4_0
;; }
