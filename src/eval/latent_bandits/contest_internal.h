// What the claims about latent bandits share: policies played on one problem, ratios of regrets, curves, tables.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "envs/bandit_experiment.h"
#include "envs/bandit_tuning.h"
#include "eval/claim.h"

namespace attune::eval {

inline constexpr int32_t kSyntheticSeeds = 200;
inline constexpr int32_t kSuperuserSeeds = 100;
inline constexpr uint64_t kTuningSeed = 1000001;  ///< first of the seeds that baselines are tuned on

/// One problem, all policies.
class Contest {
 public:
  Contest(const envs::BanditProblem& problem, std::span<const envs::Contender> contenders, uint64_t seed);

  /// Regret. Throws kNotFound.
  double of(std::string_view name) const;
  /// {of(a), of(b)}: for a part that is a ratio.
  std::vector<double> pair(std::string_view a, std::string_view b) const { return {of(a), of(b)}; }
  /// A curve for each name.
  void add_curves(Measured& out, const std::string& plot, std::span<const std::string> names) const;
  /// Every policy as a cell: the policy names the row or the column.
  void add_row(Measured& out, const std::string& table, const std::string& row) const;
  void add_column(Measured& out, const std::string& table, const std::string& column) const;

 private:
  const envs::BanditRun& run(std::string_view name) const;

  int64_t rounds_;
  std::vector<std::string> names_;
  std::vector<envs::BanditRun> runs_;
};

/// A part whose value is the ratio of the mean regrets of two policies.
ClaimPart ratio_part(std::string id, std::string what, Bound bound, double threshold, double threshold_high = 0);

/// Options for baselines that are told n, L and the noise.
people::BaselineOptions told(int64_t horizon, double changes, double noise_sd);
/// Made-up problems, s0 and L as given. Quick ones have 500 rounds.
envs::LatentBanditOptions synthetic(const ClaimContext& context, double changes, double model_sd);
/// The problem of a seed.
envs::MakeProblem problems(const envs::LatentBanditOptions& options);

/// A baseline as given and tuned on problems of their own.
struct TunedPair {
  std::string name;
  envs::TunedBaseline tuned;
  envs::Contender contender;  ///< the tuned one, labelled "NAME tuned"
};
std::vector<TunedPair> tune_all(const std::vector<std::string>& names, const people::BaselineOptions& given,
                                const envs::MakeProblem& problem, bool quick, ThreadPool& pool);
/// Rows "name (setting)", columns default and tuned.
void add_tuned(Measured& out, const std::string& table, const Contest& contest, std::span<const TunedPair> pairs);

}  // namespace attune::eval
