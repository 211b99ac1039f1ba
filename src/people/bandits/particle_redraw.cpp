// All particles redrawn when their weights collapse: Gibbs sweeps over the last states, each with the particle's own parameters.
//   (theta, phi) ~ posterior given the particle's path;  path of the last `history` states ~ forward filtering, backward sampling
// The state before the first of them, and the statistics of all that came before, stay as the particle has them; with nothing before, all is
// redrawn. A sweep leaves the posterior of each particle as it is, so weights stay. Copies of one survivor part ways here, and whole runs of
// states change at once, which rejuvenate() cannot do: it moves one state at a time.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "people/bandits/draws.h"
#include "people/bandits/gibbs_sampler.h"
#include "people/bandits/particle_belief.h"

namespace attune::people {

struct ParticleBelief::Redraw {
  int64_t first = 0;  ///< entry
  size_t size = 0;  ///< entries
  std::vector<size_t> touched;  ///< blocks with rewards of the history, ascending
  std::vector<double> base;  ///< [touched, block_size] without the history's rewards
  std::vector<double> blocks;  ///< [touched, block_size] with them
  std::vector<int32_t> path;  ///< [size]
  std::vector<double> filtered;  ///< [size, Z]
  std::vector<double> phi;  ///< [Z, Z] drawn; unknown transitions only
  std::vector<double> density;  ///< [Z]
  LatentModel parameters;  ///< drawn, of the blocks touched
  size_t block_size = 0;

  size_t place(size_t index) const noexcept {
    return static_cast<size_t>(std::lower_bound(touched.begin(), touched.end(), index) - touched.begin());
  }
  std::span<double> part(std::vector<double>& all, size_t i) const noexcept { return std::span(all).subspan(i * block_size, block_size); }
};

void ParticleBelief::redraw() {
  const UncertainModel& u = *uncertain_;
  Redraw room;
  room.first = std::max<int64_t>(0, num_entries_ - options_.history);
  room.size = static_cast<size_t>(num_entries_ - room.first);
  room.block_size = u.block_size();
  for (int64_t e = room.first; e < num_entries_; ++e) {
    const Entry& entry = entries_[slot(e)];
    if (!entry.learns) continue;
    for (int32_t z = 0; z < u.num_states(); ++z) room.touched.push_back(u.block_of(entry.reward.arm, z));
    if (u.form() == RewardForm::kLinear) break;  // all of them
  }
  std::sort(room.touched.begin(), room.touched.end());
  room.touched.erase(std::unique(room.touched.begin(), room.touched.end()), room.touched.end());
  room.base.resize(room.touched.size() * room.block_size);
  room.blocks.resize(room.base.size());
  room.path.resize(room.size);
  room.filtered.resize(room.size * z_);
  room.phi.resize(moves_.empty() ? 0 : z_ * z_);
  room.density.resize(z_);
  room.parameters = u.model();
  for (size_t p = 0; p < num_; ++p) redraw_particle(p, room);
  ++num_redrawn_;
}

void ParticleBelief::redraw_particle(size_t p, Redraw& room) {
  for (size_t i = 0; i < room.size; ++i) room.path[i] = state_at(p, room.first + static_cast<int64_t>(i));
  if (!take_history_out(p, room)) return;  // rounding forbids it (linear only): the particle stays as it is
  for (int32_t sweep = 0; sweep < options_.redraw_sweeps; ++sweep) {
    statistics_of_path(room);
    draw_parameters(p, room);
    if (!filter_history(p, room)) break;  // by underflow only: its path is one that is possible
    count_path(p, room, -1);
    draw_path(room);
    keep_path(p, room);
    count_path(p, room, 1);
  }
  statistics_of_path(room);
  for (size_t i = 0; i < room.touched.size(); ++i) {
    int32_t& id = blocks_[p * num_blocks_ + room.touched[i]];
    id = pool_.own(id);
    const std::span<double> block = room.part(room.blocks, i);
    std::copy(block.begin(), block.end(), pool_.at(id).begin());
  }
}

/// The particle's blocks without the rewards of the history: room.base. False: a reward cannot be taken out.
bool ParticleBelief::take_history_out(size_t p, Redraw& room) {
  const UncertainModel& u = *uncertain_;
  for (size_t i = 0; i < room.touched.size(); ++i) {
    const std::span<double> base = room.part(room.base, i);
    if (room.first == 0) {
      u.prior_block(room.touched[i], base);
    } else {
      const std::span<const double> now = pool_.at(block_id(p, room.touched[i]));
      std::copy(now.begin(), now.end(), base.begin());
    }
  }
  for (size_t i = 0; i < room.size && room.first > 0; ++i) {
    const size_t at = slot(room.first + static_cast<int64_t>(i));
    if (!entries_[at].learns) continue;
    const SeenReward reward = entry_reward(at);
    if (!u.remove(room.part(room.base, room.place(u.block_of(reward.arm, room.path[i]))), room.path[i], reward, scratch_)) return false;
  }
  return true;
}

void ParticleBelief::count_path(size_t p, const Redraw& room, double change) noexcept {
  for (int64_t e = std::max<int64_t>(room.first, 1); e < num_entries_; ++e) {
    if (entries_[slot(e)].move == Move::kCounted) count_move(p, state_at(p, e - 1), state_at(p, e), change);
  }
}

/// room.blocks = room.base and the rewards of the history in the states of the path.
void ParticleBelief::statistics_of_path(Redraw& room) {
  room.blocks = room.base;
  for (size_t i = 0; i < room.size; ++i) {
    const size_t at = slot(room.first + static_cast<int64_t>(i));
    if (!entries_[at].learns) continue;
    const SeenReward reward = entry_reward(at);
    uncertain_->add(room.part(room.blocks, room.place(uncertain_->block_of(reward.arm, room.path[i]))), room.path[i], reward, 1, scratch_);
  }
}

void ParticleBelief::draw_parameters(size_t p, Redraw& room) {
  for (size_t i = 0; i < room.phi.size(); ++i) room.phi[i] = uncertain_->alpha()[i] + moves_[p * z_ * z_ + i];
  for (size_t s = 0; s * z_ < room.phi.size(); ++s) {
    const std::span<double> row = std::span(room.phi).subspan(s * z_, z_);
    draw_dirichlet(row, rng_, row);
  }
  for (size_t i = 0; i < room.touched.size(); ++i) {
    draw_block_parameters(*uncertain_, room.touched[i], room.part(room.blocks, i), rng_, scratch_, room.parameters);
  }
}

/// P(state of entry = to | the state before it, the drawn phi); not for the first state.
double ParticleBelief::move_probability(const Redraw& room, int64_t entry, size_t from, size_t to) const noexcept {
  const size_t at = slot(entry);
  switch (entries_[at].move) {
    case Move::kKnown: return entry_matrix_[(at * z_ + from) * z_ + to];
    case Move::kCounted: return room.phi[from * z_ + to];
    default: return from == to ? 1 : 0;
  }
}

/// room.filtered[i] = P(state i | observations up to it, parameters). False: no mass is left.
bool ParticleBelief::filter_history(size_t p, Redraw& room) {
  for (size_t i = 0; i < room.size; ++i) {
    const int64_t e = room.first + static_cast<int64_t>(i);
    const size_t at = slot(e);
    const Entry& entry = entries_[at];
    const std::span<double> now = std::span(room.filtered).subspan(i * z_, z_);
    for (size_t j = 0; j < z_; ++j) {
      if (e == 0) {
        now[j] = start_[j];
      } else if (i == 0) {
        now[j] = move_probability(room, e, static_cast<size_t>(state_at(p, e - 1)), j);
      } else {
        double sum = 0;
        for (size_t s = 0; s < z_; ++s) sum += room.filtered[(i - 1) * z_ + s] * move_probability(room, e, s, j);
        now[j] = sum;
      }
    }
    if (entry.learns) {
      const SeenReward reward = entry_reward(at);
      room.parameters.log_likelihood(reward.arm, reward.features, reward.reward, room.density);
      const double top = *std::max_element(room.density.begin(), room.density.end());
      for (size_t j = 0; j < z_; ++j) now[j] *= std::max(std::exp(room.density[j] - top), kDensityFloor);
    } else if (entry.seen) {
      for (size_t j = 0; j < z_; ++j) now[j] *= entry_density_[at * z_ + j];
    }
    const double sum = std::accumulate(now.begin(), now.end(), 0.0);
    if (!(sum > 0)) return false;
    for (double& x : now) x /= sum;
  }
  return true;
}

void ParticleBelief::draw_path(Redraw& room) {
  for (size_t i = room.size; i-- > 0;) {
    const std::span<double> weight = std::span(room.filtered).subspan(i * z_, z_);
    if (i + 1 < room.size) {
      const int64_t after = room.first + static_cast<int64_t>(i) + 1;
      for (size_t s = 0; s < z_; ++s) weight[s] *= move_probability(room, after, s, static_cast<size_t>(room.path[i + 1]));
    }
    const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
    if (sum > 0) room.path[i] = categorical_index(weight, sum, rng_.uniform());
  }
}

void ParticleBelief::keep_path(size_t p, const Redraw& room) {
  for (size_t i = 0; i < room.size; ++i) state_at(p, room.first + static_cast<int64_t>(i)) = room.path[i];
  states_[p] = room.path.back();
}

}  // namespace attune::people
