#include "core/rng.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

namespace attune {
namespace {

// Known answers of the reference implementation distributed with the paper (kat_vectors, philox4x32 10).
TEST(Rng, PhiloxKnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (std::array<uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}), (std::array<uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (std::array<uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Rng, SeekReproducesAnyPosition) {
  Rng rng(7, "sampler");
  std::vector<uint64_t> all;
  for (int i = 0; i < 100; ++i) all.push_back(rng.next_u64());
  for (uint64_t i = 0; i < 100; ++i) {
    Rng other(7, "sampler");
    other.seek(i);
    EXPECT_EQ(other.next_u64(), all[i]);
  }
}

TEST(Rng, StreamsDiffer) {
  std::set<uint64_t> first;
  for (uint64_t stream = 0; stream < 1000; ++stream) first.insert(Rng(1, stream).next_u64());
  EXPECT_EQ(first.size(), 1000u);
}

// 10^5 draws: mean and variance within 5 standard errors (false alarm below 1e-6; the seed is fixed).
TEST(Rng, Moments) {
  Rng rng(3);
  double sum = 0, squares = 0, uniform_sum = 0;
  const int n = 100000;
  for (int i = 0; i < n; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
    uniform_sum += rng.uniform();
  }
  EXPECT_LT(std::abs(sum / n), 5 / std::sqrt(n));
  EXPECT_LT(std::abs(squares / n - 1), 5 * std::sqrt(2.0 / n));
  EXPECT_LT(std::abs(uniform_sum / n - 0.5), 5 * std::sqrt(1.0 / 12 / n));
}

TEST(Rng, BelowCoversTheRangeEvenly) {
  Rng rng(5);
  std::vector<int> counts(7);
  for (int i = 0; i < 70000; ++i) ++counts[rng.below(7)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 5 * std::sqrt(70000.0 * 6 / 49));
}

}  // namespace
}  // namespace attune
