// Block formats times Q8 activations, the reference of the other levels: all give the same bits for block formats (docs/methods/kernels.md).
//
// A row is unpacked into integers and float scales a sub-block, in pieces of 256 columns; y is then, in sub-block order,
//   y = fma(scale_w * scale_x, float(sum of q_w * q_x), y), and for formats with a minimum  y = fma(-min_w, scaled_sum_x, y),
// first over all blocks with their values, then over the refined blocks with their refinements.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/levels_internal.h"

namespace attune::kernels::scalar {
namespace {

/// Up to 256 columns of one row. Sub-blocks are `sub_size` wide; min is 0 for formats without one.
struct Piece {
  int16_t q[256];
  float scale[16];
  float min[8];
};

struct Shape {
  int columns;  ///< of a piece
  int sub_size;  ///< 16 or 32
  bool has_min;
  int64_t bytes;  ///< of a piece in the file
};

Shape shape_of(DType dtype) {
  const DTypeInfo& info = dtype_info(dtype);
  return {info.block_size, dtype == DType::kQ6_K ? 16 : 32, dtype == DType::kQ4_K || dtype == DType::kQ5_K, info.block_bytes};
}

void unpack(const BlockQ4_0& b, Piece& p) {
  p.scale[0] = f16_to_f32(b.d);
  for (int j = 0; j < 16; ++j) {
    p.q[j] = static_cast<int16_t>((b.q[j] & 15) - 8);
    p.q[j + 16] = static_cast<int16_t>((b.q[j] >> 4) - 8);
  }
}

void unpack(const BlockQ5_0& b, Piece& p) {
  p.scale[0] = f16_to_f32(b.d);
  const uint32_t h = b.h;
  for (int j = 0; j < 16; ++j) {
    p.q[j] = static_cast<int16_t>(static_cast<int>((b.q[j] & 15u) | ((h >> j & 1u) << 4)) - 16);
    p.q[j + 16] = static_cast<int16_t>(static_cast<int>((b.q[j] >> 4) | ((h >> (j + 16) & 1u) << 4)) - 16);
  }
}

void unpack(const BlockQ8_0& b, Piece& p) {
  p.scale[0] = f16_to_f32(b.d);
  std::copy(b.q, b.q + 32, p.q);
}

void unpack_scales(uint16_t d_bits, uint16_t dmin_bits, const uint8_t s[12], Piece& p) {
  const float d = f16_to_f32(d_bits), dmin = f16_to_f32(dmin_bits);
  for (int i = 0; i < 8; ++i) {
    const ScaleMin sm = unpack_scale_min(s, i);
    p.scale[i] = d * static_cast<float>(sm.scale);
    p.min[i] = dmin * static_cast<float>(sm.min);
  }
}

void unpack(const BlockQ4_K& b, Piece& p) {
  unpack_scales(b.d, b.dmin, b.s, p);
  for (int e = 0; e < 256; ++e) p.q[e] = static_cast<int16_t>(b.q[e / 64 * 32 + e % 32] >> (e / 32 % 2 * 4) & 15);
}

void unpack(const BlockQ5_K& b, Piece& p) {
  unpack_scales(b.d, b.dmin, b.s, p);
  for (int e = 0; e < 256; ++e) {
    const int low = b.q[e / 64 * 32 + e % 32] >> (e / 32 % 2 * 4) & 15;
    p.q[e] = static_cast<int16_t>(low + 16 * (b.qh[e % 32] >> (e / 32) & 1));
  }
}

void unpack(const BlockQ6_K& b, Piece& p) {
  const float d = f16_to_f32(b.d);
  for (int i = 0; i < 16; ++i) p.scale[i] = d * static_cast<float>(b.s[i]);
  for (int e = 0; e < 256; ++e) {
    const int half = e / 128, quarter = e % 128 / 32, l = e % 32;
    const int low = b.ql[64 * half + 32 * (quarter & 1) + l] >> (quarter / 2 * 4) & 15;
    p.q[e] = static_cast<int16_t>((low | (b.qh[32 * half + l] >> (2 * quarter) & 3) << 4) - 32);
  }
}

void unpack(DType dtype, const void* src, Piece& p) {
  switch (dtype) {
    case DType::kQ4_0: return unpack(*static_cast<const BlockQ4_0*>(src), p);
    case DType::kQ5_0: return unpack(*static_cast<const BlockQ5_0*>(src), p);
    case DType::kQ8_0: return unpack(*static_cast<const BlockQ8_0*>(src), p);
    case DType::kQ4_K: return unpack(*static_cast<const BlockQ4_K*>(src), p);
    case DType::kQ5_K: return unpack(*static_cast<const BlockQ5_K*>(src), p);
    case DType::kQ6_K: return unpack(*static_cast<const BlockQ6_K*>(src), p);
    default: return;
  }
}

/// y plus the products of 32 columns from `column` of the piece on with 32 values or refinements, whose Q8Block is `block`.
float add_group(const Shape& shape, const Piece& p, int column, const int8_t* xq, const Q8Block& block, float y) {
  for (int s = column / shape.sub_size; s < (column + 32) / shape.sub_size; ++s, xq += shape.sub_size) {
    int32_t sum = 0;
    for (int i = 0; i < shape.sub_size; ++i) sum += p.q[s * shape.sub_size + i] * xq[i];
    y = std::fma(p.scale[s] * block.scale, static_cast<float>(sum), y);
    if (shape.has_min) y = std::fma(-p.min[s], block.scaled_sum, y);
  }
  return y;
}

/// y plus the products of one piece with the values of columns [k, k + columns) of an activation row.
float add_values(const Shape& shape, const Piece& p, const char* x_row, int64_t n, int64_t k, float y) {
  for (int column = 0; column < shape.columns; column += 32) {
    Q8Block block;
    std::memcpy(&block, x_row + n + (k + column) / 32 * static_cast<int64_t>(sizeof block), sizeof block);
    y = add_group(shape, p, column, reinterpret_cast<const int8_t*>(x_row) + k + column, block, y);
  }
  return y;
}

/// The same with the refinements of these columns.
float add_refinements(const Shape& shape, const Piece& p, const char* x_row, int64_t n, int64_t k, float y) {
  for (int column = 0; column < shape.columns; column += 32) {
    const Q8Refinement fine = q8_refinement(x_row, n, (k + column) / 32);
    if (fine.block.scale != 0) y = add_group(shape, p, column, fine.q, fine.block, y);
  }
  return y;
}

/// The high plane of Q8_0 weights only, which counts (32 (q + 128 >> 4) - 241) / 2.
void keep_high_plane(Piece& piece) {
  for (int i = 0; i < 32; ++i) piece.q[i] = static_cast<int16_t>(32 * ((piece.q[i] + 128) >> 4) - 241);
  piece.scale[0] *= 0.5f;
}

void gemm_blocks(DType dtype, bool high_plane, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y,
                 int64_t ldy) {
  const Shape shape = shape_of(dtype);
  Piece piece;
  char block[sizeof(BlockQ6_K)];
  for (int64_t r = 0; r < num_rows; ++r) {
    for (int64_t t = 0; t < num_x; ++t) y[t * ldy + r] = 0;
    for (const bool refine : {false, true}) {
      if (refine && high_plane) continue;
      for (int64_t k = 0; k < n; k += shape.columns) {
        unpack_columns(dtype, w, n, r, k, shape.columns, block);
        unpack(dtype, block, piece);
        if (high_plane) keep_high_plane(piece);
        for (int64_t t = 0; t < num_x; ++t) {
          const char* row = static_cast<const char*>(x) + t * q8_row_bytes(n);
          float& out = y[t * ldy + r];
          out = refine ? add_refinements(shape, piece, row, n, k, out) : add_values(shape, piece, row, n, k, out);
        }
      }
    }
  }
}

}  // namespace

void gemm_q8(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept {
  ATTUNE_DCHECK(is_block_format(dtype) && n % 32 == 0 && n % dtype_info(dtype).block_size == 0 && (num_x <= 1 || ldy >= num_rows));
  gemm_blocks(dtype, false, w, num_rows, n, x, num_x, y, ldy);
}

void gemm_q8_high(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept {
  ATTUNE_DCHECK(n % 32 == 0 && (num_x <= 1 || ldy >= num_rows));
  gemm_blocks(DType::kQ8_0, true, w, num_rows, n, x, num_x, y, ldy);
}

}  // namespace attune::kernels::scalar
