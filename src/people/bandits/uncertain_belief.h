// A belief over a moving state together with the parameters of its model: what mmTS acts on (docs/methods/latent_bandits.md, "Unknown
// parameters"). Three methods: ParticleBelief (the default), GibbsBelief (slow reference), DecoupledBelief (approximate, fast).
//
// As with every Belief: decide, update with what came back, predict the time until the next round.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "people/bandits/policy.h"
#include "people/bandits/uncertain_model.h"
#include "people/belief.h"

namespace attune::people {

/// One draw of (state, theta, phi) from the joint posterior, as far as a round needs it. Reuse the object: its room is kept.
struct LatentDraw {
  int32_t state = -1;  ///< z of the coming round
  std::vector<double> means;  ///< [n] mean reward of each action in `state` under the drawn theta
  std::vector<double> theta;  ///< [d] of `state`; linear form only
  std::vector<double> phi;  ///< [Z] drawn transition row that led to `state`; empty if known or no move is pending
  std::vector<double> scratch;
};

class UncertainBelief : public Belief {
 public:
  /// The round was checked (acting.h, check_round). Arms whose parameters were never seen are drawn from their prior.
  virtual void draw(const Round& round, Rng& rng, LatentDraw& out) const = 0;
  /// Posterior mean reward of each action, E over (state, theta): out [n].
  virtual void mean_rewards(const Round& round, std::span<double> out) const = 0;
  /// Effective number of samples, 1 / sum of squared weights; 1 for methods without samples.
  virtual double num_effective() const noexcept = 0;
  /// Back to the prior; a stream of random numbers starts again.
  virtual void reset() = 0;

  const std::shared_ptr<const UncertainModel>& uncertain() const noexcept { return uncertain_; }

  Latent sample(Rng& rng) const override;
  int32_t num_features() const noexcept override { return uncertain_->num_states(); }
  void features(std::span<float> out) const override;
  int64_t num_impossible() const noexcept override { return num_impossible_; }
  const std::string& version() const noexcept override { return uncertain_->model().version; }

 protected:
  /// Throws kInvalidArgument: no model.
  explicit UncertainBelief(std::shared_ptr<const UncertainModel> uncertain);

  std::shared_ptr<const UncertainModel> uncertain_;
  int64_t num_impossible_ = 0;
};

/// An observation, checked and brought to one of two forms.
struct PreparedObservation {
  bool learns = false;  ///< the reward informs the unknown reward parameters: densities come from the blocks
  bool possible = true;  ///< false: log likelihoods of -infinity in every state
  SeenReward seen;  ///< if `learns`
  std::vector<double> density;  ///< [Z] else, the largest is 1
  double log_scale = 0;  ///< log of the unit of `density`
};
/// Throws kInvalidArgument as Belief::update. Reuses the room in `out`. O(Z), known parameters by features O(Z d).
void prepare_observation(const UncertainModel& uncertain, const Observation& observation, PreparedObservation& out);

/// means [n] and theta of `out` for out.state. `block_of(index)` gives the reward block of that index (not called for known parameters).
template <class BlockOf>
void draw_action_means(const UncertainModel& uncertain, const Round& round, const BlockOf& block_of, Rng& rng, LatentDraw& out) {
  const LatentModel& model = uncertain.model();
  const auto state = static_cast<size_t>(out.state);
  out.means.resize(static_cast<size_t>(round.num_actions));
  out.scratch.resize(std::max(uncertain.scratch_size(), static_cast<size_t>(model.num_states)));
  if (uncertain.form() == RewardForm::kLinear) {
    out.theta.resize(static_cast<size_t>(model.d));
    linear_draw(block_of(state), rng, out.theta);
    for (int32_t a = 0; a < round.num_actions; ++a) {
      const std::span<const double> x = round.features_of(a);
      double sum = 0;
      for (size_t i = 0; i < x.size(); ++i) sum += x[i] * out.theta[i];
      out.means[static_cast<size_t>(a)] = sum;
    }
    return;
  }
  for (int32_t a = 0; a < round.num_actions; ++a) {
    double& mean = out.means[static_cast<size_t>(a)];
    if (uncertain.form() == RewardForm::kKnown) {
      model.means(round.arm(a), round.features_of(a), std::span(out.scratch).first(static_cast<size_t>(model.num_states)));
      mean = out.scratch[state];
    } else {
      mean = uncertain.draw_mean(block_of(static_cast<size_t>(round.arm(a))), round.arm(a), out.state, rng, out.scratch);
    }
  }
}

}  // namespace attune::people
