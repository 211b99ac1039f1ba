// What the files of kernels/ share: the functions of every level, and the layout of a Q8 activation row.
//
// Included by files compiled for AVX2 and AVX-512, so nothing here may be emitted out of line: plain structs and declarations only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/error.h"  // for ATTUNE_DCHECK; nothing else of it may be used in vector files
#include "kernels/kernels.h"

namespace attune::kernels {

/// Per block of 32 activations. x[i] = scale * q[i].
struct Q8Block {
  float scale;
  float scaled_sum;  ///< scale * float(sum): what the minimum of a Q4_K or Q5_K sub-block is multiplied with
  int32_t sum;       ///< of the 32 values q
  int32_t sum_low;   ///< of the first 16 values q
};
static_assert(sizeof(Q8Block) == 16);

// A Q8 row: int8 q[n], Q8Block[n / 32], padding to a multiple of 64 bytes.

/// Resolves ATTUNE_ISA: null means the best level available. Throws kInvalidArgument (unknown name) or kUnsupported (not on this machine).
Isa select_isa(std::optional<std::string_view> name);

#define ATTUNE_KERNELS_DECLARE_LEVEL(level)                                                                                             \
  namespace level {                                                                                                                     \
  void dequantize_row(DType dtype, const void* src, float* dst, int64_t n) noexcept;                                                    \
  void quantize_q8(const float* x, int64_t n, void* q8_row) noexcept;                                                                   \
  void gemm_q8(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept;  \
  /* gemm_q8 for F32, F16 and BF16 weights. */                                                                                          \
  void gemm_q8_float(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y,                   \
                     int64_t ldy) noexcept;                                                                                             \
  void gemm_f32(DType dtype, const void* w, int64_t num_rows, int64_t n, const float* x, int64_t ldx, int64_t num_x, float* y,          \
                int64_t ldy) noexcept;                                                                                                  \
  void rms_norm(const float* x, const float* gain, float eps, float* out, int64_t n) noexcept;                                          \
  void add(float* x, const float* y, int64_t n) noexcept;                                                                               \
  void gelu_mul(const float* gate, const float* up, float* out, int64_t n) noexcept;                                                    \
  void rope(float* x, const float* cos, const float* sin, int64_t head_dim) noexcept;                                                   \
  void store_kv(KvType type, const float* src, void* dst, int64_t n) noexcept;                                                          \
  void attention_scores(KvType type, const float* q, const void* k, int64_t stride, int64_t num_keys, int64_t head_dim, float scale,    \
                        float* scores) noexcept;                                                                                        \
  void softmax(float* scores, int64_t n) noexcept;                                                                                      \
  void attention_values(KvType type, const float* p, const void* v, int64_t stride, int64_t num_keys, int64_t head_dim,                 \
                        float* out) noexcept;                                                                                           \
  void attention_scores_group(KvType type, int64_t num_q, const float* q, int64_t ldq, const void* k, int64_t stride, int64_t num_keys, \
                              int64_t head_dim, float scale, float* scores, int64_t lds) noexcept;                                      \
  void attention_values_group(KvType type, int64_t num_q, const float* p, int64_t lds, const void* v, int64_t stride, int64_t num_keys, \
                              int64_t head_dim, float* out, int64_t ldo) noexcept;                                                      \
  }
ATTUNE_KERNELS_DECLARE_LEVEL(scalar)
ATTUNE_KERNELS_DECLARE_LEVEL(avx2)
ATTUNE_KERNELS_DECLARE_LEVEL(avx512)
#undef ATTUNE_KERNELS_DECLARE_LEVEL

}  // namespace attune::kernels
