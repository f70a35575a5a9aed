/* What kernels with SIMD instructions share. */
#ifndef WASMINE_BENCH_SIMD_H
#define WASMINE_BENCH_SIMD_H

#include "../kernel.h"
#include <wasm_simd128.h>

static inline u64 fold_vector(u64 sum, v128_t value) {
    sum = fold(sum, (u64)wasm_i64x2_extract_lane(value, 0));
    return fold(sum, (u64)wasm_i64x2_extract_lane(value, 1));
}

#endif
