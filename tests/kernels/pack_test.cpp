// Packed panels hold the file's bytes: packing and unpacking give them back, for every format, row count and range of columns.
#include <gtest/gtest.h>

#include "kernels/levels_internal.h"
#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

/// 6-bit scales leave no bit of a Q4_K or Q5_K block unused, so any bytes are a valid row.
TEST(Pack, UnpackingGivesTheFilesBytes) {
  Rng rng(1, "pack");
  for (const DType dtype : all_dtypes()) {
    for (const int64_t n : {256, 640, 1280, 2304}) {
      const int64_t block = dtype_info(dtype).block_size;
      if (n % block != 0) continue;
      for (const int64_t num_rows : {1, 15, 16, 17, 40}) {
        const auto rows = random_rows(dtype, num_rows, n, rng);
        const auto panels = packed(dtype, rows, num_rows, n);
        const int64_t bytes = bytes_of_row(dtype, n);
        std::vector<std::byte> back(static_cast<size_t>(bytes));
        for (int64_t r = 0; r < num_rows; ++r) {
          unpack_columns(dtype, panels.data(), n, r, 0, n, back.data());
          ASSERT_EQ(std::memcmp(back.data(), rows.data() + r * bytes, back.size()), 0) << dtype_name(dtype) << " n " << n << " row " << r;
          const int64_t first = block * static_cast<int64_t>(rng.below(static_cast<uint64_t>(n / block)));
          const int64_t at = static_cast<int64_t>(row_bytes(dtype, static_cast<uint64_t>(first)));
          unpack_columns(dtype, panels.data(), n, r, first, n - first, back.data());
          ASSERT_EQ(std::memcmp(back.data(), rows.data() + r * bytes + at, static_cast<size_t>(bytes - at)), 0) << dtype_name(dtype);
        }
      }
    }
  }
}

TEST(Pack, SizesAreThoseOfTheFileButForTheByteWideScales) {
  const auto ratio = [](DType dtype, int64_t n) {
    return static_cast<double>(panel_bytes(dtype, n)) / static_cast<double>(16 * bytes_of_row(dtype, n));
  };
  for (const DType dtype : {DType::kQ4_0, DType::kQ5_0, DType::kQ8_0}) EXPECT_EQ(ratio(dtype, 640), 1) << dtype_name(dtype);
  EXPECT_EQ(ratio(DType::kQ6_K, 2048), 1);
  EXPECT_NEAR(ratio(DType::kQ4_K, 2048), 1.0278, 1e-4);
  EXPECT_NEAR(ratio(DType::kQ5_K, 2048), 1.0227, 1e-4);
  EXPECT_EQ(packed_bytes(DType::kQ8_0, 17, 640), 2 * panel_bytes(DType::kQ8_0, 640));
  EXPECT_EQ(packed_bytes(DType::kF16, 17, 640), 17 * 640 * 2);
  for (const DType dtype : all_dtypes()) EXPECT_EQ(panel_bytes(dtype, 256 * 3) % 64, 0);
}

TEST(Pack, RowsAddedAreZeros) {
  Rng rng(2, "padding");
  const Ops& ops = ops_for(Isa::kScalar);
  for (const DType dtype : all_dtypes()) {
    if (!is_block_format(dtype)) continue;
    const auto panels = packed(dtype, random_rows(dtype, 5, 256, rng), 5, 256);
    const auto x = quantize_rows(ops, random_floats(256, rng), 256);
    float y[16];
    ops.gemm_q8(dtype, panels.data(), 16, 256, x.data(), 1, y, 16);
    for (int r = 5; r < 16; ++r) EXPECT_EQ(y[r], 0) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace attune::kernels::test
