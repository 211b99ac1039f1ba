// Random rows of every dtype, and the plain double-precision arithmetic that the tests compare with.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/rng.h"
#include "kernels/kernels.h"
#include "kernels/levels_internal.h"
#include "kernels/pack.h"

namespace attune::kernels::test {

inline const std::vector<DType>& all_dtypes() {
  static const std::vector<DType> types = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ5_0,
                                           DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
  return types;
}

inline const std::vector<DType>& block_formats() {
  static const std::vector<DType> types = {DType::kQ4_0, DType::kQ5_0, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
  return types;
}

inline std::vector<float> random_floats(int64_t n, Rng& rng, double size = 1) {
  std::vector<float> out(static_cast<size_t>(n));
  for (auto& v : out) v = static_cast<float>(size * rng.normal());
  return out;
}

/// Random bits in every field but the scales, which are normal with the given size.
inline std::vector<std::byte> random_rows(DType dtype, int64_t num_rows, int64_t n, Rng& rng, double scale = 0.01) {
  const DTypeInfo& info = dtype_info(dtype);
  std::vector<std::byte> out(static_cast<size_t>(num_rows * (n / info.block_size) * info.block_bytes));
  for (size_t at = 0; at < out.size(); at += 8) {
    const uint64_t bits = rng.next_u64();
    std::memcpy(out.data() + at, &bits, std::min<size_t>(8, out.size() - at));
  }
  const auto half = [&] { return f32_to_f16(static_cast<float>(scale * rng.normal())); };
  for (size_t at = 0; at < out.size(); at += static_cast<size_t>(info.block_bytes)) {
    std::byte* block = out.data() + at;
    const auto put = [&](size_t offset, auto value) { std::memcpy(block + offset, &value, sizeof value); };
    switch (dtype) {
      case DType::kF32: put(0, static_cast<float>(rng.normal())); break;
      case DType::kF16: put(0, f32_to_f16(static_cast<float>(rng.normal()))); break;
      case DType::kBF16: put(0, f32_to_bf16(static_cast<float>(rng.normal()))); break;
      case DType::kQ4_K:
      case DType::kQ5_K: put(2, half()); [[fallthrough]];
      case DType::kQ4_0:
      case DType::kQ5_0:
      case DType::kQ8_0: put(0, half()); break;
      case DType::kQ6_K: put(208, half()); break;
    }
  }
  return out;
}

inline int64_t bytes_of_row(DType dtype, int64_t n) { return static_cast<int64_t>(row_bytes(dtype, static_cast<uint64_t>(n))); }

/// The rows as the kernels read them.
inline std::vector<std::byte> packed(DType dtype, const std::vector<std::byte>& rows, int64_t num_rows, int64_t n) {
  std::vector<std::byte> out(static_cast<size_t>(packed_bytes(dtype, num_rows, n)), std::byte{0xee});
  pack_rows(dtype, rows.data(), num_rows, n, out.data());
  return out;
}

inline std::vector<std::byte> quantize_rows(const Ops& ops, const std::vector<float>& x, int64_t n) {
  const int64_t num_x = static_cast<int64_t>(x.size()) / n;
  std::vector<std::byte> out(static_cast<size_t>(num_x * q8_row_bytes(n)));
  for (int64_t t = 0; t < num_x; ++t) ops.quantize_q8(x.data() + t * n, n, out.data() + t * q8_row_bytes(n));
  return out;
}

/// The refinement of each block of a Q8 row that has one.
inline std::map<int64_t, Q8Refinement> refinements(const std::byte* q8_row, int64_t n) {
  std::map<int64_t, Q8Refinement> out;
  for (int64_t b = 0; b < n / 32; ++b) {
    if ((static_cast<int>(q8_row[q8_refined_bits_at(n) + b / 8]) >> b % 8 & 1) == 0) continue;
    std::memcpy(&out[b], q8_row + q8_refinements_at(n) + b * 64, sizeof(Q8Refinement));
  }
  return out;
}

inline std::string level_name(const Ops& ops) { return std::string(isa_name(ops.isa)); }

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

}  // namespace attune::kernels::test
