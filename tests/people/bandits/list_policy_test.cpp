// Acting rules over lists: probabilities by hand.
#include "people/bandits/list_policy.h"

#include <gtest/gtest.h>

#include <array>

#include "core/error.h"

namespace attune::people {
namespace {

LatentModel three_states() {
  LatentModel model;
  model.num_states = 3;
  model.d = 1;
  model.initial = {0.5, 0.3, 0.2};
  model.transition = Transition::sticky(0.1, model.initial);
  model.theta = {1, 2, 3};
  model.noise_sd = 0.3;
  model.check();
  return model;
}

/// Lists 0 (of the states 0 and 1) and 1 (of state 2), list 2 of the mean.
ListActions three_lists() { return {{0.9, 0.8, 0.1, 0.1, 0.2, 1.0, 0.7, 0.7, 0.6}, {0, 0, 1}, 2}; }

TEST(ListPolicy, ThompsonSamplingAddsUpStatesWithTheSameList) {
  const LatentModel model = three_states();
  const std::array<double, 3> p = {0.5, 0.3, 0.2};
  std::array<int, 3> count{};
  for (uint64_t seed = 0; seed < 2000; ++seed) {
    Rng rng(seed);
    const auto choice = choose_list("latent_ts", model, p, three_lists(), rng);
    EXPECT_NEAR(choice.probability[0], 0.8, 1e-12);
    EXPECT_NEAR(choice.probability[1], 0.2, 1e-12);
    EXPECT_EQ(choice.probability[2], 0);
    ++count[static_cast<size_t>(choice.list)];
  }
  EXPECT_NEAR(count[0], 1600, 72);  // 4 standard deviations
  EXPECT_EQ(count[2], 0);
}

TEST(ListPolicy, GreedyAndOptimismAreSure) {
  const LatentModel model = three_states();
  Rng rng(1);
  const auto greedy = choose_list("greedy", model, std::array{0.5, 0.3, 0.2}, three_lists(), rng);
  EXPECT_EQ(greedy.list, 2);
  EXPECT_EQ(greedy.probability[2], 1);
  // State 2 pays most with its own list while it is credible; not below 5 %.
  EXPECT_EQ(choose_list("latent_ucb", model, std::array{0.5, 0.3, 0.2}, three_lists(), rng).list, 1);
  EXPECT_EQ(choose_list("latent_ucb", model, std::array{0.6, 0.38, 0.02}, three_lists(), rng).list, 0);
}

TEST(ListPolicy, InformationIsWorthNothingToTheSure) {
  const LatentModel model = three_states();
  Rng rng(1);
  const auto sure = choose_list("latent_ids", model, std::array{1.0, 0.0, 0.0}, three_lists(), rng);
  EXPECT_EQ(sure.list, 0);
  const auto unsure = choose_list("latent_ids", model, std::array{0.4, 0.1, 0.5}, three_lists(), rng);
  double sum = 0;
  for (const double x : unsure.probability) sum += x;
  EXPECT_NEAR(sum, 1, 1e-12);
  EXPECT_GT(unsure.probability[static_cast<size_t>(unsure.list)], 0);
  EXPECT_LT(unsure.probability[2], 0.5);  // the mean's list tells the states hardly apart
}

TEST(ListPolicy, RefusesWhatDoesNotFit) {
  const LatentModel model = three_states();
  Rng rng(1);
  const auto refuse = [&](std::string_view policy, std::span<const double> p, const ListActions& actions) {
    EXPECT_THROW(choose_list(policy, model, p, actions, rng), Error);
  };
  refuse("best", std::array{0.5, 0.3, 0.2}, three_lists());
  refuse("greedy", std::array{0.5, 0.5}, three_lists());
  ListActions wrong = three_lists();
  wrong.greedy = 3;
  refuse("greedy", std::array{0.5, 0.3, 0.2}, wrong);
  wrong = three_lists();
  wrong.means.pop_back();
  refuse("greedy", std::array{0.5, 0.3, 0.2}, wrong);
}

}  // namespace
}  // namespace attune::people
