// The model of a latent bandit: Z states, how they move, and what each arm pays in each (docs/methods/latent_bandits.md, "Model").
//
// Letters: K arms, Z states, d features of an arm, C levels of a categorical reward; mu(a, z) = mean reward.
//   gaussian     r ~ N(mu, noise_sd^2)
//   bernoulli    r in {0, 1}, P(1) = mu
//   categorical  r in `levels`, P(levels[c]) = level_probability[a][z][c], mu = its mean
// Means come from a table [K, Z] or, for gaussian and bernoulli, from features: mu = x . theta_z (bernoulli: clipped to [0.001, 0.999]).
// Offline learning gives a LatentModel and, for those who doubt it, a LatentPrior: the posterior of its parameters.
// Plain data, checked once by check(); const functions are thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "people/bandits/transition.h"

namespace attune::people {

enum class RewardKind { kGaussian, kBernoulli, kCategorical };
const char* reward_kind_name(RewardKind kind) noexcept;
/// Throws kInvalidArgument listing the known names.
RewardKind parse_reward_kind(std::string_view name);

struct LatentModel {
  std::string version;  ///< names the content, for replies and logs; may be empty
  RewardKind reward = RewardKind::kGaussian;
  int32_t num_states = 0;  ///< Z
  int32_t num_arms = 0;  ///< K; 0 for models by features
  int32_t d = 0;  ///< features of an arm; 0 for tables
  std::vector<double> initial;  ///< P(z_1) [Z]
  Transition transition;
  std::vector<double> mean;  ///< [K, Z]; tables of gaussian and bernoulli; categorical: filled by check()
  std::vector<double> theta;  ///< [Z, d]; models by features
  double noise_sd = 1;  ///< gaussian
  std::vector<double> levels;  ///< [C] rising; categorical
  std::vector<double> level_probability;  ///< [K, Z, C]; categorical

  bool by_features() const noexcept { return d > 0; }
  /// Sizes, sums, ranges: kInvalidArgument naming the field and the row (negative variance, Bernoulli means outside [0, 1], ...).
  void check();
  /// mu of one arm in every state: out [Z]. `arm` for tables, `features` [d] otherwise. O(Z) or O(Z d).
  void means(int32_t arm, std::span<const double> features, std::span<double> out) const;
  /// log p(reward | arm, z): out [Z], each at least kLogFloor unless impossible (Bernoulli mean 0 or 1 and the other reward, probability 0
  /// of a level): -infinity. Throws kInvalidArgument: unknown arm, size of features, a reward outside the support, not finite.
  void log_likelihood(int32_t arm, std::span<const double> features, double reward, std::span<double> out) const;
  /// Index of the level that `value` is (within 1e-9), or -1. O(C).
  int32_t level_of(double value) const noexcept;
  /// Throws as above; what log_likelihood checks.
  void check_observation(int32_t arm, std::span<const double> features, double reward) const;
  /// Variance of the reward of an arm in state z: noise_sd^2, mu (1 - mu), or that of the levels. `mu` as from means().
  double variance(int32_t arm, int32_t z, double mu) const;
};

/// Bernoulli means by features are clipped to [this, 1 - this].
inline constexpr double kLeastBernoulli = 0.001;

/// log(1e-300): likelihoods of the Gaussian are not smaller, so that one outlier cannot rule a state out for good.
inline constexpr double kLogFloor = -690.77552789821368;

/// What is not known about a model: conjugate priors of its parameters. Empty vectors: that part is known and taken from the model.
struct LatentPrior {
  std::vector<double> initial_alpha;  ///< Dirichlet [Z]
  std::vector<double> transition_alpha;  ///< Dirichlet rows [Z, Z]
  std::vector<double> mean;  ///< gaussian table: m0 [K, Z]
  std::vector<double> variance;  ///< gaussian table: v0 [K, Z]
  std::vector<double> theta;  ///< by features: m [Z, d]
  std::vector<double> covariance;  ///< by features: Sigma [Z, d, d]
  std::vector<double> beta;  ///< bernoulli table: (a, b) [K, Z, 2]
  std::vector<double> level_alpha;  ///< categorical: Dirichlet [K, Z, C]

  /// Sizes against the model, positive parameters, positive definite covariances: kInvalidArgument naming the field.
  void check(const LatentModel& model) const;
};

}  // namespace attune::people
