// Rao-Blackwell particle filter over (state, parameters) of a latent bandit (docs/methods/latent_bandits.md, "Unknown parameters"): the
// default belief of mmTS.
//
// A particle is a state z, the counts of its moves, and the statistics of rewards by arm and state (tables) or by state (features); theta and
// phi are integrated out in closed form. A round with a reward r, P particles:
//   q[j]      = E[phi[z][j] | moves] E[lik(r | a, x, j) | statistics]     locally optimal proposal
//   weight   *= sum_j q[j],  evidence = sum of weights * sum_j q[j]
//   resample  systematically if the effective number is below resample_below * P, before states are drawn (the weights do not depend on them)
//   z        ~ q, moves and statistics of z updated; after resampling one Gibbs sweep over the last `rejuvenate` states of each particle
//   redraw    if the effective number before resampling is below redraw_below * P: instead of that sweep, every particle's path and statistics
//            anew by redraw_sweeps Gibbs sweeps with forward filtering and backward sampling over the last `history` states; what lies
//            before them is kept as the particle has it. Also before giving up on a reward that no particle can explain
// Known parts of the model (empty fields of the prior) have no statistics and cost nothing. Gaps: known transitions any dt that Transition
// takes; unknown ones whole rounds up to kMostRounds, each drawn.
// Statistics are copied on writing, so copies of a particle share what neither has changed; predictive densities are found once a block.
// Memory: P (blocks touched * block size + Z^2 + window) doubles, window = max(rejuvenate, history) + 1; a redraw ends the sharing of the
// blocks it touches and costs O(P * redraw_sweeps * (history * Z^2 + parameters drawn)). No allocation a round
// once the blocks were grown, but for redraws.
// Deterministic in the seed. One belief, one user, one thread; copies are independent and continue alike.
// Verified (tests/people/bandits/particle_belief_test.cpp): enumeration with all integrals (10^5 particles, total variation < 0.01), the exact
// filter for priors of vanishing variance, expectations under resampling and rejuvenation; redraws against enumeration and after planted
// collapses (particle_redraw_test.cpp).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "people/bandits/block_pool.h"
#include "people/bandits/uncertain_belief.h"

namespace attune::people {

struct ParticleOptions {
  int32_t num_particles = 200;  ///< P, 1 to 1,000,000
  double resample_below = 0.5;  ///< share of P in [0, 1]; 0: never
  int32_t rejuvenate = 20;  ///< states that a Gibbs sweep revises after resampling, 0 to 1000
  int32_t history = 0;  ///< states that a redraw covers, 0 (no redraws) to 10,000
  double redraw_below = 0.05;  ///< share of P in [0, 1]; 0: only for rewards that no particle can explain
  int32_t redraw_sweeps = 5;  ///< 1 to 1000
  uint64_t seed = 0;

  /// Names every field with range and help.
  void describe(OptionList& list);
};

/// Systematic resampling (Kitagawa 1996): how often each index survives, out [n], sum n; expectation n * weights[i], and at most one away from
/// it. Weights sum to 1, uniform in [0, 1). O(n).
void systematic_counts(std::span<const double> weights, double uniform, std::span<int32_t> out) noexcept;

class ParticleBelief final : public UncertainBelief {
 public:
  static constexpr double kMostRounds = 100000;

  /// Throws kInvalidArgument: options out of range, more than 2^28 (particle, block) pairs.
  ParticleBelief(std::shared_ptr<const UncertainModel> uncertain, ParticleOptions options = {});

  void predict(double dt) override;
  double update(const Observation& observation) override;
  void draw(const Round& round, Rng& rng, LatentDraw& out) const override;
  void mean_rewards(const Round& round, std::span<double> out) const override;
  double num_effective() const noexcept override;
  void reset() override;
  std::optional<std::vector<double>> marginals() const override;

  std::unique_ptr<Belief> clone() const override { return std::make_unique<ParticleBelief>(*this); }
  /// {"format": 1, "kind": "particles", "model": version, "rng", weights, states, window, moves, blocks, ...}.
  std::string save() const override;
  void load(std::string_view json) override;

  const ParticleOptions& options() const noexcept { return options_; }
  int64_t num_resampled() const noexcept { return num_resampled_; }
  /// How often all particles were redrawn over the history.
  int64_t num_redrawn() const noexcept { return num_redrawn_; }
  /// What particle `p` holds in block `index`, for diagnostics and tests.
  std::span<const double> statistics(int32_t p, size_t index) const noexcept { return pool_.at(block_id(static_cast<size_t>(p), index)); }
  std::span<const double> weights() const noexcept { return weights_; }  ///< [P], sum 1
  /// Blocks that are held by anybody, the prior's included.
  size_t num_stored_blocks() const noexcept { return pool_.num_used(); }

 private:
  using Json = nlohmann::ordered_json;
  enum class Move : uint8_t { kStart, kStay, kKnown, kCounted };
  /// A state of the window and what was seen in it. Numbers of variable length lie in the window's arrays, by slot.
  struct Entry {
    Move move = Move::kStart;
    bool seen = false;  ///< anything was observed
    bool learns = false;  ///< a reward that is in the statistics
    double dt = 0;  ///< kKnown
    SeenReward reward;  ///< without its features
  };

  size_t slot(int64_t entry) const noexcept { return static_cast<size_t>(entry % static_cast<int64_t>(window_)); }
  int32_t& state_at(size_t p, int64_t entry) noexcept { return window_states_[p * window_ + slot(entry)]; }
  int32_t block_id(size_t p, size_t index) const noexcept { return blocks_[p * num_blocks_ + index]; }
  Move pending_move() const noexcept;
  void proposal_row(size_t p, std::span<double> out) const noexcept;
  std::span<const double> step_matrix() const noexcept { return pending_ == 1 ? matrix_ : gap_matrix_; }
  const double* reward_densities(size_t p, const SeenReward& seen);
  double weigh();
  void resample();
  void copy_particle(size_t from, size_t to) noexcept;
  void move_particle(size_t p, int32_t to);
  void push_entry();
  void remember_observation();
  SeenReward entry_reward(size_t at) const noexcept;
  void learn(size_t p, int32_t z, const SeenReward& reward);
  void draw_pending_states();

  static void with_corrupt_data(const char* name, const std::function<void()>& body);
  void load_moves(const Json& value);
  void load_blocks(const Json& held, const Json& blocks);
  void load_window(const Json& window);
  void load_observation(const Json& one, size_t at);

  void rejuvenate();
  void rejuvenate_entry(int64_t entry);
  void weigh_entry(size_t p, size_t at, const SeenReward& reward, int32_t from, std::span<double> weights);
  double count(size_t p, int32_t from, size_t to) const noexcept;
  void count_move(size_t p, int32_t from, int32_t to, double change) noexcept;
  bool move_reward(size_t p, int32_t from, int32_t to, const SeenReward& reward);

  struct Redraw;  ///< room and parameters of a redraw
  void redraw();
  void redraw_particle(size_t p, Redraw& room);
  bool take_history_out(size_t p, Redraw& room);
  void count_path(size_t p, const Redraw& room, double change) noexcept;
  void statistics_of_path(Redraw& room);
  void draw_parameters(size_t p, Redraw& room);
  bool filter_history(size_t p, Redraw& room);
  void draw_path(Redraw& room);
  double move_probability(const Redraw& room, int64_t entry, size_t from, size_t to) const noexcept;
  void keep_path(size_t p, const Redraw& room);

  ParticleOptions options_;
  size_t num_ = 0;  ///< P
  size_t z_ = 0;  ///< Z
  size_t num_blocks_ = 0;  ///< of a particle
  size_t window_ = 1;  ///< slots: max(rejuvenate, history) + 1
  Rng rng_;

  std::vector<double> weights_;  ///< [P]
  std::vector<int32_t> states_;  ///< [P]; -1 before the first
  std::vector<int32_t> blocks_;  ///< [P, num_blocks] ids
  std::vector<double> moves_;  ///< [P, Z, Z]; unknown transitions only
  std::vector<double> move_sums_;  ///< [P, Z]
  std::vector<int32_t> window_states_;  ///< [P, window]
  BlockPool pool_;  ///< ids 0 .. num_blocks - 1: the prior

  int64_t num_entries_ = 0;  ///< states so far
  std::vector<Entry> entries_;  ///< [window] by slot, as the arrays below
  std::vector<double> entry_features_;  ///< [window, d]
  std::vector<double> entry_density_;  ///< [window, Z] where no reward is learned from
  std::vector<double> entry_matrix_;  ///< [window, Z, Z] known transitions

  std::vector<double> start_;  ///< [Z] distribution of the first state
  double pending_ = 0;  ///< rounds since the last state
  std::vector<double> matrix_;  ///< [Z, Z] of one round, known transitions
  std::vector<double> gap_matrix_;  ///< [Z, Z] of `pending_` rounds if that is not 1
  int64_t num_resampled_ = 0;
  int64_t num_redrawn_ = 0;

  // Room of a step.
  PreparedObservation prepared_;
  std::vector<double> proposal_;  ///< [P, Z]
  std::vector<double> totals_;  ///< [P]
  std::vector<double> density_;  ///< [Z]
  std::vector<double> scratch_;
  std::vector<double> spare_row_;  ///< [Z]
  std::vector<double> spare_;  ///< [block_size]
  std::vector<int32_t> survivors_;  ///< [P]
};

}  // namespace attune::people
