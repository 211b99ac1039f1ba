#include "people/bandits/particle_belief.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "people/bandits/draws.h"

namespace attune::people {
namespace {

constexpr size_t kMostPairs = size_t{1} << 28;

}  // namespace

void ParticleOptions::describe(OptionList& list) {
  list.add("particles", num_particles, "Particles of the belief.").range(1, 1000000);
  list.add("resample_below", resample_below, "Resample when the effective share of the particles is below this; 0 never.").range(0, 1);
  list.add("rejuvenate", rejuvenate, "Last states that a Gibbs sweep revises after resampling.").range(0, 1000);
  list.add("history", history,
           "Last states that are redrawn, all particles, by forward filtering and backward sampling when the weights collapse; 0 never.")
      .range(0, 10000);
  list.add("redraw_below", redraw_below, "With history: redraw when the effective share of the particles is below this.").range(0, 1);
  list.add("redraw_sweeps", redraw_sweeps, "Gibbs sweeps of a redraw.").range(1, 1000);
  list.add("particle_seed", seed, "Seed of the belief's own random numbers.");
}

void systematic_counts(std::span<const double> weights, double uniform, std::span<int32_t> out) noexcept {
  const auto n = static_cast<double>(weights.size());
  size_t last = weights.size();  // takes what rounding leaves; not an index without weight
  while (last > 1 && weights[last - 1] <= 0) --last;
  double sum = 0;
  double placed = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    sum += weights[i];  // points (k + uniform) / n below the running sum belong to indices up to i
    const double up_to = i + 1 >= last ? n : std::clamp(std::ceil(sum * n - uniform), placed, n);
    out[i] = static_cast<int32_t>(up_to - placed);
    placed = up_to;
  }
}

ParticleBelief::ParticleBelief(std::shared_ptr<const UncertainModel> uncertain, ParticleOptions options)
    : UncertainBelief(std::move(uncertain)), options_(options) {
  const UncertainModel& u = *uncertain_;
  check(options_.num_particles >= 1 && options_.num_particles <= 1000000, ErrorCode::kInvalidArgument,
        "[particle belief] num_particles: expected 1 to 1000000, found ", options_.num_particles);
  check(options_.resample_below >= 0 && options_.resample_below <= 1, ErrorCode::kInvalidArgument,
        "[particle belief] resample_below: expected 0 to 1, found ", options_.resample_below);
  check(options_.rejuvenate >= 0 && options_.rejuvenate <= 1000, ErrorCode::kInvalidArgument,
        "[particle belief] rejuvenate: expected 0 to 1000, found ", options_.rejuvenate);
  check(options_.history >= 0 && options_.history <= 10000, ErrorCode::kInvalidArgument,
        "[particle belief] history: expected 0 to 10000, found ", options_.history);
  check(options_.redraw_below >= 0 && options_.redraw_below <= 1, ErrorCode::kInvalidArgument,
        "[particle belief] redraw_below: expected 0 to 1, found ", options_.redraw_below);
  check(options_.redraw_sweeps >= 1 && options_.redraw_sweeps <= 1000, ErrorCode::kInvalidArgument,
        "[particle belief] redraw_sweeps: expected 1 to 1000, found ", options_.redraw_sweeps);
  num_ = static_cast<size_t>(options_.num_particles);
  z_ = static_cast<size_t>(u.num_states());
  num_blocks_ = u.num_blocks();
  window_ = static_cast<size_t>(std::max(options_.rejuvenate, options_.history)) + 1;
  const size_t of_particle = std::max({num_blocks_, z_, window_, u.transition_known() ? size_t{1} : z_ * z_});
  check(num_ <= kMostPairs / of_particle, ErrorCode::kInvalidArgument, "[particle belief] ", num_, " particles of ", of_particle,
        " numbers are too many, expected at most ", kMostPairs, " in all");
  const size_t of_entry = std::max({static_cast<size_t>(u.model().d), z_, u.transition_known() ? z_ * z_ : size_t{1}});
  check(window_ <= kMostPairs / of_entry, ErrorCode::kInvalidArgument, "[particle belief] a history of ", window_, " states of ", of_entry,
        " numbers is too long, expected at most ", kMostPairs, " in all");
  if (u.transition_known()) matrix_ = u.model().transition.matrix();
  const auto d = static_cast<size_t>(u.model().d);
  entry_features_.resize(window_ * d);
  entry_density_.resize(window_ * z_);
  entry_matrix_.resize(u.transition_known() ? window_ * z_ * z_ : 0);
  proposal_.resize(num_ * z_);
  totals_.resize(num_);
  density_.resize(z_);
  spare_row_.resize(z_);
  scratch_.resize(u.scratch_size());
  spare_.resize(u.block_size());
  survivors_.resize(num_);
  reset();
}

void ParticleBelief::reset() {
  const UncertainModel& u = *uncertain_;
  rng_ = Rng(options_.seed, "particle belief");
  weights_.assign(num_, 1.0 / static_cast<double>(num_));
  states_.assign(num_, -1);
  moves_.assign(u.transition_known() ? 0 : num_ * z_ * z_, 0.0);
  move_sums_.assign(u.transition_known() ? 0 : num_ * z_, 0.0);
  window_states_.assign(num_ * window_, 0);
  entries_.assign(window_, {});
  pool_ = BlockPool(u.block_size(), u.cells());
  blocks_.resize(num_ * num_blocks_);
  for (size_t i = 0; i < num_blocks_; ++i) {
    const int32_t id = pool_.allocate();
    u.prior_block(i, pool_.at(id));
    pool_.retain(id, static_cast<int32_t>(num_));  // the prior keeps one reference itself, so it is never written
    for (size_t p = 0; p < num_; ++p) blocks_[p * num_blocks_ + i] = id;
  }
  start_.assign(u.initial().begin(), u.initial().end());
  num_entries_ = 0;
  pending_ = 0;
  num_resampled_ = 0;
  num_redrawn_ = 0;
}

// ---- time ------------------------------------------------------------------------------------------------------------------------------

void ParticleBelief::predict(double dt) {
  const UncertainModel& u = *uncertain_;
  if (u.transition_known()) {
    if (num_entries_ == 0) return u.model().transition.apply(start_, dt);
    check(dt >= 0, ErrorCode::kInvalidArgument, "[particle belief] expected a time of at least 0 rounds, found ", dt);
    if (dt == 0) return;
    if (pending_ + dt != 1) gap_matrix_ = u.model().transition.power(pending_ + dt);  // throws before anything changed
    pending_ += dt;
    return;
  }
  check(dt >= 0 && dt <= kMostRounds && dt == std::floor(dt), ErrorCode::kInvalidArgument,
        "[particle belief] an unknown transition moves by whole rounds from 0 to ", kMostRounds, ", found ", dt);
  for (auto rounds = static_cast<int64_t>(dt); rounds > 0; --rounds) {
    // The last move stays open: it is drawn with the observation. Before the first state there is one to draw.
    if (pending_ > 0 || num_entries_ == 0) draw_pending_states();
    pending_ = 1;
  }
}

/// Draws the state after the pending move by its prior, nothing being seen in it.
void ParticleBelief::draw_pending_states() {
  for (size_t p = 0; p < num_; ++p) proposal_row(p, std::span(proposal_).subspan(p * z_, z_));
  push_entry();
  for (size_t p = 0; p < num_; ++p) move_particle(p, categorical_index({proposal_.data() + p * z_, z_}, 1, rng_.uniform()));
  pending_ = 0;
}

ParticleBelief::Move ParticleBelief::pending_move() const noexcept {
  if (num_entries_ == 0) return Move::kStart;
  if (pending_ == 0) return Move::kStay;
  return uncertain_->transition_known() ? Move::kKnown : Move::kCounted;
}

/// P(state of the coming round | particle p): out [Z].
void ParticleBelief::proposal_row(size_t p, std::span<double> out) const noexcept {
  const auto from = static_cast<size_t>(states_[p]);
  switch (pending_move()) {
    case Move::kStart: std::copy(start_.begin(), start_.end(), out.begin()); return;
    case Move::kStay:
      std::fill(out.begin(), out.end(), 0.0);
      out[from] = 1;
      return;
    case Move::kKnown: std::copy_n(step_matrix().data() + from * z_, z_, out.begin()); return;
    case Move::kCounted: {
      const double* alpha = uncertain_->alpha().data() + from * z_;
      const double* moves = moves_.data() + (p * z_ + from) * z_;
      const double scale = 1 / (uncertain_->alpha_sum()[from] + move_sums_[p * z_ + from]);
      for (size_t j = 0; j < z_; ++j) out[j] = (alpha[j] + moves[j]) * scale;
      return;
    }
  }
}

// ---- a reward --------------------------------------------------------------------------------------------------------------------------

/// Predictive densities of a reward for particle p [Z], found once a block.
const double* ParticleBelief::reward_densities(size_t p, const SeenReward& seen) {
  const UncertainModel& u = *uncertain_;
  if (u.form() != RewardForm::kLinear) {
    const auto arm = static_cast<size_t>(seen.arm);
    const int32_t id = block_id(p, arm);
    if (!pool_.has_memo(id, 0)) u.densities(pool_.at(id), arm, seen, scratch_, pool_.memo(id, 0));
    return pool_.memo(id, 0).data();
  }
  for (size_t j = 0; j < z_; ++j) {
    const int32_t id = block_id(p, j);
    if (!pool_.has_memo(id, 0)) u.densities(pool_.at(id), j, seen, scratch_, pool_.memo(id, 0));
    density_[j] = pool_.memo(id, 0)[0];
  }
  return density_.data();
}

/// Fills proposal_ and totals_; returns the evidence.
double ParticleBelief::weigh() {
  pool_.new_memo();
  double evidence = 0;
  for (size_t p = 0; p < num_; ++p) {
    const std::span<double> row(proposal_.data() + p * z_, z_);
    proposal_row(p, row);
    const double* density = prepared_.learns ? reward_densities(p, prepared_.seen) : prepared_.density.data();
    double total = 0;
    for (size_t j = 0; j < z_; ++j) total += row[j] *= density[j];
    totals_[p] = total;
    evidence += weights_[p] * total;
  }
  return evidence;
}

double ParticleBelief::update(const Observation& observation) {
  prepare_observation(*uncertain_, observation, prepared_);
  double evidence = weigh();
  if (prepared_.possible && !(evidence > 0) && options_.history > 0 && num_entries_ > 0) {
    redraw();  // other paths may explain it
    evidence = weigh();
  }
  if (!(prepared_.possible && evidence > 0)) {
    ++num_impossible_;
    return -std::numeric_limits<double>::infinity();
  }
  for (size_t p = 0; p < num_; ++p) weights_[p] *= totals_[p] / evidence;
  const double share = num_effective() / static_cast<double>(num_);
  const bool collapsed = options_.history > 0 && share < options_.redraw_below;
  const bool degenerate = collapsed || num_effective() < options_.resample_below * static_cast<double>(num_);
  if (degenerate) resample();
  push_entry();
  remember_observation();
  for (size_t p = 0; p < num_; ++p) {
    int32_t to = std::max(states_[p], 0);
    if (totals_[p] > 0) to = categorical_index({proposal_.data() + p * z_, z_}, totals_[p], rng_.uniform());
    move_particle(p, to);
    if (prepared_.learns) learn(p, to, prepared_.seen);
  }
  pending_ = 0;
  if (collapsed) {
    redraw();
  } else if (degenerate && options_.rejuvenate > 0) {
    rejuvenate();
  }
  prepared_.seen.features = {};  // the caller's memory
  return std::log(evidence) + prepared_.log_scale;
}

/// Opens the entry of the coming state in the window.
void ParticleBelief::push_entry() {
  const size_t at = slot(num_entries_);
  Entry& entry = entries_[at];
  entry = {pending_move(), false, false, pending_, {}};
  if (entry.move == Move::kKnown) std::copy_n(step_matrix().data(), z_ * z_, entry_matrix_.begin() + static_cast<ptrdiff_t>(at * z_ * z_));
  ++num_entries_;
}

/// What was observed goes into the newest entry, with copies of the caller's features.
void ParticleBelief::remember_observation() {
  const size_t at = slot(num_entries_ - 1);
  Entry& entry = entries_[at];
  entry.seen = true;
  entry.learns = prepared_.learns;
  if (!entry.learns) {
    std::copy(prepared_.density.begin(), prepared_.density.end(), entry_density_.begin() + static_cast<ptrdiff_t>(at * z_));
    return;
  }
  entry.reward = prepared_.seen;
  entry.reward.features = {};  // they lie in the window's array: a copy of the belief must not point into this one
  const std::span<const double> x = prepared_.seen.features;
  std::copy(x.begin(), x.end(), entry_features_.begin() + static_cast<ptrdiff_t>(at * x.size()));
}

SeenReward ParticleBelief::entry_reward(size_t at) const noexcept {
  SeenReward out = entries_[at].reward;
  const auto d = static_cast<size_t>(uncertain_->model().d);
  out.features = std::span(entry_features_).subspan(at * d, d);
  return out;
}

/// The pending move of particle p ends in `to`, the state of the newest entry.
void ParticleBelief::move_particle(size_t p, int32_t to) {
  if (entries_[slot(num_entries_ - 1)].move == Move::kCounted) {
    const size_t row = p * z_ + static_cast<size_t>(states_[p]);
    moves_[row * z_ + static_cast<size_t>(to)] += 1;
    move_sums_[row] += 1;
  }
  states_[p] = to;
  state_at(p, num_entries_ - 1) = to;
}

void ParticleBelief::learn(size_t p, int32_t z, const SeenReward& reward) {
  int32_t& id = blocks_[p * num_blocks_ + uncertain_->block_of(reward.arm, z)];
  id = pool_.own(id);
  uncertain_->add(pool_.at(id), z, reward, 1, scratch_);
}

// ---- resampling ------------------------------------------------------------------------------------------------------------------------

double ParticleBelief::num_effective() const noexcept {
  double sum = 0;
  for (const double w : weights_) sum += w * w;
  return 1 / sum;
}

/// Survivors stay where they are; the others become copies of those that survive more than once, with their proposals.
void ParticleBelief::resample() {
  systematic_counts(weights_, rng_.uniform(), survivors_);
  size_t from = 0;
  for (size_t to = 0; to < num_; ++to) {
    if (survivors_[to] > 0) continue;
    while (survivors_[from] <= 1) ++from;
    --survivors_[from];
    survivors_[to] = 1;
    copy_particle(from, to);
  }
  std::fill(weights_.begin(), weights_.end(), 1.0 / static_cast<double>(num_));
  ++num_resampled_;
}

void ParticleBelief::copy_particle(size_t from, size_t to) noexcept {
  const auto copy_row = [&](auto& values, size_t width) {
    std::copy_n(values.begin() + static_cast<ptrdiff_t>(from * width), width, values.begin() + static_cast<ptrdiff_t>(to * width));
  };
  for (size_t i = 0; i < num_blocks_; ++i) {
    pool_.retain(block_id(from, i));
    pool_.release(block_id(to, i));
  }
  copy_row(blocks_, num_blocks_);
  copy_row(states_, 1);
  copy_row(window_states_, window_);
  copy_row(proposal_, z_);
  copy_row(totals_, 1);
  if (!moves_.empty()) {
    copy_row(moves_, z_ * z_);
    copy_row(move_sums_, z_);
  }
}

// ---- acting ----------------------------------------------------------------------------------------------------------------------------

std::optional<std::vector<double>> ParticleBelief::marginals() const {
  std::vector<double> out(z_, 0.0), row(z_);
  for (size_t p = 0; p < num_; ++p) {
    proposal_row(p, row);
    for (size_t j = 0; j < z_; ++j) out[j] += weights_[p] * row[j];
  }
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& x : out) x /= sum;
  return out;
}

void ParticleBelief::draw(const Round& round, Rng& rng, LatentDraw& out) const {
  const auto p = static_cast<size_t>(categorical_index(weights_, 1, rng.uniform()));
  out.phi.resize(z_);
  if (pending_move() == Move::kCounted) {
    const size_t row = static_cast<size_t>(states_[p]);
    for (size_t j = 0; j < z_; ++j) out.phi[j] = uncertain_->alpha()[row * z_ + j] + moves_[(p * z_ + row) * z_ + j];
    draw_dirichlet(out.phi, rng, out.phi);
    out.state = draw_categorical(out.phi, rng);
  } else {
    proposal_row(p, out.phi);
    out.state = categorical_index(out.phi, 1, rng.uniform());
    out.phi.clear();
  }
  draw_action_means(*uncertain_, round, [this, p](size_t index) { return pool_.at(block_id(p, index)); }, rng, out);
}

void ParticleBelief::mean_rewards(const Round& round, std::span<double> out) const {
  const UncertainModel& u = *uncertain_;
  std::fill(out.begin(), out.end(), 0.0);
  std::vector<double> row(z_);
  if (u.form() == RewardForm::kKnown) {
    const std::vector<double> p = *marginals();
    for (int32_t a = 0; a < round.num_actions; ++a) {
      u.model().means(round.arm(a), round.features_of(a), row);
      out[static_cast<size_t>(a)] = std::inner_product(p.begin(), p.end(), row.begin(), 0.0);
    }
    return;
  }
  if (u.form() != RewardForm::kLinear) {
    for (size_t p = 0; p < num_; ++p) {
      proposal_row(p, row);
      for (int32_t a = 0; a < round.num_actions; ++a) {
        const std::span<const double> block = pool_.at(block_id(p, static_cast<size_t>(round.arm(a))));
        for (size_t j = 0; j < z_; ++j) {
          if (row[j] > 0) out[static_cast<size_t>(a)] += weights_[p] * row[j] * u.mean(block, round.arm(a), static_cast<int32_t>(j));
        }
      }
    }
    return;
  }
  std::vector<double> share(pool_.capacity(), 0.0);  // weight of each block: its theta is solved for once
  for (size_t p = 0; p < num_; ++p) {
    proposal_row(p, row);
    for (size_t j = 0; j < z_; ++j) share[static_cast<size_t>(block_id(p, j))] += weights_[p] * row[j];
  }
  std::vector<double> theta(static_cast<size_t>(u.model().d)), mixed(theta.size(), 0.0);
  for (size_t id = 0; id < share.size(); ++id) {
    if (share[id] <= 0) continue;
    linear_mean(pool_.at(static_cast<int32_t>(id)), theta);
    for (size_t i = 0; i < theta.size(); ++i) mixed[i] += share[id] * theta[i];
  }
  for (int32_t a = 0; a < round.num_actions; ++a) {
    const std::span<const double> x = round.features_of(a);
    out[static_cast<size_t>(a)] = std::inner_product(x.begin(), x.end(), mixed.begin(), 0.0);
  }
}

}  // namespace attune::people
