// The Gibbs belief, its chain and its draws as JSON.
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/bandits/belief_json_internal.h"
#include "people/bandits/gibbs_belief.h"

namespace attune::people {
namespace {

using namespace bandit_json;

constexpr std::string_view kWhat = "gibbs belief";
constexpr const char* kKind = "gibbs";
constexpr int64_t kFormat = 1;
constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

/// Runs `body`; what it finds wrong with an argument is wrong with the document.
template <class Body>
void as_corrupt_data(const char* name, const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    fail(ErrorCode::kCorruptData, "[", kWhat, "] ", name, ": ", error.message());
  }
}

}  // namespace

void save_parameters(const UncertainModel& uncertain, const LatentModel& model, Json& json) {
  if (!uncertain.transition_known()) json["phi"] = model.transition.matrix();
  if (uncertain.form() == RewardForm::kLinear) {
    json["theta"] = model.theta;
  } else if (uncertain.form() == RewardForm::kDirichlet) {
    json["level_probability"] = model.level_probability;
    json["mean"] = model.mean;  // not divided out again: bit for bit
  } else if (uncertain.form() != RewardForm::kKnown) {
    json["mean"] = model.mean;
  }
}

void load_parameters(const UncertainModel& uncertain, const Json& json, LatentModel& model) {
  const auto z = static_cast<size_t>(uncertain.num_states());
  const auto read = [&](const char* name, std::vector<double>& out) {
    out = numbers(member(json, name, kWhat), {out.size()}, name, kWhat);
  };
  if (!uncertain.transition_known()) {
    std::vector<double> phi = numbers(member(json, "phi", kWhat), {z * z}, "phi", kWhat);
    as_corrupt_data("phi", [&] { model.transition = Transition::dense(uncertain.num_states(), std::move(phi)); });
  }
  if (uncertain.form() == RewardForm::kLinear) return read("theta", model.theta);
  if (uncertain.form() == RewardForm::kKnown) return;
  read("mean", model.mean);
  if (uncertain.form() == RewardForm::kDirichlet) read("level_probability", model.level_probability);
  LatentModel copy = model;
  as_corrupt_data("parameters", [&] { copy.check(); });
}

void GibbsSampler::save(Json& json) const {
  Json entries = Json::array();
  for (const Entry& entry : entries_) {
    Json one;
    one["dt"] = entry.dt;
    if (entry.learns) {
      one["arm"] = entry.reward.arm;
      one["reward"] = entry.reward.reward;
      const SeenReward reward = reward_of(entry);
      if (!reward.features.empty()) one["features"] = std::vector<double>(reward.features.begin(), reward.features.end());
    } else if (entry.seen) {
      const auto row = densities_.begin() + static_cast<ptrdiff_t>(entry.offset);
      one["density"] = std::vector<double>(row, row + static_cast<ptrdiff_t>(z_));
    }
    entries.push_back(std::move(one));
  }
  json["history"] = std::move(entries);
  json["path"] = path_;
  save_parameters(*uncertain_, parameters_, json);
}

void GibbsSampler::load(const Json& json) {
  GibbsSampler next(uncertain_);
  const LatentModel& model = uncertain_->model();
  const Json& history = member(json, "history", kWhat);
  check(history.is_array() && history.size() <= static_cast<size_t>(kMostRounds), ErrorCode::kCorruptData, "[", kWhat,
        "] history: expected a list of at most ", kMostRounds, " rounds");
  for (const Json& one : history) {
    const double dt = number(member(one, "dt", kWhat), "dt", kWhat);
    as_corrupt_data("dt", [&] {
      std::vector<double> p = next.parameters_.initial;
      if (uncertain_->transition_known()) model.transition.apply(p, dt);
      check(uncertain_->transition_known() || dt == 0 || dt == 1, ErrorCode::kCorruptData, "expected 0 or 1, found ", dt);
    });
    PreparedObservation seen;
    if (one.contains("density")) {
      seen.density = numbers(member(one, "density", kWhat), {z_}, "density", kWhat);
      for (const double x : seen.density) check(x >= 0, ErrorCode::kCorruptData, "[", kWhat, "] density: expected at least 0, found ", x);
      next.add(dt, &seen);
    } else if (one.contains("reward")) {
      check(uncertain_->form() != RewardForm::kKnown, ErrorCode::kCorruptData, "[", kWhat, "] reward: expected none");
      std::vector<double> x;
      if (model.d > 0) x = numbers(member(one, "features", kWhat), {static_cast<size_t>(model.d)}, "features", kWhat);
      const auto arm = static_cast<int32_t>(whole(member(one, "arm", kWhat), -1, std::numeric_limits<int32_t>::max(), "arm", kWhat));
      const double reward = number(member(one, "reward", kWhat), "reward", kWhat);
      as_corrupt_data("reward", [&] { model.check_observation(arm, x, reward); });
      seen.learns = true;
      seen.seen = {arm, x, reward, model.reward == RewardKind::kCategorical ? model.level_of(reward) : 0};
      next.add(dt, &seen);
    } else {
      next.add(dt, nullptr);
    }
  }
  const Json& path = member(json, "path", kWhat);
  check(path.is_array() && path.size() <= next.entries_.size(), ErrorCode::kCorruptData, "[", kWhat, "] path: expected a list of at most ",
        next.entries_.size());
  for (const Json& z : path) next.path_.push_back(static_cast<int32_t>(whole(z, 0, uncertain_->num_states() - 1, "path", kWhat)));
  load_parameters(*uncertain_, json, next.parameters_);
  *this = std::move(next);
}

std::string GibbsBelief::save() const {
  Json json;
  json["format"] = kFormat;
  json["kind"] = kKind;
  json["model"] = version();
  json["num_impossible"] = num_impossible_;
  json["num_refreshed"] = num_refreshed_;
  json["rounds_since"] = rounds_since_;
  json["rng"] = {rng_.seed(), rng_.stream(), rng_.position()};
  json["pending"] = pending_;
  Json chain;
  chain_.save(chain);
  json["chain"] = std::move(chain);
  Json draws = Json::array();
  std::vector<double> weights;
  for (const Draw& draw : draws_) {
    Json one;
    one["p"] = draw.p;
    save_parameters(*uncertain_, draw.parameters, one);
    draws.push_back(std::move(one));
    weights.push_back(draw.weight);
  }
  json["weights"] = weights;
  json["draws"] = std::move(draws);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void GibbsBelief::load(std::string_view text) {
  const Json json = parse_belief(text, kKind, kFormat, version());
  GibbsBelief next(uncertain_, options_);
  next.num_impossible_ = whole(member(json, "num_impossible", kWhat), 0, kMost, "num_impossible", kWhat);
  next.num_refreshed_ = whole(member(json, "num_refreshed", kWhat), 0, kMost, "num_refreshed", kWhat);
  next.rounds_since_ = whole(member(json, "rounds_since", kWhat), 0, kMost / 2, "rounds_since", kWhat);
  next.rng_ = read_rng(member(json, "rng", kWhat), kWhat);
  next.pending_ = number(member(json, "pending", kWhat), "pending", kWhat);
  next.chain_.load(member(json, "chain", kWhat));
  const size_t n = draws_.size();
  const std::vector<double> weights = distribution(member(json, "weights", kWhat), n, "weights", kWhat);
  const Json& draws = list(member(json, "draws", kWhat), n, "draws", kWhat);
  for (size_t i = 0; i < n; ++i) {
    next.draws_[i].weight = weights[i];
    next.draws_[i].p = distribution(member(draws[i], "p", kWhat), next.draws_[i].p.size(), "p", kWhat);
    load_parameters(*uncertain_, draws[i], next.draws_[i].parameters);
  }
  as_corrupt_data("pending", [&] {
    std::vector<double> p = next.draws_[0].p;
    next.draws_[0].parameters.transition.apply(p, next.pending_);
  });
  *this = std::move(next);
}

}  // namespace attune::people
