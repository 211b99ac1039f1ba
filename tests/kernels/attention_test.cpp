// Key-value storage, scores and weighted values: against double precision, and bit for bit under every split of the keys.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/test_data.h"

namespace attune::kernels::test {
namespace {

constexpr int64_t kPad = 5;  // rows are head_dim + kPad elements apart

class AttentionTest : public ::testing::TestWithParam<Isa> {
 protected:
  /// `num_keys` rows of cache, and the floats they hold.
  std::vector<std::byte> cache(KvType type, int64_t num_keys, int64_t head_dim, Rng& rng, std::vector<float>& values) {
    const int64_t stride = head_dim + kPad, size = type == KvType::kF32 ? 4 : 2;
    values = random_floats(num_keys * stride, rng);
    std::vector<std::byte> out(static_cast<size_t>(num_keys * stride * size));
    ops_.store_kv(type, values.data(), out.data(), num_keys * stride);
    if (type == KvType::kF16) {
      for (auto& v : values) v = f16_to_f32(f32_to_f16(v));
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

TEST_P(AttentionTest, ScoresAgreeWithDoublePrecision) {
  Rng rng(2, "scores");
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const int64_t head_dim : {1, 7, 8, 16, 33, 64, 128, 250, 256}) {
      for (const int64_t num_keys : {1, 3, 8, 13, 100}) {
        std::vector<float> k;
        const auto stored = cache(type, num_keys, head_dim, rng, k);
        const auto q = random_floats(head_dim, rng);
        std::vector<float> scores(static_cast<size_t>(num_keys) + 1, 7);
        ops_.attention_scores(type, q.data(), stored.data(), head_dim + kPad, num_keys, head_dim, 0.0625f, scores.data());
        for (int64_t j = 0; j < num_keys; ++j) {
          double sum = 0, size = 0;
          for (int64_t e = 0; e < head_dim; ++e) {
            const double product = static_cast<double>(q[static_cast<size_t>(e)]) * k[static_cast<size_t>(j * (head_dim + kPad) + e)];
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
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const int64_t head_dim : {31, 256}) {
      const int64_t num_keys = 70, stride = head_dim + kPad, bytes = stride * (type == KvType::kF32 ? 4 : 2);
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
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const int64_t head_dim : {1, 7, 8, 16, 33, 64, 72, 128, 250, 256, 300}) {
      for (const int64_t num_keys : {0, 1, 3, 100}) {
        std::vector<float> v;
        const auto stored = cache(type, std::max<int64_t>(num_keys, 1), head_dim, rng, v);
        std::vector<float> p(static_cast<size_t>(num_keys) + 1);
        for (auto& w : p) w = static_cast<float>(rng.uniform());
        auto out = random_floats(head_dim + 1, rng);
        const auto before = out;
        ops_.attention_values(type, p.data(), stored.data(), head_dim + kPad, num_keys, head_dim, out.data());
        for (int64_t e = 0; e < head_dim; ++e) {
          double sum = before[static_cast<size_t>(e)], size = std::fabs(sum);
          for (int64_t j = 0; j < num_keys; ++j) {
            const double product = static_cast<double>(p[static_cast<size_t>(j)]) * v[static_cast<size_t>(j * (head_dim + kPad) + e)];
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
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const int64_t head_dim : {31, 64, 256}) {
      const int64_t num_keys = 70, stride = head_dim + kPad, bytes = stride * (type == KvType::kF32 ? 4 : 2);
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
  for (const KvType type : {KvType::kF32, KvType::kF16}) {
    for (const int64_t head_dim : {31, 64, 200, 256}) {
      for (const int64_t num_keys : {1, 2, 3, 5, 8, 37}) {
        for (int64_t num_q = 0; num_q <= 9; ++num_q) {
          const int64_t stride = head_dim + kPad, ldq = head_dim + 3, lds = num_keys + 2;
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
