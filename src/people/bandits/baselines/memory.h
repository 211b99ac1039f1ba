// What baselines remember of rewards: everything, with a discount a round, or the last samples (docs/methods/latent_bandits.md, "Baselines").
//
// ArmMemory keeps counts and sums of arms, grown as arms turn up; LinearMemory the posterior of a weight vector,
//   theta ~ N(0, theta_sd^2 I), r ~ N(x . theta, noise_sd^2):  Lambda = I / theta_sd^2 + S / noise_sd^2,  m = Lambda^-1 b / noise_sd^2,
// where S = sum of x x', b = sum of r x over what is remembered (the prior is not discounted: Russac, Vernade, Cappe 2019).
// Not thread-safe. Memory O(arms + window), or O(d^2 + window d).
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "core/rng.h"

namespace attune::people {

struct Forgetting {
  double discount = 1;  ///< in (0, 1]; 1 = none
  int64_t window = 0;  ///< samples; 0 = all
};

class ArmMemory {
 public:
  explicit ArmMemory(Forgetting forgetting) : forgetting_(forgetting) {}

  /// A round passes. O(arms) with a discount, else O(1).
  void tick();
  void add(int32_t arm, double reward);
  void forget(int32_t arm);
  void forget_all();
  /// Samples of an arm, discounted; 0 for one that was never seen.
  double count(int32_t arm) const noexcept;
  double sum(int32_t arm) const noexcept;
  /// Count over all arms, never below 0.
  double total() const noexcept { return total_; }

 private:
  struct Sample {
    int32_t arm;
    double reward;
  };
  void grow(int32_t arm);

  Forgetting forgetting_;
  std::vector<double> count_;
  std::vector<double> sum_;
  double total_ = 0;
  std::deque<Sample> window_;
};

class LinearMemory {
 public:
  LinearMemory(int32_t d, Forgetting forgetting, double theta_sd, double noise_sd);

  void tick();
  /// O(d^2); with a window also for the sample that leaves it (its sums are formed anew now and then, so that rounding does not pile up).
  void add(std::span<const double> x, double reward);
  void forget_all();
  double total() const noexcept { return total_; }

  /// Posterior mean [d]. O(d^3) after a change.
  std::span<const double> mean();
  /// Standard deviation of x . theta. O(d^2).
  double sd(std::span<const double> x);
  /// theta from its posterior. O(d^2).
  std::vector<double> draw(Rng& rng);

 private:
  void solve();
  void accumulate(std::span<const double> x, double reward, double sign);
  void rebuild();

  size_t d_;
  Forgetting forgetting_;
  double theta_sd_;
  double noise_sd_;
  double total_ = 0;
  int64_t removed_ = 0;  ///< since the sums were formed anew
  bool dirty_ = true;
  std::vector<double> s_;  ///< [d, d]
  std::vector<double> b_;  ///< [d]
  std::vector<double> mean_;
  std::vector<double> lower_;  ///< Cholesky factor of Lambda
  struct Sample {
    std::vector<double> x;
    double reward;
  };
  std::deque<Sample> window_;
};

}  // namespace attune::people
