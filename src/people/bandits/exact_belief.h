// The exact filter over the Z states of a latent bandit (docs/methods/latent_bandits.md, "Exact filter"; Hong and others, arXiv 2012.00386).
//
//   update    w[z] = p[z] lik(r | a, x, z),  p = w / sum w      returns log sum w, the log evidence
//   predict   p'[j] = sum_z p[z] phi[z][j], dt times
// Weights are formed in the log domain (log-sum-exp). A state that is not impossible keeps at least 1e-300, so that it can come back.
// The model is shared: a belief is Z doubles and two pointers. One belief, one user, one thread.
// Verified: sums over all Z^t paths (t <= 8, Z <= 3, asymmetric matrices, three likelihoods, relative 1e-12), tests/people/bandits/.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "people/belief.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

class ExactBelief final : public Belief {
 public:
  /// Starts at the model's `initial`. The model was checked (LatentModel::check). O(Z).
  explicit ExactBelief(std::shared_ptr<const LatentModel> model);

  /// O(Z) sticky, O(Z^2) dense; Transition::apply.
  void predict(double dt) override;
  /// O(Z), by features O(Z d).
  double update(const Observation& observation) override;
  /// Conditions on log p(what was seen | z) [Z] from elsewhere, as `update` does: finite or -infinity each.
  double update_log_likelihood(std::span<const double> log_likelihood);
  /// A state, no vector.
  Latent sample(Rng& rng) const override;

  int32_t num_features() const noexcept override { return model_->num_states; }
  void features(std::span<float> out) const override;
  std::optional<std::vector<double>> marginals() const override { return p_; }
  int64_t num_impossible() const noexcept override { return num_impossible_; }

  std::unique_ptr<Belief> clone() const override { return std::make_unique<ExactBelief>(*this); }
  /// {"kind": "exact", "format": 1, "model": version, "num_impossible", "p": [Z]}.
  std::string save() const override;
  void load(std::string_view json) override;
  const std::string& version() const noexcept override { return model_->version; }

  const LatentModel& model() const noexcept { return *model_; }
  std::span<const double> p() const noexcept { return p_; }  ///< [Z]
  /// -sum p log p, nats.
  double entropy() const noexcept;
  /// Back to the model's `initial`; the counter stays.
  void reset();

 private:
  std::shared_ptr<const LatentModel> model_;
  std::vector<double> p_;
  int64_t num_impossible_ = 0;
};

/// Index drawn from weights [n] that sum to 1: the last with a positive weight if rounding leaves something over.
int32_t draw_index(std::span<const double> weights, Rng& rng) noexcept;

/// The step itself, for filters that hold p elsewhere: p [Z] becomes p exp(log_likelihood) / evidence. Returns the log evidence; -infinity
/// (and p unchanged) if every state is impossible. `log_likelihood` [Z]: finite or -infinity.
double condition(std::span<double> p, std::span<const double> log_likelihood) noexcept;

}  // namespace attune::people
