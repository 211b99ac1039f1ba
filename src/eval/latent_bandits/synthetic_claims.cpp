// R1, R2, R3: made-up problems whose model is known, in doubt, or changes more often.
#include <cmath>
#include <memory>

#include "core/error.h"
#include "eval/latent_bandits/claims.h"
#include "eval/latent_bandits/contest_internal.h"

namespace attune::eval {
namespace {

constexpr double kChanges = 10;
constexpr double kSweep[] = {1, 5, 10, 20, 50};
constexpr double kErrors[] = {0, 0.05, 0.1, 0.2, 0.4};
const std::string kChangesTable = "Mean regret against expected changes L (in brackets the figures of an independent simulation)";
const std::string kErrorsTable =
    "Mean regret against the error s0 of the model's means, L = 10 (in brackets the figures of an independent simulation)";
const std::string kTunedTable = "L = 10: baselines with their papers' keys, and tuned on 20 other problems";

const std::string kFeatureTable =
    "L = 10 with features (d = 10, K = 10 directions a round): mean regret, baselines with their papers' keys";

/// Policies on features, in the same world otherwise.
void add_features(Measured& out, const ClaimContext& context, uint64_t seed) {
  auto world = synthetic(context, kChanges, 0);
  world.d = 10;
  const auto given = told(world.horizon, kChanges, world.noise_sd);
  std::vector<envs::Contender> contenders = {envs::latent("mts"), envs::latent("greedy"), envs::latent("mts-stationary")};
  for (const char* name : {"linucb", "lints", "d-lints", "sw-linucb", "cd-lints", "exp4s", "random"}) {
    contenders.push_back(envs::baseline(name, given));
  }
  const Contest contest(problems(world)(seed), contenders, seed);
  contest.add_row(out, kFeatureTable, "regret");
}

std::string row_of(double changes) { return cat("L = ", changes); }
std::string error_row(double s0) { return cat("s0 = ", s0); }

/// Figures of an independent simulation of the same worlds: rows L, columns policies.
std::vector<TableReference> change_references() {
  const std::vector<std::string> columns = {"mts",   "greedy", "mts-stationary", "ucb1",  "cd-ucb",
                                            "m-ucb", "d-ts",   "sw-ucb",         "exp4s", "random"};
  const double values[5][10] = {{27, 49, 196, 115, 143, 270, 240, 301, 186, 926},
                                {79, 110, 397, 231, 303, 365, 387, 448, 369, 921},
                                {133, 156, 487, 294, 407, 420, 469, 518, 485, 917},
                                {208, 218, 548, 359, 491, 482, 548, 579, 595, 912},
                                {349, 308, 603, 440, 586, 557, 660, 673, 713, 914}};
  std::vector<TableReference> out;
  for (size_t r = 0; r < 5; ++r) {
    for (size_t c = 0; c < columns.size(); ++c) out.push_back({kChangesTable, row_of(kSweep[r]), columns[c], values[r][c]});
  }
  return out;
}

std::vector<TableReference> error_references() {
  const std::vector<std::string> columns = {"mts", "mmts", "greedy", "ucb1", "cd-ucb"};
  const double values[3][5] = {{205, 174, 211, 294, 410}, {347, 233, 320, 294, 397}, {520, 277, 471, 294, 404}};
  std::vector<TableReference> out;
  for (size_t r = 0; r < 3; ++r) {
    for (size_t c = 0; c < columns.size(); ++c) out.push_back({kErrorsTable, error_row(kErrors[r + 2]), columns[c], values[r][c]});
  }
  return out;
}

/// Slope of log regret on log L, L = 5, 10, 20, 50.
double log_slope(std::span<const double> regrets) {
  double x[4], y[4], mean_x = 0, mean_y = 0, xy = 0, xx = 0;
  for (size_t i = 0; i < 4; ++i) {
    mean_x += (x[i] = std::log(kSweep[i + 1])) / 4;
    mean_y += (y[i] = std::log(regrets[i])) / 4;
  }
  for (size_t i = 0; i < 4; ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
  }
  return xy / xx;
}

}  // namespace

Claim known_model_claim() {
  Claim out{"R1", "known model, 10 changes in 2,000 rounds", {}, "", {}};
  const std::vector<std::pair<std::string, double>> bounds = {
      {"ucb1", 0.55}, {"cd-ucb", 0.4}, {"m-ucb", 0.4}, {"d-ts", 0.35}, {"exp4s", 0.35}};
  for (size_t n = 0; n < bounds.size(); ++n) {
    out.parts.push_back(
        ratio_part(cat("R1", static_cast<char>('a' + n)), cat("mTS / ", bounds[n].first), Bound::kHighAtMost, bounds[n].second));
  }
  out.note = "bounds are on the baselines with their papers' keys; the table has them tuned too";
  out.seeds = kSyntheticSeeds;
  out.prepare = [bounds](const ClaimContext& context) -> MeasureSeed {
    const auto world = synthetic(context, kChanges, 0);
    const auto make = problems(world);
    const auto given = told(world.horizon, kChanges, world.noise_sd);
    const std::vector<std::string> all = {"ucb1", "ts", "d-ucb", "d-ts", "sw-ucb", "sw-ts", "cd-ucb", "m-ucb", "exp3s", "exp4s"};
    const auto tuned = std::make_shared<const std::vector<TunedPair>>(tune_all(all, given, make, context.quick, context.pool));
    return [=](uint64_t seed) {
      std::vector<envs::Contender> contenders = {envs::latent("mts")};
      for (const auto& pair : *tuned) {
        contenders.push_back(envs::baseline(pair.name, given));
        contenders.push_back(pair.contender);
      }
      const Contest contest(make(seed), contenders, seed);
      Measured measured;
      for (const auto& bound : bounds) measured.values.push_back(contest.pair("mts", bound.first));
      contest.add_curves(measured, "regret, 10 changes", std::vector<std::string>{"mts", "ucb1", "cd-ucb", "m-ucb", "d-ts", "exp4s"});
      add_tuned(measured, kTunedTable, contest, *tuned);
      add_features(measured, context, seed);
      return measured;
    };
  };
  return out;
}

Claim uncertain_model_claim() {
  Claim out{"R2", "model off by N(0, s0^2), 10 changes in 2,000 rounds", {}, "", {}};
  out.parts = {ratio_part("R2a", "mmTS / mTS, s0 = 0.2", Bound::kHighAtMost, 0.8),
               ratio_part("R2b", "mmTS / mTS, s0 = 0.4", Bound::kHighAtMost, 0.65),
               ratio_part("R2c", "mmTS / UCB1, s0 = 0.2", Bound::kHighBelow, 1),
               ratio_part("R2d", "mmTS / UCB1, s0 = 0.4", Bound::kHighBelow, 1),
               ratio_part("R2e", "mmTS / mTS, s0 = 0.05", Bound::kInside, 0.9, 1.1)};
  out.note = "mmTS: 200 particles, transition known; its prior has the model's means and variance s0^2";
  out.seeds = kSyntheticSeeds;
  out.references = error_references();
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) {
      Measured measured;
      std::vector<Contest> contests;
      for (const double s0 : kErrors) {
        const auto world = synthetic(context, kChanges, s0);
        const auto given = told(world.horizon, kChanges, world.noise_sd);
        const std::vector<envs::Contender> contenders = {
            envs::latent("mts"),    envs::uncertain("mmts"),       envs::uncertain("mmts-decoupled"),
            envs::latent("greedy"), envs::baseline("ucb1", given), envs::baseline("cd-ucb", given)};
        contests.emplace_back(problems(world)(seed), contenders, seed);
        contests.back().add_row(measured, kErrorsTable, error_row(s0));
      }
      const auto &slight = contests[1], &off = contests[3], &far = contests[4];
      measured.values = {off.pair("mmts", "mts"), far.pair("mmts", "mts"), off.pair("mmts", "ucb1"), far.pair("mmts", "ucb1"),
                         slight.pair("mmts", "mts")};
      off.add_curves(measured, "regret, model off by 0.2", std::vector<std::string>{"mts", "mmts", "mmts-decoupled", "greedy", "ucb1"});
      return measured;
    };
  };
  return out;
}

Claim changes_claim() {
  Claim out{"R3", "regret against the number of changes", {}, "", {}};
  ClaimPart slope{"R3", "slope of log regret of mTS on log L, L = 5 to 50", Bound::kInside, 0.4, 0.9};
  slope.statistic = log_slope;
  out.parts = {slope};
  out.seeds = kSyntheticSeeds;
  out.references = change_references();
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) {
      Measured measured;
      measured.values.emplace_back();
      for (const double changes : kSweep) {
        const auto world = synthetic(context, changes, 0);
        const auto given = told(world.horizon, changes, world.noise_sd);
        std::vector<envs::Contender> contenders = {envs::latent("mts"), envs::latent("greedy"), envs::latent("mts-stationary"),
                                                   envs::latent("cd-mts"), envs::latent("mucb")};
        for (const char* name : {"ucb1", "cd-ucb", "m-ucb", "d-ts", "sw-ucb", "exp4s", "random"}) {
          contenders.push_back(envs::baseline(name, given));
        }
        const Contest contest(problems(world)(seed), contenders, seed);
        contest.add_row(measured, kChangesTable, row_of(changes));
        if (changes >= 5) measured.values[0].push_back(contest.of("mts"));
      }
      return measured;
    };
  };
  return out;
}

}  // namespace attune::eval
