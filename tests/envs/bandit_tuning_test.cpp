// Tuning: grids name keys that exist, the least regret is taken, the given setting competes.
#include "envs/bandit_tuning.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"

namespace attune::envs {
namespace {

BanditProblem problem(uint64_t seed) {
  LatentBanditOptions options;
  options.horizon = 500;
  options.changes = 2;
  options.seed = seed;
  return make_latent_bandit(options);
}

TEST(BanditTuning, GridsAreOfKeysAndValuesThatExist) {
  for (const auto& name : people::baseline_names()) {
    for (const auto& [key, values] : tuning_grid(name)) {
      people::BaselineOptions options;
      OptionList list;
      options.describe(list);
      for (const auto& value : values) EXPECT_NO_THROW(list.get(key).set_text(value)) << name << " " << key << " " << value;
    }
  }
  EXPECT_TRUE(tuning_grid("random").empty());
}

TEST(BanditTuning, TakesTheLeastRegret) {
  ThreadPool one(1), two(2);
  people::BaselineOptions given;
  given.horizon = 500;
  given.bonus = 8;  // far too much
  const auto tuned = tune_baseline("ucb1", given, problem, 900, 6, two);
  EXPECT_EQ(tuned.settings, 5);
  EXPECT_LT(tuned.regret, tuned.default_regret);
  EXPECT_LT(tuned.options.bonus, 8);
  EXPECT_EQ(tuned.options.horizon, 500);
  EXPECT_EQ(tuned.setting.find("bonus "), 0u);
  // What it says is what a run of these options gives.
  const std::vector<Contender> again = {baseline("ucb1", tuned.options), baseline("ucb1", given)};
  const auto run = run_experiment(problem, again, 900, 6, {}, one);
  double best = 0, before = 0;
  for (size_t s = 0; s < 6; ++s) {
    best += run.regret[0][s] / 6;
    before += run.regret[1][s] / 6;
  }
  EXPECT_NEAR(tuned.regret, best, 1e-9);
  EXPECT_NEAR(tuned.default_regret, before, 1e-9);
  const auto fixed = tune_baseline("random", given, problem, 900, 2, one);
  EXPECT_EQ(fixed.settings, 0);
  EXPECT_EQ(fixed.setting, "");
  EXPECT_EQ(fixed.regret, fixed.default_regret);
  test::expect_error(ErrorCode::kInvalidArgument, "at least 1 seed", [&] { tune_baseline("ucb1", given, problem, 1, 0, one); });
}

}  // namespace
}  // namespace attune::envs
