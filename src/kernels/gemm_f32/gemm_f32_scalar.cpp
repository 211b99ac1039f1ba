// Any weights times float activations in float arithmetic. Scalar order: 8 interleaved partial sums (column k goes to sum k mod 8), then
// ((0+4)+(2+6)) + ((1+5)+(3+7)); multiplication and addition rounded separately (a fused step would be a library call here), so bits
// differ from those of the vector levels.
#include <cstring>

#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {
namespace {

constexpr int64_t kChunk = 1024;  // columns dequantised at once, whole blocks of every type

void add_products(const float* w, const float* x, int64_t n, float sums[8]) {
  int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    for (int i = 0; i < 8; ++i) sums[i] += w[k + i] * x[k + i];
  }
  for (; k < n; ++k) sums[k % 8] += w[k] * x[k];
}

float total(const float s[8]) { return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])); }

}  // namespace

void gemm_f32(DType dtype, const void* w, int64_t num_rows, int64_t n, const float* x, int64_t ldx, int64_t num_x, float* y,
              int64_t ldy) noexcept {
  ATTUNE_DCHECK(n % dtype_info(dtype).block_size == 0 && (num_x <= 1 || (ldx >= n && ldy >= num_rows)));
  float weights[kChunk];
  char columns[kChunk * 4];
  for (int64_t r = 0; r < num_rows; ++r) {
    for (int64_t t = 0; t < num_x; ++t) {
      float sums[8] = {};
      for (int64_t k = 0; k < n; k += kChunk) {
        const int64_t count = n - k < kChunk ? n - k : kChunk;
        if (n > kChunk || t == 0) {
          unpack_columns(dtype, w, n, r, k, count, columns);
          dequantize_row(dtype, columns, weights, count);
        }
        add_products(weights, x + t * ldx + k, count, sums);
      }
      y[t * ldy + r] = total(sums);
    }
  }
}

}  // namespace attune::kernels::scalar
