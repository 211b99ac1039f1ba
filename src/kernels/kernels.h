// CPU operators of the engine, one implementation per instruction set, chosen at run time.
//
// Formulas, orders of summation and what was verified: docs/methods/kernels.md.
// Contract of every operator: an output row's bits depend on its own inputs, the sizes and the instruction set, never on
// how many other rows are computed in the same call, on the range split among threads, or on addresses. So one fixed reduction order a row.
// All pointers may be unaligned; inputs and outputs do not overlap unless said. Preconditions are ATTUNE_DCHECKs; nothing throws.
// Files kernels/*/..._avx2.cpp and ..._avx512.cpp are compiled for that set and define only their own uniquely named functions.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/dtype.h"

namespace attune::kernels {

enum class Isa { kScalar, kAvx2, kAvx512 };
std::string_view isa_name(Isa isa) noexcept;  // "scalar", "avx2", "avx512"

/// Activations quantised to int8 for `gemm_q8`: per row, n values in blocks of 32 with one float scale each (scale = max|x| / 127,
/// q = round-to-nearest-even(x / scale); a scale below the smallest normal float counts as 0) and what the kernels need beside them (block
/// sums). Blocks of a row whose squared scale is at least the row's mean hold a second int8 a value for what the first left over, in steps of
/// scale / 254: few blocks hold most of the error (docs/decisions/010). A block with an infinite or NaN value gets scale NaN, so that every
/// product with it is NaN. Same bytes at every level.
/// n is a multiple of 32. The layout belongs to this header's implementation; callers only allocate q8_row_bytes(n) a row.
int64_t q8_row_bytes(int64_t n) noexcept;
/// L2 norm of the n values that a Q8 row stands for; NaN if a block's scale is.
double q8_norm(const void* q8_row, int64_t n) noexcept;
/// The same of the refinements alone, what `gemm_q8_high` leaves out.
double q8_refinement_norm(const void* q8_row, int64_t n) noexcept;

/// What keys and values are held as. kQ8_0: blocks of 32 values, an f16 scale and 32 signed bytes each; head_dim and strides are multiples of 32.
enum class KvType { kF32, kF16, kQ8_0 };
/// Bytes of n values.
int64_t kv_bytes(KvType type, int64_t n) noexcept;

struct Ops {
  Isa isa;

  /// dst[0..n) = exact values of one row of `dtype`. n is whole blocks. Same bits at every level.
  void (*dequantize_row)(DType dtype, const void* src, float* dst, int64_t n) noexcept;

  /// One row of n floats to the Q8 activation layout.
  void (*quantize_q8)(const float* x, int64_t n, void* q8_row) noexcept;

  /// y[t * ldy + r] = sum_k W[r, k] * x[t, k] for r in [0, num_rows), t in [0, num_x). W: packed weights (kernels/pack.h) from the begin of a
  /// panel on; fastest when 64-byte aligned. x: num_x Q8 rows (q8_row_bytes(n) apart). Integer sums are exact inside a block; blocks are added in
  /// one fixed order of floats: the same bits at every level. dtype: a block format; for F32, F16 and BF16 weights there is gemm_f32.
  void (*gemm_q8)(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept;

  /// The same for Q8_0 weights of which only the high plane is read, without the second int8 of refined blocks: a weight q counts as
  /// 16 floor((q + 128) / 16) - 120.5, so that y differs from gemm_q8's by the products with what the low plane holds, from -7.5 to 7.5 a
  /// weight, and by the high plane's products with the refinements. Half the bytes.
  void (*gemm_q8_high)(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept;

  /// gemm_q8 in float: packed weights dequantised exactly, x [num_x, n] floats (ldx apart). The reference arithmetic (`--compute f32`).
  void (*gemm_f32)(DType dtype, const void* w, int64_t num_rows, int64_t n, const float* x, int64_t ldx, int64_t num_x, float* y,
                   int64_t ldy) noexcept;

  /// out[i] = x[i] * (mean(x^2) + eps)^(-1/2) * gain[i]; sum of squares in double or in a fixed wide order. out may equal x.
  void (*rms_norm)(const float* x, const float* gain, float eps, float* out, int64_t n) noexcept;
  /// x[i] += y[i].
  void (*add)(float* x, const float* y, int64_t n) noexcept;
  /// out[i] = gelu_tanh(gate[i]) * up[i]; gelu_tanh(z) = 0.5 z (1 + tanh(sqrt(2/pi) (z + 0.044715 z^3))). Relative error below 2e-6.
  /// out may equal gate.
  void (*gelu_mul)(const float* gate, const float* up, float* out, int64_t n) noexcept;
  /// Half-split rotation of one head of `head_dim`: x'[i] = x[i] c[i] - x[i + h] s[i]; x'[i + h] = x[i + h] c[i] + x[i] s[i],
  /// h = head_dim / 2; c, s: [h].
  void (*rope)(float* x, const float* cos, const float* sin, int64_t head_dim) noexcept;

  /// Keys or values to cache type: dst gets n values. Same bytes at every level. Q8_0: a block with an infinite or NaN value, or one beyond
  /// 8.3e6, becomes NaN.
  void (*store_kv)(KvType type, const float* src, void* dst, int64_t n) noexcept;
  /// scores[j] = scale * sum_e q[e] * K[j, e] for j in [0, num_keys); K rows are `stride` elements apart.
  void (*attention_scores)(KvType type, const float* q, const void* k, int64_t stride, int64_t num_keys, int64_t head_dim, float scale,
                           float* scores) noexcept;
  /// In place: scores[j] = exp(scores[j] - max) / sum. The sum's order depends on n only. Relative error below 2e-6. A score of -inf gives 0,
  /// all -inf give zeros, n = 1 gives exactly 1, a NaN makes all NaN.
  void (*softmax)(float* scores, int64_t n) noexcept;
  /// out[e] += sum_j p[j] * V[j, e], j ascending, one fused multiply-add a step (scalar level: two roundings): splitting the keys into several
  /// calls changes no bit.
  void (*attention_values)(KvType type, const float* p, const void* v, int64_t stride, int64_t num_keys, int64_t head_dim,
                           float* out) noexcept;

  /// Both for `num_q` queries that share the keys (the query heads of one key-value head, or rows with the same visible keys), each key or
  /// value read and converted once for four queries: query i is q + i * ldq, its scores or weights scores + i * lds, its sums out + i * ldo.
  /// Every query gets exactly the bits of the single-query operators. Up to twice as fast.
  void (*attention_scores_group)(KvType type, int64_t num_q, const float* q, int64_t ldq, const void* k, int64_t stride, int64_t num_keys,
                                 int64_t head_dim, float scale, float* scores, int64_t lds) noexcept;
  void (*attention_values_group)(KvType type, int64_t num_q, const float* p, int64_t lds, const void* v, int64_t stride, int64_t num_keys,
                                 int64_t head_dim, float* out, int64_t ldo) noexcept;
};

/// Levels this machine runs, scalar first.
std::vector<Isa> available_isas();
/// The operators of a level. kUnsupported if the machine lacks it.
const Ops& ops_for(Isa isa);
/// The level in use: the best available, or what ATTUNE_ISA (scalar, avx2, avx512) names; read once. An unknown or unavailable name throws.
const Ops& ops();
/// The level of ops(), for loops that may not throw: scalar where ops() throws. Whoever prepares such loops calls ops() first.
Isa isa_in_use() noexcept;

}  // namespace attune::kernels
