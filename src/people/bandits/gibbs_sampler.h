// Gibbs sampling of (state path, theta, phi) given the whole history of one user (docs/methods/latent_bandits.md, "Unknown parameters").
//
// A sweep: (theta, phi) from their conjugate posteriors given the path; then the path by forward filtering and backward sampling
//   f_i[j] ~ lik_i[j] sum_z f_{i-1}[z] phi[z][j],    z_t ~ f_t,    z_i ~ f_i[z] phi[z][z_{i+1}]
// (Fruehwirth-Schnatter 1994, Carter and Kohn 1994). t rounds cost O(t Z^2 + size of the parameters) a sweep; memory O(t (Z + d)).
// Not thread-safe; copies are independent.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <vector>

#include "people/bandits/uncertain_belief.h"

namespace attune::people {

class GibbsSampler {
 public:
  static constexpr int64_t kMostRounds = 10000000;  ///< of a history, gaps of unknown transitions counted

  explicit GibbsSampler(std::shared_ptr<const UncertainModel> uncertain);

  /// Adds a state `dt` rounds after the last (0: the same state; the first state is drawn from `initial` moved by dt) and what was seen in it.
  /// Gaps of an unknown transition are filled with states in which nothing was seen. Throws kInvalidArgument: dt; kResource: kMostRounds.
  void append(double dt, const PreparedObservation& seen);
  int64_t size() const noexcept { return static_cast<int64_t>(entries_.size()); }

  /// A draw of the parameters from their prior; no path.
  void start(Rng& rng);
  /// One sweep over what append() gave; start() must have been called.
  void sweep(Rng& rng);

  /// The parameters under which the last path was drawn (before the first sweep: those of start()). Checked and ready to filter with.
  const LatentModel& parameters() const noexcept { return parameters_; }
  /// P(last state | history, parameters()) [Z]; after a sweep.
  std::span<const double> filtered() const noexcept { return {filtered_.data() + filtered_.size() - z_, z_}; }
  std::span<const int32_t> path() const noexcept { return path_; }  ///< [size()], after a sweep

  using Json = nlohmann::ordered_json;
  void save(Json& json) const;
  /// Throws kCorruptData.
  void load(const Json& json);

 private:
  struct Entry {
    double dt = 0;
    bool seen = false;
    bool learns = false;
    SeenReward reward;  ///< without its features
    size_t offset = 0;  ///< of its features in features_, or of its densities in densities_
  };

  SeenReward reward_of(const Entry& entry) const noexcept;
  void add(double dt, const PreparedObservation* seen);
  void statistics_of_path(std::vector<double>& moves);
  void draw_parameters(std::span<const double> moves, Rng& rng);
  void filter();
  void draw_path(Rng& rng);

  std::shared_ptr<const UncertainModel> uncertain_;
  size_t z_;
  std::vector<Entry> entries_;
  std::vector<double> features_;
  std::vector<double> densities_;
  LatentModel parameters_;
  std::vector<double> filtered_;  ///< [size, Z]
  std::vector<int32_t> path_;
  std::vector<double> blocks_;  ///< reward statistics of the path
  std::vector<double> scratch_;
};

/// Draws the reward parameters of block `index` from their posterior into `out`, a model of the same sizes. scratch [scratch_size()].
void draw_block_parameters(const UncertainModel& uncertain, size_t index, std::span<const double> block, Rng& rng,
                           std::span<double> scratch, LatentModel& out);

/// Parameters of a model as one JSON object, and back into a model of the same sizes. Throws kCorruptData.
void save_parameters(const UncertainModel& uncertain, const LatentModel& model, nlohmann::ordered_json& json);
void load_parameters(const UncertainModel& uncertain, const nlohmann::ordered_json& json, LatentModel& model);

}  // namespace attune::people
