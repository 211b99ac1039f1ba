// Kernel text: any weights times float activations in float arithmetic, on the lanes of a vector_*-inl.h.
//
// y[t, r] is kLanes partial sums (column k goes to lane k mod kLanes, one fused step a column in ascending order) and one fixed tree: tiles
// of 4 rows by 4 activations only decide what is computed together. Block formats are dequantised 4 rows by kChunk columns at a time into a
// buffer on the stack (32 KiB), once a call where n <= kChunk, else once for every kBatch activations.
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

constexpr int kRows = 4;
constexpr int kTile = 4;
constexpr int64_t kChunk = 2048;
constexpr int64_t kBatch = 16;

// Where a vector of columns comes from: weights by row pointer, activations by index.
struct WeightF32 {
  static constexpr int kBytes = 4;
  static F get(const char* row, int64_t k) { return load(reinterpret_cast<const float*>(row) + k); }
  static F get_part(const char* row, int64_t k, int64_t count) { return load_part(reinterpret_cast<const float*>(row) + k, count); }
};
struct WeightF16 {
  static constexpr int kBytes = 2;
  static F get(const char* row, int64_t k) { return load_f16(row + 2 * k); }
  static F get_part(const char* row, int64_t k, int64_t count) {
    uint16_t padded[kLanes] = {};
    __builtin_memcpy(padded, row + 2 * k, static_cast<size_t>(2 * count));
    return load_f16(padded);
  }
};
struct WeightBF16 {
  static constexpr int kBytes = 2;
  static F get(const char* row, int64_t k) { return load_bf16(row + 2 * k); }
  static F get_part(const char* row, int64_t k, int64_t count) {
    uint16_t padded[kLanes] = {};
    __builtin_memcpy(padded, row + 2 * k, static_cast<size_t>(2 * count));
    return load_bf16(padded);
  }
};
struct FloatRows {
  const float* x;
  int64_t ldx;
  F get(int64_t t, int64_t k) const { return load(x + t * ldx + k); }
  F get_part(int64_t t, int64_t k, int64_t count) const { return load_part(x + t * ldx + k, count); }
};

/// sums[i * kX + j] += products of columns [0, count) of weight row i with columns [x_from, x_from + count) of activation t + j.
template <class Weight, int kX>
inline void add_tile(const char* const rows[kRows], const FloatRows& x, int64_t t, int64_t x_from, int64_t count, F sums[kRows * kX]) {
  F acc[kRows * kX];
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kX; ++i) acc[i] = sums[i];
  int64_t k = 0;
  for (; k + kLanes <= count; k += kLanes) {
    F columns[kX];
#pragma GCC unroll 4
    for (int j = 0; j < kX; ++j) columns[j] = x.get(t + j, x_from + k);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
      const F weight = Weight::get(rows[i], k);
#pragma GCC unroll 4
      for (int j = 0; j < kX; ++j) acc[i * kX + j] = fma(weight, columns[j], acc[i * kX + j]);
    }
  }
  if (k < count) {
    for (int i = 0; i < kRows; ++i) {
      const F weight = Weight::get_part(rows[i], k, count - k);
      for (int j = 0; j < kX; ++j) acc[i * kX + j] = fma(weight, x.get_part(t + j, x_from + k, count - k), acc[i * kX + j]);
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < kRows * kX; ++i) sums[i] = acc[i];
}

/// Reduces a tile and writes the first `num_rows` of its rows.
template <int kX>
inline void write_tile(const F sums[kRows * kX], int64_t num_rows, float* y, int64_t ldy) {
  for (int j = 0; j < kX; ++j) {
    F column[kRows];
    for (int i = 0; i < kRows; ++i) column[i] = sums[i * kX + j];
    alignas(16) float out[kRows];
    _mm_store_ps(out, reduce_add4(column));
    for (int64_t i = 0; i < num_rows; ++i) y[j * ldy + i] = out[i];
  }
}

/// Four (or fewer, the last one repeated) rows of weights that are floats already.
template <class Weight>
void plain_rows(const char* const rows[kRows], int64_t num_rows, int64_t n, const FloatRows& x, int64_t num_x, float* y, int64_t ldy) {
  int64_t t = 0;
  for (; t + kTile <= num_x; t += kTile) {
    F sums[kRows * kTile] = {};
    add_tile<Weight, kTile>(rows, x, t, 0, n, sums);
    write_tile<kTile>(sums, num_rows, y + t * ldy, ldy);
  }
  for (; t < num_x; ++t) {
    F sums[kRows] = {};
    add_tile<Weight, 1>(rows, x, t, 0, n, sums);
    write_tile<1>(sums, num_rows, y + t * ldy, ldy);
  }
}

/// The same for block formats.
void block_rows(DType dtype, const void* w, int64_t first_row, int64_t num_rows, int64_t n, const FloatRows& x, int64_t num_x, float* y,
                int64_t ldy) {
  alignas(64) float buffer[kRows][kChunk];
  char columns[kChunk * 2];  // block formats take at most 34 bytes for 32 columns
  const char* unpacked[kRows];
  for (int i = 0; i < kRows; ++i) unpacked[i] = reinterpret_cast<const char*>(buffer[i < num_rows ? i : 0]);
  for (int64_t first = 0; first < num_x; first += kBatch) {
    const int64_t batch = num_x - first < kBatch ? num_x - first : kBatch;
    const int64_t tiled = batch / kTile * kTile;
    F sums[kBatch * kRows] = {};
    for (int64_t k = 0; k < n; k += kChunk) {
      const int64_t count = n - k < kChunk ? n - k : kChunk;
      if (n > kChunk || first == 0) {
        for (int i = 0; i < num_rows; ++i) {
          unpack_columns(dtype, w, n, first_row + i, k, count, columns);
          dequantize_row(dtype, columns, buffer[i], count);
        }
      }
      for (int64_t t = 0; t < tiled; t += kTile) add_tile<WeightF32, kTile>(unpacked, x, first + t, k, count, sums + t * kRows);
      for (int64_t t = tiled; t < batch; ++t) add_tile<WeightF32, 1>(unpacked, x, first + t, k, count, sums + t * kRows);
    }
    float* out = y + first * ldy;
    for (int64_t t = 0; t < tiled; t += kTile) write_tile<kTile>(sums + t * kRows, num_rows, out + t * ldy, ldy);
    for (int64_t t = tiled; t < batch; ++t) write_tile<1>(sums + t * kRows, num_rows, out + t * ldy, ldy);
  }
}

/// Calls body(rows, count, r) for groups of kRows rows from row r on; a short last group repeats its last row.
template <class Body>
inline void for_row_groups(const void* w, int64_t row_bytes, int64_t num_rows, const Body& body) {
  for (int64_t r = 0; r < num_rows; r += kRows) {
    const int64_t count = num_rows - r < kRows ? num_rows - r : kRows;
    const char* rows[kRows];
    for (int i = 0; i < kRows; ++i) rows[i] = static_cast<const char*>(w) + (r + (i < count ? i : count - 1)) * row_bytes;
    body(rows, count, r);
  }
}

template <class Weight>
void plain_gemm(const void* w, int64_t num_rows, int64_t n, const FloatRows& x, int64_t num_x, float* y, int64_t ldy) {
  for_row_groups(w, n * Weight::kBytes, num_rows, [&](const char* const rows[kRows], int64_t count, int64_t r) {
    plain_rows<Weight>(rows, count, n, x, num_x, y + r, ldy);
  });
}

void block_gemm(DType dtype, const void* w, int64_t num_rows, int64_t n, const FloatRows& x, int64_t num_x, float* y, int64_t ldy) {
  for (int64_t r = 0; r < num_rows; r += kRows) {
    block_rows(dtype, w, r, num_rows - r < kRows ? num_rows - r : kRows, n, x, num_x, y + r, ldy);
  }
}

}  // namespace

void gemm_f32(DType dtype, const void* w, int64_t num_rows, int64_t n, const float* x, int64_t ldx, int64_t num_x, float* y,
              int64_t ldy) noexcept {
  ATTUNE_DCHECK(n % dtype_info(dtype).block_size == 0 && (num_x <= 1 || (ldx >= n && ldy >= num_rows)));
  const FloatRows rows{x, ldx};
  switch (dtype) {
    case DType::kF32: return plain_gemm<WeightF32>(w, num_rows, n, rows, num_x, y, ldy);
    case DType::kF16: return plain_gemm<WeightF16>(w, num_rows, n, rows, num_x, y, ldy);
    case DType::kBF16: return plain_gemm<WeightBF16>(w, num_rows, n, rows, num_x, y, ldy);
    default: return block_gemm(dtype, w, num_rows, n, rows, num_x, y, ldy);
  }
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
