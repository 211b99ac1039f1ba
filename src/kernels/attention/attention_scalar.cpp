// Key-value storage, attention scores and weighted sums of values. The scalar level multiplies and adds separately (a fused step would be
// a library call), so its bits differ from those of the vector levels; the order is the same.
#include <cstring>

#include "kernels/attention/kv_q8-inl.h"
#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {
namespace {

float element(KvType type, const void* base, int64_t index) {
  if (type == KvType::kF32) {
    float value;
    std::memcpy(&value, static_cast<const char*>(base) + 4 * index, sizeof value);
    return value;
  }
  uint16_t half;
  if (type == KvType::kF16) {
    std::memcpy(&half, static_cast<const char*>(base) + 2 * index, sizeof half);
    return f16_to_f32(half);
  }
  const char* block = static_cast<const char*>(base) + index / kKvBlock * kKvBlockBytes;
  std::memcpy(&half, block, sizeof half);
  return f16_to_f32(half) * static_cast<signed char>(block[2 + index % kKvBlock]);
}

}  // namespace

void store_kv(KvType type, const float* src, void* dst, int64_t n) noexcept {
  if (type == KvType::kF32) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  if (type == KvType::kQ8_0) {
    return store_kv_q8(
        src, static_cast<char*>(dst), n, [](float a) { return f32_to_f16(a); }, [](uint16_t a) { return f16_to_f32(a); });
  }
  for (int64_t i = 0; i < n; ++i) {
    const uint16_t half = f32_to_f16(src[i]);
    std::memcpy(static_cast<char*>(dst) + 2 * i, &half, sizeof half);
  }
}

void attention_scores(KvType type, const float* q, const void* k, int64_t stride, int64_t num_keys, int64_t head_dim, float scale,
                      float* scores) noexcept {
  for (int64_t j = 0; j < num_keys; ++j) {
    float sum = 0;
    for (int64_t e = 0; e < head_dim; ++e) sum += q[e] * element(type, k, j * stride + e);
    scores[j] = scale * sum;
  }
}

void attention_values(KvType type, const float* p, const void* v, int64_t stride, int64_t num_keys, int64_t head_dim, float* out) noexcept {
  for (int64_t j = 0; j < num_keys; ++j) {
    for (int64_t e = 0; e < head_dim; ++e) out[e] += p[j] * element(type, v, j * stride + e);
  }
}

void attention_scores_group(KvType type, int64_t num_q, const float* q, int64_t ldq, const void* k, int64_t stride, int64_t num_keys,
                            int64_t head_dim, float scale, float* scores, int64_t lds) noexcept {
  for (int64_t i = 0; i < num_q; ++i) attention_scores(type, q + i * ldq, k, stride, num_keys, head_dim, scale, scores + i * lds);
}

void attention_values_group(KvType type, int64_t num_q, const float* p, int64_t lds, const void* v, int64_t stride, int64_t num_keys,
                            int64_t head_dim, float* out, int64_t ldo) noexcept {
  for (int64_t i = 0; i < num_q; ++i) attention_values(type, p + i * lds, v, stride, num_keys, head_dim, out + i * ldo);
}

}  // namespace attune::kernels::scalar
