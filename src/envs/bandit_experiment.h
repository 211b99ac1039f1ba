// Policies against problems with paired seeds: dynamic regret, its curve, delays (docs/methods/latent_bandits.md, "Simulation and data").
//
// Regret of a round = best true mean among the actions offered - true mean of the chosen one. Every policy of a seed meets the same problem and has its
// own stream of draws, named by seed and policy. Results do not depend on the number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/thread_pool.h"
#include "envs/latent_bandit_world.h"
#include "people/bandits/baselines/baseline.h"
#include "people/bandits/latent_policy.h"
#include "people/bandits/mmts_policy.h"
#include "people/bandits/policy.h"

namespace attune::envs {

struct BanditRunOptions {
  int64_t delay = 0;  ///< the reward of round t is observed after the choice of round t + delay; at the end the rest is dropped
  int32_t points = 50;  ///< of the curve, evenly spread; fewer if there are fewer rounds
};

struct BanditRun {
  double regret = 0;
  double reward = 0;  ///< sum of what was paid
  std::vector<double> curve;  ///< regret after 0, n / points, ..., n rounds
};

/// Plays a policy through an episode, from its reset(). Throws kInternal for an action that was not offered.
BanditRun run_policy(people::Policy& policy, const Episode& episode, const BanditRunOptions& options, uint64_t seed);

/// A policy that can be made for every problem.
struct Contender {
  std::string name;
  std::function<std::unique_ptr<people::Policy>(const BanditProblem& problem)> make;
};

/// What baselines are told of a problem. The truth (for the oracle) refers to the problem, which must outlive the policy.
people::BaselineSetting setting_of(const BanditProblem& problem);
/// A baseline with these options; `best-fixed` finds its arm in hindsight. Throws as make_baseline when it is made.
Contender baseline(const std::string& name, const people::BaselineOptions& options, const std::string& label = "");
/// A policy on the exact filter of the problem's model (make_latent_policy). Throws likewise.
Contender latent(const std::string& name, const people::LatentPolicyOptions& options = {}, const std::string& label = "");

/// A policy on a belief over state and parameters (make_mmts_policy), with the problem's `certain` model and prior. Throws likewise.
Contender uncertain(const std::string& name, const people::MmtsOptions& options = {}, const std::string& label = "");

using MakeProblem = std::function<BanditProblem(uint64_t seed)>;

struct BanditExperiment {
  std::vector<std::string> names;  ///< [policies]
  std::vector<std::vector<double>> regret;  ///< [policies][seeds]
  std::vector<std::vector<std::vector<double>>> curves;  ///< [policies][seeds][points + 1]

  /// Regrets by seed. Throws kNotFound.
  const std::vector<double>& of(std::string_view name) const;
};

/// Seeds first, first + 1, ...
BanditExperiment run_experiment(const MakeProblem& problem, std::span<const Contender> contenders, uint64_t first, int32_t num_seeds,
                                const BanditRunOptions& options, ThreadPool& pool);

}  // namespace attune::envs
