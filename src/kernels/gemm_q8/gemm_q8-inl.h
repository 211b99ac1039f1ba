// Kernel text: block formats times Q8 activations. Needs a vector_*-inl.h and blocks-inl.h before it and, from the including file, per format
//   sum_rows<Format, kPart>(blocks, x): eight integer sums of 32 columns (one vector of activations), sum_rows_halves: of 16 and 16,
//   kSumOffset<Format>: how many times the activations' sum these sums contain too much,
//   panel_bytes<Format>: unpacked bytes as a panel holds them, and
//   add_panel<Format, kX>(...): a panel of rows times kX activations.
//
// The arithmetic of one (row, activation) pair is that of gemm_q8_scalar.cpp: exact integer sums a sub-block, then
//   y = fma(scale_w * scale_x, float(sum), y)  and, with minima,  y = fma(-min_w, scaled_sum_x, y),  sub-blocks in ascending order.
// Rows lie in the lanes of a vector, so that this holds for every shape of the work:
// - one activation: eight rows at a time are unpacked in registers and their products summed across lanes;
// - more: kPanelRows rows by kChunk columns are unpacked once into a panel on the stack (column groups of 4, rows side by side), which is then
//   multiplied with tiles of activations. Between chunks y itself holds the running sums.
// A short last group of rows repeats its last row; the copies are computed and dropped.
#pragma once

#include "kernels/blocks-inl.h"
#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

constexpr int64_t kChunk = 1024;

inline int64_t q8_stride(int64_t n) { return (n + n / 32 * static_cast<int64_t>(sizeof(Q8Block)) + 63) / 64 * 64; }

inline float load_float(const void* p) {
  float value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}
inline int32_t load_int(const void* p) {
  int32_t value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

/// One Q8 row: values and blocks.
struct Activation {
  const char* q;
  const char* blocks;
  __m256i values(int64_t k) const { return load32(q + k); }
  const char* block(int64_t k) const { return blocks + k / 32 * static_cast<int64_t>(sizeof(Q8Block)); }
  float scale(int64_t k) const { return load_float(block(k)); }
  float scaled_sum(int64_t k) const { return load_float(block(k) + 4); }
  int32_t sum(int64_t k) const { return load_int(block(k) + 8); }
  int32_t sum_low(int64_t k) const { return load_int(block(k) + 12); }
};
inline Activation activation(const void* x, int64_t n, int64_t t) {
  const char* row = static_cast<const char*>(x) + t * q8_stride(n);
  return {row, row + n};
}

/// Eight f16 values, one a row, `offset` bytes into each row's block.
inline __m256 gather_half(const char* const blocks[8], int64_t offset) {
  uint16_t h[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) __builtin_memcpy(h + i, blocks[i] + offset, 2);
  return _mm256_cvtph_ps(_mm_set_epi16(static_cast<short>(h[7]), static_cast<short>(h[6]), static_cast<short>(h[5]),
                                       static_cast<short>(h[4]), static_cast<short>(h[3]), static_cast<short>(h[2]),
                                       static_cast<short>(h[1]), static_cast<short>(h[0])));
}

/// 8 x 8 bytes, row i in rows[i], to columns: columns[c] holds byte c of all rows.
inline void transpose_bytes(const uint64_t rows[8], uint64_t columns[8]) {
  const auto pair = [&](int i) {
    return _mm_unpacklo_epi8(_mm_cvtsi64_si128(static_cast<int64_t>(rows[i])), _mm_cvtsi64_si128(static_cast<int64_t>(rows[i + 1])));
  };
  const __m128i p0 = pair(0), p1 = pair(2), p2 = pair(4), p3 = pair(6);
  const __m128i q0 = _mm_unpacklo_epi16(p0, p1), q1 = _mm_unpackhi_epi16(p0, p1), q2 = _mm_unpacklo_epi16(p2, p3),
                q3 = _mm_unpackhi_epi16(p2, p3);
  __m128i* out = reinterpret_cast<__m128i*>(columns);
  _mm_storeu_si128(out, _mm_unpacklo_epi32(q0, q2));
  _mm_storeu_si128(out + 1, _mm_unpackhi_epi32(q0, q2));
  _mm_storeu_si128(out + 2, _mm_unpacklo_epi32(q1, q3));
  _mm_storeu_si128(out + 3, _mm_unpackhi_epi32(q1, q3));
}

/// Scales (and minima) of one block of eight rows: lanes are rows, one vector a sub-block.
template <class Format>
struct RowScales {
  static constexpr int kCount = Format::kBlock / Format::kSubSize;
  __m256 scale[kCount];
  __m256 min[Format::kHasMin ? kCount : 1];
};

template <class Format>
inline void gather_scales(const char* const blocks[8], RowScales<Format>& out) {
  using Block = typename Format::Block;
  const __m256 d = gather_half(blocks, __builtin_offsetof(Block, d));
  if constexpr (Format::kBlock == 32) {
    out.scale[0] = d;
  } else if constexpr (Format::kHasMin) {
    const __m256 dmin = gather_half(blocks, __builtin_offsetof(Block, dmin));
    uint64_t scales[8], mins[8], columns[8];
    for (int i = 0; i < 8; ++i) unpack_scales(reinterpret_cast<const Block*>(blocks[i])->s, scales[i], mins[i]);
    transpose_bytes(scales, columns);
    for (int i = 0; i < 8; ++i) out.scale[i] = _mm256_mul_ps(d, bytes_to_float(columns[i]));
    transpose_bytes(mins, columns);
    for (int i = 0; i < 8; ++i) out.min[i] = _mm256_mul_ps(dmin, bytes_to_float(columns[i]));
  } else {
    uint64_t rows[8], columns[8];
    for (int half = 0; half < 2; ++half) {
      for (int i = 0; i < 8; ++i) __builtin_memcpy(rows + i, blocks[i] + __builtin_offsetof(Block, s) + 8 * half, 8);
      transpose_bytes(rows, columns);
      for (int i = 0; i < 8; ++i) {
        const __m256i wide = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(static_cast<int64_t>(columns[i])));
        out.scale[8 * half + i] = _mm256_mul_ps(d, _mm256_cvtepi32_ps(wide));
      }
    }
  }
}

/// `low` holds sums of rows 0 to 3 in both 128-bit lanes, `high` of rows 4 to 7; lane i of the result is the sum of row i's two.
inline __m256i join_rows(__m256i low, __m256i high) {
  return _mm256_add_epi32(_mm256_permute2x128_si256(low, high, 0x20), _mm256_permute2x128_si256(low, high, 0x31));
}

inline __m256i part_mask8(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
inline void store_rows(float* y, __m256 v, int64_t count) {
  if (count >= 8) return _mm256_storeu_ps(y, v);
  _mm256_maskstore_ps(y, part_mask8(count), v);
}

/// Adds columns [32 kPart, 32 kPart + 32) of a block of eight rows; k is the block's first column.
template <class Format, int kPart>
inline __m256 add_part(const char* const blocks[8], const RowScales<Format>& scales, const Activation& x, int64_t k, __m256 y) {
  const int64_t column = k + 32 * kPart;
  const __m256 scale_x = _mm256_set1_ps(x.scale(column));
  if constexpr (Format::kSubSize == 16) {
    __m256i low, high;
    sum_rows_halves<Format, kPart>(blocks, x.values(column), low, high);
    const int32_t sum_low = x.sum_low(column), sum_high = x.sum(column) - sum_low;
    low = _mm256_sub_epi32(low, _mm256_set1_epi32(Format::kOffset * sum_low));
    high = _mm256_sub_epi32(high, _mm256_set1_epi32(Format::kOffset * sum_high));
    y = _mm256_fmadd_ps(_mm256_mul_ps(scales.scale[2 * kPart], scale_x), _mm256_cvtepi32_ps(low), y);
    return _mm256_fmadd_ps(_mm256_mul_ps(scales.scale[2 * kPart + 1], scale_x), _mm256_cvtepi32_ps(high), y);
  } else {
    __m256i sums = sum_rows<Format, kPart>(blocks, x.values(column));
    constexpr int kOffset = kSumOffset<Format>;
    if constexpr (kOffset != 0) sums = _mm256_sub_epi32(sums, _mm256_set1_epi32(kOffset * x.sum(column)));
    y = _mm256_fmadd_ps(_mm256_mul_ps(scales.scale[kPart], scale_x), _mm256_cvtepi32_ps(sums), y);
    if constexpr (Format::kHasMin) y = _mm256_fnmadd_ps(scales.min[kPart], _mm256_set1_ps(x.scaled_sum(column)), y);
    return y;
  }
}

template <class Format>
inline __m256 add_block(const char* const blocks[8], const Activation& x, int64_t k, __m256 y) {
  RowScales<Format> scales;
  gather_scales<Format>(blocks, scales);
  y = add_part<Format, 0>(blocks, scales, x, k, y);
  if constexpr (Format::kBlock == 256) {
    y = add_part<Format, 1>(blocks, scales, x, k, y);
    y = add_part<Format, 2>(blocks, scales, x, k, y);
    y = add_part<Format, 3>(blocks, scales, x, k, y);
    y = add_part<Format, 4>(blocks, scales, x, k, y);
    y = add_part<Format, 5>(blocks, scales, x, k, y);
    y = add_part<Format, 6>(blocks, scales, x, k, y);
    y = add_part<Format, 7>(blocks, scales, x, k, y);
  }
  return y;
}

/// Pointers to eight rows from `first` on, the last one repeated past num_rows.
inline void row_pointers(const char* w, int64_t row_bytes, int64_t first, int64_t num_rows, const char* rows[8]) {
  for (int64_t i = 0; i < 8; ++i) rows[i] = w + (first + i < num_rows ? first + i : num_rows - 1) * row_bytes;
}

/// One activation. While eight rows are read, the next eight are prefetched, past the last row too: the next piece of work mostly lies there,
/// and a prefetch never faults.
template <class Format>
void one_activation(const char* w, int64_t num_rows, int64_t n, const Activation& x, float* y) {
  const int64_t row_bytes = n / Format::kBlock * Format::kBytes;
  for (int64_t r = 0; r < num_rows; r += 8) {
    const char* blocks[8];
    row_pointers(w, row_bytes, r, num_rows, blocks);
    const char* ahead = w + (r + 8) * row_bytes;
    __m256 sums = _mm256_setzero_ps();
    for (int64_t k = 0; k < n; k += Format::kBlock) {
      for (int i = 0; i < 8 * Format::kBytes; i += 64) _mm_prefetch(ahead + i, _MM_HINT_T0);
      ahead += 8 * Format::kBytes;
      sums = add_block<Format>(blocks, x, k, sums);
      for (auto& block : blocks) block += Format::kBytes;
    }
    store_rows(y + r, sums, num_rows - r);
  }
}

/// Rows side by side: q[(k / 4) * 4 kPanelRows + 4 row + k % 4], scale and min [sub-block][row].
struct Panel {
  alignas(64) uint8_t q[kChunk * kPanelRows];
  alignas(64) float scale[kChunk / 16 * kPanelRows];
  alignas(64) float min[kChunk / 32 * kPanelRows];
};

/// Eight rows of 32 bytes to eight vectors of 4 bytes a row, kPanelRows * 4 bytes apart.
inline void store_transposed(const __m256i v[8], uint8_t* dst) {
  __m256i a[8], b[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32(v[i], v[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32(v[i], v[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(dst + 4 * kPanelRows * i), _mm256_permute2x128_si256(b[i], b[i + 4], 0x20));
    _mm256_store_si256(reinterpret_cast<__m256i*>(dst + 4 * kPanelRows * (i + 4)), _mm256_permute2x128_si256(b[i], b[i + 4], 0x31));
  }
}

template <class Format, int kPart>
inline void panel_part(const char* const blocks[8], uint8_t* dst) {
  __m256i v[8];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) v[i] = panel_bytes<Format>(Format::template unpack<kPart>(blocks[i]));
  store_transposed(v, dst + 32 * kPanelRows * kPart);
}

/// Fills columns [0, count) of lanes [lane, lane + 8) from eight rows and prefetches what lies `ahead` bytes behind them (0: nothing).
template <class Format>
inline void fill_panel(const char* blocks[8], int64_t count, int lane, int64_t ahead, Panel& panel) {
  for (int64_t k = 0; k < count; k += Format::kBlock) {
    if (ahead != 0) {
      for (int i = 0; i < 8; ++i) {
        for (int at = 0; at < Format::kBytes; at += 64) _mm_prefetch(blocks[i] + ahead + at, _MM_HINT_T0);
      }
    }
    RowScales<Format> scales;
    gather_scales<Format>(blocks, scales);
    for (int i = 0; i < RowScales<Format>::kCount; ++i) {
      const int64_t at = (k / Format::kSubSize + i) * kPanelRows + lane;
      _mm256_store_ps(panel.scale + at, scales.scale[i]);
      if constexpr (Format::kHasMin) _mm256_store_ps(panel.min + at, scales.min[i]);
    }
    uint8_t* dst = panel.q + k * kPanelRows + 4 * lane;
    panel_part<Format, 0>(blocks, dst);
    if constexpr (Format::kBlock == 256) {
      panel_part<Format, 1>(blocks, dst);
      panel_part<Format, 2>(blocks, dst);
      panel_part<Format, 3>(blocks, dst);
      panel_part<Format, 4>(blocks, dst);
      panel_part<Format, 5>(blocks, dst);
      panel_part<Format, 6>(blocks, dst);
      panel_part<Format, 7>(blocks, dst);
    }
    for (int i = 0; i < 8; ++i) blocks[i] += Format::kBytes;
  }
}

/// Two or more activations.
template <class Format>
void many_activations(const char* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) {
  const int64_t row_bytes = n / Format::kBlock * Format::kBytes;
  Panel panel;
  for (int64_t r = 0; r < num_rows; r += kPanelRows) {
    const int64_t rows = num_rows - r < kPanelRows ? num_rows - r : kPanelRows;
    for (int64_t k = 0; k < n; k += kChunk) {
      const int64_t count = n - k < kChunk ? n - k : kChunk;
      for (int lane = 0; lane < kPanelRows; lane += 8) {
        const char* blocks[8];
        row_pointers(w + k / Format::kBlock * Format::kBytes, row_bytes, r + lane, num_rows, blocks);
        fill_panel<Format>(blocks, count, lane, r + 2 * kPanelRows <= num_rows ? kPanelRows * row_bytes : 0, panel);
      }
      int64_t t = 0;
      const auto tile = [&](auto width) {
        constexpr int kX = decltype(width)::kValue;
        add_panel<Format, kX>(panel, x, n, t, k, count, y + t * ldy + r, ldy, rows);
        t += kX;
      };
      while (num_x - t >= kMaxTile) tile(Width<kMaxTile>{});
      while (t < num_x) {
        if (num_x - t >= 4) {
          tile(Width<4>{});
        } else if (num_x - t >= 2) {
          tile(Width<2>{});
        } else {
          tile(Width<1>{});
        }
      }
    }
  }
}

template <class Format>
void gemm(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) {
  const char* bytes = static_cast<const char*>(w);
  if (num_x == 1) return one_activation<Format>(bytes, num_rows, n, activation(x, n, 0), y);
  many_activations<Format>(bytes, num_rows, n, x, num_x, y, ldy);
}

}  // namespace

void gemm_q8(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept {
  ATTUNE_DCHECK(n % 32 == 0 && n % dtype_info(dtype).block_size == 0 && (num_x <= 1 || ldy >= num_rows));
  switch (dtype) {
    case DType::kQ4_0: return gemm<FormatQ4_0>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ5_0: return gemm<FormatQ5_0>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ8_0: return gemm<FormatQ8_0>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ4_K: return gemm<FormatQ4_K>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ5_K: return gemm<FormatQ5_K>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ6_K: return gemm<FormatQ6_K>(w, num_rows, n, x, num_x, y, ldy);
    default: return gemm_q8_float(dtype, w, num_rows, n, x, num_x, y, ldy);
  }
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
