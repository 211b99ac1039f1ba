#include "people/bandits/gibbs_sampler.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"
#include "people/bandits/draws.h"

namespace attune::people {

void draw_block_parameters(const UncertainModel& u, size_t index, std::span<const double> block, Rng& rng, std::span<double> scratch,
                           LatentModel& out) {
  if (u.form() == RewardForm::kLinear) {
    const auto d = static_cast<size_t>(u.model().d);
    return linear_draw(block, rng, std::span(out.theta).subspan(index * d, d));
  }
  const auto z = static_cast<size_t>(u.num_states());
  const size_t c = u.model().levels.size();
  for (size_t s = 0; s < z; ++s) {
    const size_t cell = index * z + s;
    if (u.form() == RewardForm::kDirichlet) {
      const std::span<double> row = std::span(out.level_probability).subspan(cell * c, c);
      for (size_t k = 0; k < c; ++k) row[k] = u.prior().level_alpha[cell * c + k] + block[s * c + k];
      draw_dirichlet(row, rng, row);
      out.mean[cell] = std::inner_product(row.begin(), row.end(), u.model().levels.begin(), 0.0);
    } else {
      out.mean[cell] = u.draw_mean(block, static_cast<int32_t>(index), static_cast<int32_t>(s), rng, scratch);
    }
  }
}

GibbsSampler::GibbsSampler(std::shared_ptr<const UncertainModel> uncertain)
    : uncertain_(std::move(uncertain)), z_(static_cast<size_t>(uncertain_->num_states())), parameters_(uncertain_->model()) {
  parameters_.initial.assign(uncertain_->initial().begin(), uncertain_->initial().end());
  blocks_.resize(uncertain_->num_blocks() * uncertain_->block_size());
  scratch_.resize(std::max(uncertain_->scratch_size(), z_));
}

SeenReward GibbsSampler::reward_of(const Entry& entry) const noexcept {
  SeenReward out = entry.reward;
  out.features = std::span(features_).subspan(entry.offset, static_cast<size_t>(uncertain_->model().d));
  return out;
}

void GibbsSampler::add(double dt, const PreparedObservation* seen) {
  check(size() < kMostRounds, ErrorCode::kResource, "[gibbs] expected a history of at most ", kMostRounds, " rounds");
  Entry entry;
  entry.dt = dt;
  if (seen != nullptr) {
    entry.seen = true;
    entry.learns = seen->learns;
    std::vector<double>& room = seen->learns ? features_ : densities_;
    const std::span<const double> values = seen->learns ? seen->seen.features : std::span<const double>(seen->density);
    entry.offset = room.size();
    room.insert(room.end(), values.begin(), values.end());
    if (seen->learns) entry.reward = seen->seen;
    entry.reward.features = {};
  }
  entries_.push_back(entry);
}

void GibbsSampler::append(double dt, const PreparedObservation& seen) {
  check(std::isfinite(dt) && dt >= 0, ErrorCode::kInvalidArgument, "[gibbs] expected a time of at least 0 rounds, found ", dt);
  if (!uncertain_->transition_known()) {
    check(dt == std::floor(dt) && dt + static_cast<double>(size()) <= static_cast<double>(kMostRounds), ErrorCode::kInvalidArgument,
          "[gibbs] an unknown transition moves by whole rounds, at most ", kMostRounds, " in all, found ", dt);
    if (entries_.empty() && dt > 0) add(0, nullptr);
    for (; dt > 1; --dt) add(1, nullptr);
  }
  add(dt, &seen);
}

// ---- parameters given the path ---------------------------------------------------------------------------------------------------------

/// Blocks of rewards and counts of moves [Z, Z] of the path; priors alone where there is no path yet.
void GibbsSampler::statistics_of_path(std::vector<double>& moves) {
  const UncertainModel& u = *uncertain_;
  const auto block = [&](size_t index) { return std::span(blocks_).subspan(index * u.block_size(), u.block_size()); };
  for (size_t i = 0; i < u.num_blocks(); ++i) u.prior_block(i, block(i));
  moves.assign(u.transition_known() ? 0 : z_ * z_, 0.0);
  for (size_t i = 0; i < path_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (i > 0 && entry.dt > 0 && !moves.empty()) ++moves[static_cast<size_t>(path_[i - 1]) * z_ + static_cast<size_t>(path_[i])];
    if (entry.learns) u.add(block(u.block_of(entry.reward.arm, path_[i])), path_[i], reward_of(entry), 1, scratch_);
  }
}

void GibbsSampler::draw_parameters(std::span<const double> moves, Rng& rng) {
  const UncertainModel& u = *uncertain_;
  const auto block = [&](size_t index) { return std::span<const double>(blocks_).subspan(index * u.block_size(), u.block_size()); };
  if (!moves.empty()) {
    std::vector<double> phi(z_ * z_);
    for (size_t i = 0; i < phi.size(); ++i) phi[i] = u.alpha()[i] + moves[i];
    for (size_t s = 0; s < z_; ++s) {
      const std::span<double> row = std::span(phi).subspan(s * z_, z_);
      draw_dirichlet(row, rng, row);
    }
    parameters_.transition = Transition::dense(u.num_states(), std::move(phi));
  }
  for (size_t i = 0; i < u.num_blocks(); ++i) draw_block_parameters(u, i, block(i), rng, scratch_, parameters_);
}

void GibbsSampler::start(Rng& rng) {
  path_.clear();
  std::vector<double> moves;
  statistics_of_path(moves);
  draw_parameters(moves, rng);
}

// ---- the path given the parameters -----------------------------------------------------------------------------------------------------

void GibbsSampler::filter() {
  filtered_.resize(entries_.size() * z_);
  std::vector<double> p = parameters_.initial;
  std::vector<double> density(z_);
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    if (entry.dt > 0) parameters_.transition.apply(p, entry.dt);
    if (entry.learns) {
      const SeenReward reward = reward_of(entry);
      parameters_.log_likelihood(reward.arm, reward.features, reward.reward, density);
      const double top = *std::max_element(density.begin(), density.end());
      for (double& x : density) x = std::max(std::exp(x - top), kDensityFloor);
    } else if (entry.seen) {
      std::copy_n(densities_.begin() + static_cast<ptrdiff_t>(entry.offset), z_, density.begin());
    }
    double sum = 0;
    for (size_t s = 0; s < z_; ++s) sum += p[s] *= entry.seen ? density[s] : 1.0;
    if (sum > 0) {
      for (double& x : p) x /= sum;
    } else {  // only by underflow: what is impossible was never appended
      std::fill(p.begin(), p.end(), 1.0 / static_cast<double>(z_));
    }
    std::copy(p.begin(), p.end(), filtered_.begin() + static_cast<ptrdiff_t>(i * z_));
  }
}

void GibbsSampler::draw_path(Rng& rng) {
  path_.resize(entries_.size());
  std::vector<double> weight(z_);
  for (size_t i = entries_.size(); i-- > 0;) {
    const double* f = filtered_.data() + i * z_;
    std::copy_n(f, z_, weight.begin());
    if (i + 1 < entries_.size()) {
      const double dt = entries_[i + 1].dt;
      const int32_t next = path_[i + 1];
      const std::vector<double> power = dt == 0 || dt == 1 ? std::vector<double>() : parameters_.transition.power(dt);
      for (size_t s = 0; s < z_; ++s) {
        double move = s == static_cast<size_t>(next) ? 1 : 0;
        if (dt == 1) move = parameters_.transition.at(static_cast<int32_t>(s), next);
        if (!power.empty()) move = power[s * z_ + static_cast<size_t>(next)];
        weight[s] *= move;
      }
    }
    const double sum = std::accumulate(weight.begin(), weight.end(), 0.0);
    path_[i] = sum > 0 ? categorical_index(weight, sum, rng.uniform()) : path_[i + 1];
  }
}

void GibbsSampler::sweep(Rng& rng) {
  if (!path_.empty()) {
    path_.resize(std::min(path_.size(), entries_.size()));  // entries after the last sweep have no state yet and say nothing
    std::vector<double> moves;
    statistics_of_path(moves);
    draw_parameters(moves, rng);
  }
  filter();
  draw_path(rng);
}

}  // namespace attune::people
