(module
  (func (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (param i32) (result i32) (i32.rem_u (local.get 0) (i32.const 10)))
  (func (param i64 i64) (result i64) (i64.shl (local.get 0) (i64.rotl (local.get 1) (i64.const 65))))
  (func (param f64) (result i32) (i32.trunc_f64_u (f64.mul (local.get 0) (f64.const 1))))
  (func (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1))))
;; define dso_local hidden tailcc i32 @f0(ptr %vmctx, i32 %arg0, i32 %arg1) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %l1 = alloca i32
;; store i32 %arg1, ptr %l1
;; %v2z = icmp eq i32 %arg1, 0
;; br i1 %v2z, label %T2, label %N2, !prof !1
;; N2:
;; %v2m = icmp eq i32 %arg1, -1
;; %v2l = icmp eq i32 %arg0, -2147483648
;; %v2o = and i1 %v2m, %v2l
;; br i1 %v2o, label %T2o, label %N2o, !prof !1
;; N2o:
;; %v2 = sdiv i32 %arg0, %arg1
;; ret i32 %v2
;; T2:
;; call void @trap(ptr %vmctx, i32 8) #2
;; unreachable
;; T2o:
;; call void @trap(ptr %vmctx, i32 7) #2
;; unreachable
;; }
;; define dso_local hidden tailcc i32 @f1(ptr %vmctx, i32 %arg0) #0 {
;; %l0 = alloca i32
;; store i32 %arg0, ptr %l0
;; %v2 = urem i32 %arg0, 10
;; ret i32 %v2
;; }
;; define dso_local hidden tailcc i64 @f2(ptr %vmctx, i64 %arg0, i64 %arg1) #0 {
;; %l0 = alloca i64
;; store i64 %arg0, ptr %l0
;; %l1 = alloca i64
;; store i64 %arg1, ptr %l1
;; %v3 = call i64 @llvm.fshl.i64(i64 %arg1, i64 %arg1, i64 65)
;; %v4m = and i64 %v3, 63
;; %v4 = shl i64 %arg0, %v4m
;; ret i64 %v4
;; }
;; define dso_local hidden tailcc i32 @f3(ptr %vmctx, double %arg0) #0 {
;; %l0 = alloca double
;; store double %arg0, ptr %l0
;; %v2f = call double @llvm.arithmetic.fence.f64(double 0x3FF0000000000000)
;; %v2 = fmul double %arg0, %v2f
;; %v3l = fcmp ule double %v2, 0xBFF0000000000000
;; %v3h = fcmp uge double %v2, 0x41F0000000000000
;; %v3o = or i1 %v3l, %v3h
;; br i1 %v3o, label %T3, label %N3, !prof !1
;; N3:
;; %v3 = fptoui double %v2 to i32
;; ret i32 %v3
;; T3:
;; %v3u = fcmp uno double %v2, %v2
;; %v3c = select i1 %v3u, i32 9, i32 7
;; call void @trap(ptr %vmctx, i32 %v3c) #2
;; unreachable
;; }
;; define dso_local hidden tailcc float @f4(ptr %vmctx, float %arg0, float %arg1) #0 {
;; %l0 = alloca float
;; store float %arg0, ptr %l0
;; %l1 = alloca float
;; store float %arg1, ptr %l1
;; %v2u = fcmp uno float %arg0, %arg1
;; %v2n = fadd float %arg0, %arg1
;; %v2m = call nnan float @llvm.minimum.f32(float %arg0, float %arg1)
;; %v2 = select i1 %v2u, float %v2n, float %v2m
;; ret float %v2
;; }
