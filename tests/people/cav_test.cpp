// Directions from planted attributes: every mode finds the axis; the constant weight is another C; list weights by hand; bad input.
#include "people/cav.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "tests/people/planted_attribute.h"

namespace attune::people {
namespace {

double cosine(const Cav& a, const Cav& b) {
  double out = 0;
  for (size_t k = 0; k < a.w.size(); ++k) out += static_cast<double>(a.direction.unit.v[k]) * b.direction.unit.v[k];
  return out;
}

TEST(Cav, EveryModeFindsThePlantedAxis) {
  const auto space = random_space(300, 1);
  const auto attribute = planted(space, 40, 12, 2);
  for (const char* mode : {"binary", "ranking_simple", "ranking_lambda", "ranking_list", "mean_difference"}) {
    const auto cav = train_cav(space, attribute, {.mode = mode});
    EXPECT_GT(cav.direction.unit.v[0], 0.9) << mode;
    EXPECT_GT(cav.record.accuracy, 0.8) << mode;
    EXPECT_TRUE(cav.record.converged) << mode;
    EXPECT_EQ(cav.record.mode, mode);
    EXPECT_GE(cav.record.num_users, 38);
    EXPECT_EQ(cav.direction.name, "first");
    EXPECT_NEAR(cav.direction.sd, 1, 0.2);
    EXPECT_NE(cav.direction.record.find("\"cv_accuracy\":["), std::string::npos);
    const bool fitted = std::string(mode) != "mean_difference";
    EXPECT_EQ(cav.record.c_tried.size(), fitted ? 10u : 0u);
    EXPECT_EQ(train_cav(space, attribute, {.mode = mode}).w, cav.w);  // deterministic
  }
}

TEST(Cav, ItemsWithoutAVectorAreNoExamples) {
  const auto plain = random_space(200, 1);
  const auto attribute = planted(plain, 20, 10, 2);
  std::vector<float> rows(plain.rows().begin(), plain.rows().end());
  rows.resize(rows.size() + 2 * static_cast<size_t>(plain.d()), 0.0f);  // two items that nobody rated
  data::ItemIds ids = plain.ids();
  const ItemIndex tagged = ids.add("tagged");
  const ItemIndex other = ids.add("other");
  const ItemSpace space(plain.id(), ids, std::move(rows), plain.d());
  EXPECT_TRUE(space.has_vector(ItemIndex(0)));
  EXPECT_FALSE(space.has_vector(tagged));
  AttributeData more = attribute;
  for (auto& user : more.users) {
    user.tagged.push_back(tagged);
    user.others.push_back(other);
  }
  std::vector<ItemIndex> pool;
  for (int i = 0; i < space.size(); ++i) pool.emplace_back(i);
  for (const char* mode : {"binary", "ranking_simple", "mean_difference"}) {
    const auto without = train_cav(space, attribute, {.mode = mode}, std::span(pool).first(200));
    const auto with = train_cav(space, more, {.mode = mode}, pool);
    EXPECT_EQ(with.w, without.w) << mode;
    EXPECT_EQ(without.record.num_without_vector, 0);
    EXPECT_EQ(with.record.num_without_vector, 2 * static_cast<int64_t>(attribute.users.size()));
    EXPECT_NE(with.direction.record.find(cat("\"without_vector\":", with.record.num_without_vector)), std::string::npos);
  }
  for (auto& user : more.users) user.tagged = {tagged};
  const std::vector<AttributeData> both{more, attribute};
  ThreadPool threads(1);
  const auto batch = train_cavs(space, both, {}, threads);
  EXPECT_EQ(batch.cavs.size(), 1u);
  ASSERT_EQ(batch.skipped.size(), 1u);
  EXPECT_NE(batch.skipped[0].reason.find("too few examples"), std::string::npos);
}

TEST(Cav, LambdaIsSimpleAtAnotherC) {
  EXPECT_NEAR(kLambdaWeight, std::abs(1 / std::log2(2.0) - 1 / std::log2(3.0)), 1e-12);
  EXPECT_NEAR(kLambdaWeight, 0.3690702464, 1e-10);
  const auto space = random_space(100, 3);
  AttributeData attribute = planted(space, 10, 8, 4);
  for (const double c : {0.1, 1.0, 10.0}) {
    const auto lambda = train_cav(space, attribute, {.mode = "ranking_lambda", .cross_validate = false, .c = c, .tolerance = 1e-10});
    const auto simple =
        train_cav(space, attribute, {.mode = "ranking_simple", .cross_validate = false, .c = c * kLambdaWeight, .tolerance = 1e-10});
    ASSERT_EQ(lambda.record.num_positive % 2, 0);
    for (size_t k = 0; k < kD; ++k) EXPECT_NEAR(lambda.w[k], simple.w[k], 1e-5);
  }
}

TEST(Cav, OwnThresholdsHurtBinaryMoreThanPairs) {
  double gain = 0;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto space = random_space(300, seed);
    const auto attribute = planted(space, 30, 10, seed, 2.0);
    const auto binary = train_cav(space, attribute, {.mode = "binary"});
    const auto ranking = train_cav(space, attribute, {.mode = "ranking_simple"});
    gain += (ranking.direction.unit.v[0] - binary.direction.unit.v[0]) / 5;
  }
  EXPECT_GT(gain, 0.02);
}

TEST(Cav, GradedPairsWeighAsTheirStrength) {
  const ItemSpace space(
      {"test", 1},
      [] {
        data::ItemIds ids;
        for (const char* key : {"a", "b", "c"}) ids.add(key);
        return ids;
      }(),
      {1, 0, 0, 1, 1e-3f, 1e-3f}, 2);  // zeros would be an item that nobody rated
  const auto fit = [&](float strength) {
    const AttributeData attribute{"g", {{UserIndex(0), {}, {}, {{ItemIndex(0), ItemIndex(2), strength}, {ItemIndex(1), ItemIndex(2), 1}}}}};
    return train_cav(space, attribute, {.cross_validate = false}).w;
  };
  EXPECT_NEAR(fit(1)[0], fit(1)[1], 1e-4);
  EXPECT_GT(fit(2)[0], 1.2 * fit(2)[1]);
}

TEST(Cav, FewPairsAreEnteredTwiceAndNotValidated) {
  const auto space = random_space(10, 1);
  const AttributeData attribute{"g",
                                {{UserIndex(0), {ItemIndex(0)}, {ItemIndex(1)}, {}}, {UserIndex(3), {ItemIndex(2)}, {ItemIndex(4)}, {}}}};
  const auto cav = train_cav(space, attribute, {});
  EXPECT_TRUE(cav.record.duplicated);
  EXPECT_EQ(cav.record.num_positive, 2);
  EXPECT_TRUE(cav.record.c_tried.empty());
  EXPECT_EQ(cav.record.c, 1);
  EXPECT_FALSE(train_cav(space, attribute, {.duplicate_few = false}).record.duplicated);
}

TEST(Cav, ListWeightsAreTheChangeOfNdcg) {
  // One user, tagged {0}, others {1, 2}; after the first fit the order is 0, 1, 2: the pair (0, 2) weighs more than (0, 1) by
  // (1 - 1/log2(4)) / (1 - 1/log2(3)), which is what a plain fit with these strengths gives.
  data::ItemIds ids;
  for (const char* key : {"a", "b", "c"}) ids.add(key);
  const ItemSpace space({"test", 1}, ids, {1, 0, 0.2f, 0, 0, -0.1f}, 2);
  const std::vector<std::vector<PairExample>> pairs{{{ItemIndex(0), ItemIndex(1), 1}, {ItemIndex(0), ItemIndex(2), 1}}};
  const CavOptions list{.mode = "ranking_list", .cross_validate = false, .duplicate_few = false, .tolerance = 1e-10};
  const double near = 1 - 1 / std::log2(3.0);
  const double far = 1 - 1 / std::log2(4.0);
  auto weighted = pairs;
  weighted[0][0].strength = static_cast<float>(2 * near / (near + far));
  weighted[0][1].strength = static_cast<float>(2 * far / (near + far));
  CavOptions plain = list;
  plain.mode = "ranking_simple";
  const auto a = train_cav_on_pairs(space, "g", pairs, list);
  const auto b = train_cav_on_pairs(space, "g", weighted, plain);
  for (size_t k = 0; k < 2; ++k) EXPECT_NEAR(a.w[k], b.w[k], 1e-5);
}

TEST(Cav, UserWeightsSelectUsers) {
  const auto space = random_space(100, 7);
  const auto attribute = planted(space, 6, 10, 1);
  const auto pairs = attribute_pairs(attribute, {}, 0);
  const std::vector<double> first{1, 1, 1, 0, 0, 0};
  const auto a = train_cav_on_pairs(space, "g", pairs, {.cross_validate = false}, first);
  const auto b = train_cav_on_pairs(space, "g", std::span(pairs).first(3), {.cross_validate = false});
  EXPECT_NEAR(cosine(a, b), 1, 1e-6);
  EXPECT_EQ(a.record.num_users, 3);
}

TEST(Cav, BatchListsWhatHasTooFewExamples) {
  const auto space = random_space(100, 7);
  const std::vector<AttributeData> attributes{
      planted(space, 6, 10, 1), {"lonely", {{UserIndex(0), {ItemIndex(1)}, {}, {}}}}, planted(space, 6, 10, 2)};
  ThreadPool pool(2);
  for (const char* mode : {"binary", "ranking_simple"}) {
    const auto batch = train_cavs(space, attributes, {.mode = mode}, pool);
    ASSERT_EQ(batch.cavs.size(), 2u);
    ASSERT_EQ(batch.skipped.size(), 1u);
    EXPECT_EQ(batch.skipped[0].attribute, "lonely");
    EXPECT_NE(batch.skipped[0].reason.find("too few examples"), std::string::npos);
    EXPECT_EQ(batch.cavs[1].w, train_cav(space, attributes[2], {.mode = mode}).w);
  }
}

TEST(Cav, ScreenIsTheMeanDifference) {
  const auto space = random_space(50, 5);
  AttributeSet set;
  set.attributes = {{"g", {{UserIndex(0), {ItemIndex(0), ItemIndex(3)}, {}, {}}, {UserIndex(1), {ItemIndex(3)}, {}, {}}}}, {"h", {}}};
  for (const int32_t i : {0, 3, 10, 11}) set.tagged_items.push_back(ItemIndex(i));
  ThreadPool pool(2);
  const auto rows = mean_difference_screen(space, set, pool);
  std::vector<double> expected(kD);
  double norm = 0;
  for (int k = 0; k < kD; ++k) {
    const auto x = [&](int i) { return static_cast<double>(space.row(ItemIndex(i))[static_cast<size_t>(k)]); };
    expected[static_cast<size_t>(k)] = (x(0) + x(3)) / 2 - (x(10) + x(11)) / 2;
    norm += std::pow(expected[static_cast<size_t>(k)], 2);
  }
  for (int k = 0; k < kD; ++k) {
    EXPECT_NEAR(rows[static_cast<size_t>(k)], expected[static_cast<size_t>(k)] / std::sqrt(norm), 1e-6);
    EXPECT_EQ(rows[static_cast<size_t>(kD + k)], 0);
  }
}

TEST(Cav, BadInput) {
  const auto space = random_space(10, 1);
  const AttributeData good{"g", {{UserIndex(0), {ItemIndex(0)}, {ItemIndex(1)}, {}}}};
  EXPECT_THROW(train_cav(space, good, {.mode = "svm"}), Error);
  EXPECT_THROW(train_cav(space, good, {.c = 0}), Error);
  EXPECT_THROW(train_cav(space, good, {.c_min = 2, .c_max = 1}), Error);
  EXPECT_THROW(train_cav(space, good, {.folds = 1}), Error);
  EXPECT_THROW(train_cav(space, {"g", {{UserIndex(0), {ItemIndex(10)}, {ItemIndex(1)}, {}}}}, {}), Error);
  EXPECT_THROW(train_cav(space, good, {.mode = "binary"}, std::vector{ItemIndex(44)}), Error);
  const std::vector<std::vector<PairExample>> pairs{{{ItemIndex(0), ItemIndex(1), 1}}};
  EXPECT_THROW(train_cav_on_pairs(space, "g", pairs, {.mode = "binary"}), Error);
  EXPECT_THROW(train_cav_on_pairs(space, "g", pairs, {}, std::vector<double>{1, 2}), Error);
  EXPECT_THROW(train_cav_on_pairs(space, "g", pairs, {}, std::vector<double>{-1}), Error);
  try {
    train_cav_on_pairs(space, "gory", pairs, {}, std::vector<double>{0});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kFailedPrecondition);
    EXPECT_NE(std::string(error.what()).find("[cav gory] too few examples"), std::string::npos);
  }
  // Two equal rows give no direction: an error, never a zero vector.
  data::ItemIds ids;
  for (const char* key : {"a", "b"}) ids.add(key);
  const ItemSpace flat({"flat", 1}, ids, {1, 1, 1, 1}, 2);
  EXPECT_THROW(train_cav(flat, good, {}), Error);
  EXPECT_THROW(train_cav(flat, good, {.mode = "mean_difference"}), Error);
}

}  // namespace
}  // namespace attune::people
