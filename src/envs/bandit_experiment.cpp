#include "envs/bandit_experiment.h"

#include <algorithm>
#include <map>

#include "core/error.h"

namespace attune::envs {
namespace {

/// The arm with the largest sum of true means over the rounds that offer it.
int32_t best_arm_in_hindsight(const Episode& episode) {
  std::map<int32_t, double> sum;
  for (int64_t t = 0; t < episode.num_rounds; ++t) {
    const people::Round round = episode.round(t);
    const auto means = episode.means_of(t);
    for (int32_t a = 0; a < episode.num_actions; ++a) sum[round.arm(a)] += means[static_cast<size_t>(a)];
  }
  return std::max_element(sum.begin(), sum.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
}

}  // namespace

BanditRun run_policy(people::Policy& policy, const Episode& episode, const BanditRunOptions& options, uint64_t seed) {
  check(options.delay >= 0 && options.points >= 1, ErrorCode::kInvalidArgument,
        "[run policy] expected a delay of at least 0 and a point, found ", options.delay, " and ", options.points);
  policy.reset();
  Rng rng(seed, cat("policy ", policy.name()));
  BanditRun out;
  const int64_t n = episode.num_rounds, points = std::min<int64_t>(options.points, n);
  std::vector<int32_t> chosen(static_cast<size_t>(n));
  out.curve.push_back(0);
  for (int64_t t = 0; t < n; ++t) {
    const people::Choice choice = policy.choose(episode.round(t), rng);
    check(choice.action >= 0 && choice.action < episode.num_actions, ErrorCode::kInternal, "[run policy] ", policy.name(), " chose action ",
          choice.action, " of ", episode.num_actions);
    chosen[static_cast<size_t>(t)] = choice.action;
    out.regret += episode.best_mean(t) - episode.means_of(t)[static_cast<size_t>(choice.action)];
    out.reward += episode.reward(t, choice.action);
    if (const int64_t seen = t - options.delay; seen >= 0) {
      const int32_t action = chosen[static_cast<size_t>(seen)];
      policy.observe(episode.round(seen), action, episode.reward(seen, action), rng);
    }
    if ((t + 1) * points / n > t * points / n) out.curve.push_back(out.regret);
  }
  return out;
}

people::BaselineSetting setting_of(const BanditProblem& problem) {
  const Episode& episode = problem.episode;
  people::BaselineSetting out;
  out.num_arms = episode.num_actions;
  out.d = episode.d;
  out.model = problem.model;
  out.means = [&episode](const people::Round& round) { return episode.means_of(round.t); };
  return out;
}

Contender baseline(const std::string& name, const people::BaselineOptions& options, const std::string& label) {
  return {label.empty() ? name : label, [name, options](const BanditProblem& problem) {
            auto setting = setting_of(problem);
            if (name == "best-fixed") setting.fixed_arm = {best_arm_in_hindsight(problem.episode)};
            return people::make_baseline(name, options, setting);
          }};
}

Contender latent(const std::string& name, const people::LatentPolicyOptions& options, const std::string& label) {
  return {label.empty() ? name : label,
          [name, options](const BanditProblem& problem) { return people::make_latent_policy(name, problem.model, options); }};
}

Contender uncertain(const std::string& name, const people::MmtsOptions& options, const std::string& label) {
  return {label.empty() ? name : label, [name, options](const BanditProblem& problem) {
            return people::make_mmts_policy(name, std::make_shared<const people::UncertainModel>(*problem.certain, problem.prior), options);
          }};
}

const std::vector<double>& BanditExperiment::of(std::string_view name) const {
  const auto found = std::find(names.begin(), names.end(), name);
  check(found != names.end(), ErrorCode::kNotFound, "[bandit experiment] no policy ", name);
  return regret[static_cast<size_t>(found - names.begin())];
}

BanditExperiment run_experiment(const MakeProblem& problem, std::span<const Contender> contenders, uint64_t first, int32_t num_seeds,
                                const BanditRunOptions& options, ThreadPool& pool) {
  BanditExperiment out;
  const size_t count = contenders.size(), seeds = static_cast<size_t>(std::max(num_seeds, 0));
  for (const auto& contender : contenders) out.names.push_back(contender.name);
  out.regret.assign(count, std::vector<double>(seeds));
  out.curves.assign(count, std::vector<std::vector<double>>(seeds));
  pool.run(num_seeds, [&](int k) {
    const uint64_t seed = first + static_cast<uint64_t>(k);
    const BanditProblem here = problem(seed);
    for (size_t p = 0; p < count; ++p) {
      const auto policy = contenders[p].make(here);
      BanditRun run = run_policy(*policy, here.episode, options, seed);
      out.regret[p][static_cast<size_t>(k)] = run.regret;
      out.curves[p][static_cast<size_t>(k)] = std::move(run.curve);
    }
  });
  return out;
}

}  // namespace attune::envs
