// A latent model and the prior of what is not known about it: the part that all beliefs over (state, parameters) share
// (docs/methods/latent_bandits.md, "Unknown parameters").
//
// What was learned about the rewards of one user is kept in blocks of numbers, one block an arm for tables, one a state by features:
//   form        prior fields          block [cells x numbers]        numbers of a cell
//   known       none                  no blocks                      -
//   gaussian    mean, variance        an arm: Z cells                n, sum of rewards
//   beta        beta                  an arm: Z cells                rewards of 1, rewards of 0
//   dirichlet   level_alpha           an arm: Z cells                times each level was seen [C]
//   linear      theta, covariance     a state: 1 cell                square-root information form (conjugate.h)
// Tables hold what was added to the prior, so an arm that was never played is a block of zeros and stands at its prior. Counts are exact:
// taking a reward out leaves the block as it was before (linear: up to rounding).
// Immutable after construction, thread-safe; memory O(size of model and prior). Scratch of scratch_size() numbers belongs to the caller.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "people/bandits/conjugate.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

enum class RewardForm { kKnown, kGaussian, kBeta, kDirichlet, kLinear };

/// A reward as the blocks take it; checked before (LatentModel::check_observation).
struct SeenReward {
  int32_t arm = -1;
  std::span<const double> features{};
  double reward = 0;
  int32_t level = 0;  ///< of categorical rewards
};

class UncertainModel {
 public:
  /// Checks both; `model` without its check() done is checked here. Throws kInvalidArgument (prior fields of another kind of reward than the
  /// model's, too), kUnsupported: unknown parameters of Bernoulli rewards by features, which have no conjugate prior. O(sizes + Z d^3).
  UncertainModel(LatentModel model, LatentPrior prior);

  const LatentModel& model() const noexcept { return model_; }
  RewardForm form() const noexcept { return form_; }
  int32_t num_states() const noexcept { return model_.num_states; }

  /// P(z_1) [Z]: the model's, or the mean of its Dirichlet prior.
  std::span<const double> initial() const noexcept { return initial_; }
  bool transition_known() const noexcept { return alpha_.empty(); }
  /// Dirichlet parameters of the transition rows [Z, Z] and their sums [Z]; empty if known.
  std::span<const double> alpha() const noexcept { return alpha_; }
  std::span<const double> alpha_sum() const noexcept { return alpha_sum_; }

  size_t num_blocks() const noexcept { return num_blocks_; }
  size_t block_size() const noexcept { return cells_ * cell_size_; }
  size_t cells() const noexcept { return cells_; }  ///< of a block: Z or 1
  size_t scratch_size() const noexcept { return std::max(static_cast<size_t>(model_.d), model_.levels.size()); }
  size_t block_of(int32_t arm, int32_t z) const noexcept { return static_cast<size_t>(form_ == RewardForm::kLinear ? z : arm); }
  size_t cell_of(int32_t z) const noexcept { return form_ == RewardForm::kLinear ? 0 : static_cast<size_t>(z); }
  /// The prior itself as block `index`: out [block_size()].
  void prior_block(size_t index, std::span<double> out) const noexcept;

  /// Predictive densities of the reward in every cell of block `index`: out [cells()], each at least kDensityFloor (Gaussian forms).
  void densities(std::span<const double> block, size_t index, const SeenReward& seen, std::span<double> scratch,
                 std::span<double> out) const noexcept;
  /// As above with the reward, which is in that cell, taken out of it first: what the cell said before it. out [cells()].
  void densities_without(std::span<const double> block, size_t index, const SeenReward& seen, std::span<double> scratch,
                         std::span<double> out) const noexcept;
  /// Adds the reward with a weight in [0, 1] to state z's cell.
  void add(std::span<double> block, int32_t z, const SeenReward& seen, double weight, std::span<double> scratch) const noexcept;
  /// Takes a reward of weight 1 out. False: it never went in (tables, block unchanged) or rounding forbids it (linear, block spoiled).
  bool remove(std::span<double> block, int32_t z, const SeenReward& seen, std::span<double> scratch) const noexcept;

  /// Mean reward of the arm in state z under the posterior, tables only.
  double mean(std::span<const double> block, int32_t arm, int32_t z) const noexcept;
  /// Draw of the mean reward of the arm in state z from the posterior, tables only. scratch [C] for categorical rewards.
  double draw_mean(std::span<const double> block, int32_t arm, int32_t z, Rng& rng, std::span<double> scratch) const;
  /// Posterior of a Gaussian cell; the Beta's (a, b) and the Dirichlet's parameters are prior + counts.
  MeanVariance gaussian(std::span<const double> block, int32_t arm, int32_t z) const noexcept;

  /// For readers: kCorruptData naming `what` if no history leads to such a block (negative counts, a factor without positive diagonal).
  void check_block(std::span<const double> block, std::string_view what) const;

  const LatentPrior& prior() const noexcept { return prior_; }

 private:
  void choose_form();
  void prepare();
  size_t table_cell(size_t arm, size_t z) const noexcept { return arm * static_cast<size_t>(model_.num_states) + z; }
  size_t counter(const SeenReward& seen) const noexcept;
  double cell_density(const double* cell, size_t table, const SeenReward& seen, double taken) const noexcept;

  LatentModel model_;
  LatentPrior prior_;
  RewardForm form_ = RewardForm::kKnown;
  size_t num_blocks_ = 0;
  size_t cells_ = 0;
  size_t cell_size_ = 0;
  std::vector<double> initial_;
  std::vector<double> alpha_;
  std::vector<double> alpha_sum_;
  std::vector<double> level_alpha_sum_;  ///< dirichlet [K, Z]
  std::vector<double> linear_;  ///< linear: the prior's blocks
};

}  // namespace attune::people
