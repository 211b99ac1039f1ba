// Kernel text: packed block formats times Q8 activations. Needs a vector_*-inl.h before it and, from the including file,
//   I: vector of bytes, kPartRows rows of 4 columns; kParts of them make the 64 bytes of 16 rows,
//   load_bytes, broadcast, low_nibbles, high_nibbles, with_bits, join_planes: see gemm_q8_avx2.cpp, which says what they do,
//   Dot<kBits>: integer sums of up to eight steps; kByteOffset: what join_planes adds to a Q8_0 weight,
//   kMaxTile: activations multiplied at once.
//
// The arithmetic of one (row, activation) pair is that of gemm_q8_scalar.cpp: exact integer sums a sub-block, then
//   y = fma(scale_w * scale_x, float(sum), y)  and, with minima,  y = fma(-min_w, scaled_sum_x, y),  sub-blocks in ascending order,
// first with the activation's values, then, for its refined blocks in ascending order, with their refinements.
// Rows lie in the lanes of a vector, so that this holds for every shape of the work:
// - few activations: weights are unpacked in registers, for up to kMaxTile activations at a time;
// - more: a panel's weights are expanded to bytes once, kChunk columns at a time on the stack; between chunks y itself holds the running sums.
#pragma once

#include <cstddef>

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

/// Integers and blocks of one Q8 row, or of one of its refinements.
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
  uint64_t refined_bits(int64_t t, int64_t word) const {
    uint64_t bits;
    __builtin_memcpy(&bits, x + t * stride + q8_refined_bits_at(n) + word * 8, sizeof bits);
    return bits;
  }
  Activation refinement(int64_t t, int64_t group) const {
    const char* at = x + t * stride + q8_refinements_at(n) + group * static_cast<int64_t>(sizeof(Q8Refinement));
    return {at, at + offsetof(Q8Refinement, block)};
  }
};

/// A packed panel.
struct Packed {
  const char* at;
  PanelLayout layout;
};

// A format: kBits of a weight as it is multiplied, kOffset to subtract from it (shifted by kShift first: the high plane counts 32-fold at
// half the scale), kSplit: sub-blocks of 16, kRefined: activations' refinements count; quads(): columns 4v and 16 + 4v of a group; scale(): of
// sub-block s, min(): of a group.

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
  static constexpr bool kHasMin = false, kSplit = false, kRefined = true;
  static F scale(const Packed& w, int64_t sub_block, int part) {
    return load_f16(w.at + w.layout.d + (sub_block * kPanelRows + part * kPartRows) * 2);
  }
  static F min(const Packed&, int64_t, int) { return zero(); }
};

struct ScaleWithMin {  // f16 d and dmin a block of 8 groups, a byte of each a group
  static constexpr bool kHasMin = true, kSplit = false, kRefined = true;
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
  static constexpr bool kHasMin = false, kSplit = true, kRefined = true;
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
  static constexpr bool kRefined = false;
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

/// Scales of one group of one part's weights.
template <class Format>
struct GroupScales {
  F first, second, min;  ///< second: of columns 16 to 31
  template <class Weights>
  GroupScales(const Weights& w, int64_t group, int part) {
    constexpr int kSubBlocks = Format::kSplit ? 2 : 1;
    first = Format::scale(w, kSubBlocks * group, part);
    second = Format::kSplit ? Format::scale(w, kSubBlocks * group + 1, part) : first;
    min = Format::kHasMin ? Format::min(w, group, part) : first;
  }
};

/// y plus one group's products: dot holds the integer sums, of both halves of the columns if they have scales of their own.
template <class Format, class Dots>
inline F add_scaled(const Dots& dot, const GroupScales<Format>& scales, const Activation& x, int64_t group, F y) {
  const float scale_x = x.scale(group);
  const int32_t sum = x.sum(group);
  if constexpr (Format::kSplit) {
    const int32_t sum_low = x.sum_low(group);
    y = scaled_sum_of<Format>(dot[0].total(), sum_low, scales.first, scale_x, y);
    y = scaled_sum_of<Format>(dot[1].total(), sum - sum_low, scales.second, scale_x, y);
  } else {
    y = scaled_sum_of<Format>(dot[0].total(), sum, scales.first, scale_x, y);
  }
  if constexpr (Format::kHasMin) y = neg_fma(scales.min, set1(x.scaled_sum(group)), y);
  return y;
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
    const GroupScales<Format> scales(w, group, part + p);
#pragma GCC unroll 8
    for (int j = 0; j < kX; ++j) y[p][j] = add_scaled<Format>(dot[p][j], scales, x[j], group, y[p][j]);
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

constexpr int64_t kMaxWords = kMaxRefinedColumns / 32;

/// Which activations have a refinement of which group: bit i of of[(t / 64) * groups + group] for activation t + i, t a multiple of 64.
struct RefinedGroups {
  int64_t groups;
  uint64_t of[kMaxWords];

  explicit RefinedGroups(int64_t n) : groups(n <= kMaxRefinedColumns ? n / 32 : 0) {}
  /// Activations that the words are enough for: whole 64s.
  int64_t capacity() const { return groups == 0 ? INT64_MAX : kMaxWords / groups * 64; }
  void find(const Activations& x, int64_t begin, int64_t end) {
    if (groups == 0) return;
    for (int64_t i = 0; i < (end - begin + 63) / 64 * groups; ++i) of[i] = 0;
    for (int64_t t = begin; t < end; ++t) {
      uint64_t* words = of + (t - begin) / 64 * groups;
      for (int64_t word = 0; word < (groups + 63) / 64; ++word) {
        for (uint64_t bits = x.refined_bits(t, word); bits != 0; bits &= bits - 1) {
          words[64 * word + __builtin_ctzll(bits)] |= uint64_t{1} << ((t - begin) % 64);
        }
      }
    }
  }
};

/// y[t * ldy + r] += the products of one group with its refinements, for the activations t + i of which bit i is set.
template <class Format>
inline void add_refined_group(const Packed& w, int64_t group, const Activations& x, int64_t t, uint64_t bits, float* y, int64_t ldy,
                              int64_t rows) {
#pragma GCC unroll 2
  for (int p = 0; p < kParts; ++p) {
    I low[4], high[4];
#pragma GCC unroll 4
    for (int v = 0; v < 4; ++v) Format::quads(w, group, v, p, low[v], high[v]);
    const GroupScales<Format> scales(w, group, p);
    for (uint64_t left = bits; left != 0; left &= left - 1) {
      const int64_t i = t + __builtin_ctzll(left);
      const Activation fine = x.refinement(i, group);
      Dot<Format::kBits> dot[2];
#pragma GCC unroll 4
      for (int v = 0; v < 4; ++v) {
        dot[0].add(low[v], broadcast(fine.q + 4 * v), Format::kSplit ? v : 2 * v);
        dot[Format::kSplit ? 1 : 0].add(high[v], broadcast(fine.q + 16 + 4 * v), Format::kSplit ? v : 2 * v + 1);
      }
      float* at = y + i * ldy + p * kPartRows;
      const int64_t count = rows - p * kPartRows;
      store_rows(at, add_scaled<Format>(dot, scales, fine, 0, load_rows(at, count)), count);
    }
  }
}

/// Adds the products with all refinements of activations [begin, end) to the first `rows` rows of a panel. They differ in which groups are
/// refined, so a group's weights are multiplied with those activations only that need it.
template <class Format>
inline void add_refinements(const Packed& w, const RefinedGroups& refined, const Activations& x, int64_t begin, int64_t end, float* y,
                            int64_t ldy, int64_t rows) {
  const uint64_t* words = refined.of;
  for (int64_t t = begin; t < end; t += 64, words += refined.groups) {
    for (int64_t group = 0; group < refined.groups; ++group) {
      if (words[group] != 0) add_refined_group<Format>(w, group, x, t, words[group], y, ldy, rows);
    }
  }
}

/// Calls tile(Width<k>, t) for widths that add up to end - t.
template <class Tile>
inline void for_tiles(int64_t t, int64_t end, const Tile& tile) {
  for (; end - t >= kMaxTile; t += kMaxTile) tile(Width<kMaxTile>{}, t);
  if constexpr (kMaxTile > 4) {
    for (; end - t >= 4; t += 4) tile(Width<4>{}, t);
  }
  for (; end - t >= 2; t += 2) tile(Width<2>{}, t);
  if (t < end) tile(Width<1>{}, t);
}

template <class Format>
void few_activations(Packed w, int64_t num_rows, const Activations& x, const RefinedGroups& refined, int64_t num_x, float* y, int64_t ldy) {
  const int64_t n = x.n;
  const int64_t read = Format::kBits == 4 && w.layout.low != 0 ? w.layout.low : w.layout.bytes;
  for (int64_t r = 0; r < num_rows; r += kPanelRows, w.at += w.layout.bytes) {
    const int64_t rows = num_rows - r < kPanelRows ? num_rows - r : kPanelRows;
    for_tiles(0, num_x, [&](auto width, int64_t t) {
      const Ahead ahead{w.at + w.layout.bytes, t == 0 ? read / (n / 32) : 0};
      add_tile<Format, decltype(width)::kValue>(w, x, t, 0, n / 32, ahead, true, y + t * ldy + r, ldy, rows);
    });
    if constexpr (Format::kRefined) add_refinements<Format>(w, refined, x, 0, num_x, y + r, ldy, rows);
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

/// For activations [begin, end).
template <class Format>
void many_activations(Packed w, int64_t num_rows, const Activations& x, const RefinedGroups& refined, int64_t begin, int64_t end, float* y,
                      int64_t ldy) {
  const int64_t n = x.n;
  Expanded panel;
  for (int64_t r = 0; r < num_rows; r += kPanelRows, w.at += w.layout.bytes) {
    const int64_t rows = num_rows - r < kPanelRows ? num_rows - r : kPanelRows;
    for (int64_t k = 0; k < n; k += kChunk) {
      const int64_t count = n - k < kChunk ? n - k : kChunk;
      expand<Format>(w, k / 32, count / 32, panel);
      const int64_t read = w.layout.bytes / (n / 32);
      for_tiles(begin, end, [&](auto width, int64_t t) {
        const Ahead ahead{w.at + w.layout.bytes + k / 32 * read, t == begin ? read : 0};
        add_tile<FromExpanded<Format>, decltype(width)::kValue>(panel, x, t, k, count / 32, ahead, k == 0, y + t * ldy + r, ldy, rows);
      });
    }
    if constexpr (Format::kRefined) add_refinements<Format>(w, refined, x, begin, end, y + r, ldy, rows);
  }
}

template <class Format>
void gemm(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) {
  const Packed packed{static_cast<const char*>(w), panel_layout(Format::kType, n)};
  const Activations activations{static_cast<const char*>(x), n, q8_row_bytes(n)};
  RefinedGroups refined(n);
  if (num_x < kExpandFrom) {
    if constexpr (Format::kRefined) refined.find(activations, 0, num_x);
    return few_activations<Format>(packed, num_rows, activations, refined, num_x, y, ldy);
  }
  for (int64_t begin = 0, end; begin < num_x; begin = end) {
    end = num_x - begin <= refined.capacity() ? num_x : begin + refined.capacity();
    if constexpr (Format::kRefined) refined.find(activations, begin, end);
    many_activations<Format>(packed, num_rows, activations, refined, begin, end, y, ldy);
  }
}

}  // namespace

void gemm_q8(DType dtype, const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept {
  ATTUNE_DCHECK(is_block_format(dtype) && n % 32 == 0 && n % dtype_info(dtype).block_size == 0 && (num_x <= 1 || ldy >= num_rows));
  switch (dtype) {
    case DType::kQ4_0: return gemm<FormatQ4_0>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ5_0: return gemm<FormatQ5_0>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ8_0: return gemm<FormatQ8_0>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ4_K: return gemm<FormatQ4_K>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ5_K: return gemm<FormatQ5_K>(w, num_rows, n, x, num_x, y, ldy);
    case DType::kQ6_K: return gemm<FormatQ6_K>(w, num_rows, n, x, num_x, y, ldy);
    default: return;
  }
}

void gemm_q8_high(const void* w, int64_t num_rows, int64_t n, const void* x, int64_t num_x, float* y, int64_t ldy) noexcept {
  ATTUNE_DCHECK(n % 32 == 0 && (num_x <= 1 || ldy >= num_rows));
  gemm<FormatQ8High>(w, num_rows, n, x, num_x, y, ldy);
}

}  // namespace attune::kernels::ATTUNE_KERNELS_LEVEL
