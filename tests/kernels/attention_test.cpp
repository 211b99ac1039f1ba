// Key-value storage, scores and weighted values: against double precision, and bit for bit under every split of the keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

constexpr KvType kTypes[] = {KvType::kF32, KvType::kF16, KvType::kQ8_0};

/// Elements from row to row: not whole vectors where the type allows it.
int64_t stride_of(KvType type, int64_t head_dim) { return head_dim + (type == KvType::kQ8_0 ? 32 : 5); }
bool fits(KvType type, int64_t head_dim) { return type != KvType::kQ8_0 || head_dim % 32 == 0; }

class AttentionTest : public ::testing::TestWithParam<Isa> {
 protected:
  /// `num_keys` rows of cache, and the floats they hold.
  std::vector<std::byte> cache(KvType type, int64_t num_keys, int64_t head_dim, Rng& rng, std::vector<float>& values) {
    const int64_t n = num_keys * stride_of(type, head_dim);
    values = random_floats(n, rng);
    std::vector<std::byte> out(static_cast<size_t>(kv_bytes(type, n)));
    ops_.store_kv(type, values.data(), out.data(), n);
    for (int64_t i = 0; i < n && type != KvType::kF32; ++i) {
      float& value = values[static_cast<size_t>(i)];
      if (type == KvType::kF16) {
        value = f16_to_f32(f32_to_f16(value));
        continue;
      }
      BlockQ8_0 block;
      std::memcpy(&block, out.data() + i / 32 * 34, sizeof block);
      value = f16_to_f32(block.d) * block.q[i % 32];
    }
    return out;
  }
  const Ops& ops_ = ops_for(GetParam());
};
INSTANTIATE_TEST_SUITE_P(Levels, AttentionTest, ::testing::ValuesIn(available_isas()),
                         [](const auto& level) { return std::string(isa_name(level.param)); });

TEST_P(AttentionTest, StoresHalvesToNearestEven) {
  Rng rng(1, "store");
  std::vector<float> x = {0.0f, -0.0f, 65504.0f, 65519.0f, 65520.0f, -1e9f, 1e-8f, 6e-8f, 1.0f + 0x1p-11f, 1.0f + 3 * 0x1p-11f};
  const auto more = random_floats(90, rng);
  x.insert(x.end(), more.begin(), more.end());
  for (int64_t n = 1; n <= static_cast<int64_t>(x.size()); ++n) {
    std::vector<uint16_t> halves(static_cast<size_t>(n) + 1, 0x1234);
    ops_.store_kv(KvType::kF16, x.data(), halves.data(), n);
    for (size_t i = 0; i < static_cast<size_t>(n); ++i) ASSERT_EQ(halves[i], f32_to_f16(x[i])) << level_name(ops_) << " " << x[i];
    ASSERT_EQ(halves.back(), 0x1234);
    std::vector<float> floats(static_cast<size_t>(n) + 1, 7);
    ops_.store_kv(KvType::kF32, x.data(), floats.data(), n);
    ASSERT_EQ(std::memcmp(floats.data(), x.data(), static_cast<size_t>(n) * 4), 0);
    ASSERT_EQ(floats.back(), 7);
  }
}

TEST_P(AttentionTest, StoresQ8BlocksWithinHalfAStep) {
  Rng rng(7, "store q8");
  for (const float size : {1.0f, 3e-5f, 1e-9f, 2e6f}) {
    auto x = random_floats(32 * 40, rng);
    for (float& value : x) value *= size;
    std::fill(x.begin() + 64, x.begin() + 96, 0.0f);
    std::vector<BlockQ8_0> blocks(40);
    ops_.store_kv(KvType::kQ8_0, x.data(), blocks.data(), 32 * 40);
    std::vector<BlockQ8_0> scalar(40);
    ops_for(Isa::kScalar).store_kv(KvType::kQ8_0, x.data(), scalar.data(), 32 * 40);
    ASSERT_EQ(std::memcmp(blocks.data(), scalar.data(), sizeof(BlockQ8_0) * 40), 0) << level_name(ops_);
    for (size_t i = 0; i < x.size(); ++i) {
      const double d = f16_to_f32(blocks[i / 32].d);
      // Scales below the smallest half are rounded to a multiple of it, or to 0.
      ASSERT_LE(std::fabs(x[i] - d * blocks[i / 32].q[i % 32]), std::max(0.505 * d, 127 * 0x1p-25)) << level_name(ops_) << " value " << i;
    }
  }
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e7f}) {
    std::vector<float> x(64, 1.0f);
    x[40] = -bad;
    std::vector<BlockQ8_0> blocks(2);
    ops_.store_kv(KvType::kQ8_0, x.data(), blocks.data(), 64);
    EXPECT_FALSE(std::isnan(f16_to_f32(blocks[0].d)));
    EXPECT_TRUE(std::isnan(f16_to_f32(blocks[1].d))) << level_name(ops_) << " with " << bad;
  }
}

TEST_P(AttentionTest, ScoresAgreeWithDoublePrecision) {
  Rng rng(2, "scores");
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {1, 7, 8, 16, 33, 64, 128, 250, 256}) {
      if (!fits(type, head_dim)) continue;
      for (const int64_t num_keys : {1, 3, 8, 13, 100}) {
        std::vector<float> k;
        const auto stored = cache(type, num_keys, head_dim, rng, k);
        const auto q = random_floats(head_dim, rng);
        std::vector<float> scores(static_cast<size_t>(num_keys) + 1, 7);
        ops_.attention_scores(type, q.data(), stored.data(), stride_of(type, head_dim), num_keys, head_dim, 0.0625f, scores.data());
        for (int64_t j = 0; j < num_keys; ++j) {
          double sum = 0, size = 0;
          for (int64_t e = 0; e < head_dim; ++e) {
            const double product =
                static_cast<double>(q[static_cast<size_t>(e)]) * k[static_cast<size_t>(j * stride_of(type, head_dim) + e)];
            sum += product;
            size += std::fabs(product);
          }
          ASSERT_NEAR(scores[static_cast<size_t>(j)], 0.0625 * sum, 0.0625 * 5e-7 * size) << level_name(ops_) << " head_dim " << head_dim;
        }
        ASSERT_EQ(scores.back(), 7);
      }
    }
  }
}

TEST_P(AttentionTest, ScoresDoNotDependOnTheSplit) {
  Rng rng(3, "score split");
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {31, 256}) {
      if (!fits(type, head_dim)) continue;
      const int64_t num_keys = 70, stride = stride_of(type, head_dim), bytes = kv_bytes(type, stride);
      std::vector<float> k;
      const auto stored = cache(type, num_keys, head_dim, rng, k);
      const auto q = random_floats(head_dim, rng);
      std::vector<float> whole(static_cast<size_t>(num_keys)), parts(whole.size());
      ops_.attention_scores(type, q.data(), stored.data(), stride, num_keys, head_dim, 0.1f, whole.data());
      for (int64_t j = 0; j < num_keys;) {
        const int64_t count = std::min(num_keys - j, 1 + static_cast<int64_t>(rng.below(11)));
        ops_.attention_scores(type, q.data(), stored.data() + j * bytes, stride, count, head_dim, 0.1f, parts.data() + j);
        j += count;
      }
      ASSERT_TRUE(same_bits(whole, parts)) << level_name(ops_) << " head_dim " << head_dim;
    }
  }
}

TEST_P(AttentionTest, ValuesAgreeWithDoublePrecision) {
  Rng rng(4, "values");
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {1, 7, 8, 16, 33, 64, 72, 128, 250, 256, 300}) {
      if (!fits(type, head_dim)) continue;
      for (const int64_t num_keys : {0, 1, 3, 100}) {
        std::vector<float> v;
        const auto stored = cache(type, std::max<int64_t>(num_keys, 1), head_dim, rng, v);
        std::vector<float> p(static_cast<size_t>(num_keys) + 1);
        for (auto& w : p) w = static_cast<float>(rng.uniform());
        auto out = random_floats(head_dim + 1, rng);
        const auto before = out;
        ops_.attention_values(type, p.data(), stored.data(), stride_of(type, head_dim), num_keys, head_dim, out.data());
        for (int64_t e = 0; e < head_dim; ++e) {
          double sum = before[static_cast<size_t>(e)], size = std::fabs(sum);
          for (int64_t j = 0; j < num_keys; ++j) {
            const double product =
                static_cast<double>(p[static_cast<size_t>(j)]) * v[static_cast<size_t>(j * stride_of(type, head_dim) + e)];
            sum += product;
            size += std::fabs(product);
          }
          ASSERT_NEAR(out[static_cast<size_t>(e)], sum, 6e-7 * size)
              << level_name(ops_) << " head_dim " << head_dim << " keys " << num_keys;
        }
        ASSERT_EQ(out.back(), before.back());
      }
    }
  }
}

TEST_P(AttentionTest, ValuesDoNotDependOnTheSplit) {
  Rng rng(5, "value split");
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {31, 64, 256}) {
      if (!fits(type, head_dim)) continue;
      const int64_t num_keys = 70, stride = stride_of(type, head_dim), bytes = kv_bytes(type, stride);
      std::vector<float> v;
      const auto stored = cache(type, num_keys, head_dim, rng, v);
      const auto p = random_floats(num_keys, rng);
      std::vector<float> whole(static_cast<size_t>(head_dim)), parts(whole.size());
      ops_.attention_values(type, p.data(), stored.data(), stride, num_keys, head_dim, whole.data());
      for (int64_t j = 0; j < num_keys;) {
        const int64_t count = std::min(num_keys - j, 1 + static_cast<int64_t>(rng.below(11)));
        ops_.attention_values(type, p.data() + j, stored.data() + j * bytes, stride, count, head_dim, parts.data());
        j += count;
      }
      ASSERT_TRUE(same_bits(whole, parts)) << level_name(ops_) << " head_dim " << head_dim;
    }
  }
}

TEST_P(AttentionTest, GroupsGiveTheBitsOfSingleQueries) {
  Rng rng(6, "group");
  for (const KvType type : kTypes) {
    for (const int64_t head_dim : {31, 64, 200, 256}) {
      if (!fits(type, head_dim)) continue;
      for (const int64_t num_keys : {1, 2, 3, 5, 8, 37}) {
        for (int64_t num_q = 0; num_q <= 9; ++num_q) {
          const int64_t stride = stride_of(type, head_dim), ldq = head_dim + 3, lds = num_keys + 2;
          std::vector<float> unused;
          const auto stored = cache(type, num_keys, head_dim, rng, unused);
          const auto q = random_floats((num_q + 1) * ldq, rng);
          std::vector<float> together(static_cast<size_t>((num_q + 1) * lds), 7), alone = together;
          ops_.attention_scores_group(type, num_q, q.data(), ldq, stored.data(), stride, num_keys, head_dim, 0.3f, together.data(), lds);
          for (int64_t i = 0; i < num_q; ++i) {
            ops_.attention_scores(type, q.data() + i * ldq, stored.data(), stride, num_keys, head_dim, 0.3f, alone.data() + i * lds);
          }
          ASSERT_TRUE(same_bits(together, alone))
              << level_name(ops_) << " head_dim " << head_dim << " keys " << num_keys << " queries " << num_q;
          std::vector<float> sums = q, single = q;
          ops_.attention_values_group(type, num_q, together.data(), lds, stored.data(), stride, num_keys, head_dim, sums.data(), ldq);
          for (int64_t i = 0; i < num_q; ++i) {
            ops_.attention_values(type, together.data() + i * lds, stored.data(), stride, num_keys, head_dim, single.data() + i * ldq);
          }
          ASSERT_TRUE(same_bits(sums, single)) << level_name(ops_) << " head_dim " << head_dim << " keys " << num_keys << " queries "
                                               << num_q;
        }
      }
    }
  }
}

}  // namespace
}  // namespace attune::kernels::test
