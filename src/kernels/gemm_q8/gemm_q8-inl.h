// Kernel text: packed block formats times Q8 activations. Needs a vector_*-inl.h before it and, from the including file,
//   I: vector of bytes, kPartRows rows of 4 columns; kParts of them make the 64 bytes of 16 rows,
//   load_bytes, broadcast, low_nibbles, high_nibbles, with_bits, join_planes: see gemm_q8_avx2.cpp, which says what they do,
//   Dot<kBits>: integer sums of up to eight steps; kByteOffset: what join_planes adds to a Q8_0 weight,
//   kMaxTile: activations multiplied at once.
//
// The arithmetic of one (row, activation) pair is that of gemm_q8_scalar.cpp: exact integer sums a sub-block, then
//   y = fma(scale_w * scale_x, float(sum), y)  and, with minima,  y = fma(-min_w, scaled_sum_x, y),  sub-blocks in ascending order.
// Rows lie in the lanes of a vector, so that this holds for every shape of the work:
// - few activations: weights are unpacked in registers, for up to kMaxTile activations at a time;
// - more: a panel's weights are expanded to bytes once, kChunk columns at a time on the stack; between chunks y itself holds the running sums.
#pragma once

#include "kernels/levels_internal.h"

namespace attune::kernels::ATTUNE_KERNELS_LEVEL {
namespace {

constexpr int64_t kChunk = 1024;
constexpr int64_t kExpandFrom = 16;  // activations

template <int kN>
struct Width {
  static constexpr int kValue = kN;
};

inline float load_float(const void* p) {
  float value;
  __builtin_memcpy(&value, p, sizeof value);
  return value;
}

/// One Q8 row: values and blocks.
struct Activation {
  const char* q;
  const char* blocks;
  const char* block(int64_t group) const { return blocks + group * static_cast<int64_t>(sizeof(Q8Block)); }
  float scale(int64_t group) const { return load_float(block(group)); }
  float scaled_sum(int64_t group) const { return load_float(block(group) + 4); }
  int32_t sum(int64_t group) const { return load_int(block(group) + 8); }
  int32_t sum_low(int64_t group) const { return load_int(block(group) + 12); }
};
/// All of a call.
struct Activations {
  const char* x;
  int64_t n;
  int64_t stride;
  /// Row t from column `from` on.
  Activation row(int64_t t, int64_t from) const {
    const char* row = x + t * stride;
    return {row + from, row + n + from / 32 * static_cast<int64_t>(sizeof(Q8Block))};
  }
};

/// A packed panel.
struct Packed {
  const char* at;
  PanelLayout layout;
};

// A format: kBits of a weight as it is multiplied, kOffset to subtract from it (shifted by kShift first: the high plane counts 32-fold at
// half the scale), kSplit: sub-blocks of 16; quads(): columns 4v and 16 + 4v of a group; scale(): of sub-block s, min(): of a group.

// Where the weights' bits come from: low and high nibbles of a vector, one more bit, two more.
struct FourBits {
  static constexpr int kBits = 4;
  static void quads(const Packed& w, int64_t group, int v, int part, I& low, I& high) {
    const I both = load_bytes(w.at + group * 256 + v * 64 + part * static_cast<int>(sizeof(I)));
    low = low_nibbles(both);
    high = high_nibbles(both);
  }
};

struct FiveBits {
  static constexpr int kBits = 5;
  static void quads(const Packed& w, int64_t group, int v, int part, I& low, I& high) {
    FourBits::quads(w, group, v, part, low, high);
    const I bits = load_bytes(w.at + w.layout.high + group * 64 + part * static_cast<int>(sizeof(I)));
    switch (v) {  // bit q of a byte belongs to quad q
      case 0: low = with_bits<0, 4>(low, bits, 16), high = with_bits<4, 4>(high, bits, 16); return;
      case 1: low = with_bits<1, 4>(low, bits, 16), high = with_bits<5, 4>(high, bits, 16); return;
      case 2: low = with_bits<2, 4>(low, bits, 16), high = with_bits<6, 4>(high, bits, 16); return;
      default: low = with_bits<3, 4>(low, bits, 16), high = with_bits<7, 4>(high, bits, 16); return;
    }
  }
};

struct SixBits {
  static constexpr int kBits = 6;
  static void quads(const Packed& w, int64_t group, int v, int part, I& low, I& high) {
    FourBits::quads(w, group, v, part, low, high);
    const char* bits = w.at + w.layout.high + group * 128 + part * static_cast<int>(sizeof(I));
    const I first = load_bytes(bits), second = load_bytes(bits + 64);
    switch (v) {
      case 0: low = with_bits<0, 4>(low, first, 48), high = with_bits<0, 4>(high, second, 48); return;
      case 1: low = with_bits<2, 4>(low, first, 48), high = with_bits<2, 4>(high, second, 48); return;
      case 2: low = with_bits<4, 4>(low, first, 48), high = with_bits<4, 4>(high, second, 48); return;
      default: low = with_bits<6, 4>(low, first, 48), high = with_bits<6, 4>(high, second, 48); return;
    }
  }
};

struct BothPlanes {
  static constexpr int kBits = 8;
  static void quads(const Packed& w, int64_t group, int v, int part, I& low, I& high) {
    const int64_t at = group * 256 + v * 64 + part * static_cast<int>(sizeof(I));
    join_planes(load_bytes(w.at + at), load_bytes(w.at + w.layout.low + at), low, high);
  }
};

// And their scales.
struct SimpleScale {  // one f16 a group
  static constexpr bool kHasMin = false, kSplit = false;
  static F scale(const Packed& w, int64_t sub_block, int part) {
    return load_f16(w.at + w.layout.d + (sub_block * kPanelRows + part * kPartRows) * 2);
  }
  static F min(const Packed&, int64_t, int) { return zero(); }
};

struct ScaleWithMin {  // f16 d and dmin a block of 8 groups, a byte of each a group
  static constexpr bool kHasMin = true, kSplit = false;
  static F scale(const Packed& w, int64_t group, int part) {
    const F d = load_f16(w.at + w.layout.d + (group / 8 * kPanelRows + part * kPartRows) * 2);
    return mul(d, bytes_to_float(w.at + w.layout.scale + group * kPanelRows + part * kPartRows));
  }
  static F min(const Packed& w, int64_t group, int part) {
    const F dmin = load_f16(w.at + w.layout.dmin + (group / 8 * kPanelRows + part * kPartRows) * 2);
    return mul(dmin, bytes_to_float(w.at + w.layout.min + group * kPanelRows + part * kPartRows));
  }
};

struct SplitScale {  // f16 d a block of 8 groups, a signed byte a sub-block of 16 columns
  static constexpr bool kHasMin = false, kSplit = true;
  static F scale(const Packed& w, int64_t sub_block, int part) {
    const F d = load_f16(w.at + w.layout.d + (sub_block / 16 * kPanelRows + part * kPartRows) * 2);
    return mul(d, load_i8(reinterpret_cast<const int8_t*>(w.at + w.layout.scale + sub_block * kPanelRows + part * kPartRows)));
  }
  static F min(const Packed&, int64_t, int) { return zero(); }
};

struct FormatQ4_0 : FourBits, SimpleScale {
  static constexpr DType kType = DType::kQ4_0;
  static constexpr int kShift = 0, kOffset = 8;
};
struct FormatQ5_0 : FiveBits, SimpleScale {
  static constexpr DType kType = DType::kQ5_0;
  static constexpr int kShift = 0, kOffset = 16;
};
struct FormatQ8_0 : BothPlanes, SimpleScale {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr int kShift = 0, kOffset = kByteOffset;
};
struct FormatQ4_K : FourBits, ScaleWithMin {
  static constexpr DType kType = DType::kQ4_K;
  static constexpr int kShift = 0, kOffset = 0;
};
struct FormatQ5_K : FiveBits, ScaleWithMin {
  static constexpr DType kType = DType::kQ5_K;
  static constexpr int kShift = 0, kOffset = 0;
};
struct FormatQ6_K : SixBits, SplitScale {
  static constexpr DType kType = DType::kQ6_K;
  static constexpr int kShift = 0, kOffset = 32;
};
/// The high plane of Q8_0: (16 high - 120.5) d = (32 high - 241) d / 2.
struct FormatQ8High : FourBits, SimpleScale {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr int kShift = 5, kOffset = 241;
  static F scale(const Packed& w, int64_t group, int part) { return mul(set1(0.5f), SimpleScale::scale(w, group, part)); }
};

/// A panel's weights as bytes: q [quad][row][4 columns], scale and min [sub-block][row].
struct Expanded {
  alignas(64) char q[kChunk * kPanelRows];
  alignas(64) float scale[kChunk / 16 * kPanelRows];
  alignas(64) float min[kChunk / 32 * kPanelRows];
};

/// Reads a format's weights from an expanded panel.
template <class Base>
struct FromExpanded : Base {
  static void quads(const Expanded& w, int64_t group, int v, int part, I& low, I& high) {
    const char* at = w.q + group * 512 + v * 64 + part * static_cast<int>(sizeof(I));
    low = load_bytes(at);
    high = load_bytes(at + 256);
  }
  static F scale(const Expanded& w, int64_t sub_block, int part) { return load(w.scale + sub_block * kPanelRows + part * kPartRows); }
  static F min(const Expanded& w, int64_t group, int part) { return load(w.min + group * kPanelRows + part * kPartRows); }
};

template <class Format>
inline F scaled_sum_of(I sum, int32_t x_sum, F scale, float scale_x, F y) {
  if constexpr (Format::kShift != 0) sum = shift_left32<Format::kShift>(sum);
  if constexpr (Format::kOffset != 0) sum = sub32(sum, broadcast32(Format::kOffset * x_sum));
  return fma(mul(scale, set1(scale_x)), to_float(sum), y);
}

/// Adds one group of columns of kP parts, from `part` on, to y[p][j]. x: the kX activations.
template <class Format, int kX, int kP, class Weights>
inline void add_group(const Weights& w, int part, const Activation x[kX], int64_t group, F y[kP][kX]) {
  constexpr int kDots = Format::kSplit ? 2 : 1;
  Dot<Format::kBits> dot[kP][kX][kDots];
#pragma GCC unroll 4
  for (int v = 0; v < 4; ++v) {
    I low[kP], high[kP];
#pragma GCC unroll 2
    for (int p = 0; p < kP; ++p) Format::quads(w, group, v, part + p, low[p], high[p]);
#pragma GCC unroll 8
    for (int j = 0; j < kX; ++j) {
      const char* q = x[j].q + 32 * group + 4 * v;
      const I x_low = broadcast(q), x_high = broadcast(q + 16);
#pragma GCC unroll 2
      for (int p = 0; p < kP; ++p) {
        if constexpr (Format::kSplit) {
          dot[p][j][0].add(low[p], x_low, v);
          dot[p][j][1].add(high[p], x_high, v);
        } else {
          dot[p][j][0].add(low[p], x_low, 2 * v);
          dot[p][j][0].add(high[p], x_high, 2 * v + 1);
        }
      }
    }
  }
#pragma GCC unroll 2
  for (int p = 0; p < kP; ++p) {
    const F scale = Format::scale(w, kDots * group, part + p);
    const F scale_second = Format::kSplit ? Format::scale(w, kDots * group + 1, part + p) : scale;
    const F min = Format::kHasMin ? Format::min(w, group, part + p) : scale;
#pragma GCC unroll 8
    for (int j = 0; j < kX; ++j) {
      const float scale_x = x[j].scale(group);
      const int32_t sum = x[j].sum(group);
      if constexpr (Format::kSplit) {
        const int32_t sum_low = x[j].sum_low(group);
        y[p][j] = scaled_sum_of<Format>(dot[p][j][0].total(), sum_low, scale, scale_x, y[p][j]);
        y[p][j] = scaled_sum_of<Format>(dot[p][j][1].total(), sum - sum_low, scale_second, scale_x, y[p][j]);
      } else {
        y[p][j] = scaled_sum_of<Format>(dot[p][j][0].total(), sum, scale, scale_x, y[p][j]);
      }
      if constexpr (Format::kHasMin) y[p][j] = neg_fma(min, set1(x[j].scaled_sum(group)), y[p][j]);
    }
  }
}

/// The next panel's lines while this one is read: a prefetch never faults.
struct Ahead {
  const char* at;
  int64_t step;  ///< bytes a group; 0: nothing
  void prefetch(int64_t group) const {
    for (int64_t b = group * step / 64 * 64; b < (group + 1) * step; b += 64) _mm_prefetch(at + b, _MM_HINT_T0);
  }
};

inline F load_rows(const float* y, int64_t count) { return count >= kPartRows ? load(y) : count > 0 ? load_part(y, count) : zero(); }
inline void store_rows(float* y, F a, int64_t count) {
  if (count >= kPartRows) {
    store(y, a);
  } else if (count > 0) {
    store_part(y, a, count);
  }
}

/// y[j * ldy + r] += the products of `groups` groups, for kX activations and the first `rows` rows of a panel; `fresh`: from 0.
template <class Format, int kX, class Weights>
inline void add_tile(const Weights& w, const Activations& x, int64_t t, int64_t from, int64_t groups, Ahead ahead, bool fresh, float* y,
                     int64_t ldy, int64_t rows) {
  Activation a[kX];
#pragma GCC unroll 8
  for (int j = 0; j < kX; ++j) a[j] = x.row(t + j, from);
  F sums[kParts][kX];
#pragma GCC unroll 2
  for (int p = 0; p < kParts; ++p) {
#pragma GCC unroll 8
    for (int j = 0; j < kX; ++j) sums[p][j] = fresh ? zero() : load_rows(y + j * ldy + p * kPartRows, rows - p * kPartRows);
  }
  constexpr int kTogether = kX == 1 ? kParts : 1;  // as many parts at once as fit in the registers
#pragma GCC unroll 2
  for (int p = 0; p < kParts; p += kTogether) {
    F acc[kTogether][kX];
#pragma GCC unroll 2
    for (int i = 0; i < kTogether; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kX; ++j) acc[i][j] = sums[p + i][j];
    }
    for (int64_t group = 0; group < groups; ++group) {
      if (p == 0) ahead.prefetch(group);
      add_group<Format, kX, kTogether>(w, p, a, group, acc);
    }
#pragma GCC unroll 2
    for (int i = 0; i < kTogether; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kX; ++j) sums[p + i][j] = acc[i][j];
    }
  }
  // All of y at once: stores to the same far-apart lines at two times cost a third of the rate.
#pragma GCC unroll 8
  for (int j = 0; j < kX; ++j) {
#pragma GCC unroll 2
    for (int p = 0; p < kParts; ++p) store_rows(y + j * ldy + p * kPartRows, sums[p][j], rows - p * kPartRows);
  }
}

/// Calls tile(Width<k>, t) for widths that add up to num_x.
template <class Tile>
inline void for_tiles(int64_t num_x, const Tile& tile) {
  int64_t t = 0;
  for (; num_x - t >= kMaxTile; t += kMaxTile) tile(Width<kMaxTile>{}, t);
  if constexpr (kMaxTile > 4) {
    for (; num_x - t >= 4; t += 4) tile(Width<4>{}, t);
  }
  for (; num_x - t >= 2; t += 2) tile(Width<2>{}, t);
  if (t < num_x) tile(Width<1>{}, t);
}

template <class Format>
void few_activations(Packed w, int64_t num_rows, const Activations& x, int64_t num_x, float* y, int64_t ldy) {
  const int64_t n = x.n;
  const int64_t read = Format::kBits == 4 && w.layout.low != 0 ? w.layout.low : w.layout.bytes;
  for (int64_t r = 0; r < num_rows; r += kPanelRows, w.at += w.layout.bytes) {
    const int64_t rows = num_rows - r < kPanelRows ? num_rows - r : kPanelRows;
    for_tiles(num_x, [&](auto width, int64_t t) {
      const Ahead ahead{w.at + w.layout.bytes, t == 0 ? read / (n / 32) : 0};
      add_tile<Format, decltype(width)::kValue>(w, x, t, 0, n / 32, ahead, true, y + t * ldy + r, ldy, rows);
    });
  }
}

/// Groups [from, from + groups) of a panel as bytes.
template <class Format>
void expand(const Packed& w, int64_t from, int64_t groups, Expanded& out) {
  constexpr int kSubBlocks = Format::kSplit ? 2 : 1;
  for (int64_t group = 0; group < groups; ++group) {
    for (int part = 0; part < kParts; ++part) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        I low, high;
        Format::quads(w, from + group, v, part, low, high);
        char* at = out.q + group * 512 + v * 64 + part * static_cast<int>(sizeof(I));
        store_bytes(at, low);
        store_bytes(at + 256, high);
      }
      for (int s = 0; s < kSubBlocks; ++s) {
        const int64_t sub_block = kSubBlocks * group + s;
        store(out.scale + sub_block * kPanelRows + part * kPartRows, Format::scale(w, kSubBlocks * from + sub_block, part));
      }
      if constexpr (Format::kHasMin) store(out.min + group * kPanelRows + part * kPartRows, Format::min(w, from + group, part));
    }
  }
}

template <class Format>
void many_activations(Packed w, int64_t num_rows, const Activations& x, int64_t num_x, float* y, int64_t ldy) {
  const int64_t n = x.n;
  Expanded panel;
  for (int64_t r = 0; r < num_rows; r += kPanelRows, w.at += w.layout.bytes) {
    const int64_t rows = num_rows - r < kPanelRows ? num_rows - r : kPanelRows;
    for (int64_t k = 0; k < n; k += kChunk) {
      const int64_t count = n - k < kChunk ? n - k : kChunk;
      expand<Format>(w, k / 32, count / 32, panel);
      const int64_t read = w.layout.bytes / (n / 32);
      for_tiles(num_x, [&](auto width, int64_t t) {
        const Ahead ahead{w.at + w.layout.bytes + k / 32 * read, t == 0 ? read : 0};
        add_tile<FromExpanded<Format>, decltype(width)::kValue>(panel, x, t, k, count / 32, ahead, k == 0, y + t * ldy + r, ldy, rows);
      });
    }
  }
}

template <class Format>
void gemm(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) {
  const Packed packed{static_cast<const char*>(w), panel_layout(Format::kType, n)};
  const Activations activations{static_cast<const char*>(x), n, q8_row_bytes(n)};
  if (num_x < kExpandFrom) return few_activations<Format>(packed, num_rows, activations, num_x, y, ldy);
  many_activations<Format>(packed, num_rows, activations, num_x, y, ldy);
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

void gemm_q8_high(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept {
  ATTUNE_DCHECK(n % 32 == 0 && (num_x <= 1 || ldy >= num_rows));
  gemm<FormatQ8High>(w, num_rows, n, x, num_x, y, ldy);
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
