#include "lm/product.h"

#include <algorithm>

#include "kernels/pack.h"

namespace attune::lm {

void quantise_rows(const kernels::Ops& ops, ThreadPool& pool, const float* x, int64_t num_rows, int64_t n,
                   std::vector<std::byte>& quantised) {
  const int64_t row_size = kernels::q8_row_bytes(n);
  if (static_cast<int64_t>(quantised.size()) < num_rows * row_size) quantised.resize(static_cast<size_t>(num_rows * row_size));
  pool.for_ranges(num_rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) ops.quantize_q8(x + row * n, n, quantised.data() + row * row_size);
  });
}

void multiply(const kernels::Ops& ops, ThreadPool& pool, bool fast, const float* x, int64_t num_rows, std::span<const Product> products,
              std::vector<std::byte>& quantised) {
  const int64_t n = products[0].w->cols;
  const auto in_int8 = [fast](const Product& product) { return fast && kernels::is_block_format(product.w->dtype); };
  if (std::any_of(products.begin(), products.end(), in_int8)) quantise_rows(ops, pool, x, num_rows, n, quantised);
  int pieces = 0;
  const auto count = [](const Matrix& w) { return static_cast<int>((w.rows + rows_per_piece(w.rows) - 1) / rows_per_piece(w.rows)); };
  for (const Product& product : products) pieces += count(*product.w);
  pool.run(pieces, [&](int index) {
    const Product* product = products.data();
    for (; index >= count(*product->w); ++product) index -= count(*product->w);
    const Matrix& w = *product->w;
    const int64_t begin = index * rows_per_piece(w.rows), end = std::min(w.rows, begin + rows_per_piece(w.rows));
    float* y = product->y + begin;
    if (in_int8(*product)) {
      ops.gemm_q8(w.dtype, w.panel(begin), end - begin, n, quantised.data(), num_rows, y, w.rows);
    } else {
      ops.gemm_f32(w.dtype, w.panel(begin), end - begin, n, x, n, num_rows, y, w.rows);
    }
  });
}

}  // namespace attune::lm
