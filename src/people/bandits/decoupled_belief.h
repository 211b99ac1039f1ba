// APPROXIMATE: the exact filter run with posterior-mean parameters, whose posteriors are updated by the soft responsibility of each state
// (assumed-density filtering; docs/methods/latent_bandits.md, "Unknown parameters", decoupled form).
//
//   update    w[z] = p[z] E[lik(r | a, x, z)],  p = w / sum w       the predictive density, so the variance of the parameters counts
//             the reward enters state z's posterior with weight p[z]
//   predict   p' = p E[phi]; at the next update row z of phi gains the expected number of moves p[z] phi[z][j] lik[j] / sum
// State and parameters are kept as a product of independent posteriors, past responsibilities are never revised, and moves over gaps other
// than one round do not teach phi: no guarantee, unlike the particle and Gibbs beliefs. What it buys: O(Z) a round for tables, O(Z d^2) by
// features, no random numbers, and Z (d (d + 3) / 2 + Z + 2) doubles a user by features.
// One belief, one user, one thread. Verified: equal to the exact filter for known parameters and for priors of vanishing variance; against
// enumeration of six rounds within a total variation of 0.1 (tests/people/bandits/decoupled_belief_test.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "people/bandits/uncertain_belief.h"

namespace attune::people {

class DecoupledBelief final : public UncertainBelief {
 public:
  explicit DecoupledBelief(std::shared_ptr<const UncertainModel> uncertain);

  /// Unknown transitions: whole rounds. O(Z^2) a round; other gaps than 1 of an unknown transition O(Z^3 log dt).
  void predict(double dt) override;
  double update(const Observation& observation) override;
  /// theta of a state drawn from p. With an unknown transition and a pending move of one round: origin, phi's row and then the state.
  void draw(const Round& round, Rng& rng, LatentDraw& out) const override;
  void mean_rewards(const Round& round, std::span<double> out) const override;
  double num_effective() const noexcept override { return 1; }
  void reset() override;

  std::optional<std::vector<double>> marginals() const override { return p_; }
  std::span<const double> p() const noexcept { return p_; }  ///< [Z]
  /// Posterior mean of the transition [Z, Z].
  std::vector<double> mean_transition() const;
  /// Posterior mean of theta of state z: out [d]; linear form, else the model's. Throws kInvalidArgument: a table, sizes.
  void mean_theta(int32_t z, std::span<double> out) const;

  std::unique_ptr<Belief> clone() const override { return std::make_unique<DecoupledBelief>(*this); }
  /// {"format": 1, "kind": "decoupled", "model": version, "num_impossible", "p", "before", "counts", "blocks"}.
  std::string save() const override;
  void load(std::string_view json) override;

 private:
  std::span<double> block(size_t index) noexcept;
  std::span<const double> block(size_t index) const noexcept;
  double phi_mean(size_t from, size_t to) const noexcept;

  std::vector<double> p_;  ///< [Z]
  std::vector<double> before_;  ///< [Z] p before the pending move; empty: no move that teaches phi is pending
  std::vector<double> counts_;  ///< [Z, Z] expected moves; empty if phi is known
  std::vector<double> blocks_;  ///< rewards: [num_blocks, block_size]
  std::vector<double> density_;  ///< [Z]
  std::vector<double> scratch_;
  PreparedObservation prepared_;
};

}  // namespace attune::people
