// Norm, addition, gated GELU, rotation, softmax and activation quantising against double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "kernels/levels_internal.h"
#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

class PointwiseTest : public ::testing::TestWithParam<Isa> {
 protected:
  const Ops& ops_ = ops_for(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Levels, PointwiseTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& level) { return std::string(isa_name(level.param)); });

double gelu(double z) { return z / (1 + std::exp(-2 * std::sqrt(2 / M_PI) * (z + 0.044715 * z * z * z))); }

TEST_P(PointwiseTest, RmsNorm) {
  Rng rng(1, "norm");
  for (const int64_t n : {1, 3, 7, 8, 15, 17, 64, 256, 640, 1152, 2561}) {
    for (const double size : {1e-12, 1e-3, 1.0, 4e4}) {
      const auto x = random_floats(n, rng, size), gain = random_floats(n, rng, 5);
      const float eps = 1e-6f;
      std::vector<float> y(static_cast<size_t>(n) + 1, 7);
      ops_.rms_norm(x.data(), gain.data(), eps, y.data(), n);
      double sum = 0;
      for (const float v : x) sum += static_cast<double>(v) * v;
      for (size_t i = 0; i < x.size(); ++i) {
        const double expected = x[i] / std::sqrt(sum / static_cast<double>(n) + eps) * gain[i];
        ASSERT_NEAR(y[i], expected, 2.5e-7 * std::fabs(expected)) << level_name(ops_) << " n " << n << " size " << size;
      }
      ASSERT_EQ(y.back(), 7);
      auto in_place = x;
      ops_.rms_norm(in_place.data(), gain.data(), eps, in_place.data(), n);
      y.pop_back();
      ASSERT_TRUE(same_bits(in_place, y));
    }
  }
}

TEST_P(PointwiseTest, Add) {
  Rng rng(2, "add");
  for (const int64_t n : {1, 7, 8, 31, 640}) {
    auto x = random_floats(n + 1, rng);
    const auto before = x, y = random_floats(n, rng);
    ops_.add(x.data(), y.data(), n);
    for (size_t i = 0; i < y.size(); ++i) ASSERT_EQ(x[i], before[i] + y[i]);
    ASSERT_EQ(x.back(), before.back());
  }
}

TEST_P(PointwiseTest, GeluWithinTwoMillionths) {
  std::vector<float> gate;
  for (double z = -12; z <= 12; z += 0.00037) gate.push_back(static_cast<float>(z));
  for (double z = 1e-30; z < 1e30; z *= 1.7) {
    gate.push_back(static_cast<float>(z));
    if (z < 3) gate.push_back(static_cast<float>(-z));
  }
  const std::vector<float> up(gate.size(), 1.0f);
  std::vector<float> out(gate.size());
  ops_.gelu_mul(gate.data(), up.data(), out.data(), static_cast<int64_t>(gate.size()));
  double worst = 0;
  for (size_t i = 0; i < gate.size(); ++i) {
    const double expected = gelu(gate[i]);
    if (std::fabs(expected) < 1e-35) {
      ASSERT_LT(std::fabs(out[i]), 1e-34) << gate[i];
      continue;
    }
    worst = std::max(worst, std::fabs(out[i] / expected - 1));
    ASSERT_NEAR(out[i], expected, 2e-6 * std::fabs(expected)) << level_name(ops_) << " at " << gate[i];
  }
  RecordProperty("worst", std::to_string(worst));
}

TEST_P(PointwiseTest, GeluEndsAndLengths) {
  const float gate[] = {0.0f, -0.0f, -100.0f, 100.0f, kInfinity, -kInfinity, kNan, 1e30f, -1e30f};
  const float up[] = {3, 3, 3, 3, 3, 3, 3, 3, 3};
  for (int64_t n = 1; n <= 9; ++n) {
    float out[10] = {};
    out[n] = 7;
    ops_.gelu_mul(gate, up, out, n);
    const float expected[] = {0, 0, 0, 300, kInfinity, 0, kNan, 3 * 1e30f, 0};
    for (int64_t i = 0; i < n; ++i) {
      if (std::isnan(expected[i])) {
        ASSERT_TRUE(std::isnan(out[i]));
      } else {
        ASSERT_EQ(out[i], expected[i]) << level_name(ops_) << " gelu of " << gate[i];
      }
    }
    ASSERT_EQ(out[n], 7);
  }
  float in_place[] = {1.0f, -2.0f, 0.5f};
  float apart[3];
  ops_.gelu_mul(in_place, up, apart, 3);
  ops_.gelu_mul(in_place, up, in_place, 3);
  ASSERT_EQ(std::memcmp(in_place, apart, sizeof apart), 0);
}

TEST_P(PointwiseTest, RopeTurnsPairsHalfAHeadApart) {
  Rng rng(3, "rope");
  for (const int64_t head_dim : {2, 6, 16, 30, 64, 128, 256}) {
    const int64_t h = head_dim / 2;
    auto x = random_floats(head_dim + 1, rng);
    const auto before = x;
    std::vector<float> cos, sin;
    for (int64_t i = 0; i < h; ++i) {
      const double angle = 100 * rng.uniform();
      cos.push_back(static_cast<float>(std::cos(angle)));
      sin.push_back(static_cast<float>(std::sin(angle)));
    }
    ops_.rope(x.data(), cos.data(), sin.data(), head_dim);
    for (size_t i = 0; i < static_cast<size_t>(h); ++i) {
      const size_t j = i + static_cast<size_t>(h);
      const double a = before[i], b = before[j], size = 2e-7 * (std::fabs(a) + std::fabs(b));
      ASSERT_NEAR(x[i], a * cos[i] - b * sin[i], size) << level_name(ops_) << " head_dim " << head_dim;
      ASSERT_NEAR(x[j], b * cos[i] + a * sin[i], size);
    }
    ASSERT_EQ(x.back(), before.back());
  }
}

TEST_P(PointwiseTest, SoftmaxWithinTwoMillionths) {
  Rng rng(4, "softmax");
  for (const int64_t n : {1, 2, 7, 8, 9, 16, 17, 100, 513, 4099, 32768}) {
    for (const double size : {0.01, 1.0, 10.0, 30.0}) {
      auto scores = random_floats(n + 1, rng, size);
      scores.back() = 7;
      if (n > 8) scores[3] = -kInfinity;
      const auto before = scores;
      ops_.softmax(scores.data(), n);
      double max = -1e300, sum = 0, total = 0;
      for (int64_t i = 0; i < n; ++i) max = std::max(max, static_cast<double>(before[static_cast<size_t>(i)]));
      for (int64_t i = 0; i < n; ++i) sum += std::exp(before[static_cast<size_t>(i)] - max);
      for (int64_t i = 0; i < n; ++i) {
        const double expected = std::exp(before[static_cast<size_t>(i)] - max) / sum;
        const double found = scores[static_cast<size_t>(i)];
        total += found;
        if (expected < 1e-37) {
          ASSERT_LE(found, 2e-37);
        } else {
          ASSERT_NEAR(found, expected, 2e-6 * expected) << level_name(ops_) << " n " << n << " size " << size;
        }
      }
      ASSERT_NEAR(total, 1, 1e-6);
      ASSERT_EQ(scores.back(), 7);
    }
  }
}

TEST_P(PointwiseTest, SoftmaxEnds) {
  float one[] = {-1234.5f};
  ops_.softmax(one, 1);
  EXPECT_EQ(one[0], 1.0f);
  float masked[] = {-kInfinity, 2, -kInfinity, 2};
  ops_.softmax(masked, 4);
  EXPECT_EQ(masked[0], 0.0f);
  EXPECT_EQ(masked[1], 0.5f);
  EXPECT_EQ(masked[2], 0.0f);
  float nothing[] = {-kInfinity, -kInfinity};
  ops_.softmax(nothing, 2);
  EXPECT_EQ(nothing[0], 0.0f);
  EXPECT_EQ(nothing[1], 0.0f);
  float large[] = {3e38f, -3e38f, 3e38f};
  ops_.softmax(large, 3);
  EXPECT_EQ(large[0], 0.5f);
  EXPECT_EQ(large[1], 0.0f);
  float bad[20] = {};
  bad[11] = kNan;
  ops_.softmax(bad, 20);
  for (const float v : bad) EXPECT_TRUE(std::isnan(v));
  float untouched = 5;
  ops_.softmax(&untouched, 0);
  EXPECT_EQ(untouched, 5);
}

/// 32 integers and their block stand for the rounded ratios, scaled.
void expect_block(const int8_t* values, const Q8Block& block, float scale, const std::vector<float>& ratios) {
  ASSERT_EQ(block.scale, scale);
  int sum = 0, low = 0;
  for (size_t i = 0; i < 32; ++i) {
    const int q = values[i];
    ASSERT_EQ(q, static_cast<int>(std::nearbyint(ratios[i]))) << ratios[i];
    sum += q;
    if (i < 16) low += q;
  }
  ASSERT_EQ(block.sum, sum);
  ASSERT_EQ(block.sum_low, low);
  ASSERT_EQ(block.scaled_sum, scale * static_cast<float>(sum));
}

TEST_P(PointwiseTest, QuantizeFollowsItsDefinition) {
  Rng rng(5, "quantize");
  size_t refined = 0, plain = 0;
  for (const double size : {1e-42, 1e-38, 1e-36, 1e-30, 1.0, 1e30}) {
    const int64_t n = 320;
    auto x = random_floats(n, rng, size);
    std::fill(x.begin() + 64, x.begin() + 96, 0.0f);
    x[100] = static_cast<float>(40 * size);  // one value dominates its block
    if (size == 1.0) std::for_each(x.begin() + 96, x.begin() + 128, [](float& value) { value /= 20; });
    std::vector<std::byte> row(static_cast<size_t>(q8_row_bytes(n)) + 1, std::byte{0x5a});
    ops_.quantize_q8(x.data(), n, row.data());
    const auto found = refinements(row.data(), n);
    std::vector<float> scales;
    double squares = 0;
    for (int64_t b = 0; b < n / 32; ++b) {
      float max = 0;
      for (int64_t i = 0; i < 32; ++i) max = std::max(max, std::fabs(x[static_cast<size_t>(32 * b + i)]));
      const float scale = max / 127.0f;
      scales.push_back(scale < std::numeric_limits<float>::min() ? 0 : scale);
      squares += static_cast<double>(scales.back()) * scales.back();
    }
    for (int64_t b = 0; b < n / 32; ++b) {
      const float scale = scales[static_cast<size_t>(b)];
      std::vector<float> ratios(32, 0), rests(32, 0);
      const bool has_rest = scale > 0 && 10.0 * scale * scale >= squares && scale / 254.0f >= std::numeric_limits<float>::min();
      for (size_t i = 0; i < 32 && scale > 0; ++i) {
        ratios[i] = x[static_cast<size_t>(32 * b) + i] / scale;
        if (has_rest) rests[i] = (ratios[i] - std::nearbyint(ratios[i])) * 254.0f;
      }
      Q8Block block;
      std::memcpy(&block, row.data() + n + b * 16, sizeof block);
      ASSERT_NO_FATAL_FAILURE(expect_block(reinterpret_cast<const int8_t*>(row.data()) + 32 * b, block, scale, ratios)) << level_name(ops_);
      (has_rest ? refined : plain) += 1;
      ASSERT_EQ(found.count(b), has_rest ? 1u : 0u);
      if (!has_rest) continue;
      ASSERT_NO_FATAL_FAILURE(expect_block(found.at(b).q, found.at(b).block, scale / 254.0f, rests)) << level_name(ops_);
    }
    ASSERT_EQ(row.back(), std::byte{0x5a});
  }
  EXPECT_GT(refined, 5u);
  EXPECT_GT(plain, 20u);
}

// Ties go to the even neighbour.
TEST_P(PointwiseTest, QuantizeRoundsTiesToEven) {
  std::vector<float> x(32, 0.0f);
  x[0] = 127;
  x[1] = 0.5f;
  x[2] = 1.5f;
  x[3] = 2.5f;
  x[4] = -0.5f;
  x[5] = -1.5f;
  std::vector<std::byte> row(static_cast<size_t>(q8_row_bytes(32)));
  ops_.quantize_q8(x.data(), 32, row.data());
  const int expected[] = {127, 0, 2, 2, 0, -2};
  for (size_t i = 0; i < 6; ++i) EXPECT_EQ(static_cast<int8_t>(row[i]), expected[i]);
}

TEST_P(PointwiseTest, QuantizeGivesTheSameBytesOnEveryLevel) {
  Rng rng(6, "bytes");
  auto x = random_floats(6400, rng, 2);
  for (size_t b = 0; b + 32 <= x.size(); b += 32) {  // quotients at or beside the ties, where a multiplication by 1 / scale differs
    const float scale = std::fabs(x[b]) / 127.0f;
    for (size_t i = 1; i < 32; ++i) x[b + i] = (static_cast<float>(rng.below(126)) + 0.5f) * scale;
  }
  x[50] = kNan;
  x[700] = -kInfinity;
  x[3000] = 1e-44f;
  const auto mine = quantize_rows(ops_, x, 640), scalar = quantize_rows(ops_for(Isa::kScalar), x, 640);
  ASSERT_EQ(mine.size(), scalar.size());
  EXPECT_EQ(std::memcmp(mine.data(), scalar.data(), mine.size()), 0);
}

}  // namespace
}  // namespace attune::kernels::test
