"""Every instruction of WebAssembly 3.0 and of the threads proposal, one row each.

This is the only place that knows an instruction's number. Decoder, validator, translator and
disassembler all read it. Columns:

code        the opcode byte; for a prefixed opcode the prefix byte, then the number after it
name        as in the specification's text format. Where two opcodes share a name, the second one
            says after a slash what sets it apart, which `Opcode.mnemonic` drops
immediates  kinds of immediate operands in their binary order (`IMMEDIATES`); `memarg/` is followed by
            the size of the access in bytes, `lane/` and `lanes/` by the number of lanes
type        operands -> results; `*` where they depend on the context
feature     the proposal that brought the instruction; `mvp` for the first version
"""

from __future__ import annotations

from functools import cache
from typing import Final

from wasmine.frozen import Frozen
from wasmine.types import F32, F64, I32, I64, V128, ValType

IMMEDIATES: Final = {
    "blocktype": "FunctionType of a structured instruction; int, type index, if it is one and not resolved",
    "label": "int, how many blocks outward",
    "labels": "(labels, default label)",
    "func": "int, function index",
    "type": "int, type index",
    "table": "int, table index",
    "memory": "int, memory index",
    "global": "int, global index",
    "local": "int, local index",
    "tag": "int, tag index",
    "data": "int, data segment index",
    "elem": "int, element segment index",
    "field": "int, field index of a struct",
    "count": "int, number of operands",
    "lane": "int, lane of a vector",
    "lanes": "bytes, sixteen lane indices",
    "memarg": "(alignment exponent, offset, memory index)",
    "i32": "int, signed",
    "i64": "int, signed",
    "f32": "int, the 32 bits of the number",
    "f64": "int, the 64 bits of the number",
    "v128": "int, the 128 bits of the vector, little endian",
    "ref_null": "RefType, nullable; the binary format has its heap type",
    "ref": "RefType, not nullable; the binary format has its heap type",
    "types": "ValType; the binary format has a vector of length one",
    "cast": "(label, RefType of the operand, RefType of the target)",
    "catches": "tuple of (kind 0 to 3, tag index or None, label)",
    "zero": "None; a byte that must be zero",
}  # fmt: skip
"""Every kind of immediate: how its value is represented by `decode_body`."""

TABLE: Final = """
  00     unreachable                         -                  *                        mvp
  01     nop                                 -                  ->                       mvp
  02     block                               blocktype          *                        mvp
  03     loop                                blocktype          *                        mvp
  04     if                                  blocktype          *                        mvp
  05     else                                -                  *                        mvp
  06     try                                 blocktype          *                        legacy-exceptions
  07     catch                               tag                *                        legacy-exceptions
  08     throw                               tag                *                        exceptions
  09     rethrow                             label              *                        legacy-exceptions
  0A     throw_ref                           -                  *                        exceptions
  0B     end                                 -                  *                        mvp
  0C     br                                  label              *                        mvp
  0D     br_if                               label              *                        mvp
  0E     br_table                            labels             *                        mvp
  0F     return                              -                  *                        mvp
  10     call                                func               *                        mvp
  11     call_indirect                       type,table         *                        mvp
  12     return_call                         func               *                        tail-call
  13     return_call_indirect                type,table         *                        tail-call
  14     call_ref                            type               *                        function-references
  15     return_call_ref                     type               *                        function-references
  18     delegate                            label              *                        legacy-exceptions
  19     catch_all                           -                  *                        legacy-exceptions
  1A     drop                                -                  *                        mvp
  1B     select                              -                  *                        mvp
  1C     select/typed                        types              *                        reference-types
  1F     try_table                           blocktype,catches  *                        exceptions
  20     local.get                           local              *                        mvp
  21     local.set                           local              *                        mvp
  22     local.tee                           local              *                        mvp
  23     global.get                          global             *                        mvp
  24     global.set                          global             *                        mvp
  25     table.get                           table              *                        reference-types
  26     table.set                           table              *                        reference-types
  28     i32.load                            memarg/4           i32 -> i32               mvp
  29     i64.load                            memarg/8           i32 -> i64               mvp
  2A     f32.load                            memarg/4           i32 -> f32               mvp
  2B     f64.load                            memarg/8           i32 -> f64               mvp
  2C     i32.load8_s                         memarg/1           i32 -> i32               mvp
  2D     i32.load8_u                         memarg/1           i32 -> i32               mvp
  2E     i32.load16_s                        memarg/2           i32 -> i32               mvp
  2F     i32.load16_u                        memarg/2           i32 -> i32               mvp
  30     i64.load8_s                         memarg/1           i32 -> i64               mvp
  31     i64.load8_u                         memarg/1           i32 -> i64               mvp
  32     i64.load16_s                        memarg/2           i32 -> i64               mvp
  33     i64.load16_u                        memarg/2           i32 -> i64               mvp
  34     i64.load32_s                        memarg/4           i32 -> i64               mvp
  35     i64.load32_u                        memarg/4           i32 -> i64               mvp
  36     i32.store                           memarg/4           i32 i32 ->               mvp
  37     i64.store                           memarg/8           i32 i64 ->               mvp
  38     f32.store                           memarg/4           i32 f32 ->               mvp
  39     f64.store                           memarg/8           i32 f64 ->               mvp
  3A     i32.store8                          memarg/1           i32 i32 ->               mvp
  3B     i32.store16                         memarg/2           i32 i32 ->               mvp
  3C     i64.store8                          memarg/1           i32 i64 ->               mvp
  3D     i64.store16                         memarg/2           i32 i64 ->               mvp
  3E     i64.store32                         memarg/4           i32 i64 ->               mvp
  3F     memory.size                         memory             -> i32                   mvp
  40     memory.grow                         memory             i32 -> i32               mvp
  41     i32.const                           i32                -> i32                   mvp
  42     i64.const                           i64                -> i64                   mvp
  43     f32.const                           f32                -> f32                   mvp
  44     f64.const                           f64                -> f64                   mvp
  45     i32.eqz                             -                  i32 -> i32               mvp
  46     i32.eq                              -                  i32 i32 -> i32           mvp
  47     i32.ne                              -                  i32 i32 -> i32           mvp
  48     i32.lt_s                            -                  i32 i32 -> i32           mvp
  49     i32.lt_u                            -                  i32 i32 -> i32           mvp
  4A     i32.gt_s                            -                  i32 i32 -> i32           mvp
  4B     i32.gt_u                            -                  i32 i32 -> i32           mvp
  4C     i32.le_s                            -                  i32 i32 -> i32           mvp
  4D     i32.le_u                            -                  i32 i32 -> i32           mvp
  4E     i32.ge_s                            -                  i32 i32 -> i32           mvp
  4F     i32.ge_u                            -                  i32 i32 -> i32           mvp
  50     i64.eqz                             -                  i64 -> i32               mvp
  51     i64.eq                              -                  i64 i64 -> i32           mvp
  52     i64.ne                              -                  i64 i64 -> i32           mvp
  53     i64.lt_s                            -                  i64 i64 -> i32           mvp
  54     i64.lt_u                            -                  i64 i64 -> i32           mvp
  55     i64.gt_s                            -                  i64 i64 -> i32           mvp
  56     i64.gt_u                            -                  i64 i64 -> i32           mvp
  57     i64.le_s                            -                  i64 i64 -> i32           mvp
  58     i64.le_u                            -                  i64 i64 -> i32           mvp
  59     i64.ge_s                            -                  i64 i64 -> i32           mvp
  5A     i64.ge_u                            -                  i64 i64 -> i32           mvp
  5B     f32.eq                              -                  f32 f32 -> i32           mvp
  5C     f32.ne                              -                  f32 f32 -> i32           mvp
  5D     f32.lt                              -                  f32 f32 -> i32           mvp
  5E     f32.gt                              -                  f32 f32 -> i32           mvp
  5F     f32.le                              -                  f32 f32 -> i32           mvp
  60     f32.ge                              -                  f32 f32 -> i32           mvp
  61     f64.eq                              -                  f64 f64 -> i32           mvp
  62     f64.ne                              -                  f64 f64 -> i32           mvp
  63     f64.lt                              -                  f64 f64 -> i32           mvp
  64     f64.gt                              -                  f64 f64 -> i32           mvp
  65     f64.le                              -                  f64 f64 -> i32           mvp
  66     f64.ge                              -                  f64 f64 -> i32           mvp
  67     i32.clz                             -                  i32 -> i32               mvp
  68     i32.ctz                             -                  i32 -> i32               mvp
  69     i32.popcnt                          -                  i32 -> i32               mvp
  6A     i32.add                             -                  i32 i32 -> i32           mvp
  6B     i32.sub                             -                  i32 i32 -> i32           mvp
  6C     i32.mul                             -                  i32 i32 -> i32           mvp
  6D     i32.div_s                           -                  i32 i32 -> i32           mvp
  6E     i32.div_u                           -                  i32 i32 -> i32           mvp
  6F     i32.rem_s                           -                  i32 i32 -> i32           mvp
  70     i32.rem_u                           -                  i32 i32 -> i32           mvp
  71     i32.and                             -                  i32 i32 -> i32           mvp
  72     i32.or                              -                  i32 i32 -> i32           mvp
  73     i32.xor                             -                  i32 i32 -> i32           mvp
  74     i32.shl                             -                  i32 i32 -> i32           mvp
  75     i32.shr_s                           -                  i32 i32 -> i32           mvp
  76     i32.shr_u                           -                  i32 i32 -> i32           mvp
  77     i32.rotl                            -                  i32 i32 -> i32           mvp
  78     i32.rotr                            -                  i32 i32 -> i32           mvp
  79     i64.clz                             -                  i64 -> i64               mvp
  7A     i64.ctz                             -                  i64 -> i64               mvp
  7B     i64.popcnt                          -                  i64 -> i64               mvp
  7C     i64.add                             -                  i64 i64 -> i64           mvp
  7D     i64.sub                             -                  i64 i64 -> i64           mvp
  7E     i64.mul                             -                  i64 i64 -> i64           mvp
  7F     i64.div_s                           -                  i64 i64 -> i64           mvp
  80     i64.div_u                           -                  i64 i64 -> i64           mvp
  81     i64.rem_s                           -                  i64 i64 -> i64           mvp
  82     i64.rem_u                           -                  i64 i64 -> i64           mvp
  83     i64.and                             -                  i64 i64 -> i64           mvp
  84     i64.or                              -                  i64 i64 -> i64           mvp
  85     i64.xor                             -                  i64 i64 -> i64           mvp
  86     i64.shl                             -                  i64 i64 -> i64           mvp
  87     i64.shr_s                           -                  i64 i64 -> i64           mvp
  88     i64.shr_u                           -                  i64 i64 -> i64           mvp
  89     i64.rotl                            -                  i64 i64 -> i64           mvp
  8A     i64.rotr                            -                  i64 i64 -> i64           mvp
  8B     f32.abs                             -                  f32 -> f32               mvp
  8C     f32.neg                             -                  f32 -> f32               mvp
  8D     f32.ceil                            -                  f32 -> f32               mvp
  8E     f32.floor                           -                  f32 -> f32               mvp
  8F     f32.trunc                           -                  f32 -> f32               mvp
  90     f32.nearest                         -                  f32 -> f32               mvp
  91     f32.sqrt                            -                  f32 -> f32               mvp
  92     f32.add                             -                  f32 f32 -> f32           mvp
  93     f32.sub                             -                  f32 f32 -> f32           mvp
  94     f32.mul                             -                  f32 f32 -> f32           mvp
  95     f32.div                             -                  f32 f32 -> f32           mvp
  96     f32.min                             -                  f32 f32 -> f32           mvp
  97     f32.max                             -                  f32 f32 -> f32           mvp
  98     f32.copysign                        -                  f32 f32 -> f32           mvp
  99     f64.abs                             -                  f64 -> f64               mvp
  9A     f64.neg                             -                  f64 -> f64               mvp
  9B     f64.ceil                            -                  f64 -> f64               mvp
  9C     f64.floor                           -                  f64 -> f64               mvp
  9D     f64.trunc                           -                  f64 -> f64               mvp
  9E     f64.nearest                         -                  f64 -> f64               mvp
  9F     f64.sqrt                            -                  f64 -> f64               mvp
  A0     f64.add                             -                  f64 f64 -> f64           mvp
  A1     f64.sub                             -                  f64 f64 -> f64           mvp
  A2     f64.mul                             -                  f64 f64 -> f64           mvp
  A3     f64.div                             -                  f64 f64 -> f64           mvp
  A4     f64.min                             -                  f64 f64 -> f64           mvp
  A5     f64.max                             -                  f64 f64 -> f64           mvp
  A6     f64.copysign                        -                  f64 f64 -> f64           mvp
  A7     i32.wrap_i64                        -                  i64 -> i32               mvp
  A8     i32.trunc_f32_s                     -                  f32 -> i32               mvp
  A9     i32.trunc_f32_u                     -                  f32 -> i32               mvp
  AA     i32.trunc_f64_s                     -                  f64 -> i32               mvp
  AB     i32.trunc_f64_u                     -                  f64 -> i32               mvp
  AC     i64.extend_i32_s                    -                  i32 -> i64               mvp
  AD     i64.extend_i32_u                    -                  i32 -> i64               mvp
  AE     i64.trunc_f32_s                     -                  f32 -> i64               mvp
  AF     i64.trunc_f32_u                     -                  f32 -> i64               mvp
  B0     i64.trunc_f64_s                     -                  f64 -> i64               mvp
  B1     i64.trunc_f64_u                     -                  f64 -> i64               mvp
  B2     f32.convert_i32_s                   -                  i32 -> f32               mvp
  B3     f32.convert_i32_u                   -                  i32 -> f32               mvp
  B4     f32.convert_i64_s                   -                  i64 -> f32               mvp
  B5     f32.convert_i64_u                   -                  i64 -> f32               mvp
  B6     f32.demote_f64                      -                  f64 -> f32               mvp
  B7     f64.convert_i32_s                   -                  i32 -> f64               mvp
  B8     f64.convert_i32_u                   -                  i32 -> f64               mvp
  B9     f64.convert_i64_s                   -                  i64 -> f64               mvp
  BA     f64.convert_i64_u                   -                  i64 -> f64               mvp
  BB     f64.promote_f32                     -                  f32 -> f64               mvp
  BC     i32.reinterpret_f32                 -                  f32 -> i32               mvp
  BD     i64.reinterpret_f64                 -                  f64 -> i64               mvp
  BE     f32.reinterpret_i32                 -                  i32 -> f32               mvp
  BF     f64.reinterpret_i64                 -                  i64 -> f64               mvp
  C0     i32.extend8_s                       -                  i32 -> i32               sign-extension
  C1     i32.extend16_s                      -                  i32 -> i32               sign-extension
  C2     i64.extend8_s                       -                  i64 -> i64               sign-extension
  C3     i64.extend16_s                      -                  i64 -> i64               sign-extension
  C4     i64.extend32_s                      -                  i64 -> i64               sign-extension
  D0     ref.null                            ref_null           *                        reference-types
  D1     ref.is_null                         -                  *                        reference-types
  D2     ref.func                            func               *                        reference-types
  D3     ref.eq                              -                  *                        gc
  D4     ref.as_non_null                     -                  *                        function-references
  D5     br_on_null                          label              *                        function-references
  D6     br_on_non_null                      label              *                        function-references
  FB00   struct.new                          type               *                        gc
  FB01   struct.new_default                  type               *                        gc
  FB02   struct.get                          type,field         *                        gc
  FB03   struct.get_s                        type,field         *                        gc
  FB04   struct.get_u                        type,field         *                        gc
  FB05   struct.set                          type,field         *                        gc
  FB06   array.new                           type               *                        gc
  FB07   array.new_default                   type               *                        gc
  FB08   array.new_fixed                     type,count         *                        gc
  FB09   array.new_data                      type,data          *                        gc
  FB0A   array.new_elem                      type,elem          *                        gc
  FB0B   array.get                           type               *                        gc
  FB0C   array.get_s                         type               *                        gc
  FB0D   array.get_u                         type               *                        gc
  FB0E   array.set                           type               *                        gc
  FB0F   array.len                           -                  *                        gc
  FB10   array.fill                          type               *                        gc
  FB11   array.copy                          type,type          *                        gc
  FB12   array.init_data                     type,data          *                        gc
  FB13   array.init_elem                     type,elem          *                        gc
  FB14   ref.test                            ref                *                        gc
  FB15   ref.test/null                       ref_null           *                        gc
  FB16   ref.cast                            ref                *                        gc
  FB17   ref.cast/null                       ref_null           *                        gc
  FB18   br_on_cast                          cast               *                        gc
  FB19   br_on_cast_fail                     cast               *                        gc
  FB1A   any.convert_extern                  -                  *                        gc
  FB1B   extern.convert_any                  -                  *                        gc
  FB1C   ref.i31                             -                  *                        gc
  FB1D   i31.get_s                           -                  *                        gc
  FB1E   i31.get_u                           -                  *                        gc
  FC00   i32.trunc_sat_f32_s                 -                  f32 -> i32               saturating-float-to-int
  FC01   i32.trunc_sat_f32_u                 -                  f32 -> i32               saturating-float-to-int
  FC02   i32.trunc_sat_f64_s                 -                  f64 -> i32               saturating-float-to-int
  FC03   i32.trunc_sat_f64_u                 -                  f64 -> i32               saturating-float-to-int
  FC04   i64.trunc_sat_f32_s                 -                  f32 -> i64               saturating-float-to-int
  FC05   i64.trunc_sat_f32_u                 -                  f32 -> i64               saturating-float-to-int
  FC06   i64.trunc_sat_f64_s                 -                  f64 -> i64               saturating-float-to-int
  FC07   i64.trunc_sat_f64_u                 -                  f64 -> i64               saturating-float-to-int
  FC08   memory.init                         data,memory        i32 i32 i32 ->           bulk-memory
  FC09   data.drop                           data               ->                       bulk-memory
  FC0A   memory.copy                         memory,memory      i32 i32 i32 ->           bulk-memory
  FC0B   memory.fill                         memory             i32 i32 i32 ->           bulk-memory
  FC0C   table.init                          elem,table         i32 i32 i32 ->           bulk-memory
  FC0D   elem.drop                           elem               ->                       bulk-memory
  FC0E   table.copy                          table,table        i32 i32 i32 ->           bulk-memory
  FC0F   table.grow                          table              *                        reference-types
  FC10   table.size                          table              -> i32                   reference-types
  FC11   table.fill                          table              *                        reference-types
  FD00   v128.load                           memarg/16          i32 -> v128              simd
  FD01   v128.load8x8_s                      memarg/8           i32 -> v128              simd
  FD02   v128.load8x8_u                      memarg/8           i32 -> v128              simd
  FD03   v128.load16x4_s                     memarg/8           i32 -> v128              simd
  FD04   v128.load16x4_u                     memarg/8           i32 -> v128              simd
  FD05   v128.load32x2_s                     memarg/8           i32 -> v128              simd
  FD06   v128.load32x2_u                     memarg/8           i32 -> v128              simd
  FD07   v128.load8_splat                    memarg/1           i32 -> v128              simd
  FD08   v128.load16_splat                   memarg/2           i32 -> v128              simd
  FD09   v128.load32_splat                   memarg/4           i32 -> v128              simd
  FD0A   v128.load64_splat                   memarg/8           i32 -> v128              simd
  FD0B   v128.store                          memarg/16          i32 v128 ->              simd
  FD0C   v128.const                          v128               -> v128                  simd
  FD0D   i8x16.shuffle                       lanes/32           v128 v128 -> v128        simd
  FD0E   i8x16.swizzle                       -                  v128 v128 -> v128        simd
  FD0F   i8x16.splat                         -                  i32 -> v128              simd
  FD10   i16x8.splat                         -                  i32 -> v128              simd
  FD11   i32x4.splat                         -                  i32 -> v128              simd
  FD12   i64x2.splat                         -                  i64 -> v128              simd
  FD13   f32x4.splat                         -                  f32 -> v128              simd
  FD14   f64x2.splat                         -                  f64 -> v128              simd
  FD15   i8x16.extract_lane_s                lane/16            v128 -> i32              simd
  FD16   i8x16.extract_lane_u                lane/16            v128 -> i32              simd
  FD17   i8x16.replace_lane                  lane/16            v128 i32 -> v128         simd
  FD18   i16x8.extract_lane_s                lane/8             v128 -> i32              simd
  FD19   i16x8.extract_lane_u                lane/8             v128 -> i32              simd
  FD1A   i16x8.replace_lane                  lane/8             v128 i32 -> v128         simd
  FD1B   i32x4.extract_lane                  lane/4             v128 -> i32              simd
  FD1C   i32x4.replace_lane                  lane/4             v128 i32 -> v128         simd
  FD1D   i64x2.extract_lane                  lane/2             v128 -> i64              simd
  FD1E   i64x2.replace_lane                  lane/2             v128 i64 -> v128         simd
  FD1F   f32x4.extract_lane                  lane/4             v128 -> f32              simd
  FD20   f32x4.replace_lane                  lane/4             v128 f32 -> v128         simd
  FD21   f64x2.extract_lane                  lane/2             v128 -> f64              simd
  FD22   f64x2.replace_lane                  lane/2             v128 f64 -> v128         simd
  FD23   i8x16.eq                            -                  v128 v128 -> v128        simd
  FD24   i8x16.ne                            -                  v128 v128 -> v128        simd
  FD25   i8x16.lt_s                          -                  v128 v128 -> v128        simd
  FD26   i8x16.lt_u                          -                  v128 v128 -> v128        simd
  FD27   i8x16.gt_s                          -                  v128 v128 -> v128        simd
  FD28   i8x16.gt_u                          -                  v128 v128 -> v128        simd
  FD29   i8x16.le_s                          -                  v128 v128 -> v128        simd
  FD2A   i8x16.le_u                          -                  v128 v128 -> v128        simd
  FD2B   i8x16.ge_s                          -                  v128 v128 -> v128        simd
  FD2C   i8x16.ge_u                          -                  v128 v128 -> v128        simd
  FD2D   i16x8.eq                            -                  v128 v128 -> v128        simd
  FD2E   i16x8.ne                            -                  v128 v128 -> v128        simd
  FD2F   i16x8.lt_s                          -                  v128 v128 -> v128        simd
  FD30   i16x8.lt_u                          -                  v128 v128 -> v128        simd
  FD31   i16x8.gt_s                          -                  v128 v128 -> v128        simd
  FD32   i16x8.gt_u                          -                  v128 v128 -> v128        simd
  FD33   i16x8.le_s                          -                  v128 v128 -> v128        simd
  FD34   i16x8.le_u                          -                  v128 v128 -> v128        simd
  FD35   i16x8.ge_s                          -                  v128 v128 -> v128        simd
  FD36   i16x8.ge_u                          -                  v128 v128 -> v128        simd
  FD37   i32x4.eq                            -                  v128 v128 -> v128        simd
  FD38   i32x4.ne                            -                  v128 v128 -> v128        simd
  FD39   i32x4.lt_s                          -                  v128 v128 -> v128        simd
  FD3A   i32x4.lt_u                          -                  v128 v128 -> v128        simd
  FD3B   i32x4.gt_s                          -                  v128 v128 -> v128        simd
  FD3C   i32x4.gt_u                          -                  v128 v128 -> v128        simd
  FD3D   i32x4.le_s                          -                  v128 v128 -> v128        simd
  FD3E   i32x4.le_u                          -                  v128 v128 -> v128        simd
  FD3F   i32x4.ge_s                          -                  v128 v128 -> v128        simd
  FD40   i32x4.ge_u                          -                  v128 v128 -> v128        simd
  FD41   f32x4.eq                            -                  v128 v128 -> v128        simd
  FD42   f32x4.ne                            -                  v128 v128 -> v128        simd
  FD43   f32x4.lt                            -                  v128 v128 -> v128        simd
  FD44   f32x4.gt                            -                  v128 v128 -> v128        simd
  FD45   f32x4.le                            -                  v128 v128 -> v128        simd
  FD46   f32x4.ge                            -                  v128 v128 -> v128        simd
  FD47   f64x2.eq                            -                  v128 v128 -> v128        simd
  FD48   f64x2.ne                            -                  v128 v128 -> v128        simd
  FD49   f64x2.lt                            -                  v128 v128 -> v128        simd
  FD4A   f64x2.gt                            -                  v128 v128 -> v128        simd
  FD4B   f64x2.le                            -                  v128 v128 -> v128        simd
  FD4C   f64x2.ge                            -                  v128 v128 -> v128        simd
  FD4D   v128.not                            -                  v128 -> v128             simd
  FD4E   v128.and                            -                  v128 v128 -> v128        simd
  FD4F   v128.andnot                         -                  v128 v128 -> v128        simd
  FD50   v128.or                             -                  v128 v128 -> v128        simd
  FD51   v128.xor                            -                  v128 v128 -> v128        simd
  FD52   v128.bitselect                      -                  v128 v128 v128 -> v128   simd
  FD53   v128.any_true                       -                  v128 -> i32              simd
  FD54   v128.load8_lane                     memarg/1,lane/16   i32 v128 -> v128         simd
  FD55   v128.load16_lane                    memarg/2,lane/8    i32 v128 -> v128         simd
  FD56   v128.load32_lane                    memarg/4,lane/4    i32 v128 -> v128         simd
  FD57   v128.load64_lane                    memarg/8,lane/2    i32 v128 -> v128         simd
  FD58   v128.store8_lane                    memarg/1,lane/16   i32 v128 ->              simd
  FD59   v128.store16_lane                   memarg/2,lane/8    i32 v128 ->              simd
  FD5A   v128.store32_lane                   memarg/4,lane/4    i32 v128 ->              simd
  FD5B   v128.store64_lane                   memarg/8,lane/2    i32 v128 ->              simd
  FD5C   v128.load32_zero                    memarg/4           i32 -> v128              simd
  FD5D   v128.load64_zero                    memarg/8           i32 -> v128              simd
  FD5E   f32x4.demote_f64x2_zero             -                  v128 -> v128             simd
  FD5F   f64x2.promote_low_f32x4             -                  v128 -> v128             simd
  FD60   i8x16.abs                           -                  v128 -> v128             simd
  FD61   i8x16.neg                           -                  v128 -> v128             simd
  FD62   i8x16.popcnt                        -                  v128 -> v128             simd
  FD63   i8x16.all_true                      -                  v128 -> i32              simd
  FD64   i8x16.bitmask                       -                  v128 -> i32              simd
  FD65   i8x16.narrow_i16x8_s                -                  v128 v128 -> v128        simd
  FD66   i8x16.narrow_i16x8_u                -                  v128 v128 -> v128        simd
  FD67   f32x4.ceil                          -                  v128 -> v128             simd
  FD68   f32x4.floor                         -                  v128 -> v128             simd
  FD69   f32x4.trunc                         -                  v128 -> v128             simd
  FD6A   f32x4.nearest                       -                  v128 -> v128             simd
  FD6B   i8x16.shl                           -                  v128 i32 -> v128         simd
  FD6C   i8x16.shr_s                         -                  v128 i32 -> v128         simd
  FD6D   i8x16.shr_u                         -                  v128 i32 -> v128         simd
  FD6E   i8x16.add                           -                  v128 v128 -> v128        simd
  FD6F   i8x16.add_sat_s                     -                  v128 v128 -> v128        simd
  FD70   i8x16.add_sat_u                     -                  v128 v128 -> v128        simd
  FD71   i8x16.sub                           -                  v128 v128 -> v128        simd
  FD72   i8x16.sub_sat_s                     -                  v128 v128 -> v128        simd
  FD73   i8x16.sub_sat_u                     -                  v128 v128 -> v128        simd
  FD74   f64x2.ceil                          -                  v128 -> v128             simd
  FD75   f64x2.floor                         -                  v128 -> v128             simd
  FD76   i8x16.min_s                         -                  v128 v128 -> v128        simd
  FD77   i8x16.min_u                         -                  v128 v128 -> v128        simd
  FD78   i8x16.max_s                         -                  v128 v128 -> v128        simd
  FD79   i8x16.max_u                         -                  v128 v128 -> v128        simd
  FD7A   f64x2.trunc                         -                  v128 -> v128             simd
  FD7B   i8x16.avgr_u                        -                  v128 v128 -> v128        simd
  FD7C   i16x8.extadd_pairwise_i8x16_s       -                  v128 -> v128             simd
  FD7D   i16x8.extadd_pairwise_i8x16_u       -                  v128 -> v128             simd
  FD7E   i32x4.extadd_pairwise_i16x8_s       -                  v128 -> v128             simd
  FD7F   i32x4.extadd_pairwise_i16x8_u       -                  v128 -> v128             simd
  FD80   i16x8.abs                           -                  v128 -> v128             simd
  FD81   i16x8.neg                           -                  v128 -> v128             simd
  FD82   i16x8.q15mulr_sat_s                 -                  v128 v128 -> v128        simd
  FD83   i16x8.all_true                      -                  v128 -> i32              simd
  FD84   i16x8.bitmask                       -                  v128 -> i32              simd
  FD85   i16x8.narrow_i32x4_s                -                  v128 v128 -> v128        simd
  FD86   i16x8.narrow_i32x4_u                -                  v128 v128 -> v128        simd
  FD87   i16x8.extend_low_i8x16_s            -                  v128 -> v128             simd
  FD88   i16x8.extend_high_i8x16_s           -                  v128 -> v128             simd
  FD89   i16x8.extend_low_i8x16_u            -                  v128 -> v128             simd
  FD8A   i16x8.extend_high_i8x16_u           -                  v128 -> v128             simd
  FD8B   i16x8.shl                           -                  v128 i32 -> v128         simd
  FD8C   i16x8.shr_s                         -                  v128 i32 -> v128         simd
  FD8D   i16x8.shr_u                         -                  v128 i32 -> v128         simd
  FD8E   i16x8.add                           -                  v128 v128 -> v128        simd
  FD8F   i16x8.add_sat_s                     -                  v128 v128 -> v128        simd
  FD90   i16x8.add_sat_u                     -                  v128 v128 -> v128        simd
  FD91   i16x8.sub                           -                  v128 v128 -> v128        simd
  FD92   i16x8.sub_sat_s                     -                  v128 v128 -> v128        simd
  FD93   i16x8.sub_sat_u                     -                  v128 v128 -> v128        simd
  FD94   f64x2.nearest                       -                  v128 -> v128             simd
  FD95   i16x8.mul                           -                  v128 v128 -> v128        simd
  FD96   i16x8.min_s                         -                  v128 v128 -> v128        simd
  FD97   i16x8.min_u                         -                  v128 v128 -> v128        simd
  FD98   i16x8.max_s                         -                  v128 v128 -> v128        simd
  FD99   i16x8.max_u                         -                  v128 v128 -> v128        simd
  FD9B   i16x8.avgr_u                        -                  v128 v128 -> v128        simd
  FD9C   i16x8.extmul_low_i8x16_s            -                  v128 v128 -> v128        simd
  FD9D   i16x8.extmul_high_i8x16_s           -                  v128 v128 -> v128        simd
  FD9E   i16x8.extmul_low_i8x16_u            -                  v128 v128 -> v128        simd
  FD9F   i16x8.extmul_high_i8x16_u           -                  v128 v128 -> v128        simd
  FDA0   i32x4.abs                           -                  v128 -> v128             simd
  FDA1   i32x4.neg                           -                  v128 -> v128             simd
  FDA3   i32x4.all_true                      -                  v128 -> i32              simd
  FDA4   i32x4.bitmask                       -                  v128 -> i32              simd
  FDA7   i32x4.extend_low_i16x8_s            -                  v128 -> v128             simd
  FDA8   i32x4.extend_high_i16x8_s           -                  v128 -> v128             simd
  FDA9   i32x4.extend_low_i16x8_u            -                  v128 -> v128             simd
  FDAA   i32x4.extend_high_i16x8_u           -                  v128 -> v128             simd
  FDAB   i32x4.shl                           -                  v128 i32 -> v128         simd
  FDAC   i32x4.shr_s                         -                  v128 i32 -> v128         simd
  FDAD   i32x4.shr_u                         -                  v128 i32 -> v128         simd
  FDAE   i32x4.add                           -                  v128 v128 -> v128        simd
  FDB1   i32x4.sub                           -                  v128 v128 -> v128        simd
  FDB5   i32x4.mul                           -                  v128 v128 -> v128        simd
  FDB6   i32x4.min_s                         -                  v128 v128 -> v128        simd
  FDB7   i32x4.min_u                         -                  v128 v128 -> v128        simd
  FDB8   i32x4.max_s                         -                  v128 v128 -> v128        simd
  FDB9   i32x4.max_u                         -                  v128 v128 -> v128        simd
  FDBA   i32x4.dot_i16x8_s                   -                  v128 v128 -> v128        simd
  FDBC   i32x4.extmul_low_i16x8_s            -                  v128 v128 -> v128        simd
  FDBD   i32x4.extmul_high_i16x8_s           -                  v128 v128 -> v128        simd
  FDBE   i32x4.extmul_low_i16x8_u            -                  v128 v128 -> v128        simd
  FDBF   i32x4.extmul_high_i16x8_u           -                  v128 v128 -> v128        simd
  FDC0   i64x2.abs                           -                  v128 -> v128             simd
  FDC1   i64x2.neg                           -                  v128 -> v128             simd
  FDC3   i64x2.all_true                      -                  v128 -> i32              simd
  FDC4   i64x2.bitmask                       -                  v128 -> i32              simd
  FDC7   i64x2.extend_low_i32x4_s            -                  v128 -> v128             simd
  FDC8   i64x2.extend_high_i32x4_s           -                  v128 -> v128             simd
  FDC9   i64x2.extend_low_i32x4_u            -                  v128 -> v128             simd
  FDCA   i64x2.extend_high_i32x4_u           -                  v128 -> v128             simd
  FDCB   i64x2.shl                           -                  v128 i32 -> v128         simd
  FDCC   i64x2.shr_s                         -                  v128 i32 -> v128         simd
  FDCD   i64x2.shr_u                         -                  v128 i32 -> v128         simd
  FDCE   i64x2.add                           -                  v128 v128 -> v128        simd
  FDD1   i64x2.sub                           -                  v128 v128 -> v128        simd
  FDD5   i64x2.mul                           -                  v128 v128 -> v128        simd
  FDD6   i64x2.eq                            -                  v128 v128 -> v128        simd
  FDD7   i64x2.ne                            -                  v128 v128 -> v128        simd
  FDD8   i64x2.lt_s                          -                  v128 v128 -> v128        simd
  FDD9   i64x2.gt_s                          -                  v128 v128 -> v128        simd
  FDDA   i64x2.le_s                          -                  v128 v128 -> v128        simd
  FDDB   i64x2.ge_s                          -                  v128 v128 -> v128        simd
  FDDC   i64x2.extmul_low_i32x4_s            -                  v128 v128 -> v128        simd
  FDDD   i64x2.extmul_high_i32x4_s           -                  v128 v128 -> v128        simd
  FDDE   i64x2.extmul_low_i32x4_u            -                  v128 v128 -> v128        simd
  FDDF   i64x2.extmul_high_i32x4_u           -                  v128 v128 -> v128        simd
  FDE0   f32x4.abs                           -                  v128 -> v128             simd
  FDE1   f32x4.neg                           -                  v128 -> v128             simd
  FDE3   f32x4.sqrt                          -                  v128 -> v128             simd
  FDE4   f32x4.add                           -                  v128 v128 -> v128        simd
  FDE5   f32x4.sub                           -                  v128 v128 -> v128        simd
  FDE6   f32x4.mul                           -                  v128 v128 -> v128        simd
  FDE7   f32x4.div                           -                  v128 v128 -> v128        simd
  FDE8   f32x4.min                           -                  v128 v128 -> v128        simd
  FDE9   f32x4.max                           -                  v128 v128 -> v128        simd
  FDEA   f32x4.pmin                          -                  v128 v128 -> v128        simd
  FDEB   f32x4.pmax                          -                  v128 v128 -> v128        simd
  FDEC   f64x2.abs                           -                  v128 -> v128             simd
  FDED   f64x2.neg                           -                  v128 -> v128             simd
  FDEF   f64x2.sqrt                          -                  v128 -> v128             simd
  FDF0   f64x2.add                           -                  v128 v128 -> v128        simd
  FDF1   f64x2.sub                           -                  v128 v128 -> v128        simd
  FDF2   f64x2.mul                           -                  v128 v128 -> v128        simd
  FDF3   f64x2.div                           -                  v128 v128 -> v128        simd
  FDF4   f64x2.min                           -                  v128 v128 -> v128        simd
  FDF5   f64x2.max                           -                  v128 v128 -> v128        simd
  FDF6   f64x2.pmin                          -                  v128 v128 -> v128        simd
  FDF7   f64x2.pmax                          -                  v128 v128 -> v128        simd
  FDF8   i32x4.trunc_sat_f32x4_s             -                  v128 -> v128             simd
  FDF9   i32x4.trunc_sat_f32x4_u             -                  v128 -> v128             simd
  FDFA   f32x4.convert_i32x4_s               -                  v128 -> v128             simd
  FDFB   f32x4.convert_i32x4_u               -                  v128 -> v128             simd
  FDFC   i32x4.trunc_sat_f64x2_s_zero        -                  v128 -> v128             simd
  FDFD   i32x4.trunc_sat_f64x2_u_zero        -                  v128 -> v128             simd
  FDFE   f64x2.convert_low_i32x4_s           -                  v128 -> v128             simd
  FDFF   f64x2.convert_low_i32x4_u           -                  v128 -> v128             simd
  FD100  i8x16.relaxed_swizzle               -                  v128 v128 -> v128        relaxed-simd
  FD101  i32x4.relaxed_trunc_f32x4_s         -                  v128 -> v128             relaxed-simd
  FD102  i32x4.relaxed_trunc_f32x4_u         -                  v128 -> v128             relaxed-simd
  FD103  i32x4.relaxed_trunc_f64x2_s_zero    -                  v128 -> v128             relaxed-simd
  FD104  i32x4.relaxed_trunc_f64x2_u_zero    -                  v128 -> v128             relaxed-simd
  FD105  f32x4.relaxed_madd                  -                  v128 v128 v128 -> v128   relaxed-simd
  FD106  f32x4.relaxed_nmadd                 -                  v128 v128 v128 -> v128   relaxed-simd
  FD107  f64x2.relaxed_madd                  -                  v128 v128 v128 -> v128   relaxed-simd
  FD108  f64x2.relaxed_nmadd                 -                  v128 v128 v128 -> v128   relaxed-simd
  FD109  i8x16.relaxed_laneselect            -                  v128 v128 v128 -> v128   relaxed-simd
  FD10A  i16x8.relaxed_laneselect            -                  v128 v128 v128 -> v128   relaxed-simd
  FD10B  i32x4.relaxed_laneselect            -                  v128 v128 v128 -> v128   relaxed-simd
  FD10C  i64x2.relaxed_laneselect            -                  v128 v128 v128 -> v128   relaxed-simd
  FD10D  f32x4.relaxed_min                   -                  v128 v128 -> v128        relaxed-simd
  FD10E  f32x4.relaxed_max                   -                  v128 v128 -> v128        relaxed-simd
  FD10F  f64x2.relaxed_min                   -                  v128 v128 -> v128        relaxed-simd
  FD110  f64x2.relaxed_max                   -                  v128 v128 -> v128        relaxed-simd
  FD111  i16x8.relaxed_q15mulr_s             -                  v128 v128 -> v128        relaxed-simd
  FD112  i16x8.relaxed_dot_i8x16_i7x16_s     -                  v128 v128 -> v128        relaxed-simd
  FD113  i32x4.relaxed_dot_i8x16_i7x16_add_s -                  v128 v128 v128 -> v128   relaxed-simd
  FE00   memory.atomic.notify                memarg/4           i32 i32 -> i32           threads
  FE01   memory.atomic.wait32                memarg/4           i32 i32 i64 -> i32       threads
  FE02   memory.atomic.wait64                memarg/8           i32 i64 i64 -> i32       threads
  FE03   atomic.fence                        zero               ->                       threads
  FE10   i32.atomic.load                     memarg/4           i32 -> i32               threads
  FE11   i64.atomic.load                     memarg/8           i32 -> i64               threads
  FE12   i32.atomic.load8_u                  memarg/1           i32 -> i32               threads
  FE13   i32.atomic.load16_u                 memarg/2           i32 -> i32               threads
  FE14   i64.atomic.load8_u                  memarg/1           i32 -> i64               threads
  FE15   i64.atomic.load16_u                 memarg/2           i32 -> i64               threads
  FE16   i64.atomic.load32_u                 memarg/4           i32 -> i64               threads
  FE17   i32.atomic.store                    memarg/4           i32 i32 ->               threads
  FE18   i64.atomic.store                    memarg/8           i32 i64 ->               threads
  FE19   i32.atomic.store8                   memarg/1           i32 i32 ->               threads
  FE1A   i32.atomic.store16                  memarg/2           i32 i32 ->               threads
  FE1B   i64.atomic.store8                   memarg/1           i32 i64 ->               threads
  FE1C   i64.atomic.store16                  memarg/2           i32 i64 ->               threads
  FE1D   i64.atomic.store32                  memarg/4           i32 i64 ->               threads
  FE1E   i32.atomic.rmw.add                  memarg/4           i32 i32 -> i32           threads
  FE1F   i64.atomic.rmw.add                  memarg/8           i32 i64 -> i64           threads
  FE20   i32.atomic.rmw8.add_u               memarg/1           i32 i32 -> i32           threads
  FE21   i32.atomic.rmw16.add_u              memarg/2           i32 i32 -> i32           threads
  FE22   i64.atomic.rmw8.add_u               memarg/1           i32 i64 -> i64           threads
  FE23   i64.atomic.rmw16.add_u              memarg/2           i32 i64 -> i64           threads
  FE24   i64.atomic.rmw32.add_u              memarg/4           i32 i64 -> i64           threads
  FE25   i32.atomic.rmw.sub                  memarg/4           i32 i32 -> i32           threads
  FE26   i64.atomic.rmw.sub                  memarg/8           i32 i64 -> i64           threads
  FE27   i32.atomic.rmw8.sub_u               memarg/1           i32 i32 -> i32           threads
  FE28   i32.atomic.rmw16.sub_u              memarg/2           i32 i32 -> i32           threads
  FE29   i64.atomic.rmw8.sub_u               memarg/1           i32 i64 -> i64           threads
  FE2A   i64.atomic.rmw16.sub_u              memarg/2           i32 i64 -> i64           threads
  FE2B   i64.atomic.rmw32.sub_u              memarg/4           i32 i64 -> i64           threads
  FE2C   i32.atomic.rmw.and                  memarg/4           i32 i32 -> i32           threads
  FE2D   i64.atomic.rmw.and                  memarg/8           i32 i64 -> i64           threads
  FE2E   i32.atomic.rmw8.and_u               memarg/1           i32 i32 -> i32           threads
  FE2F   i32.atomic.rmw16.and_u              memarg/2           i32 i32 -> i32           threads
  FE30   i64.atomic.rmw8.and_u               memarg/1           i32 i64 -> i64           threads
  FE31   i64.atomic.rmw16.and_u              memarg/2           i32 i64 -> i64           threads
  FE32   i64.atomic.rmw32.and_u              memarg/4           i32 i64 -> i64           threads
  FE33   i32.atomic.rmw.or                   memarg/4           i32 i32 -> i32           threads
  FE34   i64.atomic.rmw.or                   memarg/8           i32 i64 -> i64           threads
  FE35   i32.atomic.rmw8.or_u                memarg/1           i32 i32 -> i32           threads
  FE36   i32.atomic.rmw16.or_u               memarg/2           i32 i32 -> i32           threads
  FE37   i64.atomic.rmw8.or_u                memarg/1           i32 i64 -> i64           threads
  FE38   i64.atomic.rmw16.or_u               memarg/2           i32 i64 -> i64           threads
  FE39   i64.atomic.rmw32.or_u               memarg/4           i32 i64 -> i64           threads
  FE3A   i32.atomic.rmw.xor                  memarg/4           i32 i32 -> i32           threads
  FE3B   i64.atomic.rmw.xor                  memarg/8           i32 i64 -> i64           threads
  FE3C   i32.atomic.rmw8.xor_u               memarg/1           i32 i32 -> i32           threads
  FE3D   i32.atomic.rmw16.xor_u              memarg/2           i32 i32 -> i32           threads
  FE3E   i64.atomic.rmw8.xor_u               memarg/1           i32 i64 -> i64           threads
  FE3F   i64.atomic.rmw16.xor_u              memarg/2           i32 i64 -> i64           threads
  FE40   i64.atomic.rmw32.xor_u              memarg/4           i32 i64 -> i64           threads
  FE41   i32.atomic.rmw.xchg                 memarg/4           i32 i32 -> i32           threads
  FE42   i64.atomic.rmw.xchg                 memarg/8           i32 i64 -> i64           threads
  FE43   i32.atomic.rmw8.xchg_u              memarg/1           i32 i32 -> i32           threads
  FE44   i32.atomic.rmw16.xchg_u             memarg/2           i32 i32 -> i32           threads
  FE45   i64.atomic.rmw8.xchg_u              memarg/1           i32 i64 -> i64           threads
  FE46   i64.atomic.rmw16.xchg_u             memarg/2           i32 i64 -> i64           threads
  FE47   i64.atomic.rmw32.xchg_u             memarg/4           i32 i64 -> i64           threads
  FE48   i32.atomic.rmw.cmpxchg              memarg/4           i32 i32 i32 -> i32       threads
  FE49   i64.atomic.rmw.cmpxchg              memarg/8           i32 i64 i64 -> i64       threads
  FE4A   i32.atomic.rmw8.cmpxchg_u           memarg/1           i32 i32 i32 -> i32       threads
  FE4B   i32.atomic.rmw16.cmpxchg_u          memarg/2           i32 i32 i32 -> i32       threads
  FE4C   i64.atomic.rmw8.cmpxchg_u           memarg/1           i32 i64 i64 -> i64       threads
  FE4D   i64.atomic.rmw16.cmpxchg_u          memarg/2           i32 i64 i64 -> i64       threads
  FE4E   i64.atomic.rmw32.cmpxchg_u          memarg/4           i32 i64 i64 -> i64       threads
"""

_TYPES: Final = {type_.name: type_ for type_ in (I32, I64, F32, F64, V128)}


class Opcode(Frozen, eq=False):
    """One row of the table. `index` is its position, which stands for it in a decoded body."""

    index: int
    code: int
    """The digits of the table's first column; see `prefix` and `number`."""
    name: str
    immediates: tuple[str, ...]
    access: int
    """Bytes that an instruction with a `memarg` accesses, which is its natural alignment; else 0."""
    lanes: int
    """Number of lanes that an instruction with lane immediates chooses from; else 0."""
    params: tuple[ValType, ...] | None
    """Types of the operands; None where they depend on the context, and the results too."""
    results: tuple[ValType, ...] | None
    feature: str

    @property
    def prefix(self) -> int:
        """The byte before the number, 0 for an instruction of one byte."""
        return self.code >> (12 if self.code > 0xFFFF else 8)

    @property
    def number(self) -> int:
        """The opcode byte, or the integer after the prefix."""
        return self.code & (0xFFF if self.code > 0xFFFF else 0xFF)

    @property
    def mnemonic(self) -> str:
        """The name in the text format."""
        return self.name.partition("/")[0]

    def __repr__(self) -> str:
        return f"<Opcode {self.name}>"


# Few of these texts are different ones.
@cache
def _parse_immediates(text: str) -> tuple[tuple[str, ...], dict[str, int]]:
    """The kinds of immediates, and the numbers that stand after a slash."""
    if text == "-":
        return (), {}
    kinds, sizes = [], {}
    for item in text.split(","):
        kind, _, size = item.partition("/")
        if kind not in IMMEDIATES:
            raise ValueError(f"unknown kind of immediate {item!r}")
        kinds.append(kind)
        if size:
            sizes[kind] = int(size)
    return tuple(kinds), sizes


@cache
def _parse_type(text: str) -> tuple[tuple[ValType, ...], tuple[ValType, ...]] | tuple[None, None]:
    if text == "*":
        return None, None
    params, results = (tuple(_TYPES[name] for name in side.split()) for side in text.split("->"))
    return params, results


def _parse_row(index: int, row: str) -> Opcode:
    code, name, immediates, rest = row.split(None, 3)
    type_, feature = rest.rsplit(None, 1)
    kinds, sizes = _parse_immediates(immediates)
    params, results = _parse_type(type_)
    access, lanes = sizes.get("memarg", 0), sizes.get("lane", sizes.get("lanes", 0))
    return Opcode(index, int(code, 16), name, kinds, access, lanes, params, results, feature)


_ROWS: Final = TABLE.strip().splitlines()
_PLACES: Final[dict[str, int]] = {}
"""Where a row is, by its code and by its name."""
for _place, _row in enumerate(_ROWS):
    _code, _name, _ = _row.split(None, 2)
    _PLACES[_code] = _PLACES[_name] = _place


@cache
def _opcode(place: int) -> Opcode:
    return _parse_row(place, _ROWS[place])


def by_name(name: str) -> Opcode:
    """The instruction with this name. KeyError if there is none."""
    return _opcode(_PLACES[name])


def by_code(prefix: int, number: int) -> Opcode | None:
    """The instruction with this prefix, 0 without one, and this number; None if there is none."""
    code = f"{prefix:02X}{number:02X}" if prefix else f"{number:02X}"
    place = _PLACES.get(code)
    return None if place is None else _opcode(place)


PREFIXES: Final = (0xFB, 0xFC, 0xFD, 0xFE)

OPCODES: list[Opcode]
BY_NAME: dict[str, Opcode]
BY_CODE: dict[tuple[int, int], Opcode]


def __getattr__(name: str) -> object:
    """The whole table: parsed when somebody wants it, since a program from the cache meets few rows."""
    if name not in ("OPCODES", "BY_NAME", "BY_CODE"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    opcodes = [_opcode(place) for place in range(len(_ROWS))]
    whole = {
        "OPCODES": opcodes,
        "BY_NAME": {opcode.name: opcode for opcode in opcodes},
        "BY_CODE": {(opcode.prefix, opcode.number): opcode for opcode in opcodes},
    }
    globals().update(whole)
    return whole[name]
