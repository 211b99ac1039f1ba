// Particles as JSON. Blocks are written once and referred to by number, so what particles shared they share again; -1 is the prior's block.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "core/error.h"
#include "people/bandits/belief_json_internal.h"
#include "people/bandits/particle_belief.h"

namespace attune::people {
namespace {

using bandit_json::Json;

constexpr std::string_view kWhat = "particle belief";
constexpr const char* kKind = "particles";
constexpr int64_t kFormat = 1;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

std::vector<int32_t> whole_numbers(const Json& value, size_t size, int64_t low, int64_t high, const char* name) {
  bandit_json::list(value, size, name, kWhat);
  std::vector<int32_t> out;
  for (const Json& x : value) out.push_back(static_cast<int32_t>(bandit_json::whole(x, low, high, name, kWhat)));
  return out;
}

}  // namespace

std::string ParticleBelief::save() const {
  Json json;
  json["format"] = kFormat;
  json["kind"] = kKind;
  json["model"] = version();
  json["num_impossible"] = num_impossible_;
  json["num_resampled"] = num_resampled_;
  if (options_.history > 0) json["num_redrawn"] = num_redrawn_;
  json["rng"] = {rng_.seed(), rng_.stream(), rng_.position()};
  json["start"] = start_;
  json["pending"] = pending_;
  json["num_entries"] = num_entries_;
  json["weights"] = weights_;
  json["states"] = states_;
  json["moves"] = moves_;
  std::vector<int32_t> number(pool_.capacity(), -1);
  Json blocks = Json::array();
  Json held = Json::array();
  for (const int32_t id : blocks_) {
    if (static_cast<size_t>(id) < num_blocks_) {
      held.push_back(-1);
      continue;
    }
    int32_t& n = number[static_cast<size_t>(id)];
    if (n < 0) {
      n = static_cast<int32_t>(blocks.size());
      const std::span<const double> values = pool_.at(id);
      blocks.push_back(std::vector<double>(values.begin(), values.end()));
    }
    held.push_back(n);
  }
  json["held"] = std::move(held);
  json["blocks"] = std::move(blocks);
  Json window = Json::array();
  const int64_t first = std::max<int64_t>(0, num_entries_ - static_cast<int64_t>(window_));
  for (int64_t e = first; e < num_entries_; ++e) {
    const size_t at = slot(e);
    const Entry& entry = entries_[at];
    Json one;
    one["move"] = static_cast<int>(entry.move);
    one["dt"] = entry.dt;
    Json states = Json::array();
    for (size_t p = 0; p < num_; ++p) states.push_back(window_states_[p * window_ + at]);
    one["states"] = std::move(states);
    if (entry.learns) {
      one["arm"] = entry.reward.arm;
      one["reward"] = entry.reward.reward;
      const SeenReward reward = entry_reward(at);
      one["features"] = std::vector<double>(reward.features.begin(), reward.features.end());
    } else if (entry.seen) {
      const auto row = entry_density_.begin() + static_cast<ptrdiff_t>(at * z_);
      one["density"] = std::vector<double>(row, row + static_cast<ptrdiff_t>(z_));
    }
    window.push_back(std::move(one));
  }
  json["window"] = std::move(window);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void ParticleBelief::load(std::string_view text) {
  using namespace bandit_json;
  const Json json = parse_belief(text, kKind, kFormat, version());
  const UncertainModel& u = *uncertain_;
  ParticleBelief next(uncertain_, options_);
  next.num_impossible_ = whole(member(json, "num_impossible", kWhat), 0, kMost, "num_impossible", kWhat);
  next.num_resampled_ = whole(member(json, "num_resampled", kWhat), 0, kMost, "num_resampled", kWhat);
  if (options_.history > 0) next.num_redrawn_ = whole(member(json, "num_redrawn", kWhat), 0, kMost, "num_redrawn", kWhat);
  next.rng_ = read_rng(member(json, "rng", kWhat), kWhat);
  next.start_ = distribution(member(json, "start", kWhat), z_, "start", kWhat);
  next.num_entries_ = whole(member(json, "num_entries", kWhat), 0, kMost / 2, "num_entries", kWhat);
  next.pending_ = number(member(json, "pending", kWhat), "pending", kWhat);
  const bool started = next.num_entries_ > 0;
  check(next.pending_ >= 0 && (started || next.pending_ == 0) && (u.transition_known() || next.pending_ <= 1), ErrorCode::kCorruptData, "[",
        kWhat, "] pending: found ", next.pending_);
  next.weights_ = distribution(member(json, "weights", kWhat), num_, "weights", kWhat);
  next.states_ = whole_numbers(member(json, "states", kWhat), num_, started ? 0 : -1, started ? u.num_states() - 1 : -1, "states");
  next.load_moves(member(json, "moves", kWhat));
  next.load_blocks(member(json, "held", kWhat), member(json, "blocks", kWhat));
  next.load_window(member(json, "window", kWhat));
  if (u.transition_known() && next.pending_ != 1) {
    with_corrupt_data("pending", [&] { next.gap_matrix_ = u.model().transition.power(next.pending_); });
  }
  *this = std::move(next);
}

/// Runs `body`; what it finds wrong with an argument is wrong with the document.
void ParticleBelief::with_corrupt_data(const char* name, const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    fail(ErrorCode::kCorruptData, "[", kWhat, "] ", name, ": ", error.message());
  }
}

void ParticleBelief::load_moves(const Json& value) {
  moves_ = bandit_json::numbers(value, {moves_.size()}, "moves", kWhat);
  for (size_t i = 0; i < moves_.size(); ++i) {
    check(moves_[i] >= 0 && moves_[i] == std::floor(moves_[i]), ErrorCode::kCorruptData, "[", kWhat, "] moves: expected counts, found ",
          moves_[i]);
    move_sums_[i / z_] += moves_[i];
  }
}

void ParticleBelief::load_blocks(const Json& held, const Json& blocks) {
  const UncertainModel& u = *uncertain_;
  check(blocks.is_array() && blocks.size() <= blocks_.size(), ErrorCode::kCorruptData, "[", kWhat, "] blocks: expected a list of at most ",
        blocks_.size());
  std::vector<int32_t> ids;
  for (const Json& block : blocks) {
    const std::vector<double> values = bandit_json::numbers(block, {u.block_size()}, "blocks", kWhat);
    u.check_block(values, kWhat);
    ids.push_back(pool_.allocate());
    std::copy(values.begin(), values.end(), pool_.at(ids.back()).begin());
  }
  const std::vector<int32_t> numbers = whole_numbers(held, blocks_.size(), -1, static_cast<int64_t>(ids.size()) - 1, "held");
  for (size_t i = 0; i < numbers.size(); ++i) {
    if (numbers[i] < 0) continue;  // the prior's, as it is
    pool_.release(blocks_[i]);
    blocks_[i] = ids[static_cast<size_t>(numbers[i])];
    pool_.retain(blocks_[i]);
  }
  for (const int32_t id : ids) pool_.release(id);  // the reference of allocate(); a block that nobody holds is free again
}

void ParticleBelief::load_window(const Json& window) {
  using namespace bandit_json;
  const UncertainModel& u = *uncertain_;
  const int64_t size = std::min<int64_t>(num_entries_, static_cast<int64_t>(window_));
  list(window, static_cast<size_t>(size), "window", kWhat);
  for (int64_t e = num_entries_ - size; e < num_entries_; ++e) {
    const Json& one = window[static_cast<size_t>(e - (num_entries_ - size))];
    const size_t at = slot(e);
    Entry& entry = entries_[at];
    const Move other = u.transition_known() ? Move::kKnown : Move::kCounted;
    entry.move = static_cast<Move>(whole(member(one, "move", kWhat), 0, 3, "move", kWhat));
    check(e == 0 ? entry.move == Move::kStart : entry.move == Move::kStay || entry.move == other, ErrorCode::kCorruptData, "[", kWhat,
          "] move: found ", static_cast<int>(entry.move), " in entry ", e);
    entry.dt = number(member(one, "dt", kWhat), "dt", kWhat);
    if (entry.move == Move::kKnown) {
      with_corrupt_data("dt", [&] {
        const std::vector<double> matrix = u.model().transition.power(entry.dt);
        std::copy(matrix.begin(), matrix.end(), entry_matrix_.begin() + static_cast<ptrdiff_t>(at * z_ * z_));
      });
    }
    const std::vector<int32_t> states = whole_numbers(member(one, "states", kWhat), num_, 0, u.num_states() - 1, "states");
    for (size_t p = 0; p < num_; ++p) {
      window_states_[p * window_ + at] = states[p];
      check(e + 1 < num_entries_ || states[p] == states_[p], ErrorCode::kCorruptData, "[", kWhat, "] states: the last of the window is ",
            states[p], ", the particle's is ", states_[p]);
    }
    load_observation(one, at);
  }
  // Gibbs sweeps take moves of the window back, so they must be there.
  std::vector<double> rest = moves_;
  for (int64_t e = num_entries_ - size + 1; e < num_entries_; ++e) {
    for (size_t p = 0; p < num_ && entries_[slot(e)].move == Move::kCounted; ++p) {
      const auto from = static_cast<size_t>(state_at(p, e - 1));
      double& left = rest[(p * z_ + from) * z_ + static_cast<size_t>(state_at(p, e))];
      check(--left >= 0, ErrorCode::kCorruptData, "[", kWhat, "] moves: fewer from state ", from, " than the window shows");
    }
  }
}

void ParticleBelief::load_observation(const Json& one, size_t at) {
  using namespace bandit_json;
  Entry& entry = entries_[at];
  if (one.contains("density")) {
    const std::vector<double> density = numbers(member(one, "density", kWhat), {z_}, "density", kWhat);
    for (const double x : density) check(x >= 0, ErrorCode::kCorruptData, "[", kWhat, "] density: expected at least 0, found ", x);
    std::copy(density.begin(), density.end(), entry_density_.begin() + static_cast<ptrdiff_t>(at * z_));
    entry.seen = true;
  } else if (one.contains("reward")) {
    const LatentModel& model = uncertain_->model();
    check(uncertain_->form() != RewardForm::kKnown, ErrorCode::kCorruptData, "[", kWhat,
          "] reward: expected none, its parameters are known");
    const std::vector<double> x = numbers(member(one, "features", kWhat), {static_cast<size_t>(model.d)}, "features", kWhat);
    const auto arm = static_cast<int32_t>(whole(member(one, "arm", kWhat), -1, std::numeric_limits<int32_t>::max(), "arm", kWhat));
    const double reward = number(member(one, "reward", kWhat), "reward", kWhat);
    with_corrupt_data("reward", [&] { model.check_observation(arm, x, reward); });
    entry.reward = {arm, {}, reward, model.reward == RewardKind::kCategorical ? model.level_of(reward) : 0};
    std::copy(x.begin(), x.end(), entry_features_.begin() + static_cast<ptrdiff_t>(at * x.size()));
    entry.seen = entry.learns = true;
  }
}

}  // namespace attune::people
