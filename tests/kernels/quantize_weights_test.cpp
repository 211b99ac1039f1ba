// quantize_weights: errors against plain quantisers and a brute-force optimum, values that are already of the format, hostile values.
#include "kernels/quantize_weights.h"

#include <gtest/gtest.h>

#include <limits>

#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

constexpr DType kBlockTypes[] = {DType::kQ4_0, DType::kQ5_0, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::vector<std::byte> quantize(DType dtype, const std::vector<float>& x) {
  std::vector<std::byte> out(static_cast<size_t>(bytes_of_row(dtype, static_cast<int64_t>(x.size()))));
  EXPECT_TRUE(quantize_weights(dtype, x.data(), static_cast<int64_t>(x.size()), out.data())) << dtype_name(dtype);
  return out;
}

std::vector<float> dequantize(DType dtype, const std::vector<std::byte>& row, size_t n) {
  std::vector<float> out(n);
  ops_for(Isa::kScalar).dequantize_row(dtype, row.data(), out.data(), static_cast<int64_t>(n));
  return out;
}

std::vector<float> there_and_back(DType dtype, const std::vector<float>& x) { return dequantize(dtype, quantize(dtype, x), x.size()); }

double squared_error(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
  return sum;
}

double relative_rms(DType dtype, const std::vector<float>& x) {
  return std::sqrt(squared_error(there_and_back(dtype, x), x) / squared_error(x, std::vector<float>(x.size())));
}

/// The plain way: the value of largest magnitude becomes -levels (the side with one more level).
double plain_squared_error(const std::vector<float>& x, int levels) {
  double sum = 0;
  for (size_t at = 0; at < x.size(); at += 32) {
    double largest = 0;
    for (size_t i = at; i < at + 32; ++i) largest = std::fabs(x[i]) > std::fabs(largest) ? x[i] : largest;
    const double d = largest / -levels;
    for (size_t i = at; i < at + 32; ++i) {
      const double q = d == 0 ? 0 : std::clamp<double>(std::round(x[i] / d), -levels, levels - 1);
      sum += (q * d - x[i]) * (q * d - x[i]);
    }
  }
  return sum;
}

/// Smallest squared error of one block over a dense scan of real scales of both signs.
double best_squared_error(const float* x, int n, int levels) {
  double largest = 0;
  for (int i = 0; i < n; ++i) largest = std::max<double>(largest, std::fabs(x[i]));
  double best = std::numeric_limits<double>::infinity();
  for (int step = 1; step <= 6000; ++step) {
    for (const double sign : {-1.0, 1.0}) {
      const double d = sign * largest / levels * (0.6 + step * 1.4 / 6000);
      double sum = 0;
      for (int i = 0; i < n; ++i) {
        const double q = std::clamp<double>(std::nearbyint(x[i] / d), -levels, levels - 1);
        sum += (q * d - x[i]) * (q * d - x[i]);
      }
      best = std::min(best, sum);
    }
  }
  return best;
}

TEST(QuantizeWeights, ErrorsOfNormalValues) {
  Rng rng(1, "quantize weights");
  const auto x = random_floats(1 << 16, rng, 0.02);
  // What the formats can do on normal values, from the reference quantisers of the ggml project (0.0054, 0.0859, 0.0427, 0.0714, 0.0361,
  // 0.0177) less what the search gains.
  EXPECT_LT(relative_rms(DType::kQ8_0, x), 0.0054);
  EXPECT_LT(relative_rms(DType::kQ4_0, x), 0.0820);
  EXPECT_LT(relative_rms(DType::kQ5_0, x), 0.0406);
  EXPECT_LT(relative_rms(DType::kQ4_K, x), 0.0705);
  EXPECT_LT(relative_rms(DType::kQ5_K, x), 0.0347);
  EXPECT_LT(relative_rms(DType::kQ6_K, x), 0.0168);
}

TEST(QuantizeWeights, SearchBeatsThePlainScale) {
  Rng rng(2, "quantize weights");
  auto x = random_floats(1 << 14, rng, 0.02);
  for (size_t i = 0; i < x.size(); i += 37) x[i] *= 3;  // some outliers
  EXPECT_LT(squared_error(there_and_back(DType::kQ4_0, x), x), 0.95 * plain_squared_error(x, 8));
  EXPECT_LT(squared_error(there_and_back(DType::kQ5_0, x), x), 0.95 * plain_squared_error(x, 16));
}

TEST(QuantizeWeights, SearchIsNearTheBestScale) {
  Rng rng(3, "quantize weights");
  const auto x = random_floats(32 * 64, rng);
  for (const auto& [dtype, levels] : {std::pair{DType::kQ4_0, 8}, std::pair{DType::kQ5_0, 16}}) {
    double best = 0;
    for (size_t at = 0; at < x.size(); at += 32) best += best_squared_error(x.data() + at, 32, levels);
    const double found = squared_error(there_and_back(dtype, x), x);
    EXPECT_LT(found, 1.03 * best) << dtype_name(dtype);
    EXPECT_GT(found, 0.999 * best) << dtype_name(dtype);  // the scan is dense: nothing can be better than it by more than this
  }
}

TEST(QuantizeWeights, ValuesOfTheFormatStay) {
  for (const DType dtype : {DType::kQ8_0, DType::kQ4_0, DType::kQ5_0}) {
    Rng rng(4, "quantize weights");
    const auto once = there_and_back(dtype, random_floats(1 << 13, rng, 0.05));
    EXPECT_EQ(there_and_back(dtype, once), once) << dtype_name(dtype);
  }
  for (const DType dtype : {DType::kF32, DType::kF16, DType::kBF16}) {
    Rng rng(4, "quantize weights");
    const auto once = there_and_back(dtype, random_floats(1 << 10, rng, 0.05));
    EXPECT_EQ(there_and_back(dtype, once), once) << dtype_name(dtype);
  }
}

TEST(QuantizeWeights, ZerosStayZero) {
  for (const DType dtype : kBlockTypes) {
    const std::vector<float> zeros(512);
    EXPECT_EQ(there_and_back(dtype, zeros), zeros) << dtype_name(dtype);
  }
}

// One value alone in a block, of any size that half precision scales reach, comes back within the format's relative step.
TEST(QuantizeWeights, LoneValues) {
  for (const DType dtype : kBlockTypes) {
    for (const float value : {1.0f, -1.0f, 3e4f, -3e4f, 0.1f, -0.1f}) {
      std::vector<float> x(256);
      x[77] = value;
      const auto back = there_and_back(dtype, x);
      EXPECT_NEAR(back[77] / value, 1, 0.01) << dtype_name(dtype) << " " << value;
      for (size_t i = 0; i < x.size(); ++i) {
        if (i == 77) continue;
        // Zero is d scale n - dmin min in the affine formats, each with its own rounding of the scales.
        ASSERT_LE(std::fabs(back[i] / value), 5e-4) << dtype_name(dtype) << " " << value << " at " << i;
      }
    }
  }
}

TEST(QuantizeWeights, SubBlocksAreIndependentInSize) {
  Rng rng(5, "quantize weights");
  for (const DType dtype : {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    auto x = random_floats(256, rng);
    for (size_t i = 0; i < 128; ++i) x[i] *= 0.05f;
    EXPECT_LT(relative_rms(dtype, x), 0.09) << dtype_name(dtype);
    std::vector<float> shifted = random_floats(256, rng, 0.1);
    for (float& value : shifted) value -= 2;  // all negative: only the minimum of an affine block reaches them
    EXPECT_LT(relative_rms(dtype, shifted), 0.03) << dtype_name(dtype);
    for (float& value : shifted) value = -value;
    EXPECT_LT(relative_rms(dtype, shifted), 0.08) << dtype_name(dtype);
  }
}

TEST(QuantizeWeights, TinyValuesGiveFiniteBlocks) {
  for (const DType dtype : kBlockTypes) {
    for (const float size : {1e-6f, 1e-8f, 1e-20f, 1e-38f, 1e-44f}) {
      Rng rng(6, "quantize weights");
      const auto x = random_floats(256, rng, size);
      for (const float value : there_and_back(dtype, x)) ASSERT_LE(std::fabs(value), 1e-5f) << dtype_name(dtype) << " " << size;
    }
  }
}

TEST(QuantizeWeights, RefusesWhatIsNotFinite) {
  for (const DType dtype : all_dtypes()) {
    for (const float bad :
         {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
      for (const size_t at : {size_t{0}, size_t{300}, size_t{511}}) {
        std::vector<float> x(512, 0.5f);
        x[at] = bad;
        std::vector<std::byte> out(2048);
        EXPECT_FALSE(quantize_weights(dtype, x.data(), 512, out.data())) << dtype_name(dtype) << " " << bad << " at " << at;
      }
    }
  }
}

TEST(QuantizeWeights, RefusesScalesBeyondHalfPrecision) {
  std::vector<std::byte> out(2048);
  for (const DType dtype : all_dtypes()) {
    std::vector<float> x(256, 0.5f);
    x[9] = -3e38f;
    EXPECT_EQ(quantize_weights(dtype, x.data(), 256, out.data()), dtype == DType::kF32 || dtype == DType::kBF16) << dtype_name(dtype);
  }
  std::vector<float> x(32, 65504.0f);
  EXPECT_TRUE(quantize_weights(DType::kF16, x.data(), 32, out.data()));
  x[31] = 65520.0f;
  EXPECT_FALSE(quantize_weights(DType::kF16, x.data(), 32, out.data()));
  x[31] = std::numeric_limits<float>::max();  // rounds up to infinity
  EXPECT_FALSE(quantize_weights(DType::kBF16, x.data(), 32, out.data()));
}

TEST(QuantizeWeights, BlocksDependOnTheirValuesOnly) {
  Rng rng(7, "quantize weights");
  const auto x = random_floats(1024, rng);
  for (const DType dtype : kBlockTypes) {
    const auto whole = quantize(dtype, x);
    const auto part = quantize(dtype, std::vector<float>(x.begin() + 256, x.begin() + 512));
    EXPECT_EQ(std::memcmp(whole.data() + bytes_of_row(dtype, 256), part.data(), part.size()), 0) << dtype_name(dtype);
  }
}

}  // namespace
}  // namespace attune::kernels::test
