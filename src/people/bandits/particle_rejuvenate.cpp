// The Gibbs sweep over the last states of every particle. With z_i the state of an entry and everything else of the particle kept,
//   P(z_i = j | rest) ~ P(j | z_{i-1}) P(z_{i+1} | j) p(r_i | statistics of j without r_i)
// where unknown transitions use the counts without the two moves, plus the first when the second is weighed (they may share a row). It leaves
// the posterior of each particle as it is, so weights stay.
#include <algorithm>
#include <cmath>

#include "people/bandits/draws.h"
#include "people/bandits/particle_belief.h"

namespace attune::people {

void ParticleBelief::rejuvenate() {
  const int64_t first = std::max<int64_t>(0, num_entries_ - options_.rejuvenate);
  for (int64_t entry = first; entry < num_entries_; ++entry) rejuvenate_entry(entry);
}

void ParticleBelief::rejuvenate_entry(int64_t entry) {
  const size_t at = slot(entry);
  const Entry& here = entries_[at];
  const bool last = entry + 1 == num_entries_;
  const Move after = last ? Move::kStart : entries_[slot(entry + 1)].move;  // kStart: no move follows
  if (here.move == Move::kStay || after == Move::kStay) return;  // two observations of one state hold it where it is
  const double* after_matrix = after == Move::kKnown ? entry_matrix_.data() + slot(entry + 1) * z_ * z_ : nullptr;
  const SeenReward reward = entry_reward(at);
  pool_.new_memo();
  for (size_t p = 0; p < num_; ++p) {
    const int32_t from = state_at(p, entry);
    const int32_t before = here.move == Move::kStart ? -1 : state_at(p, entry - 1);
    const int32_t next = last ? -1 : state_at(p, entry + 1);
    if (here.move == Move::kCounted) count_move(p, before, from, -1);
    if (after == Move::kCounted) count_move(p, from, next, -1);
    for (size_t j = 0; j < z_; ++j) {
      double weight = 1;
      if (here.move == Move::kStart) weight = start_[j];
      if (here.move == Move::kKnown) weight = entry_matrix_[(at * z_ + static_cast<size_t>(before)) * z_ + j];
      if (here.move == Move::kCounted) weight = count(p, before, j);  // its denominator is the same for all j
      if (after == Move::kKnown) weight *= after_matrix[j * z_ + static_cast<size_t>(next)];
      if (after == Move::kCounted) {
        const bool same_row = here.move == Move::kCounted && static_cast<size_t>(before) == j;
        const double total = uncertain_->alpha_sum()[j] + move_sums_[p * z_ + j] + (same_row ? 1 : 0);
        weight *= (count(p, static_cast<int32_t>(j), static_cast<size_t>(next)) + (same_row && before == next ? 1 : 0)) / total;
      }
      spare_row_[j] = weight;
    }
    weigh_entry(p, at, reward, from, spare_row_);
    double total = 0;
    for (const double w : spare_row_) total += w;
    int32_t to = from;
    if (total > 0 && std::isfinite(total)) to = categorical_index(spare_row_, total, rng_.uniform());
    if (to != from && here.learns && !move_reward(p, from, to, reward)) to = from;
    if (here.move == Move::kCounted) count_move(p, before, to, 1);
    if (after == Move::kCounted) count_move(p, to, next, 1);
    state_at(p, entry) = to;
    if (last) states_[p] = to;
  }
}

/// Multiplies `weights` [Z] by the densities of what was seen in the entry at slot `at`, its own contribution taken out.
void ParticleBelief::weigh_entry(size_t p, size_t at, const SeenReward& reward, int32_t from, std::span<double> weights) {
  const Entry& entry = entries_[at];
  if (!entry.seen) return;
  if (!entry.learns) {
    for (size_t j = 0; j < z_; ++j) weights[j] *= entry_density_[at * z_ + j];
    return;
  }
  const UncertainModel& u = *uncertain_;
  const double* density = reward_densities(p, reward);
  const size_t index = u.block_of(reward.arm, from);
  const int32_t id = block_id(p, index);
  if (!pool_.has_memo(id, 1)) u.densities_without(pool_.at(id), index, reward, scratch_, pool_.memo(id, 1));
  for (size_t j = 0; j < z_; ++j) {
    weights[j] *= j == static_cast<size_t>(from) ? pool_.memo(id, 1)[u.cell_of(from)] : density[j];
  }
}

double ParticleBelief::count(size_t p, int32_t from, size_t to) const noexcept {
  const size_t cell = static_cast<size_t>(from) * z_ + to;
  return uncertain_->alpha()[cell] + moves_[p * z_ * z_ + cell];
}

void ParticleBelief::count_move(size_t p, int32_t from, int32_t to, double change) noexcept {
  const size_t row = p * z_ + static_cast<size_t>(from);
  moves_[row * z_ + static_cast<size_t>(to)] += change;
  move_sums_[row] += change;
}

/// The reward leaves state `from` for `to`. False: rounding forbids it and nothing changed (linear only).
bool ParticleBelief::move_reward(size_t p, int32_t from, int32_t to, const SeenReward& reward) {
  const UncertainModel& u = *uncertain_;
  const size_t index = u.block_of(reward.arm, from);
  int32_t& id = blocks_[p * num_blocks_ + index];
  const std::span<const double> now = pool_.at(id);
  std::copy(now.begin(), now.end(), spare_.begin());
  if (!u.remove(spare_, from, reward, scratch_)) return false;
  id = pool_.own(id);
  std::copy(spare_.begin(), spare_.end(), pool_.at(id).begin());
  learn(p, to, reward);
  return true;
}

}  // namespace attune::people
