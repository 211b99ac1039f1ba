// A belief over state and parameters by Gibbs sampling: parameter draws, each with its own exact filter (docs/methods/latent_bandits.md,
// "Unknown parameters"). The slow reference for ParticleBelief.
//
// Every `every` rounds the chain of GibbsSampler runs burn_in sweeps over the whole history and then keeps every `thin`-th of its parameter
// draws with the filter's P(z_t | history, draw). Between refreshes the filters run on exactly and the draws are weighted by their evidence;
// if their effective number falls below refresh_below * draws, the refresh comes early. The chain goes on from where it was.
// A refresh of t rounds costs O((burn_in + draws * thin) t Z^2), a round O(draws Z^2); memory O(t (Z + d) + draws * size of the model).
// Deterministic in the seed. One belief, one user, one thread.
// Verified: enumeration with all integrals, total variation < 0.02 (tests/people/bandits/gibbs_belief_test.cpp).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "people/bandits/gibbs_sampler.h"
#include "people/bandits/uncertain_belief.h"

namespace attune::people {

struct GibbsOptions {
  int32_t num_draws = 100;  ///< kept, 1 to 1,000,000
  int32_t burn_in = 20;  ///< sweeps before the first that is kept, 0 to 1,000,000
  int32_t thin = 1;  ///< sweeps a kept draw, 1 to 1000
  int32_t every = 50;  ///< rounds, 1 to 1,000,000
  double refresh_below = 0.2;  ///< effective share of the draws in [0, 1]; 0: by rounds alone
  uint64_t seed = 0;

  /// Names every field with range and help.
  void describe(OptionList& list);
};

class GibbsBelief final : public UncertainBelief {
 public:
  /// Throws kInvalidArgument: options out of range.
  GibbsBelief(std::shared_ptr<const UncertainModel> uncertain, GibbsOptions options = {});

  void predict(double dt) override;
  double update(const Observation& observation) override;
  void draw(const Round& round, Rng& rng, LatentDraw& out) const override;
  void mean_rewards(const Round& round, std::span<double> out) const override;
  double num_effective() const noexcept override;
  void reset() override;
  std::optional<std::vector<double>> marginals() const override;

  /// Runs the chain now.
  void refresh();
  int64_t num_refreshed() const noexcept { return num_refreshed_; }

  std::unique_ptr<Belief> clone() const override { return std::make_unique<GibbsBelief>(*this); }
  /// {"format": 1, "kind": "gibbs", "model": version, "rng", "chain", "draws", ...}.
  std::string save() const override;
  void load(std::string_view json) override;

 private:
  struct Draw {
    LatentModel parameters;
    std::vector<double> p;  ///< [Z]
    double weight = 0;
  };

  GibbsOptions options_;
  Rng rng_;
  GibbsSampler chain_;
  std::vector<Draw> draws_;
  double pending_ = 0;  ///< rounds since the last observation
  int64_t rounds_since_ = 0;  ///< observations since the last refresh
  int64_t num_refreshed_ = 0;
  PreparedObservation prepared_;
};

}  // namespace attune::people
