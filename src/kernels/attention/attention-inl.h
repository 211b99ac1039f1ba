// Kernel text: key-value storage, attention scores and weighted sums of values on the lanes of a vector_*-inl.h.
//
// A score is the sum of kLanes partial sums (lane e mod kLanes) in a fixed tree, eight keys at a time; missing keys of the last eight repeat
// the last key, so that a score's bits never depend on its place. Values are added key by key, one fused step a lane.
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

struct KvF32 {
  static constexpr int kBytes = 4;
  static F get(const char* p) { return load(reinterpret_cast<const float*>(p)); }
  static F get_part(const char* p, int64_t count) { return load_part(reinterpret_cast<const float*>(p), count); }
};

struct KvF16 {
  static constexpr int kBytes = 2;
  static F get(const char* p) { return load_f16(p); }
  static F get_part(const char* p, int64_t count) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) __builtin_memcpy(padded + i, p + 2 * i, 2);
    return load_f16(padded);
  }
};

template <class Kv>
void scores_of(const float* q, const char* k, int64_t row_stride, int64_t num_keys, int64_t head_dim, float scale, float* scores) {
  for (int64_t j = 0; j < num_keys; j += 8) {
    const int64_t count = num_keys - j < 8 ? num_keys - j : 8;
    const char* rows[8];
    for (int i = 0; i < 8; ++i) rows[i] = k + (j + (i < count ? i : count - 1)) * row_stride;
    F sums[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; ++i) sums[i] = zero();
    int64_t e = 0;
    for (; e + kLanes <= head_dim; e += kLanes) {
      const F a = load(q + e);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) sums[i] = fma(a, Kv::get(rows[i] + e * Kv::kBytes), sums[i]);
    }
    if (e < head_dim) {
      const F a = load_part(q + e, head_dim - e);
#pragma GCC unroll 8
      for (int i = 0; i < 8; ++i) sums[i] = fma(a, Kv::get_part(rows[i] + e * Kv::kBytes, head_dim - e), sums[i]);
    }
    float out[8];
    _mm256_storeu_ps(out, _mm256_mul_ps(_mm256_set1_ps(scale), reduce_add8(sums)));
    for (int64_t i = 0; i < count; ++i) scores[j + i] = out[i];
  }
}

/// Lanes [e, e + kVectors * kLanes) of the weighted sum.
template <class Kv, int kVectors>
inline void add_values(const float* p, const char* v, int64_t row_stride, int64_t num_keys, float* out) {
  F sums[kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) sums[i] = load(out + i * kLanes);
  for (int64_t j = 0; j < num_keys; ++j, v += row_stride) {
    const F weight = set1(p[j]);
#pragma GCC unroll 16
    for (int i = 0; i < kVectors; ++i) sums[i] = fma(weight, Kv::get(v + i * kLanes * Kv::kBytes), sums[i]);
  }
#pragma GCC unroll 16
  for (int i = 0; i < kVectors; ++i) store(out + i * kLanes, sums[i]);
}

template <class Kv>
void values_of(const float* p, const char* v, int64_t row_stride, int64_t num_keys, int64_t head_dim, float* out) {
  constexpr int kMany = kLanes == 16 ? 16 : 8;
  int64_t e = 0;
  for (; e + kMany * kLanes <= head_dim; e += kMany * kLanes) add_values<Kv, kMany>(p, v + e * Kv::kBytes, row_stride, num_keys, out + e);
  for (; e + kLanes <= head_dim; e += kLanes) add_values<Kv, 1>(p, v + e * Kv::kBytes, row_stride, num_keys, out + e);
  if (e == head_dim) return;
  F sum = load_part(out + e, head_dim - e);
  for (int64_t j = 0; j < num_keys; ++j) sum = fma(set1(p[j]), Kv::get_part(v + j * row_stride + e * Kv::kBytes, head_dim - e), sum);
  store_part(out + e, sum, head_dim - e);
}

}  // namespace

void store_kv(KvType type, const float* src, void* dst, int64_t n) noexcept {
  if (type == KvType::kF32) {
    __builtin_memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  char* out = static_cast<char*>(dst);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_f16(out + 2 * i, load(src + i));
  if (i == n) return;
  uint16_t rest[kLanes];
  store_f16(rest, load_part(src + i, n - i));
  __builtin_memcpy(out + 2 * i, rest, static_cast<size_t>(2 * (n - i)));
}

void attention_scores(KvType type, const float* q, const void* k, int64_t stride, int64_t num_keys, int64_t head_dim, float scale,
                      float* scores) noexcept {
  const char* rows = static_cast<const char*>(k);
  if (type == KvType::kF32) return scores_of<KvF32>(q, rows, 4 * stride, num_keys, head_dim, scale, scores);
  scores_of<KvF16>(q, rows, 2 * stride, num_keys, head_dim, scale, scores);
}

void attention_values(KvType type, const float* p, const void* v, int64_t stride, int64_t num_keys, int64_t head_dim, float* out) noexcept {
  const char* rows = static_cast<const char*>(v);
  if (type == KvType::kF32) return values_of<KvF32>(p, rows, 4 * stride, num_keys, head_dim, out);
  values_of<KvF16>(p, rows, 2 * stride, num_keys, head_dim, out);
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
