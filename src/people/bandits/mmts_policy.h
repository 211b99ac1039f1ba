// mmTS: Thompson sampling of state and model together, for latent bandits whose parameters are in doubt (Hong and others, arXiv 2012.00386;
// docs/methods/latent_bandits.md, "Unknown parameters").
//
//   thompson   (z, theta, phi) ~ posterior of all three, a = argmax_a mu(a, z; theta)
//   greedy     a = argmax_a E[mu(a, z; theta)]
// The posterior is one of: particles (ParticleBelief, the default), gibbs (GibbsBelief, slow), decoupled (DecoupledBelief, approximate).
// One object, one user. Deterministic in the Rng passed in and the seed of the belief.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "people/bandits/gibbs_belief.h"
#include "people/bandits/particle_belief.h"
#include "people/bandits/policy.h"
#include "people/bandits/uncertain_belief.h"

namespace attune::people {

struct MmtsOptions {
  std::string belief = "particles";  ///< particles, gibbs or decoupled
  std::string rule = "thompson";  ///< thompson or greedy
  int32_t propensity_draws = 0;  ///< more draws of the posterior, for the propensity of thompson; 0: NaN, 0 to 1,000,000
  ParticleOptions particles;
  GibbsOptions gibbs;

  /// Names every field with range and help, those of the belief included.
  void describe(OptionList& list);
};

/// The belief that `options.belief` names. Throws kNotFound listing the known names, and what its constructor throws.
std::unique_ptr<UncertainBelief> make_uncertain_belief(std::shared_ptr<const UncertainModel> uncertain, const MmtsOptions& options);

class MmtsPolicy final : public Policy {
 public:
  /// `name`: as reported. Throws kInvalidArgument: no belief, options out of range.
  MmtsPolicy(std::string name, std::unique_ptr<UncertainBelief> belief, MmtsOptions options = {});

  std::string_view name() const noexcept override { return name_; }
  void reset() override;
  /// A round later than the last moves the belief by its dt first (the first round after reset does not). Propensity: greedy 1; thompson with
  /// n > 0 propensity_draws (1 + how many of n further draws choose the action) / (n + 1), which is never 0 and at most 1 / (n + 1) above
  /// the truth in expectation. The further draws do not disturb `rng`.
  Choice choose(const Round& round, Rng& rng) override;
  void observe(const Round& round, int32_t action, double reward, Rng& rng) override;

  const UncertainBelief& belief() const noexcept { return *belief_; }
  /// log p(reward | past) of the last observe(); NaN before.
  double log_evidence() const noexcept { return log_evidence_; }

 private:
  void advance(const Round& round);
  int32_t draw_action(const Round& round, Rng& rng);

  std::string name_;
  MmtsOptions options_;
  std::unique_ptr<UncertainBelief> belief_;
  LatentDraw draw_;
  int64_t last_t_ = -1;
  double log_evidence_;
};

/// mmts, mmts-greedy, mmts-gibbs (slow), mmts-decoupled (approximate).
std::span<const std::string_view> mmts_policy_names() noexcept;
/// By name; `options` with the fields set that the name stands for. Throws kNotFound listing the known names.
std::unique_ptr<MmtsPolicy> make_mmts_policy(std::string_view name, std::shared_ptr<const UncertainModel> uncertain,
                                             MmtsOptions options = {});

}  // namespace attune::people
