// gemm_q8 and gemm_f32: against double precision, against the scalar level, and bit for bit under every split of the work.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/levels_internal.h"
#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

/// Rows in double by the scalar dequantiser, which dequantize_test.cpp checks on its own.
std::vector<double> dense(DType dtype, const std::vector<std::byte>& w, int64_t num_rows, int64_t n) {
  std::vector<float> row(static_cast<size_t>(n));
  std::vector<double> out;
  for (int64_t r = 0; r < num_rows; ++r) {
    ops_for(Isa::kScalar).dequantize_row(dtype, w.data() + r * bytes_of_row(dtype, n), row.data(), n);
    out.insert(out.end(), row.begin(), row.end());
  }
  return out;
}

/// What a Q8 row stands for: values, and refinements if wanted.
std::vector<double> q8_values(const std::byte* row, int64_t n, bool refined = true) {
  std::vector<double> out(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    float scale;
    std::memcpy(&scale, row + n + i / 32 * 16, sizeof scale);
    out[static_cast<size_t>(i)] = static_cast<double>(scale) * static_cast<int8_t>(row[i]);
  }
  for (const auto& [block, fine] : refinements(row, n)) {
    for (int64_t i = 0; i < 32 && refined; ++i) out[static_cast<size_t>(32 * block + i)] += double{fine.block.scale} * fine.q[i];
  }
  return out;
}

/// sum_k w x and sum_k |w x|.
template <class X>
std::pair<double, double> dot(const double* w, const X* x, int64_t n) {
  double sum = 0, size = 0;
  for (int64_t k = 0; k < n; ++k) {
    sum += w[k] * x[k];
    size += std::fabs(w[k] * x[k]);
  }
  return {sum, size};
}

class GemmTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Ops& ops_ = ops_for(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Levels, GemmTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& level) { return std::string(isa_name(level.param)); });

TEST_P(GemmTest, Q8AgreesWithDoublePrecision) {
  Rng rng(1, "gemm_q8");
  for (const DType dtype : block_formats()) {
    for (const int64_t n : {32, 64, 256, 640, 1152, 2048, 6912, 10240}) {
      if (n % dtype_info(dtype).block_size != 0) continue;
      for (const int64_t num_rows : {1, 3, 7, 8, 19}) {
        const int64_t num_x = num_rows == 7 ? 5 : num_rows == 19 ? 3 : 1;
        const auto w = random_rows(dtype, num_rows, n, rng);
        const auto x = quantize_rows(ops_, random_floats(num_x * n, rng, 3), n);
        std::vector<float> y(static_cast<size_t>(num_x * num_rows), -1);
        ops_.gemm_q8(dtype, packed(dtype, w, num_rows, n).data(), num_rows, n, x.data(), num_x, y.data(), num_rows);
        const auto rows = dense(dtype, w, num_rows, n);
        for (int64_t t = 0; t < num_x; ++t) {
          const auto values = q8_values(x.data() + t * q8_row_bytes(n), n);
          for (int64_t r = 0; r < num_rows; ++r) {
            const auto [sum, size] = dot(rows.data() + r * n, values.data(), n);
            // Half an ulp a block of 32, growing like a random walk; relative to the sum of magnitudes.
            ASSERT_NEAR(y[static_cast<size_t>(t * num_rows + r)], sum, 2e-7 * size)
                << level_name(ops_) << " " << dtype_name(dtype) << " n " << n << " row " << r << " of " << num_rows;
          }
        }
      }
    }
  }
}

TEST_P(GemmTest, F32AgreesWithDoublePrecision) {
  Rng rng(2, "gemm_f32");
  for (const DType dtype : all_dtypes()) {
    for (const int64_t n : {1, 5, 17, 32, 64, 256, 384, 640, 1152, 2048, 2304, 6912, 10240}) {
      if (n % dtype_info(dtype).block_size != 0) continue;
      for (const int64_t num_rows : {1, 3, 7, 8}) {
        const int64_t num_x = num_rows == 7 ? 21 : num_rows == 8 ? 6 : 1;
        const int64_t ldx = n + 3, ldy = num_rows + 2;
        const auto w = random_rows(dtype, num_rows, n, rng);
        const auto x = random_floats(num_x * ldx, rng, 3);
        std::vector<float> y(static_cast<size_t>(num_x * ldy), -7);
        ops_.gemm_f32(dtype, packed(dtype, w, num_rows, n).data(), num_rows, n, x.data(), ldx, num_x, y.data(), ldy);
        const auto rows = dense(dtype, w, num_rows, n);
        for (int64_t t = 0; t < num_x; ++t) {
          for (int64_t r = 0; r < num_rows; ++r) {
            const auto [sum, size] = dot(rows.data() + r * n, x.data() + t * ldx, n);
            ASSERT_NEAR(y[static_cast<size_t>(t * ldy + r)], sum, 3e-7 * size)
                << level_name(ops_) << " " << dtype_name(dtype) << " n " << n << " row " << r << " of " << num_rows << " x " << t;
          }
          for (int64_t r = num_rows; r < ldy; ++r) ASSERT_EQ(y[static_cast<size_t>(t * ldy + r)], -7) << "wrote past the row";
        }
      }
    }
  }
}

// Integers are exact and the floats have one order, so that block formats give the scalar level's bits on every level.
TEST_P(GemmTest, Q8BlockFormatsGiveTheSameBitsOnEveryLevel) {
  Rng rng(3, "levels");
  for (const DType dtype : block_formats()) {
    for (const int64_t n : {256, 1280, 2304}) {
      const int64_t num_rows = 37, num_x = rng.below(2) == 0 ? 11 : 27;
      const auto w = packed(dtype, random_rows(dtype, num_rows, n, rng), num_rows, n);
      const auto x = quantize_rows(ops_, random_floats(num_x * n, rng), n);
      std::vector<float> mine(static_cast<size_t>(num_x * num_rows)), scalar(mine.size());
      ops_.gemm_q8(dtype, w.data(), num_rows, n, x.data(), num_x, mine.data(), num_rows);
      ops_for(Isa::kScalar).gemm_q8(dtype, w.data(), num_rows, n, x.data(), num_x, scalar.data(), num_rows);
      ASSERT_TRUE(same_bits(mine, scalar)) << level_name(ops_) << " " << dtype_name(dtype) << " n " << n;
    }
  }
}

// More activations than one table of refined blocks holds, and rows too long to have refinements.
TEST_P(GemmTest, LongRowsAndLargeBatchesGiveTheSameBitsOnEveryLevel) {
  Rng rng(9, "large");
  struct Shape {
    int64_t n, num_x;
  };
  for (const auto [n, num_x] : {Shape{32768, 300}, Shape{131072, 65}, Shape{131072 + 32, 2}, Shape{131072 + 32, 17}}) {
    const int64_t num_rows = 2;
    const auto w = packed(DType::kQ8_0, random_rows(DType::kQ8_0, num_rows, n, rng), num_rows, n);
    const auto x = quantize_rows(ops_, random_floats(num_x * n, rng), n);
    EXPECT_EQ(refinements(x.data(), n).empty(), n > 131072);
    std::vector<float> mine(static_cast<size_t>(num_x * num_rows)), scalar(mine.size());
    ops_.gemm_q8(DType::kQ8_0, w.data(), num_rows, n, x.data(), num_x, mine.data(), num_rows);
    ops_for(Isa::kScalar).gemm_q8(DType::kQ8_0, w.data(), num_rows, n, x.data(), num_x, scalar.data(), num_rows);
    ASSERT_TRUE(same_bits(mine, scalar)) << level_name(ops_) << " n " << n << " activations " << num_x;
  }
}

// Largest possible magnitudes: 16-bit intermediate sums must not saturate.
TEST_P(GemmTest, Q8ExtremeQuantsAreExact) {
  for (const DType dtype : block_formats()) {
    const DTypeInfo& info = dtype_info(dtype);
    for (const int fill : {0x00, 0xff, 0x80, 0x7f}) {
      for (const float sign : {1.0f, -1.0f}) {
        const int64_t n = 256, num_rows = 9, num_x = 20;
        std::vector<std::byte> w(static_cast<size_t>(num_rows * bytes_of_row(dtype, n)), static_cast<std::byte>(fill));
        for (size_t at = 0; at < w.size(); at += static_cast<size_t>(info.block_bytes)) {
          const uint16_t one = f32_to_f16(1.0f);
          std::memcpy(w.data() + at + (dtype == DType::kQ6_K ? 208 : 0), &one, 2);
          if (dtype == DType::kQ4_K || dtype == DType::kQ5_K) std::memcpy(w.data() + at + 2, &one, 2);
        }
        const std::vector<float> x(static_cast<size_t>(num_x * n),
                                   127 * sign);  // scale 1, q = +-127: every sum is a whole number below 2^24
        const auto q = quantize_rows(ops_, x, n);
        const auto rows = dense(dtype, w, num_rows, n);
        const auto panels = packed(dtype, w, num_rows, n);
        for (const int64_t count : {int64_t{1}, int64_t{5}, num_x}) {
          std::vector<float> y(static_cast<size_t>(count * num_rows));
          ops_.gemm_q8(dtype, panels.data(), num_rows, n, q.data(), count, y.data(), num_rows);
          for (const float value : y) {
            ASSERT_NEAR(value, dot(rows.data(), x.data(), n).first, 1e-6 * dot(rows.data(), x.data(), n).second)
                << level_name(ops_) << " " << dtype_name(dtype) << " fill " << fill << " sign " << sign << " num_x " << count;
          }
        }
      }
    }
  }
}

struct Split {
  int64_t num_rows, num_x;
};

// A (row, activation) pair has the same bits alone, in any range of rows and beside any activations.
TEST_P(GemmTest, BitsDoNotDependOnTheSplit) {
  Rng rng(4, "split");
  const int64_t num_rows = 41, num_x = 65;
  for (const DType dtype : all_dtypes()) {
    for (const int64_t n : {512, 1280, 2304}) {
      const auto w = packed(dtype, random_rows(dtype, num_rows, n, rng), num_rows, n);
      const auto x = random_floats(num_x * n, rng);
      const auto q = quantize_rows(ops_, x, n);
      for (const bool q8 : {true, false}) {
        if (q8 && !is_block_format(dtype)) continue;
        const auto multiply = [&](int64_t r, int64_t rows, int64_t t, int64_t count, float* y, int64_t ldy) {
          const std::byte* panel = w.data() + r / kPanelRows * panel_bytes(dtype, n);
          if (q8) {
            ops_.gemm_q8(dtype, panel, rows, n, q.data() + t * q8_row_bytes(n), count, y, ldy);
          } else {
            ops_.gemm_f32(dtype, panel, rows, n, x.data() + t * n, n, count, y, ldy);
          }
        };
        std::vector<float> alone(static_cast<size_t>(num_x * num_rows));
        for (int64_t t = 0; t < num_x; ++t) {
          for (int64_t r = 0; r < num_rows; r += kPanelRows) {
            multiply(r, std::min(kPanelRows, num_rows - r), t, 1, &alone[static_cast<size_t>(t * num_rows + r)], num_rows);
          }
        }
        for (const int64_t count : {1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 32, 65}) {
          for (int trial = 0; trial < 3; ++trial) {
            const int64_t t = static_cast<int64_t>(rng.below(static_cast<uint64_t>(num_x - count + 1)));
            const int64_t first = trial == 0 ? 0 : kPanelRows * static_cast<int64_t>(rng.below(num_rows / kPanelRows + 1));
            const int64_t rows = trial == 0 ? num_rows : 1 + static_cast<int64_t>(rng.below(static_cast<uint64_t>(num_rows - first)));
            std::vector<float> y(static_cast<size_t>(count * num_rows), 5);
            multiply(first, rows, t, count, y.data() + first, num_rows);
            for (int64_t j = 0; j < count; ++j) {
              for (int64_t r = 0; r < num_rows; ++r) {
                const float found = y[static_cast<size_t>(j * num_rows + r)];
                const float expected = r < first || r >= first + rows ? 5 : alone[static_cast<size_t>((t + j) * num_rows + r)];
                ASSERT_EQ(std::memcmp(&found, &expected, 4), 0)
                    << level_name(ops_) << " " << dtype_name(dtype) << (q8 ? " q8" : " f32") << " n " << n << " rows " << first << "+"
                    << rows << " num_x " << count << " at row " << r << " x " << t + j << ": " << found << " " << expected;
              }
            }
          }
        }
      }
    }
  }
}

// The high plane stands for 16 floor((q + 128) / 16) - 120.5, refinements are left out: the same product in double, and every level's bits equal.
TEST_P(GemmTest, HighPlaneIsTheProductWithRoundedWeights) {
  Rng rng(8, "high");
  const int64_t n = 640, num_rows = 37;
  const auto w = random_rows(DType::kQ8_0, num_rows, n, rng);
  const auto panels = packed(DType::kQ8_0, w, num_rows, n);
  for (const int64_t num_x : {1, 2, 5, 9, 20}) {
    const auto x = quantize_rows(ops_, random_floats(num_x * n, rng), n);
    std::vector<float> y(static_cast<size_t>(num_x * num_rows)), scalar(y.size());
    ops_.gemm_q8_high(panels.data(), num_rows, n, x.data(), num_x, y.data(), num_rows);
    ops_for(Isa::kScalar).gemm_q8_high(panels.data(), num_rows, n, x.data(), num_x, scalar.data(), num_rows);
    ASSERT_TRUE(same_bits(y, scalar)) << level_name(ops_) << " num_x " << num_x;
    for (int64_t t = 0; t < num_x; ++t) {
      const auto values = q8_values(x.data() + t * q8_row_bytes(n), n, false);
      for (int64_t r = 0; r < num_rows; ++r) {
        std::vector<double> rounded;
        for (int64_t b = 0; b < n / 32; ++b) {
          BlockQ8_0 block;
          std::memcpy(&block, w.data() + (r * n / 32 + b) * static_cast<int64_t>(sizeof block), sizeof block);
          for (const int8_t q : block.q) rounded.push_back(f16_to_f32(block.d) * (std::floor((q + 128) / 16.0) * 16 - 120.5));
        }
        const auto [sum, size] = dot(rounded.data(), values.data(), n);
        ASSERT_NEAR(y[static_cast<size_t>(t * num_rows + r)], sum, 2e-7 * size) << level_name(ops_) << " row " << r;
      }
    }
  }
}

TEST_P(GemmTest, NonFiniteActivationsGiveNan) {
  Rng rng(5, "nan");
  const int64_t n = 256, num_rows = 9;
  for (const DType dtype : block_formats()) {
    const auto w = packed(dtype, random_rows(dtype, num_rows, n, rng), num_rows, n);
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      auto x = random_floats(3 * n, rng);
      x[static_cast<size_t>(n + 37)] = bad;
      const auto q = quantize_rows(ops_, x, n);
      std::vector<float> y(static_cast<size_t>(3 * num_rows));
      ops_.gemm_q8(dtype, w.data(), num_rows, n, q.data(), 3, y.data(), num_rows);
      for (int64_t i = 0; i < 3 * num_rows; ++i) {
        ASSERT_EQ(std::isnan(y[static_cast<size_t>(i)]), i / num_rows == 1) << level_name(ops_) << " " << dtype_name(dtype);
      }
    }
  }
}

TEST_P(GemmTest, NoRowsOrNoActivationsWriteNothing) {
  Rng rng(6, "empty");
  for (const DType dtype : all_dtypes()) {
    const auto w = packed(dtype, random_rows(dtype, 2, 256, rng), 2, 256);
    const auto x = random_floats(512, rng);
    const auto q = quantize_rows(ops_, x, 256);
    float y[4] = {9, 9, 9, 9};
    if (is_block_format(dtype)) {
      ops_.gemm_q8(dtype, w.data(), 0, 256, q.data(), 2, y, 2);
      ops_.gemm_q8(dtype, w.data(), 2, 256, q.data(), 0, y, 2);
    }
    ops_.gemm_f32(dtype, w.data(), 0, 256, x.data(), 256, 2, y, 2);
    ops_.gemm_f32(dtype, w.data(), 2, 256, x.data(), 256, 0, y, 2);
    for (const float value : y) ASSERT_EQ(value, 9);
  }
}

TEST_P(GemmTest, PointersMayBeUnaligned) {
  Rng rng(7, "unaligned");
  for (const DType dtype : block_formats()) {
    const int64_t n = 256, num_rows = 9, num_x = 5;
    const auto w = packed(dtype, random_rows(dtype, num_rows, n, rng), num_rows, n);
    const auto x = random_floats(num_x * n, rng);
    const auto q = quantize_rows(ops_, x, n);
    std::vector<std::byte> shifted_w(w.size() + 64), shifted_q(q.size() + 64);
    const size_t step = dtype == DType::kF32 ? 4 : 2;  // what a file guarantees
    std::memcpy(shifted_w.data() + step, w.data(), w.size());
    std::memcpy(shifted_q.data() + 4, q.data(), q.size());
    std::vector<float> a(static_cast<size_t>(num_x * num_rows)), b(a.size() + 1);
    ops_.gemm_q8(dtype, w.data(), num_rows, n, q.data(), num_x, a.data(), num_rows);
    ops_.gemm_q8(dtype, shifted_w.data() + step, num_rows, n, shifted_q.data() + 4, num_x, b.data() + 1, num_rows);
    b.erase(b.begin());
    ASSERT_TRUE(same_bits(a, b)) << level_name(ops_) << " " << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace attune::kernels::test
