// Baum-Welch: against sums over all paths, the objective never falls, planted models come back, fixed parts stay, bad data is named.
#include "people/bandits/baum_welch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "tests/expect_error.h"
#include "tests/people/bandits/bandit_world.h"

namespace attune::people {
namespace {

using test::expect_error;
using test_world::planted;
using test_world::planted_features;
using test_world::simulate;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double two_or_three(Rng& rng) { return 1.0 + static_cast<double>(rng.below(3)); }
double fraction(Rng& rng) { return 0.1 + 3 * rng.uniform(); }

/// P(path, rewards) of every path of a short sequence whose gaps are all 1, by multiplying out.
struct Enumeration {
  std::vector<double> gamma, xi;  // [T, Z], [T - 1, Z, Z]
  double likelihood = 0;
};
Enumeration enumerate(const LatentModel& m, const BanditSequences& data) {
  const auto z = static_cast<size_t>(m.num_states);
  const auto rounds = static_cast<size_t>(data.num_rounds());
  Enumeration out{std::vector<double>(rounds * z, 0.0), std::vector<double>((rounds - 1) * z * z, 0.0)};
  size_t num_paths = 1;
  for (size_t t = 0; t < rounds; ++t) num_paths *= z;
  std::vector<double> log_lik(z);
  for (size_t code = 0; code < num_paths; ++code) {
    std::vector<size_t> path;
    for (size_t t = 0, rest = code; t < rounds; ++t, rest /= z) path.push_back(rest % z);
    double p = m.initial[path[0]];
    for (size_t t = 0; t < rounds; ++t) {
      if (t > 0) p *= m.transition.power(data.dt[t])[path[t - 1] * z + path[t]];
      if (std::isnan(data.rewards[t])) continue;
      const auto d = static_cast<size_t>(m.d);
      m.log_likelihood(m.by_features() ? -1 : data.arms[t], std::span(data.features).subspan(t * d, d), data.rewards[t], log_lik);
      p *= std::exp(log_lik[path[t]]);
    }
    out.likelihood += p;
    for (size_t t = 0; t < rounds; ++t) out.gamma[t * z + path[t]] += p;
    for (size_t t = 0; t + 1 < rounds; ++t) out.xi[(t * z + path[t]) * z + path[t + 1]] += p;
  }
  for (double& x : out.gamma) x /= out.likelihood;
  for (double& x : out.xi) x /= out.likelihood;
  return out;
}

std::vector<LatentModel> kinds() {
  return {planted(RewardKind::kGaussian),          planted(RewardKind::kBernoulli),          planted(RewardKind::kCategorical),
          planted(RewardKind::kGaussian, 6, true), planted(RewardKind::kBernoulli, 6, true), planted_features()};
}

TEST(BaumWelch, SmoothingIsTheSumOverAllPaths) {
  for (const LatentModel& m : kinds()) {
    for (const bool gaps : {false, true}) {
      const auto data = simulate(m, 1, 7, 3, [&](Rng& rng) { return gaps ? two_or_three(rng) : 1.0; }, 0.2);
      const auto expected = enumerate(m, data);
      const auto found = smooth(m, data, 0);
      EXPECT_NEAR(found.log_likelihood, std::log(expected.likelihood), 1e-11);
      for (size_t i = 0; i < expected.gamma.size(); ++i) EXPECT_NEAR(found.gamma[i], expected.gamma[i], 1e-12);
      for (size_t i = 0; i < expected.xi.size(); ++i) EXPECT_NEAR(found.xi[i], expected.xi[i], 1e-12);
    }
  }
}

BaumWelchOptions plain(const LatentModel& m) {  // maximum likelihood
  BaumWelchOptions options;
  options.num_states = m.num_states;
  options.reward = reward_kind_name(m.reward);
  options.transition = m.transition.is_sticky() ? "sticky" : "dense";
  options.transition_alpha = options.initial_alpha = options.outcome_alpha = 1;
  options.ridge = 0;
  options.restarts = 1;
  return options;
}

TEST(BaumWelch, OneStepUsesTheExpectedCountsOfAllPaths) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const auto data = simulate(m, 1, 8, 5);
  auto options = plain(m);
  options.short_iterations = options.max_iterations = 1;
  ThreadPool pool(1);
  const auto found = baum_welch(data, options, &m, pool);
  const auto expected = enumerate(m, data);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_NEAR(found.model.initial[i], expected.gamma[i], 1e-12);
    double row = 0;
    std::array<double, 3> sums{};
    for (size_t t = 0; t + 1 < 8; ++t) {
      for (size_t j = 0; j < 3; ++j) {
        sums[j] += expected.xi[(t * 3 + i) * 3 + j];
        row += expected.xi[(t * 3 + i) * 3 + j];
      }
    }
    for (size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(found.model.transition.at(static_cast<int32_t>(i), static_cast<int32_t>(j)), sums[j] / row, 1e-12) << i << j;
    }
  }
  double squares = 0;
  for (size_t a = 0; a < 6; ++a) {
    for (size_t z = 0; z < 3; ++z) {
      double n = 0;
      double sum = 0;
      for (size_t t = 0; t < 8; ++t) {
        if (static_cast<size_t>(data.arms[t]) != a) continue;
        n += expected.gamma[t * 3 + z];
        sum += expected.gamma[t * 3 + z] * data.rewards[t];
      }
      if (n == 0) continue;
      EXPECT_NEAR(found.model.mean[a * 3 + z], sum / n, 1e-11);
      for (size_t t = 0; t < 8; ++t) {
        if (static_cast<size_t>(data.arms[t]) == a) squares += expected.gamma[t * 3 + z] * std::pow(data.rewards[t] - sum / n, 2);
      }
    }
  }
  EXPECT_NEAR(found.model.noise_sd, std::sqrt(squares / 8), 1e-11);
}

/// Every gap of k rounds as k - 1 rounds without a reward.
BanditSequences written_out(const BanditSequences& data) {
  BanditSequences out;
  out.num_arms = data.num_arms;
  for (size_t u = 0; u + 1 < data.offsets.size(); ++u) {
    for (auto t = static_cast<size_t>(data.offsets[u]); t < static_cast<size_t>(data.offsets[u + 1]); ++t) {
      const bool first = t == static_cast<size_t>(data.offsets[u]);
      for (int k = 1; !first && k < static_cast<int>(data.dt[t]); ++k) {
        out.arms.push_back(0);
        out.rewards.push_back(kNone);
      }
      out.arms.push_back(data.arms[t]);
      out.rewards.push_back(data.rewards[t]);
    }
    out.offsets.push_back(out.num_rounds());
  }
  return out;
}

TEST(BaumWelch, GapsAreRoundsWithoutReward) {
  const LatentModel m = planted(RewardKind::kBernoulli);
  const auto data = simulate(m, 20, 40, 7, [](Rng& rng) { return 1.0 + static_cast<double>(rng.below(9)); });
  auto options = plain(m);
  options.short_iterations = options.max_iterations = 5;
  ThreadPool pool(2);
  const auto gaps = baum_welch(data, options, &m, pool);
  const auto rounds = baum_welch(written_out(data), options, &m, pool);
  for (size_t i = 0; i < gaps.trace.size(); ++i) EXPECT_NEAR(gaps.trace[i], rounds.trace[i], 1e-8 * std::abs(rounds.trace[i]));
  const auto a = gaps.model.transition.matrix();
  const auto b = rounds.model.transition.matrix();
  for (size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(a[i], b[i], 1e-10);
  for (size_t i = 0; i < gaps.prior.transition_alpha.size(); ++i) {
    EXPECT_NEAR(gaps.prior.transition_alpha[i], rounds.prior.transition_alpha[i], 1e-7);
  }
}

TEST(BaumWelch, StickyGapsFindTheSameMaximumAsRounds) {
  const LatentModel m = planted(RewardKind::kBernoulli, 6, true);
  const auto data = simulate(m, 40, 50, 7, two_or_three);
  auto options = plain(m);
  options.tolerance = 1e-13;
  options.short_iterations = options.max_iterations = 3000;
  ThreadPool pool(2);
  const auto gaps = baum_welch(data, options, &m, pool);
  const auto rounds = baum_welch(written_out(data), options, &m, pool);
  EXPECT_NEAR(gaps.trace[0], rounds.trace[0], 1e-8);
  EXPECT_NEAR(gaps.model.transition.rho(), rounds.model.transition.rho(), 1e-4);
  EXPECT_NEAR(gaps.log_likelihood, rounds.log_likelihood, 1e-4);
}

TEST(BaumWelch, TheObjectiveNeverFalls) {
  for (const LatentModel& m : kinds()) {
    for (const bool prior : {false, true}) {
      for (const bool gaps : {false, true}) {
        const auto data = simulate(
            m, 30, 40, 9, [&](Rng& rng) { return !gaps                      ? 1.0
                                                 : m.transition.is_sticky() ? fraction(rng)
                                                                            : two_or_three(rng); }, 0.1);
        auto options = plain(m);
        if (prior) {
          options.transition_alpha = options.initial_alpha = 1.5;
          options.outcome_alpha = 2;
          options.ridge = 3;
        }
        options.tolerance = 0;
        options.restarts = 3;
        options.max_iterations = 60;
        ThreadPool pool(2);
        const auto found = baum_welch(data, options, nullptr, pool);
        ASSERT_GE(found.trace.size(), 20u);
        for (size_t i = 1; i < found.trace.size(); ++i) {
          EXPECT_GE(found.trace[i], found.trace[i - 1] - 1e-9 * std::abs(found.trace[i]))
              << reward_kind_name(m.reward) << m.d << prior << gaps << i;
        }
        const auto users = sequence_log_likelihood(found.model, data, pool);
        EXPECT_NEAR(std::accumulate(users.begin(), users.end(), 0.0), found.log_likelihood, 1e-8 * std::abs(found.log_likelihood));
        if (!prior) {
          EXPECT_NEAR(found.trace.back(), found.log_likelihood, 1e-9 * std::abs(found.log_likelihood));
        }
      }
    }
  }
}

/// The order of the found states in which their means are nearest to the planted ones.
std::array<size_t, 3> match(const LatentModel& truth, const LatentModel& found) {
  std::array<size_t, 3> order = {0, 1, 2};
  std::array<size_t, 3> best = order;
  double least = 1e300;
  const auto cell = [&](const LatentModel& m, size_t i, size_t z) {
    return m.by_features() ? m.theta[z * static_cast<size_t>(m.d) + i] : m.mean[i * 3 + z];
  };
  const auto rows = static_cast<size_t>(truth.by_features() ? truth.d : truth.num_arms);
  do {
    double sum = 0;
    for (size_t i = 0; i < rows; ++i) {
      for (size_t z = 0; z < 3; ++z) sum += std::pow(cell(truth, i, z) - cell(found, i, order[z]), 2);
    }
    if (sum < least) {
      least = sum;
      best = order;
    }
  } while (std::next_permutation(order.begin(), order.end()));
  return best;
}

TEST(BaumWelch, APlantedModelComesBack) {
  for (const LatentModel& m : kinds()) {
    const bool gaps = m.reward == RewardKind::kBernoulli;
    const auto data = simulate(m, 1000, 200, 13, [&](Rng& rng) { return gaps && rng.below(4) == 0 ? 2.0 : 1.0; });
    BaumWelchOptions options = plain(m);
    options.transition_alpha = options.initial_alpha = 1.1;
    options.outcome_alpha = 2;
    options.ridge = 0.1;
    options.restarts = 3;
    options.short_iterations = 10;
    ThreadPool pool(2);
    const auto found = baum_welch(data, options, nullptr, pool);
    SCOPED_TRACE(cat(reward_kind_name(m.reward), " ", m.d, m.transition.is_sticky() ? " sticky" : " dense"));
    EXPECT_TRUE(found.converged);
    const auto order = match(m, found.model);
    for (int32_t i = 0; i < 3; ++i) {
      for (int32_t j = 0; j < 3; ++j) {
        const auto a = static_cast<int32_t>(order[static_cast<size_t>(i)]);
        const auto b = static_cast<int32_t>(order[static_cast<size_t>(j)]);
        EXPECT_NEAR(found.model.transition.at(a, b), m.transition.at(i, j), 0.02) << i << j;
      }
      EXPECT_NEAR(found.model.initial[order[static_cast<size_t>(i)]], m.initial[static_cast<size_t>(i)], 0.1);
    }
    for (size_t i = 0; i < m.mean.size(); ++i)
      EXPECT_NEAR(found.model.mean[i / 3 * 3 + order[i % 3]], m.mean[i], m.reward == RewardKind::kCategorical ? 0.1 : 0.03);
    if (m.reward == RewardKind::kGaussian) {
      EXPECT_NEAR(found.model.noise_sd, m.noise_sd, 0.01);
    }
    // The posterior holds the truth: within 5 standard deviations.
    for (size_t i = 0; i < found.prior.variance.size(); ++i) {
      EXPECT_LT(std::abs(found.prior.mean[i / 3 * 3 + order[i % 3]] - m.mean[i]),
                5 * 1.3 * std::sqrt(found.prior.variance[i / 3 * 3 + order[i % 3]]));
    }
  }
}

TEST(BaumWelch, TheDataAreMoreLikelyThanUnderTheTruth) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const auto data = simulate(m, 200, 100, 17);
  auto options = plain(m);
  options.restarts = 4;
  ThreadPool pool(2);
  const auto truth = sequence_log_likelihood(m, data, pool);
  EXPECT_GT(baum_welch(data, options, nullptr, pool).log_likelihood, std::accumulate(truth.begin(), truth.end(), 0.0));
}

TEST(BaumWelch, PosteriorsCountWhatIsCertain) {
  LatentModel m = planted(RewardKind::kGaussian);
  m.noise_sd = 0.02;  // every reward of a state's best arm tells the state: soft counts become counts
  m.num_arms = 1;
  m.mean = {0, 1, 2};
  const auto data = simulate(m, 50, 40, 19);
  ThreadPool pool(2);
  BaumWelchOptions options;
  options.num_states = 3;
  options.restarts = 2;
  const auto found = baum_welch(data, options, &m, pool);
  std::array<double, 3> n{}, sum{}, first{};
  std::array<double, 9> pairs{};
  for (size_t u = 0; u < 50; ++u) {
    for (size_t t = 0; t < 40; ++t) {
      const auto state = [&](size_t at) { return static_cast<size_t>(std::lround(data.rewards[u * 40 + at])); };
      n[state(t)] += 1;
      sum[state(t)] += data.rewards[u * 40 + t];
      if (t == 0) first[state(t)] += 1;
      if (t > 0) pairs[state(t - 1) * 3 + state(t)] += 1;
    }
  }
  const auto order = match(m, found.model);
  for (size_t z = 0; z < 3; ++z) {
    EXPECT_NEAR(found.prior.initial_alpha[order[z]], options.initial_alpha + first[z], 1e-6);
    EXPECT_NEAR(found.prior.variance[order[z]], std::pow(found.model.noise_sd, 2) / (n[z] + options.ridge), 1e-9);
    EXPECT_NEAR(found.prior.mean[order[z]], sum[z] / n[z], 1e-3);
    for (size_t j = 0; j < 3; ++j)
      EXPECT_NEAR(found.prior.transition_alpha[order[z] * 3 + order[j]], options.transition_alpha + pairs[z * 3 + j], 1e-5);
  }
}

TEST(BaumWelch, FixedPartsStayAndTheRestIsLearned) {
  const LatentModel truth = planted_features();
  const auto data = simulate(truth, 300, 100, 23);
  LatentModel start = truth;
  start.initial = {1.0 / 3, 1.0 / 3, 1.0 / 3};
  start.transition = Transition::sticky(0.5, {1.0 / 3, 1.0 / 3, 1.0 / 3});
  BaumWelchOptions options;
  options.learn_means = options.learn_noise = false;
  ThreadPool pool(2);
  const auto found = baum_welch(data, options, &start, pool);
  EXPECT_EQ(found.model.theta, truth.theta);
  EXPECT_EQ(found.model.noise_sd, truth.noise_sd);
  EXPECT_TRUE(found.prior.theta.empty());
  EXPECT_EQ(found.prior.transition_alpha.size(), 9u);
  for (int32_t i = 0; i < 3; ++i) {
    for (int32_t j = 0; j < 3; ++j) EXPECT_NEAR(found.model.transition.at(i, j), truth.transition.at(i, j), 0.02);
  }
  options.learn_means = options.learn_noise = true;
  options.learn_transition = options.learn_initial = false;
  options.max_iterations = 5;
  const auto other = baum_welch(data, options, &truth, pool);
  EXPECT_EQ(other.model.transition.matrix(), truth.transition.matrix());
  EXPECT_EQ(other.model.initial, truth.initial);
  EXPECT_TRUE(other.prior.transition_alpha.empty());
  EXPECT_FALSE(other.prior.covariance.empty());
}

TEST(BaumWelch, ThreadsChangeNoBit) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const auto data = simulate(m, 100, 100, 29);
  BaumWelchOptions options;
  options.num_states = 3;
  options.restarts = 2;
  options.max_iterations = 15;
  ThreadPool one(1);
  ThreadPool three(3);
  const auto a = baum_welch(data, options, nullptr, one);
  const auto b = baum_welch(data, options, nullptr, three);
  EXPECT_EQ(a.model.mean, b.model.mean);
  EXPECT_EQ(a.trace, b.trace);
  EXPECT_EQ(a.prior.transition_alpha, b.prior.transition_alpha);
  options.seed = 1;
  EXPECT_NE(baum_welch(data, options, nullptr, one).trace, a.trace);
}

TEST(BaumWelch, TheNumberOfStatesIsFound) {
  for (const auto kind : {RewardKind::kGaussian, RewardKind::kCategorical}) {
    const LatentModel m = planted(kind);
    const auto data = simulate(m, 150, 100, 31);
    BaumWelchOptions options;
    options.reward = reward_kind_name(kind);
    options.restarts = 3;
    options.short_iterations = 10;
    options.max_iterations = 100;
    const std::array<int32_t, 5> candidates = {1, 2, 3, 4, 5};
    ThreadPool pool(2);
    for (const char* criterion : {"held_out", "bic"}) {
      const auto found = choose_num_states(data, options, candidates, criterion, pool);
      EXPECT_EQ(found.best, 3) << criterion << reward_kind_name(kind);
      EXPECT_EQ(std::isnan(found.table[0].held_out), criterion[0] == 'b');
    }
  }
}

TEST(BaumWelch, UsersWithoutRoundsAndRewardsThatNoStateAllows) {
  LatentModel m = planted(RewardKind::kBernoulli);
  std::fill(m.mean.begin(), m.mean.begin() + 3, 1.0);  // arm 0 always pays
  BanditSequences data;
  data.num_arms = 6;
  data.arms = {0, 0, 1};
  data.rewards = {1, 0, 1};
  data.offsets = {0, 0, 3, 3};
  ThreadPool pool(1);
  int64_t impossible = 0;
  const auto found = sequence_log_likelihood(m, data, pool, &impossible);
  EXPECT_EQ(impossible, 1);
  EXPECT_EQ(found[0], 0);
  data.rewards[1] = kNone;
  EXPECT_NEAR(sequence_log_likelihood(m, data, pool)[1], found[1], 1e-12);
  EXPECT_TRUE(smooth(m, data, 0).gamma.empty());
  BaumWelchOptions options;
  options.learn_means = false;
  EXPECT_EQ(baum_welch(data, options, &m, pool).num_impossible, 0);
}

TEST(BaumWelch, BadDataAndOptionsAreNamed) {
  const LatentModel m = planted(RewardKind::kGaussian);
  const auto good = simulate(m, 6, 10, 37);
  ThreadPool pool(1);
  const auto refuse = [&](const char* part, const auto& change, const char* reward = "gaussian",
                          ErrorCode code = ErrorCode::kInvalidArgument) {
    BanditSequences data = good;
    BaumWelchOptions options;
    options.reward = reward;
    change(data, options);
    SCOPED_TRACE(part);
    expect_error(code, part, [&] { baum_welch(data, options, nullptr, pool); });
  };
  refuse("unknown arm 6", [](auto& data, auto&) { data.arms[3] = 6; });
  refuse("unknown arm -1", [](auto& data, auto&) { data.arms[3] = -1; });
  refuse("finite reward", [](auto& data, auto&) { data.rewards[3] = INFINITY; });
  refuse("gap of at least 0", [](auto& data, auto&) { data.dt[3] = -1; });
  refuse("gap of at least 0", [](auto& data, auto&) { data.dt[3] = kNone; });
  refuse("gaps of whole rounds", [](auto& data, auto&) { data.dt[3] = 1.5; });
  refuse("offsets", [](auto& data, auto&) { data.offsets.back() += 1; });
  refuse("offsets", [](auto& data, auto&) { data.offsets[2] = 0; });
  refuse("arms: expected", [](auto& data, auto&) { data.arms.pop_back(); });
  refuse("dt: expected", [](auto& data, auto&) { data.dt.pop_back(); });
  refuse("either arms", [](auto& data, auto&) { data.d = 2; });
  refuse("at least one reward", [](auto& data, auto&) { std::fill(data.rewards.begin(), data.rewards.end(), kNone); });
  refuse("at least one user", [](auto& data, auto&) { data = BanditSequences{.num_arms = 6}; });
  refuse("rewards of 0 or 1", [](auto&, auto&) {}, "bernoulli");
  refuse(
      "at least 2 different rewards", [](auto& data, auto&) { std::fill(data.rewards.begin(), data.rewards.end(), 1.0); }, "categorical");
  refuse("one of the 2 levels", [](auto&, auto& options) { options.levels = {0, 1}; }, "categorical");
  refuse("num_states", [](auto&, auto& options) { options.num_states = 0; });
  refuse("transition_alpha", [](auto&, auto& options) { options.transition_alpha = 0.5; });
  refuse("ridge", [](auto&, auto& options) { options.ridge = kNone; });
  refuse("reward", [](auto&, auto&) {}, "poisson");
  refuse("needs a model to start from", [](auto&, auto& options) { options.learn_noise = false; });
  BanditSequences features = simulate(planted_features(), 6, 10, 37);
  features.features[7] = kNone;
  expect_error(ErrorCode::kInvalidArgument, "finite features", [&] { baum_welch(features, {}, nullptr, pool); });
  features.features[7] = 0;
  BaumWelchOptions options;
  options.reward = "categorical";
  expect_error(ErrorCode::kUnsupported, "table of arms", [&] { baum_welch(features, options, nullptr, pool); });
  options.reward = "bernoulli";
  expect_error(ErrorCode::kUnsupported, "by features", [&] { baum_welch(features, options, nullptr, pool); });
  expect_error(ErrorCode::kInvalidArgument, "the data 0 and 4", [&] { sequence_log_likelihood(m, features, pool); });
  expect_error(ErrorCode::kInvalidArgument, "unknown user", [&] { smooth(m, good, 6); });
  const std::array<int32_t, 1> two = {2};
  expect_error(ErrorCode::kInvalidArgument, "criterion", [&] { choose_num_states(good, {}, two, "aic", pool); });
  expect_error(ErrorCode::kInvalidArgument, "at least one number", [&] { choose_num_states(good, {}, {}, "bic", pool); });
  const std::array<int32_t, 2> few = {0, 1};
  expect_error(ErrorCode::kInvalidArgument, "at least 5 users", [&] { choose_num_states(good.subset(few), {}, two, "held_out", pool); });
}

}  // namespace
}  // namespace attune::people
