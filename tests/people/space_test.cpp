// Embedding spaces: geometry by hand, neighbours by brute force, and what must be refused.
#include "people/space.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/rng.h"

namespace attune::people {
namespace {

using data::ItemIndex;

ItemSpace square() {
  data::ItemIds ids;
  for (const char* key : {"a", "b", "c", "d"}) ids.add(key);
  return ItemSpace({"test", 1}, ids, {1, 0, 0, 2, -1, -1, 0, 0}, 2);
}

TEST(Space, RowsAndArithmetic) {
  const auto space = square();
  EXPECT_EQ(space.row(ItemIndex(1))[1], 2);
  EXPECT_EQ(space.lerp(ItemIndex(0), ItemIndex(1), 0.25f).v, (std::vector<float>{0.75f, 0.5f}));
  const auto with = space.with_direction("up", std::vector<float>{0, 4}, "{}");
  const Direction& up = with.direction("up");
  EXPECT_EQ(up.unit.v, (std::vector<float>{0, 1}));
  EXPECT_NEAR(up.sd, std::sqrt((4 + 1) / 4.0 - std::pow(0.25, 2)), 1e-6);  // values 0 2 -1 0
  EXPECT_NEAR(with.shift(with.vec(ItemIndex(0)), up, 2).v[1], 2 * up.sd, 1e-6);
  EXPECT_NEAR(with.degree(with.vec(ItemIndex(2)), up), -1, 1e-6);
  EXPECT_EQ(with.with_direction("up", std::vector<float>{1, 0}).directions().size(), 1u);
  EXPECT_TRUE(space.directions().empty());
}

TEST(Space, Scaler) {
  const auto space = square();
  const auto& scaler = space.scaler();
  EXPECT_NEAR(scaler.mean[1], 0.25, 1e-6);
  const auto z = scaler.apply(space.row(ItemIndex(1)));
  EXPECT_NEAR(z[1], (2 - 0.25) / std::sqrt(1.25 - 0.0625), 1e-6);
  const auto back = scaler.invert(z);
  EXPECT_NEAR(back[0], 0, 1e-6);
  EXPECT_NEAR(back[1], 2, 1e-6);
  EXPECT_THROW(scaler.apply(std::vector<float>{1}), Error);
}

TEST(Space, NeighboursAgainstBruteForce) {
  Rng rng(2, "space");
  const int n = 60, d = 11;
  data::ItemIds ids;
  std::vector<float> rows;
  for (int r = 0; r < n; ++r) ids.add(cat(r));
  for (int k = 0; k < n * d; ++k) rows.push_back(static_cast<float>(rng.normal()));
  const ItemSpace space({"test", 1}, ids, rows, d);
  for (const auto similarity : {Similarity::kCosine, Similarity::kDot}) {
    const auto hits = space.neighbours(space.vec(ItemIndex(7)),
                                       {.k = 5, .similarity = similarity, .accept = [](ItemIndex i) { return i.value % 2 == 0; }});
    ASSERT_EQ(hits.size(), 5u);
    std::vector<std::pair<double, int>> all;
    for (int r = 0; r < n; r += 2) {
      double dot = 0, a = 0, b = 0;
      for (int k = 0; k < d; ++k) {
        dot += static_cast<double>(rows[7 * d + k]) * rows[r * d + k];
        a += std::pow(rows[7 * d + k], 2);
        b += std::pow(rows[r * d + k], 2);
      }
      all.push_back({-(similarity == Similarity::kCosine ? dot / std::sqrt(a * b) : dot), r});
    }
    std::sort(all.begin(), all.end());
    for (int h = 0; h < 5; ++h) {
      EXPECT_EQ(hits[h].row.value, all[h].second);
      EXPECT_NEAR(hits[h].score, -all[h].first, 1e-5);
    }
  }
}

TEST(Space, ZeroVectorHasNoDirection) {
  const auto space = square();
  const auto hits = space.neighbours(space.vec(ItemIndex(3)), {.k = 4});
  for (const auto& hit : hits) EXPECT_EQ(hit.score, 0);
  EXPECT_EQ(hits.size(), 4u);
}

TEST(Space, MixingSpacesIsRefused) {
  const auto space = square();
  Vec other = space.vec(ItemIndex(0));
  other.space.version = 2;
  EXPECT_THROW(space.neighbours(other, {}), Error);
  other.space = {"else", 1};
  EXPECT_THROW(space.neighbours(other, {}), Error);
  other.space = space.id();
  other.v.push_back(1);
  EXPECT_THROW(space.neighbours(other, {}), Error);
  EXPECT_THROW(space.row(ItemIndex(4)), Error);
  EXPECT_THROW(space.row(ItemIndex(-1)), Error);
  EXPECT_THROW(space.direction("none"), Error);
  EXPECT_THROW(space.with_direction("x", std::vector<float>{0, 0}), Error);
  EXPECT_THROW(space.with_direction("x", std::vector<float>{1}), Error);
  data::ItemIds ids;
  ids.add("a");
  EXPECT_THROW(ItemSpace({"x", 1}, ids, {1, 2, 3}, 2), Error);
  EXPECT_THROW(ItemSpace({"x", 1}, ids, {1, NAN}, 2), Error);
  EXPECT_THROW(ItemSpace({"x", 1}, ids, {}, 0), Error);
}

}  // namespace
}  // namespace attune::people
