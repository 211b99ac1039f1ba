// Gibbs sampling against enumeration with all integrals, forward filtering and backward sampling against enumerated paths, saving, bad input.
#include "people/bandits/gibbs_belief.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string>

#include "core/error.h"
#include "tests/people/bandits/enumerated_posterior.h"

namespace attune::people {
namespace {

GibbsOptions many_draws(int32_t n, double refresh_below = 0) {
  GibbsOptions out;
  out.num_draws = n;
  out.burn_in = 100;
  out.every = 100000;
  out.refresh_below = refresh_below;
  return out;
}

std::string refusal(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return std::string(error_code_name(error.code()));
  }
  return "none";
}

/// Shares of states in sampled paths [t][Z].
std::vector<std::vector<double>> path_shares(const Problem& p, int sweeps) {
  const auto u = uncertain(p);
  GibbsSampler sampler(u);
  PreparedObservation seen;
  for (size_t i = 0; i < p.steps.size(); ++i) {
    Observation observation;
    observation.action = p.steps[i].arm;
    observation.features = p.steps[i].x;
    observation.reward = p.steps[i].reward;
    prepare_observation(*u, observation, seen);
    sampler.append(i == 0 ? 0 : 1, seen);
  }
  Rng rng(1, p.name);
  sampler.start(rng);
  for (int i = 0; i < 100; ++i) sampler.sweep(rng);
  std::vector<std::vector<double>> out(p.steps.size(), std::vector<double>(2));
  for (int i = 0; i < sweeps; ++i) {
    sampler.sweep(rng);
    for (size_t t = 0; t < out.size(); ++t) out[t][static_cast<size_t>(sampler.path()[t])] += 1.0 / sweeps;
  }
  return out;
}

TEST(GibbsSampler, PathsOfKnownParametersHaveTheSmoothedMarginals) {
  for (const Problem& problem : all_problems()) {
    Problem p = certain(problem);
    p.prior = {};
    const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
    const auto shares = path_shares(p, 20000);
    for (size_t t = 0; t < shares.size(); ++t) EXPECT_LT(total_variation(shares[t], exact.smoothed[t]), 0.02) << p.name << " " << t;
  }
}

TEST(GibbsSampler, PathsOfUnknownParametersHaveTheSmoothedMarginals) {
  for (const Problem& p : all_problems()) {
    const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
    const auto shares = path_shares(p, 40000);
    for (size_t t = 0; t < shares.size(); ++t) EXPECT_LT(total_variation(shares[t], exact.smoothed[t]), 0.02) << p.name << " " << t;
  }
}

TEST(GibbsBelief, IsTheEnumerationAfterARefreshAndByWeightsBefore) {
  for (const Problem& p : all_problems()) {
    const EnumeratedPosterior exact = enumerate(p.model, p.prior, p.steps);
    GibbsBelief belief(uncertain(p), many_draws(20000));
    EXPECT_NEAR(run_belief(belief, p.steps), exact.log_evidence, 0.05) << p.name;
    EXPECT_EQ(belief.num_refreshed(), 0);
    EXPECT_LT(total_variation(*belief.marginals(), exact.next), 0.03) << p.name << ": draws of the prior, weighted";
    belief.refresh();
    EXPECT_NEAR(belief.num_effective(), 20000, 1e-6);
    EXPECT_LT(total_variation(*belief.marginals(), exact.next), 0.02) << p.name;
    Round round;
    round.num_actions = 2;
    std::vector<double> mean(2);
    if (exact.next_mean.empty() || p.name == "dirichlet") continue;
    belief.mean_rewards(round, mean);
    for (size_t a = 0; a < 2; ++a) EXPECT_NEAR(mean[a], exact.next_mean[a * 2] + exact.next_mean[a * 2 + 1], 0.02) << p.name;
    Rng rng(2, p.name);
    LatentDraw draw;
    double drawn = 0;
    for (int i = 0; i < 5000; ++i) {
      belief.draw(round, rng, draw);
      drawn += draw.means[0] / 5000;
    }
    EXPECT_NEAR(drawn, mean[0], 0.04) << p.name;
  }
}

TEST(GibbsBelief, GapsAreFilledWithRoundsWithoutObservations) {
  Problem p = beta_problem();
  p.model.num_arms = 3;
  p.model.mean.assign(6, 0.5);
  p.prior.beta.insert(p.prior.beta.end(), {1e12, 1e12, 1e12, 1e12});  // arm 2 says nothing
  std::vector<Step> with_blank = p.steps;
  with_blank.insert(with_blank.begin() + 3, Step{2, {}, 1});
  const EnumeratedPosterior exact = enumerate(p.model, p.prior, with_blank);
  GibbsBelief belief(uncertain(p), many_draws(20000));
  for (size_t i = 0; i < p.steps.size(); ++i) {
    Observation seen;
    seen.action = p.steps[i].arm;
    seen.reward = p.steps[i].reward;
    belief.update(seen);
    belief.predict(i == 2 ? 2 : 1);
  }
  belief.refresh();
  EXPECT_LT(total_variation(*belief.marginals(), exact.next), 0.02);
}

TEST(GibbsBelief, IsTheExactFilterForKnownParameters) {
  for (const Problem& problem : all_problems()) {
    Problem p = certain(problem);
    p.prior = {};
    double expected = 0;
    const auto filter = plain_filter(p.model, p.steps, expected);
    GibbsBelief belief(uncertain(p), many_draws(3));
    EXPECT_NEAR(run_belief(belief, p.steps), expected, 1e-12) << p.name;
    for (size_t z = 0; z < 2; ++z) EXPECT_NEAR((*belief.marginals())[z], filter[z], 1e-12) << p.name;
    belief.refresh();
    for (size_t z = 0; z < 2; ++z) EXPECT_NEAR((*belief.marginals())[z], filter[z], 1e-12) << p.name;
  }
}

TEST(GibbsBelief, RefreshesByRoundsAndWhenTheWeightsCollapse) {
  const Problem p = gaussian_problem();
  GibbsOptions options = many_draws(20);
  options.every = 3;
  GibbsBelief belief(uncertain(p), options);
  run_belief(belief, p.steps);
  EXPECT_EQ(belief.num_refreshed(), 2);
  GibbsBelief early(uncertain(p), many_draws(20, 1));
  run_belief(early, p.steps);
  EXPECT_GE(early.num_refreshed(), 5);
}

TEST(GibbsBelief, ImpossibleObservationsAreCountedAndChangeNothing) {
  const Problem p = beta_problem();
  GibbsBelief belief(uncertain(p), many_draws(10));
  run_belief(belief, p.steps);
  const auto before = *belief.marginals();
  const double never = -std::numeric_limits<double>::infinity();
  const std::vector<double> nothing = {never, never};
  Observation seen;
  seen.log_likelihood = nothing;
  EXPECT_EQ(belief.update(seen), never);
  EXPECT_EQ(belief.num_impossible(), 1);
  EXPECT_EQ(*belief.marginals(), before);
}

TEST(GibbsBelief, SavedAndLoadedItGoesOnBitForBit) {
  for (const Problem& p : all_problems()) {
    GibbsOptions options = many_draws(5);
    options.every = 4;
    GibbsBelief belief(uncertain(p), options);
    run_belief(belief, p.steps);
    GibbsBelief other(uncertain(p), options);
    other.load(belief.save());
    EXPECT_EQ(other.save(), belief.save()) << p.name;
    const auto copy = belief.clone();
    const std::string before = copy->save();
    EXPECT_EQ(run_belief(belief, p.steps), run_belief(other, p.steps));
    EXPECT_EQ(belief.save(), other.save()) << p.name;
    EXPECT_EQ(copy->save(), before);
  }
}

TEST(GibbsBelief, RefusesDamagedDocumentsAndStaysAsItWas) {
  const Problem p = gaussian_problem();
  GibbsOptions options = many_draws(2);
  options.every = 4;
  GibbsBelief belief(uncertain(p), options);
  run_belief(belief, p.steps);
  const std::string good = belief.save();
  const auto refuse = [&](const std::string& from, const std::string& to, const std::string& code) {
    std::string bad = good;
    const size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from << " in " << good;
    bad.replace(at, from.size(), to);
    EXPECT_EQ(refusal([&] { belief.load(bad); }), code) << from << " -> " << to;
    EXPECT_EQ(belief.save(), good);
  };
  refuse("\"format\":1", "\"format\":0", "failed_precondition");
  refuse("\"model\":\"test\"", "\"model\":\"x\"", "failed_precondition");
  refuse("\"gibbs\"", "\"particles\"", "corrupt_data");
  refuse("\"rng\":[", "\"rng\":[-2,", "corrupt_data");
  refuse("\"pending\":", "\"pending\":-", "corrupt_data");
  refuse("\"weights\":[", "\"weights\":[1,", "corrupt_data");
  refuse("\"draws\":[", "\"draws\":[{},", "corrupt_data");
  refuse("\"dt\":1.0", "\"dt\":0.5", "corrupt_data");
  refuse("\"arm\":", "\"arm\":9", "corrupt_data");
  refuse("\"reward\":", "\"reward\":null,\"r\":", "corrupt_data");
  refuse("\"path\":[", "\"path\":[5,", "corrupt_data");
  refuse("\"path\":[", "\"path\":[0,0,0,0,0,0,0,", "corrupt_data");
  refuse("\"phi\":[", "\"phi\":[0.5,", "corrupt_data");
  refuse("\"phi\":[0.", "\"phi\":[3.", "corrupt_data");
  refuse("\"mean\":[", "\"mean\":[0,", "corrupt_data");
  for (const char* bad : {"", "{}", "{\"kind\":\"gibbs\"}"}) EXPECT_THROW(belief.load(bad), Error);
}

TEST(GibbsBelief, RefusesBadOptionsTimesAndObservations) {
  const Problem p = gaussian_problem();
  const auto with = [&](auto change) {
    GibbsOptions options;
    change(options);
    return refusal([&] { GibbsBelief(uncertain(p), options); });
  };
  EXPECT_EQ(with([](GibbsOptions& o) { o.num_draws = 0; }), "invalid_argument");
  EXPECT_EQ(with([](GibbsOptions& o) { o.burn_in = -1; }), "invalid_argument");
  EXPECT_EQ(with([](GibbsOptions& o) { o.thin = 0; }), "invalid_argument");
  EXPECT_EQ(with([](GibbsOptions& o) { o.every = 0; }), "invalid_argument");
  EXPECT_EQ(with([](GibbsOptions& o) { o.refresh_below = std::nan(""); }), "invalid_argument");
  EXPECT_EQ(refusal([&] { GibbsBelief(nullptr); }), "invalid_argument");
  GibbsBelief belief(uncertain(p), many_draws(3));
  run_belief(belief, p.steps);
  const std::string before = belief.save();
  for (const double dt : {-1.0, 0.5, std::nan(""), std::numeric_limits<double>::infinity(), 1e8}) {
    EXPECT_EQ(refusal([&] { belief.predict(dt); }), "invalid_argument") << dt;
  }
  EXPECT_EQ(refusal([&] { belief.update({}); }), "invalid_argument");
  EXPECT_EQ(belief.save(), before);
}

}  // namespace
}  // namespace attune::people
