// Kernel text: key-value storage, attention scores and weighted sums of values on the lanes of a vector_*-inl.h.
//
// A score is the sum of kLanes partial sums (lane e mod kLanes) in a fixed tree. Eight (query, key) pairs or more are computed at
// a time; missing keys of the last group repeat the last key, so that a score's bits never depend on its place.
// Values are added key by key, one fused step a lane.
#include "kernels/attention/kv_q8-inl.h"
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

// A cache type: bytes(n) of n values; get: the values from e on of a row; get_part: `count` of them, then zeros.
struct KvF32 {
  static int64_t bytes(int64_t n) { return 4 * n; }
  static F get(const char* row, int64_t e) { return load(reinterpret_cast<const float*>(row) + e); }
  static F get_part(const char* row, int64_t e, int64_t count) { return load_part(reinterpret_cast<const float*>(row) + e, count); }
};

struct KvF16 {
  static int64_t bytes(int64_t n) { return 2 * n; }
  static F get(const char* row, int64_t e) { return load_f16(row + 2 * e); }
  static F get_part(const char* row, int64_t e, int64_t count) {
    uint16_t padded[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) __builtin_memcpy(padded + i, row + 2 * (e + i), 2);
    return load_f16(padded);
  }
};

/// Whole blocks of 32: a row never ends within a vector.
struct KvQ8 {
  static int64_t bytes(int64_t n) { return n / kKvBlock * kKvBlockBytes; }
  static F get(const char* row, int64_t e) {
    const char* block = row + bytes(e);
    uint16_t d;
    __builtin_memcpy(&d, block, sizeof d);
    return mul(load_i8(reinterpret_cast<const int8_t*>(block + 2 + e % kKvBlock)), set1(_cvtsh_ss(d)));
  }
  static F get_part(const char*, int64_t, int64_t) { return zero(); }
};

/// Scores of kQueries queries with `count` (at least 1, at most kKeys) keys, the last one repeated.
template <class Kv, int kQueries, int kKeys>
inline void score_tile(const float* q, int64_t ldq, const char* k, int64_t row_stride, int64_t count, int64_t head_dim, float scale,
                       float* scores, int64_t lds) {
  static_assert(kQueries * kKeys % 8 == 0);
  const char* rows[kKeys];
#pragma GCC unroll 8
  for (int j = 0; j < kKeys; ++j) rows[j] = k + (j < count ? j : count - 1) * row_stride;
  F sums[kQueries * kKeys];
#pragma GCC unroll 16
  for (int i = 0; i < kQueries * kKeys; ++i) sums[i] = zero();
  const auto step = [&](const F queries[kQueries], int j, F key) {
#pragma GCC unroll 4
    for (int i = 0; i < kQueries; ++i) sums[i * kKeys + j] = fma(queries[i], key, sums[i * kKeys + j]);
  };
  int64_t e = 0;
  for (; e + kLanes <= head_dim; e += kLanes) {
    F queries[kQueries];
#pragma GCC unroll 4
    for (int i = 0; i < kQueries; ++i) queries[i] = load(q + i * ldq + e);
#pragma GCC unroll 8
    for (int j = 0; j < kKeys; ++j) step(queries, j, Kv::get(rows[j], e));
  }
  if (e < head_dim) {
    F queries[kQueries];
    for (int i = 0; i < kQueries; ++i) queries[i] = load_part(q + i * ldq + e, head_dim - e);
    for (int j = 0; j < kKeys; ++j) step(queries, j, Kv::get_part(rows[j], e, head_dim - e));
  }
  float out[kQueries * kKeys];
#pragma GCC unroll 2
  for (int i = 0; i < kQueries * kKeys; i += 8) _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_set1_ps(scale), reduce_add8(sums + i)));
  for (int i = 0; i < kQueries; ++i) {
    for (int64_t j = 0; j < count; ++j) scores[i * lds + j] = out[i * kKeys + j];
  }
}

template <class Kv, int kQueries, int kKeys>
void scores_of(const float* q, int64_t ldq, const char* k, int64_t row_stride, int64_t num_keys, int64_t head_dim, float scale,
               float* scores, int64_t lds) {
  for (int64_t j = 0; j < num_keys; j += kKeys) {
    const int64_t count = num_keys - j < kKeys ? num_keys - j : kKeys;
    score_tile<Kv, kQueries, kKeys>(q, ldq, k + j * row_stride, row_stride, count, head_dim, scale, scores + j, lds);
  }
}

template <class Kv>
void scores_of_group(int64_t num_q, const float* q, int64_t ldq, const char* k, int64_t row_stride, int64_t num_keys, int64_t head_dim,
                     float scale, float* scores, int64_t lds) {
  constexpr int kKeys = kLanes == 16 ? 4 : 2;
  int64_t i = 0;
  for (; i + 4 <= num_q; i += 4) {
    scores_of<Kv, 4, kKeys>(q + i * ldq, ldq, k, row_stride, num_keys, head_dim, scale, scores + i * lds, lds);
  }
  for (; i < num_q; ++i) scores_of<Kv, 1, 8>(q + i * ldq, ldq, k, row_stride, num_keys, head_dim, scale, scores + i * lds, lds);
}

/// kVectors * kLanes lanes, from column e on, of the weighted sums of kQueries queries.
template <class Kv, int kQueries, int kVectors>
inline void add_values(const float* p, int64_t lds, const char* v, int64_t row_stride, int64_t num_keys, int64_t e, float* out,
                       int64_t ldo) {
  out += e;
  F sums[kQueries * kVectors];
#pragma GCC unroll 16
  for (int i = 0; i < kQueries * kVectors; ++i) sums[i] = load(out + i / kVectors * ldo + i % kVectors * kLanes);
  for (int64_t j = 0; j < num_keys; ++j, v += row_stride) {
    F weights[kQueries];
#pragma GCC unroll 4
    for (int i = 0; i < kQueries; ++i) weights[i] = set1(p[i * lds + j]);
#pragma GCC unroll 16
    for (int c = 0; c < kVectors; ++c) {
      const F value = Kv::get(v, e + c * kLanes);
#pragma GCC unroll 4
      for (int i = 0; i < kQueries; ++i) sums[i * kVectors + c] = fma(weights[i], value, sums[i * kVectors + c]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kQueries * kVectors; ++i) store(out + i / kVectors * ldo + i % kVectors * kLanes, sums[i]);
}

template <class Kv, int kQueries>
void values_of(const float* p, int64_t lds, const char* v, int64_t row_stride, int64_t num_keys, int64_t head_dim, float* out,
               int64_t ldo) {
  constexpr int kMany = (kLanes == 16 ? 16 : 8) / kQueries;
  int64_t e = 0;
  for (; e + kMany * kLanes <= head_dim; e += kMany * kLanes) {
    add_values<Kv, kQueries, kMany>(p, lds, v, row_stride, num_keys, e, out, ldo);
  }
  for (; e + kLanes <= head_dim; e += kLanes) {
    add_values<Kv, kQueries, 1>(p, lds, v, row_stride, num_keys, e, out, ldo);
  }
  if (e == head_dim) return;
  for (int i = 0; i < kQueries; ++i) {
    F sum = load_part(out + i * ldo + e, head_dim - e);
    for (int64_t j = 0; j < num_keys; ++j) {
      sum = fma(set1(p[i * lds + j]), Kv::get_part(v + j * row_stride, e, head_dim - e), sum);
    }
    store_part(out + i * ldo + e, sum, head_dim - e);
  }
}

template <class Kv>
void values_of_group(int64_t num_q, const float* p, int64_t lds, const char* v, int64_t row_stride, int64_t num_keys, int64_t head_dim,
                     float* out, int64_t ldo) {
  int64_t i = 0;
  for (; i + 4 <= num_q; i += 4) values_of<Kv, 4>(p + i * lds, lds, v, row_stride, num_keys, head_dim, out + i * ldo, ldo);
  for (; i < num_q; ++i) values_of<Kv, 1>(p + i * lds, lds, v, row_stride, num_keys, head_dim, out + i * ldo, ldo);
}

}  // namespace

void store_kv(KvType type, const float* src, void* dst, int64_t n) noexcept {
  if (type == KvType::kF32) {
    __builtin_memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  char* out = static_cast<char*>(dst);
  if (type == KvType::kQ8_0) {
    return store_kv_q8(
        src, out, n, [](float a) { return static_cast<uint16_t>(_cvtss_sh(a, _MM_FROUND_TO_NEAREST_INT)); },
        [](uint16_t a) { return _cvtsh_ss(a); });
  }
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store_f16(out + 2 * i, load(src + i));
  if (i == n) return;
  uint16_t rest[kLanes];
  store_f16(rest, load_part(src + i, n - i));
  __builtin_memcpy(out + 2 * i, rest, static_cast<size_t>(2 * (n - i)));
}

void attention_scores_group(KvType type, int64_t num_q, const float* q, int64_t ldq, const void* k, int64_t stride, int64_t num_keys,
                            int64_t head_dim, float scale, float* scores, int64_t lds) noexcept {
  const char* rows = static_cast<const char*>(k);
  const auto compute = [&](auto kv) {
    using Kv = decltype(kv);
    scores_of_group<Kv>(num_q, q, ldq, rows, Kv::bytes(stride), num_keys, head_dim, scale, scores, lds);
  };
  switch (type) {
    case KvType::kF32: return compute(KvF32{});
    case KvType::kF16: return compute(KvF16{});
    case KvType::kQ8_0: return compute(KvQ8{});
  }
}

void attention_values_group(KvType type, int64_t num_q, const float* p, int64_t lds, const void* v, int64_t stride, int64_t num_keys,
                            int64_t head_dim, float* out, int64_t ldo) noexcept {
  const char* rows = static_cast<const char*>(v);
  const auto compute = [&](auto kv) {
    using Kv = decltype(kv);
    values_of_group<Kv>(num_q, p, lds, rows, Kv::bytes(stride), num_keys, head_dim, out, ldo);
  };
  switch (type) {
    case KvType::kF32: return compute(KvF32{});
    case KvType::kF16: return compute(KvF16{});
    case KvType::kQ8_0: return compute(KvQ8{});
  }
}

void attention_scores(KvType type, const float* q, const void* k, int64_t stride, int64_t num_keys, int64_t head_dim, float scale,
                      float* scores) noexcept {
  attention_scores_group(type, 1, q, 0, k, stride, num_keys, head_dim, scale, scores, 0);
}

void attention_values(KvType type, const float* p, const void* v, int64_t stride, int64_t num_keys, int64_t head_dim, float* out) noexcept {
  attention_values_group(type, 1, p, 0, v, stride, num_keys, head_dim, out, 0);
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
