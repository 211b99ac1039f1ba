// Evaluation of directions: counts by hand, the least-squares axis, planted attributes found relevant and shuffled or artificial ones not.
#include "people/attribute_eval.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "core/error.h"
#include "tests/people/planted_attribute.h"

namespace attune::people {
namespace {

TEST(AttributeEval, DegreesAndPairs) {
  data::ItemIds ids;
  for (const char* key : {"a", "b", "c"}) ids.add(key);
  const ItemSpace space({"test", 1}, ids, {3, 4, 1, 0, 0, 0}, 2);
  const std::vector<float> unit{1, 0};
  EXPECT_EQ(degrees(space, unit, Degree::kDot), (std::vector<float>{3, 1, 0}));
  const auto cosine = degrees(space, unit);
  EXPECT_NEAR(cosine[0], 0.6, 1e-6);
  EXPECT_EQ(cosine[1], 1);
  EXPECT_EQ(cosine[2], 0);
  const std::vector<PairExample> pairs{{ItemIndex(1), ItemIndex(0), 1}, {ItemIndex(0), ItemIndex(1), 2}, {ItemIndex(0), ItemIndex(2), 2}};
  EXPECT_NEAR(pair_accuracy(cosine, pairs), 2.0 / 3, 1e-12);
  EXPECT_NEAR(pair_accuracy(cosine, pairs, true), 3.0 / 5, 1e-12);
  const std::vector<float> level{1, 1, 1};
  EXPECT_EQ(pair_accuracy(level, pairs), 0.5);
  const auto counts = graded_agreement(cosine, pairs);
  EXPECT_EQ(counts.agree, 1);
  EXPECT_EQ(counts.agree_strongly, 1);
  EXPECT_EQ(counts.disagree_strongly, 1);
  EXPECT_NEAR(counts.gamma(), (1.0 + 0) / 5, 1e-12);
  EXPECT_EQ(graded_agreement(level, pairs).gamma(), 0);
  EXPECT_THROW(degrees(space, std::vector<float>{1}), Error);
  EXPECT_THROW(pair_accuracy(cosine, {}), Error);
  EXPECT_THROW(pair_accuracy(std::vector<float>{1}, pairs), Error);
}

TEST(AttributeEval, LeastSquaresAxis) {
  const auto space = random_space(200, 3);
  Rng rng(5, "truth");
  std::vector<float> truth;
  std::vector<uint8_t> used(200, 1);
  for (int32_t i = 0; i < 200; ++i) {
    const auto row = space.row(ItemIndex(i));
    truth.push_back(2 * row[0] - row[3] + 7);
    if (i % 5 == 0) {
      used[static_cast<size_t>(i)] = 0;
      truth.back() = static_cast<float>(100 * rng.normal());  // not looked at
    }
  }
  const auto axis = least_squares_axis(space, truth, used);
  EXPECT_NEAR(axis.w[0], 2, 1e-4);
  EXPECT_NEAR(axis.w[1], 0, 1e-4);
  EXPECT_NEAR(axis.w[3], -1, 1e-4);
  EXPECT_NEAR(axis.r2, 1, 1e-6);
  const auto direction = make_direction(space, "x", std::vector<double>{2, 0, 0, -1, 0, 0, 0, 0});
  const auto same = compare_with_axis(space, direction, truth, Degree::kDot, used);
  EXPECT_NEAR(same.spearman, 1, 1e-4);
  EXPECT_NEAR(same.ceiling, 1, 1e-4);
  EXPECT_NEAR(same.cosine, 1, 1e-6);
  const auto other = make_direction(space, "y", std::vector<double>{0, 1, 0, 0, 0, 0, 0, 0});
  EXPECT_LT(compare_with_axis(space, other, truth, Degree::kDot, used).cosine, 1e-3);
  EXPECT_THROW(least_squares_axis(space, std::vector<float>(3)), Error);
  truth[1] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(least_squares_axis(space, truth, used), Error);
}

RelevanceOptions quick(const char* by) {
  RelevanceOptions out;
  out.hold_out.by = by;
  out.hold_out.cav.cross_validate = false;
  out.hold_out.cav.c = 0.1;
  return out;
}

TEST(AttributeEval, PlantedAttributeIsRelevantAndShuffledIsNot) {
  ThreadPool pool(2);
  int accepted = 0;
  for (uint64_t seed = 0; seed < 6; ++seed) {
    const auto space = random_space(300, seed);
    const auto attribute = planted(space, 60, 12, seed);
    const auto auc = held_out_auc(space, attribute, quick("item").hold_out);
    EXPECT_GT(auc.low, 0.7);
    const auto noise = shuffled(attribute, "noise", seed + 99);
    EXPECT_NEAR(held_out_auc(space, noise, quick("item").hold_out).mean, 0.5, 0.12);
    for (const char* by : {"user", "item"}) {
      const auto real = preference_relevance(space, attribute, {}, quick(by), pool);
      EXPECT_TRUE(real.relevant) << by;
      EXPECT_GT(real.accuracy.mean, 0.8) << by;
      EXPECT_NEAR(real.shuffled.mean, 0.5, 0.1) << by;
      const auto none = preference_relevance(space, noise, {}, quick(by), pool);
      EXPECT_NEAR(none.accuracy.mean, 0.5, 0.12) << by;
      accepted += none.relevant ? 1 : 0;
    }
  }
  EXPECT_LE(accepted, 2);  // 12 tests at about 2.5% each: P(3 or more) = 0.003
}

TEST(AttributeEval, ArtificialWordsAreMemorisedByUserButNotByItem) {
  const auto space = random_space(40, 4, 32);  // few items, many dimensions
  Rng rng(1, "flags");
  std::vector<uint8_t> flags(40);
  for (auto& flag : flags) flag = static_cast<uint8_t>(rng.below(2));
  const auto base = planted(space, 120, 16, 2);
  const auto parity = relabelled(base, "parity", flags);
  EXPECT_GT(held_out_accuracy(space, parity, quick("user").hold_out).mean(), 0.7);
  EXPECT_NEAR(held_out_accuracy(space, parity, quick("item").hold_out).mean(), 0.5, 0.15);
  ThreadPool pool(2);
  const std::vector<AttributeData> artificial{parity, {"empty", {}}};
  const auto out = preference_relevance(space, base, artificial, quick("item"), pool);
  ASSERT_EQ(out.over_artificial.size(), 2u);
  EXPECT_GT(out.over_artificial[0].n, 0);
  EXPECT_EQ(out.over_artificial[1].n, 0);
  EXPECT_EQ(out.relevant, out.over_shuffled.low > 0 && out.over_artificial[0].low > 0);
}

TEST(AttributeEval, HeldOutUsersLeaveNoTrace) {
  // Words dealt at random on items of each user's own, in as many dimensions as would let a fit learn every one of them by heart.
  const auto space = random_space(200, 8, 200);
  AttributeData attribute{"noise", {}};
  Rng rng(3, "noise");
  for (int u = 0; u < 20; ++u) {
    UserTags user{UserIndex(u), {}, {}, {}};
    for (int i = 10 * u; i < 10 * u + 10; ++i) (rng.below(2) == 1 ? user.tagged : user.others).push_back(ItemIndex(i));
    attribute.users.push_back(std::move(user));
  }
  auto options = quick("user").hold_out;
  options.cav.c = 100;
  const auto learned = train_cav(space, attribute, options.cav);
  EXPECT_GT(learned.record.accuracy, 0.99);
  EXPECT_NEAR(held_out_accuracy(space, attribute, options).mean(), 0.5, 0.15);
}

TEST(AttributeEval, HeldOutUsersAreNotTrainedOn) {
  // Users of fold 0 rank against all others: trained without them they are all wrong.
  const auto space = random_space(200, 8);
  auto attribute = planted(space, 50, 12, 3, 0.1);
  for (auto& user : attribute.users) {
    if (user.user.value % 5 == 0) std::swap(user.tagged, user.others);
  }
  const auto out = held_out_accuracy(space, attribute, quick("user").hold_out);
  EXPECT_EQ(out.num_folds, 5);
  for (size_t k = 0; k < out.users.size(); ++k) {
    const bool reversed = out.users[k].value % 5 == 0;
    EXPECT_EQ(out.accuracy[k] < 0.5, reversed) << k;
  }
}

TEST(AttributeEval, Parities) {
  data::Dataset dataset;
  dataset.item_info.resize(3);
  dataset.item_info[0].title = "abc";
  dataset.item_info[0].year = 1999;
  dataset.item_info[1].title = "abcd";
  dataset.item_info[1].year = 2000;
  EXPECT_EQ(title_length_parity(dataset), (std::vector<uint8_t>{1, 0, 0}));
  EXPECT_EQ(release_year_parity(dataset), (std::vector<uint8_t>{1, 0, 0}));
}

TEST(AttributeEval, BadInput) {
  ThreadPool pool(1);
  const auto space = random_space(20, 1);
  const AttributeData lonely{"lonely", {{UserIndex(0), {ItemIndex(0)}, {ItemIndex(1)}, {}}}};
  auto options = quick("user");
  EXPECT_THROW(preference_relevance(space, lonely, {}, options, pool), Error);
  EXPECT_THROW(held_out_auc(space, lonely, options.hold_out), Error);
  EXPECT_EQ(held_out_accuracy(space, lonely, options.hold_out).num_folds, 0);
  EXPECT_THROW(held_out_accuracy(space, lonely, options.hold_out).mean(), Error);
  EXPECT_THROW(held_out_accuracy(space, {"none", {}}, options.hold_out), Error);
  EXPECT_THROW(held_out_accuracy(space, {"out", {{UserIndex(0), {ItemIndex(99)}, {}, {}}}}, options.hold_out), Error);
  options.hold_out.by = "week";
  EXPECT_THROW(held_out_accuracy(space, lonely, options.hold_out), Error);
  options = quick("user");
  options.hold_out.folds = 1;
  EXPECT_THROW(held_out_accuracy(space, lonely, options.hold_out), Error);
  options = quick("user");
  options.shuffles = 0;
  EXPECT_THROW(preference_relevance(space, lonely, {}, options, pool), Error);
}

}  // namespace
}  // namespace attune::people
