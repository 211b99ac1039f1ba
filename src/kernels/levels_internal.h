// What the files of kernels/ share: the functions of every level, and the layout of a Q8 activation row.
//
// Included by files compiled for AVX2 and AVX-512, so nothing here may be emitted out of line: plain structs and declarations only.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "core/error.h"  // for ATTUNE_DCHECK; nothing else of it may be used in vector files
#include "kernels/kernels.h"
#include "kernels/pack.h"

namespace attune::kernels {

/// Per block of 32 activations: values scale * q[i].
struct Q8Block {
  float scale;
  float scaled_sum;  ///< scale * float(sum): what the minimum of a Q4_K or Q5_K sub-block is multiplied with
  int32_t sum;       ///< of the 32 values q
  int32_t sum_low;   ///< of the first 16 values q
};
static_assert(sizeof(Q8Block) == 16);

/// What the values of one block left over: to be added to them.
struct Q8Refinement {
  int8_t q[32];
  Q8Block block;
  int32_t padding[4];
};
static_assert(sizeof(Q8Refinement) == 64);

// A Q8 row: int8 q[n], Q8Block[n / 32], a bit a block in uint64 words (set: the block has a refinement), padding to a multiple of 64 bytes,
// Q8Refinement[n / 32], of which only those with a set bit are written. Rows of more than kMaxRefinedColumns have none.
inline constexpr int64_t kMaxRefinedColumns = 131072;
[[gnu::always_inline]] constexpr int64_t q8_refined_bits_at(int64_t n) { return (n / 2 * 3 + 7) / 8 * 8; }
[[gnu::always_inline]] constexpr int64_t q8_refinements_at(int64_t n) {
  return (q8_refined_bits_at(n) + (n / 32 + 63) / 64 * 8 + 63) / 64 * 64;
}

/// The refinement of block `group` of a Q8 row of n values; zeros, with scale 0, if it has none.
Q8Refinement q8_refinement(const void* q8_row, int64_t n, int64_t group) noexcept;

/// Where the parts of a panel of 16 rows by n columns lie, in bytes from its begin (docs/methods/kernels.md, "Panels"). A group is 32 columns.
struct PanelLayout {
  int64_t nibbles = 0;  ///< [groups] 256 bytes: vector v < 4, row, column: 4v + c in the low nibble, 16 + 4v + c in the high one
  int64_t high = 0;  ///< [groups] high_bytes: bit 4 of quads 0 to 7 in bits 0 to 7 (Q5); two bits of four quads a vector (Q6_K)
  int64_t high_bytes = 0;  ///< 64 (Q5_0, Q5_K), 128 (Q6_K) or 0
  int64_t scale = 0;  ///< [sub-blocks] 16 bytes: K-quants
  int64_t min = 0;  ///< the same: Q4_K, Q5_K
  int64_t d = 0;  ///< [blocks] 16 f16
  int64_t dmin = 0;  ///< the same: Q4_K, Q5_K
  int64_t low = 0;  ///< [groups] 256 bytes: low plane of Q8_0, laid out like nibbles
  int64_t bytes = 0;  ///< of the panel
};
PanelLayout panel_layout(DType dtype, int64_t n) noexcept;

/// Resolves ATTUNE_ISA: null means the best level available. Throws kInvalidArgument (unknown name) or kUnsupported (not on this machine).
Isa select_isa(std::optional<std::string_view> name);

#define ATTUNE_KERNELS_DECLARE_LEVEL(level)                                                                                             \
  namespace level {                                                                                                                     \
  void dequantize_row(DType dtype, const void* src, float* dst, int64_t n) noexcept;                                                    \
  void quantize_q8(const float* x, int64_t n, void* q8_row) noexcept;                                                                   \
  void gemm_q8(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept;  \
  void gemm_q8_high(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept;          \
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
