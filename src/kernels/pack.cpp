#include "kernels/pack.h"

#include <cstring>

#include "kernels/levels_internal.h"

namespace attune::kernels {
namespace {

constexpr int64_t kGroup = 32;  // columns that share a set of nibble vectors

int64_t round_up(int64_t value, int64_t step) { return (value + step - 1) / step * step; }

uint32_t load32(const void* p) {
  uint32_t value;
  std::memcpy(&value, p, sizeof value);
  return value;
}
void store32(void* p, uint32_t value) { std::memcpy(p, &value, sizeof value); }

/// Four words of nibbles: word v holds columns 4v to 4v + 3 in its low and 16 + 4v to 16 + 4v + 3 in its high nibbles.
struct Nibbles {
  uint32_t word[4];
};

/// Columns 0 to 15 and 16 to 31 as nibbles in the low halves of bytes.
Nibbles join(const uint8_t* first, const uint8_t* second, int shift) {
  Nibbles out;
  for (int v = 0; v < 4; ++v) {
    out.word[v] = (load32(first + 4 * v) >> shift & 0x0f0f0f0f) | (load32(second + 4 * v) >> shift & 0x0f0f0f0f) << 4;
  }
  return out;
}

/// One row's place in a panel.
struct Place {
  PanelLayout at;
  char* panel;
  int64_t row;

  char* nibbles(int64_t group) const { return panel + at.nibbles + group * 256 + 4 * row; }
  char* low(int64_t group) const { return panel + at.low + group * 256 + 4 * row; }
  char* high(int64_t group, int vector = 0) const { return panel + at.high + group * at.high_bytes + 64 * vector + 4 * row; }
  uint8_t& scale(int64_t sub_block) const { return reinterpret_cast<uint8_t&>(panel[at.scale + sub_block * kPanelRows + row]); }
  uint8_t& min(int64_t sub_block) const { return reinterpret_cast<uint8_t&>(panel[at.min + sub_block * kPanelRows + row]); }
  char* d(int64_t block) const { return panel + at.d + (block * kPanelRows + row) * 2; }
  char* dmin(int64_t block) const { return panel + at.dmin + (block * kPanelRows + row) * 2; }
};

void put(char* dst, const Nibbles& nibbles) {
  for (int v = 0; v < 4; ++v) store32(dst + 64 * v, nibbles.word[v]);
}
Nibbles get(const char* src) {
  Nibbles out;
  for (int v = 0; v < 4; ++v) out.word[v] = load32(src + 64 * v);
  return out;
}
/// The bytes of a Q4_0-like block: byte j holds columns j and j + 16.
void get_bytes(const char* src, uint8_t q[16]) {
  const Nibbles nibbles = get(src);
  std::memcpy(q, nibbles.word, 16);
}
/// Inverse of `join` for one sub-block: nibble of column j at q[j] << shift, or-ed in.
void spread(const char* src, uint8_t* first, uint8_t* second, int shift) {
  const Nibbles nibbles = get(src);
  for (int v = 0; v < 4; ++v) {
    store32(first + 4 * v, load32(first + 4 * v) | (nibbles.word[v] & 0x0f0f0f0f) << shift);
    store32(second + 4 * v, load32(second + 4 * v) | (nibbles.word[v] >> 4 & 0x0f0f0f0f) << shift);
  }
}

// One block of a row into its place (`b`: index of the block in the row), and back.

void pack(const BlockQ4_0& block, int64_t b, const Place& p) {
  std::memcpy(p.d(b), &block.d, 2);
  Nibbles nibbles;
  std::memcpy(nibbles.word, block.q, 16);
  put(p.nibbles(b), nibbles);
}
void unpack(BlockQ4_0& block, int64_t b, const Place& p) {
  std::memcpy(&block.d, p.d(b), 2);
  get_bytes(p.nibbles(b), block.q);
}

void pack(const BlockQ5_0& block, int64_t b, const Place& p) {
  std::memcpy(p.d(b), &block.d, 2);
  Nibbles nibbles;
  std::memcpy(nibbles.word, block.q, 16);
  put(p.nibbles(b), nibbles);
  uint32_t high = 0;  // bit t of byte c: column 4t + c
  for (int t = 0; t < 8; ++t) high |= ((block.h >> (4 * t) & 15) * 0x00204081u & 0x01010101u) << t;
  store32(p.high(b), high);
}
void unpack(BlockQ5_0& block, int64_t b, const Place& p) {
  std::memcpy(&block.d, p.d(b), 2);
  get_bytes(p.nibbles(b), block.q);
  const uint32_t high = load32(p.high(b));
  uint32_t h = 0;
  for (int t = 0; t < 8; ++t) h |= ((high >> t & 0x01010101u) * 0x01020408u >> 24 & 15) << (4 * t);
  block.h = h;
}

void pack(const BlockQ8_0& block, int64_t b, const Place& p) {
  std::memcpy(p.d(b), &block.d, 2);
  for (int v = 0; v < 4; ++v) {
    const uint32_t first = load32(block.q + 4 * v) ^ 0x80808080u, second = load32(block.q + 16 + 4 * v) ^ 0x80808080u;
    store32(p.nibbles(b) + 64 * v, (first >> 4 & 0x0f0f0f0f) | (second & 0xf0f0f0f0));
    store32(p.low(b) + 64 * v, (first & 0x0f0f0f0f) | (second << 4 & 0xf0f0f0f0));
  }
}
void unpack(BlockQ8_0& block, int64_t b, const Place& p) {
  std::memcpy(&block.d, p.d(b), 2);
  for (int v = 0; v < 4; ++v) {
    const uint32_t high = load32(p.nibbles(b) + 64 * v), low = load32(p.low(b) + 64 * v);
    store32(block.q + 4 * v, ((high << 4 & 0xf0f0f0f0) | (low & 0x0f0f0f0f)) ^ 0x80808080u);
    store32(block.q + 16 + 4 * v, ((high & 0xf0f0f0f0) | (low >> 4 & 0x0f0f0f0f)) ^ 0x80808080u);
  }
}

template <class Block>
void pack_scales(const Block& block, int64_t b, const Place& p) {
  std::memcpy(p.d(b), &block.d, 2);
  std::memcpy(p.dmin(b), &block.dmin, 2);
  for (int i = 0; i < 8; ++i) {
    const ScaleMin sm = unpack_scale_min(block.s, i);
    p.scale(8 * b + i) = sm.scale;
    p.min(8 * b + i) = sm.min;
  }
}
template <class Block>
void unpack_scales(Block& block, int64_t b, const Place& p) {
  std::memcpy(&block.d, p.d(b), 2);
  std::memcpy(&block.dmin, p.dmin(b), 2);
  ScaleMin sub_blocks[8];
  for (int i = 0; i < 8; ++i) sub_blocks[i] = {p.scale(8 * b + i), p.min(8 * b + i)};
  pack_scale_min(sub_blocks, block.s);
}

/// Sub-block i of a 4-bit K-quant: low (even i) or high nibbles of 32 bytes.
template <class Block>
void pack_sub_blocks(const Block& block, int64_t b, const Place& p) {
  for (int i = 0; i < 8; ++i) {
    const uint8_t* q = block.q + i / 2 * 32;
    put(p.nibbles(8 * b + i), join(q, q + 16, i % 2 * 4));
  }
}
template <class Block>
void unpack_sub_blocks(Block& block, int64_t b, const Place& p) {
  std::memset(block.q, 0, sizeof block.q);
  for (int i = 0; i < 8; ++i) {
    uint8_t* q = block.q + i / 2 * 32;
    spread(p.nibbles(8 * b + i), q, q + 16, i % 2 * 4);
  }
}

void pack(const BlockQ4_K& block, int64_t b, const Place& p) {
  pack_scales(block, b, p);
  pack_sub_blocks(block, b, p);
}
void unpack(BlockQ4_K& block, int64_t b, const Place& p) {
  unpack_scales(block, b, p);
  unpack_sub_blocks(block, b, p);
}

void pack(const BlockQ5_K& block, int64_t b, const Place& p) {
  pack_scales(block, b, p);
  pack_sub_blocks(block, b, p);
  for (int i = 0; i < 8; ++i) {
    uint32_t high = 0;
    for (int t = 0; t < 8; ++t) high |= (load32(block.qh + 4 * t) >> i & 0x01010101u) << t;
    store32(p.high(8 * b + i), high);
  }
}
void unpack(BlockQ5_K& block, int64_t b, const Place& p) {
  unpack_scales(block, b, p);
  unpack_sub_blocks(block, b, p);
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 8; ++i) {
    const uint32_t high = load32(p.high(8 * b + i));
    for (int t = 0; t < 8; ++t) store32(block.qh + 4 * t, load32(block.qh + 4 * t) | (high >> t & 0x01010101u) << i);
  }
}

// Q6_K: values 128 t + 32 c + l; group 4 t + c. Its two upper bits of column 16 u + 4 f + byte lie in field f of vector u.
void pack(const BlockQ6_K& block, int64_t b, const Place& p) {
  std::memcpy(p.d(b), &block.d, 2);
  for (int i = 0; i < 16; ++i) p.scale(16 * b + i) = static_cast<uint8_t>(block.s[i]);
  for (int i = 0; i < 8; ++i) {
    const int t = i / 4, c = i % 4;
    const uint8_t* q = block.ql + 64 * t + 32 * (c & 1);
    put(p.nibbles(8 * b + i), join(q, q + 16, c / 2 * 4));
    for (int u = 0; u < 2; ++u) {
      uint32_t high = 0;
      for (int f = 0; f < 4; ++f) high |= (load32(block.qh + 32 * t + 16 * u + 4 * f) >> (2 * c) & 0x03030303u) << (2 * f);
      store32(p.high(8 * b + i, u), high);
    }
  }
}
void unpack(BlockQ6_K& block, int64_t b, const Place& p) {
  std::memcpy(&block.d, p.d(b), 2);
  for (int i = 0; i < 16; ++i) block.s[i] = static_cast<int8_t>(p.scale(16 * b + i));
  std::memset(block.ql, 0, sizeof block.ql);
  std::memset(block.qh, 0, sizeof block.qh);
  for (int i = 0; i < 8; ++i) {
    const int t = i / 4, c = i % 4;
    uint8_t* q = block.ql + 64 * t + 32 * (c & 1);
    spread(p.nibbles(8 * b + i), q, q + 16, c / 2 * 4);
    for (int u = 0; u < 2; ++u) {
      const uint32_t high = load32(p.high(8 * b + i, u));
      for (int f = 0; f < 4; ++f) {
        uint8_t* dst = block.qh + 32 * t + 16 * u + 4 * f;
        store32(dst, load32(dst) | (high >> (2 * f) & 0x03030303u) << (2 * c));
      }
    }
  }
}

template <class Block>
void pack_all(DType dtype, const void* rows, int64_t num_rows, int64_t n, char* dst) {
  const int64_t blocks = n / dtype_info(dtype).block_size;
  Place place{panel_layout(dtype, n), dst, 0};
  for (int64_t row = 0; row < num_rows; ++row) {
    place.row = row % kPanelRows;
    place.panel = dst + row / kPanelRows * place.at.bytes;
    const char* src = static_cast<const char*>(rows) + row * blocks * static_cast<int64_t>(sizeof(Block));
    for (int64_t b = 0; b < blocks; ++b) {
      Block block;
      std::memcpy(&block, src + b * static_cast<int64_t>(sizeof block), sizeof block);
      pack(block, b, place);
    }
  }
}

template <class Block>
void unpack_range(DType dtype, const void* packed, int64_t n, int64_t row, int64_t k, int64_t count, char* dst) {
  const int64_t block_size = dtype_info(dtype).block_size;
  const PanelLayout layout = panel_layout(dtype, n);
  // Place is for reading here; the panel is not written.
  char* panel = const_cast<char*>(static_cast<const char*>(packed)) + row / kPanelRows * layout.bytes;
  const Place place{layout, panel, row % kPanelRows};
  for (int64_t b = k / block_size; b < (k + count) / block_size; ++b, dst += sizeof(Block)) {
    Block block;
    unpack(block, b, place);
    std::memcpy(dst, &block, sizeof block);
  }
}

}  // namespace

PanelLayout panel_layout(DType dtype, int64_t n) noexcept {
  const int64_t groups = n / kGroup;
  PanelLayout out;
  int64_t at = groups * 256;
  const auto take = [&](int64_t bytes) {
    const int64_t begin = at;
    at += bytes;
    return begin;
  };
  const bool minimum = dtype == DType::kQ4_K || dtype == DType::kQ5_K;
  const bool k_quant = minimum || dtype == DType::kQ6_K;
  if (dtype == DType::kQ5_0 || dtype == DType::kQ5_K) out.high_bytes = 64;
  if (dtype == DType::kQ6_K) out.high_bytes = 128;
  out.high = take(groups * out.high_bytes);
  if (k_quant) out.scale = take((minimum ? 1 : 2) * groups * kPanelRows);
  if (minimum) out.min = take(groups * kPanelRows);
  out.d = take((k_quant ? groups / 8 : groups) * kPanelRows * 2);
  if (minimum) out.dmin = take(groups / 8 * kPanelRows * 2);
  at = round_up(at, 64);
  if (dtype == DType::kQ8_0) out.low = take(groups * 256);
  out.bytes = at;
  return out;
}

int64_t panel_bytes(DType dtype, int64_t n) noexcept {
  if (!is_block_format(dtype)) return kPanelRows * n * dtype_info(dtype).block_bytes;
  return panel_layout(dtype, n).bytes;
}

int64_t packed_bytes(DType dtype, int64_t num_rows, int64_t n) noexcept {
  if (!is_block_format(dtype)) return num_rows * n * dtype_info(dtype).block_bytes;
  return round_up(num_rows, kPanelRows) / kPanelRows * panel_bytes(dtype, n);
}

void pack_rows(DType dtype, const void* rows, int64_t num_rows, int64_t n, void* dst) noexcept {
  char* out = static_cast<char*>(dst);
  if (const int64_t odd = num_rows % kPanelRows; odd != 0 && is_block_format(dtype)) {
    std::memset(out + num_rows / kPanelRows * panel_bytes(dtype, n), 0, static_cast<size_t>(panel_bytes(dtype, n)));
  }
  switch (dtype) {
    case DType::kQ4_0: return pack_all<BlockQ4_0>(dtype, rows, num_rows, n, out);
    case DType::kQ5_0: return pack_all<BlockQ5_0>(dtype, rows, num_rows, n, out);
    case DType::kQ8_0: return pack_all<BlockQ8_0>(dtype, rows, num_rows, n, out);
    case DType::kQ4_K: return pack_all<BlockQ4_K>(dtype, rows, num_rows, n, out);
    case DType::kQ5_K: return pack_all<BlockQ5_K>(dtype, rows, num_rows, n, out);
    case DType::kQ6_K: return pack_all<BlockQ6_K>(dtype, rows, num_rows, n, out);
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16: std::memcpy(out, rows, static_cast<size_t>(packed_bytes(dtype, num_rows, n))); return;
  }
}

void unpack_columns(DType dtype, const void* packed, int64_t n, int64_t row, int64_t k, int64_t count, void* dst) noexcept {
  char* out = static_cast<char*>(dst);
  switch (dtype) {
    case DType::kQ4_0: return unpack_range<BlockQ4_0>(dtype, packed, n, row, k, count, out);
    case DType::kQ5_0: return unpack_range<BlockQ5_0>(dtype, packed, n, row, k, count, out);
    case DType::kQ8_0: return unpack_range<BlockQ8_0>(dtype, packed, n, row, k, count, out);
    case DType::kQ4_K: return unpack_range<BlockQ4_K>(dtype, packed, n, row, k, count, out);
    case DType::kQ5_K: return unpack_range<BlockQ5_K>(dtype, packed, n, row, k, count, out);
    case DType::kQ6_K: return unpack_range<BlockQ6_K>(dtype, packed, n, row, k, count, out);
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16: {
      const int64_t size = dtype_info(dtype).block_bytes;
      std::memcpy(out, static_cast<const char*>(packed) + (row * n + k) * size, static_cast<size_t>(count * size));
      return;
    }
  }
}

}  // namespace attune::kernels
