// Products of activations with packed weights, split over the cores. Used by the layers and the head.
#pragma once

#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/kernels.h"
#include "lm/weights.h"

namespace attune::lm {

/// One product of a batched call: y [rows of x, w.rows] (row stride w.rows).
struct Product {
  const Matrix* w;
  float* y;
};

/// y = x W^T for several matrices that share x [num_rows, cols]. `fast`: weights in block formats are multiplied with x quantised to int8, in
/// `quantised` (kept for reuse by the caller); else, and for weights in floats, all is float. Work is split by rows of W into pieces of a fixed
/// size.
void multiply(const kernels::Ops& ops, ThreadPool& pool, bool fast, const float* x, int64_t num_rows, std::span<const Product> products,
              std::vector<std::byte>& quantised);

/// x [num_rows, n] to Q8 rows.
void quantise_rows(const kernels::Ops& ops, ThreadPool& pool, const float* x, int64_t num_rows, int64_t n,
                   std::vector<std::byte>& quantised);

/// Rows of W in one piece of work: a multiple of 16.
constexpr int64_t rows_per_piece(int64_t rows) noexcept { return rows > 16384 ? 1024 : 64; }

}  // namespace attune::lm
