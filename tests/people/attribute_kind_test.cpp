// Kinds of planted words, thresholds against their null, personal directions.
#include "people/attribute_kind.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/people/planted_attribute.h"

namespace attune::people {
namespace {

SenseOptions sense_options(uint64_t seed) {
  SenseOptions out;
  out.cav.cross_validate = false;
  out.permutations = 40;
  out.seed = seed;
  return out;
}

KindOptions kind_options() {
  KindOptions out;
  out.hold_out.cav.cross_validate = false;
  out.permutations = 60;
  out.resamples = 500;
  return out;
}

TEST(AttributeKind, PlantedKinds) {
  ThreadPool pool(2);
  int objective = 0, degree = 0, sense = 0, noise = 0;
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto space = random_space(300, seed + 20);
    const auto kind_of = [&](const AttributeData& data) {
      return attribute_kind(space, data, find_senses(space, data, sense_options(seed), pool), kind_options(), pool).kind;
    };
    objective += kind_of(planted(space, 60, 12, seed, 0.0)) == AttributeKind::kObjective ? 1 : 0;
    degree += kind_of(planted(space, 60, 12, seed, 1.0)) == AttributeKind::kDegreeSubjective ? 1 : 0;
    sense += kind_of(planted(space, 80, 14, seed, 0.3, {0, 1})) == AttributeKind::kSenseSubjective ? 1 : 0;
    // Shuffled tags are objective and irrelevant, although users differ in how often they use the word.
    const auto dealt = shuffled(planted(space, 60, 12, seed, 1.0), "noise", seed);
    noise += kind_of(dealt) == AttributeKind::kObjective ? 1 : 0;
  }
  EXPECT_GE(objective, 4);
  EXPECT_EQ(degree, 5);
  EXPECT_EQ(sense, 5);
  EXPECT_GE(noise, 4);
}

TEST(AttributeKind, ThresholdsAgainstTheirNull) {
  ThreadPool pool(2);
  int small = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto space = random_space(300, seed + 3);
    const auto direction = make_direction(space, "x", std::vector<double>{1, 0, 0, 0, 0, 0, 0, 0});
    const auto same = threshold_test(space, planted(space, 40, 10, seed, 0.0), direction, 39, seed, pool);
    EXPECT_GE(same.num_users, 38);
    small += same.p_value <= 0.1 ? 1 : 0;
    const auto own = threshold_test(space, planted(space, 40, 10, seed, 1.0), direction, 39, seed, pool);
    EXPECT_GT(own.variance, own.null_mean);
    EXPECT_LE(own.p_value, 0.05);
  }
  EXPECT_LE(small, 6);  // P(7 or more of 20 at 0.1) = 0.002
}

TEST(AttributeKind, NoThresholdsInJudgementsOrWithoutSlope) {
  ThreadPool pool(1);
  const auto space = random_space(30, 1);
  const auto direction = make_direction(space, "x", std::vector<double>{1, 0, 0, 0, 0, 0, 0, 0});
  const AttributeData judged{"g", {{UserIndex(0), {}, {}, {{ItemIndex(0), ItemIndex(1), 1}}}}};
  EXPECT_EQ(threshold_test(space, judged, direction, 10, 0, pool).p_value, 1);
  auto reversed = planted(space, 10, 8, 1);
  for (auto& user : reversed.users) std::swap(user.tagged, user.others);
  EXPECT_EQ(threshold_test(space, reversed, direction, 10, 0, pool).p_value, 1);
}

TEST(AttributeKind, PersonalDirections) {
  ThreadPool pool(2);
  const auto space = random_space(300, 5);
  const auto one = planted(space, 30, 20, 1, 0.3);
  const auto two = planted(space, 30, 20, 1, 0.3, {0, 1});
  const auto shared_one = train_cav(space, one, {.cross_validate = false});
  const auto shared_two = train_cav(space, two, {.cross_validate = false});
  const auto a = personal_cavs(space, one, shared_one, {}, pool);
  const auto b = personal_cavs(space, two, shared_two, {}, pool);
  EXPECT_GT(a.users.size(), 20u);
  EXPECT_GT(a.mean_cosine, b.mean_cosine + 0.1);
  double direct = 0;
  for (size_t i = 0; i < b.unit.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      for (size_t k = 0; k < b.unit[i].size(); ++k) direct += static_cast<double>(b.unit[i][k]) * b.unit[j][k];
    }
  }
  const auto n = static_cast<double>(b.unit.size());
  EXPECT_NEAR(b.mean_cosine, 2 * direct / (n * (n - 1)), 1e-5);
  EXPECT_NEAR(personal_cavs(space, two, shared_two, {.c = 1e-9}, pool).mean_cosine, 1, 1e-3);  // all pull, no own
  EXPECT_TRUE(personal_cavs(space, two, shared_two, {.min_pairs = 100000}, pool).users.empty());
}

TEST(AttributeKind, BadInput) {
  ThreadPool pool(1);
  const auto space = random_space(30, 1);
  const AttributeData lonely{"lonely", {{UserIndex(0), {ItemIndex(0)}, {ItemIndex(1)}, {}}}};
  const auto senses = fit_senses(space, lonely, 1, sense_options(0), pool);
  EXPECT_THROW(attribute_kind(space, lonely, senses, kind_options(), pool), Error);
  EXPECT_THROW(attribute_kind(space, lonely, {}, kind_options(), pool), Error);
  auto options = kind_options();
  options.hold_out.cav.mode = "binary";
  EXPECT_THROW(attribute_kind(space, lonely, senses, options, pool), Error);
  EXPECT_THROW(threshold_test(space, lonely, senses.cavs[0].direction, 0, 0, pool), Error);
  EXPECT_THROW(personal_cavs(space, lonely, {}, {}, pool), Error);
  EXPECT_THROW(personal_cavs(space, lonely, senses.cavs[0], {.c = 0}, pool), Error);
  EXPECT_EQ(kind_name(AttributeKind::kDegreeSubjective), "degree-subjective");
}

}  // namespace
}  // namespace attune::people
