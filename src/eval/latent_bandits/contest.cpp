#include <algorithm>

#include "core/error.h"
#include "eval/latent_bandits/contest_internal.h"

namespace attune::eval {

Contest::Contest(const envs::BanditProblem& problem, std::span<const envs::Contender> contenders, uint64_t seed)
    : rounds_(problem.episode.num_rounds) {
  for (const auto& contender : contenders) {
    const auto policy = contender.make(problem);
    names_.push_back(contender.name);
    runs_.push_back(envs::run_policy(*policy, problem.episode, {0, 50}, seed));
  }
}

const envs::BanditRun& Contest::run(std::string_view name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  check(found != names_.end(), ErrorCode::kNotFound, "[contest] no policy ", name);
  return runs_[static_cast<size_t>(found - names_.begin())];
}

double Contest::of(std::string_view name) const { return run(name).regret; }

void Contest::add_curves(Measured& out, const std::string& plot, std::span<const std::string> names) const {
  for (const auto& name : names) {
    const auto& curve = run(name).curve;
    out.curves.push_back({plot, name, curve, static_cast<double>(rounds_) / static_cast<double>(curve.size() - 1), "rounds", "regret"});
  }
}

void Contest::add_row(Measured& out, const std::string& table, const std::string& row) const {
  for (size_t p = 0; p < names_.size(); ++p) out.cells.push_back({table, row, names_[p], runs_[p].regret});
}

void Contest::add_column(Measured& out, const std::string& table, const std::string& column) const {
  for (size_t p = 0; p < names_.size(); ++p) out.cells.push_back({table, names_[p], column, runs_[p].regret});
}

ClaimPart ratio_part(std::string id, std::string what, Bound bound, double threshold, double threshold_high) {
  ClaimPart out{std::move(id), std::move(what), bound, threshold, threshold_high};
  out.statistic = [](std::span<const double> means) { return means[0] / means[1]; };
  return out;
}

people::BaselineOptions told(int64_t horizon, double changes, double noise_sd) {
  people::BaselineOptions out;
  out.horizon = horizon;
  out.changes = changes;
  out.noise_sd = noise_sd;
  return out;
}

envs::LatentBanditOptions synthetic(const ClaimContext& context, double changes, double model_sd) {
  envs::LatentBanditOptions out;
  out.changes = changes;
  out.model_sd = model_sd;
  if (context.quick) out.horizon = 500;
  return out;
}

envs::MakeProblem problems(const envs::LatentBanditOptions& options) {
  return [options](uint64_t seed) {
    auto here = options;
    here.seed = seed;
    return envs::make_latent_bandit(here);
  };
}

std::vector<TunedPair> tune_all(const std::vector<std::string>& names, const people::BaselineOptions& given,
                                const envs::MakeProblem& problem, bool quick, ThreadPool& pool) {
  std::vector<TunedPair> out;
  for (const auto& name : names) {
    const auto tuned = envs::tune_baseline(name, given, problem, kTuningSeed, quick ? 2 : 20, pool);
    out.push_back({name, tuned, envs::baseline(name, tuned.options, name + " tuned")});
  }
  return out;
}

void add_tuned(Measured& out, const std::string& table, const Contest& contest, std::span<const TunedPair> pairs) {
  for (const auto& pair : pairs) {
    const std::string row = cat(pair.name, " (", pair.tuned.setting.empty() ? "defaults" : pair.tuned.setting, ")");
    out.cells.push_back({table, row, "defaults", contest.of(pair.name)});
    out.cells.push_back({table, row, "tuned", contest.of(pair.name + " tuned")});
  }
}

}  // namespace attune::eval
