#include "people/bandits/delayed_filter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/bandits/belief_json_internal.h"
#include "people/bandits/exact_belief.h"

namespace attune::people {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr int32_t kMostDelay = 1000000;
constexpr int64_t kMostCount = std::numeric_limits<int64_t>::max() / 2;
constexpr int64_t kFormat = 1;
constexpr const char* kKind = "delayed";
constexpr const char* kWhat = "delayed filter";

/// log p(observation | z) [Z], checked.
std::vector<double> log_likelihood_of(const LatentModel& model, const Observation& observation) {
  std::vector<double> out(static_cast<size_t>(model.num_states));
  if (observation.log_likelihood.empty()) {
    model.log_likelihood(observation.action, observation.features, observation.reward, out);
    return out;
  }
  check(observation.log_likelihood.size() == out.size(), ErrorCode::kInvalidArgument, "[delayed filter] expected log likelihoods of ",
        out.size(), " states, found ", observation.log_likelihood.size());
  for (const double x : observation.log_likelihood) {
    check(x < std::numeric_limits<double>::infinity(), ErrorCode::kInvalidArgument,
          "[delayed filter] expected log likelihoods that are finite or -infinity, found ", x);
  }
  std::copy(observation.log_likelihood.begin(), observation.log_likelihood.end(), out.begin());
  return out;
}

/// Numbers or null for -infinity.
std::vector<double> read_log_likelihood(const bandit_json::Json& json, size_t num_states) {
  std::vector<double> out;
  for (const auto& value : bandit_json::list(json, num_states, "log_likelihood", kWhat)) {
    out.push_back(value.is_null() ? kNever : bandit_json::number(value, "log_likelihood", kWhat));
  }
  return out;
}

}  // namespace

DelayedFilter::DelayedFilter(std::shared_ptr<const LatentModel> model, int32_t max_delay)
    : model_(std::move(model)), max_delay_(max_delay) {
  check(model_ != nullptr, ErrorCode::kInvalidArgument, "[delayed filter] expected a model, found none");
  check(max_delay >= 0 && max_delay <= kMostDelay, ErrorCode::kInvalidArgument, "[delayed filter] expected a delay of 0 to ", kMostDelay,
        " rounds, found ", max_delay);
  slots_.push_back({0, 0, model_->initial, std::vector<double>(model_->initial.size(), 0.0), 0});
}

std::vector<double> DelayedFilter::after(const Slot& slot) const {
  std::vector<double> p = slot.before;
  if (slot.answers > 0) condition(p, slot.log_likelihood);
  return p;
}

void DelayedFilter::predict(double dt) {
  std::vector<double> p = after(slots_.back());
  model_->transition.apply(p, dt);
  if (dt == 0) return;
  const size_t num_states = p.size();
  slots_.push_back({dt, 0, std::move(p), std::vector<double>(num_states, 0.0), 0});
  shrink();
}

void DelayedFilter::shrink() {
  while (slots_.size() > static_cast<size_t>(max_delay_) + 1) {
    num_impossible_ += slots_.front().log_evidence == kNever;
    num_unanswered_ += slots_.front().answers == 0;
    slots_.pop_front();
    ++first_round_;
  }
}

void DelayedFilter::rerun(size_t from) {
  for (size_t i = from; i < slots_.size(); ++i) {
    Slot& slot = slots_[i];
    std::vector<double> p = slot.before;
    slot.log_evidence = slot.answers > 0 ? condition(p, slot.log_likelihood) : 0;
    if (i + 1 == slots_.size()) break;
    model_->transition.apply(p, slots_[i + 1].dt);
    slots_[i + 1].before = std::move(p);
  }
}

std::optional<double> DelayedFilter::update_round(int64_t at, const Observation& observation) {
  check(at >= 0 && at <= round(), ErrorCode::kInvalidArgument, "[delayed filter] expected a round of 0 to ", round(), ", found ", at);
  const std::vector<double> added = log_likelihood_of(*model_, observation);
  if (at < first_round_) {
    ++num_dropped_;
    return std::nullopt;
  }
  const auto from = static_cast<size_t>(at - first_round_);
  const auto evidence = [&] {
    double sum = 0;
    int64_t impossible = 0;
    for (size_t i = from; i < slots_.size(); ++i) {
      if (slots_[i].log_evidence == kNever) {
        ++impossible;
      } else {
        sum += slots_[i].log_evidence;
      }
    }
    return std::pair(sum, impossible);
  };
  const auto [before, impossible_before] = evidence();
  Slot& slot = slots_[from];
  for (size_t z = 0; z < added.size(); ++z) slot.log_likelihood[z] += added[z];
  ++slot.answers;
  rerun(from);
  const auto [now, impossible_now] = evidence();
  return impossible_now > impossible_before ? kNever : now - before;
}

std::optional<std::vector<double>> DelayedFilter::marginals() const { return after(slots_.back()); }

Latent DelayedFilter::sample(Rng& rng) const { return {draw_index(after(slots_.back()), rng), {}}; }

void DelayedFilter::features(std::span<float> out) const {
  const std::vector<double> p = after(slots_.back());
  check(out.size() == p.size(), ErrorCode::kInvalidArgument, "[delayed filter] expected room for ", p.size(), " features, found ",
        out.size());
  std::transform(p.begin(), p.end(), out.begin(), [](double x) { return static_cast<float>(x); });
}

int64_t DelayedFilter::num_impossible() const noexcept {
  return num_impossible_ + std::count_if(slots_.begin(), slots_.end(), [](const Slot& slot) { return slot.log_evidence == kNever; });
}

std::string DelayedFilter::save() const {
  bandit_json::Json json;
  json["kind"] = kKind;
  json["format"] = kFormat;
  json["model"] = model_->version;
  json["round"] = first_round_;
  json["num_impossible"] = num_impossible_;
  json["num_dropped"] = num_dropped_;
  json["num_unanswered"] = num_unanswered_;
  json["p"] = slots_.front().before;
  json["rounds"] = bandit_json::Json::array();
  for (const Slot& slot : slots_) {
    bandit_json::Json round;
    round["dt"] = slot.dt;
    round["answers"] = slot.answers;
    round["log_likelihood"] = slot.log_likelihood;  // the library writes null for what is not finite
    json["rounds"].push_back(std::move(round));
  }
  return json.dump(-1, ' ', false, bandit_json::Json::error_handler_t::replace);
}

void DelayedFilter::load(std::string_view text) {
  using namespace bandit_json;
  const Json json = parse_belief(text, kKind, kFormat, model_->version);
  DelayedFilter out(model_, max_delay_);
  const auto count = [&](const char* name) { return whole(member(json, name, kWhat), 0, kMostCount, name, kWhat); };
  out.first_round_ = count("round");
  out.num_impossible_ = count("num_impossible");
  out.num_dropped_ = count("num_dropped");
  out.num_unanswered_ = count("num_unanswered");
  const Json& rounds = member(json, "rounds", kWhat);
  check(rounds.is_array() && !rounds.empty() && rounds.size() <= static_cast<size_t>(kMostDelay) + 1, ErrorCode::kCorruptData,
        "[delayed filter] rounds: expected a list of 1 to ", kMostDelay + 1);
  out.slots_.clear();
  for (const Json& round : rounds) {
    Slot slot;
    slot.dt = number(member(round, "dt", kWhat), "dt", kWhat);
    slot.answers = whole(member(round, "answers", kWhat), 0, kMostCount, "answers", kWhat);
    slot.log_likelihood = read_log_likelihood(member(round, "log_likelihood", kWhat), model_->initial.size());
    slot.before = model_->initial;
    check(slot.dt > 0 || out.slots_.empty(), ErrorCode::kCorruptData, "[delayed filter] dt: expected a time above 0, found ", slot.dt);
    out.slots_.push_back(std::move(slot));
  }
  out.slots_.front().before = distribution(member(json, "p", kWhat), model_->initial.size(), "p", kWhat);
  try {
    out.rerun(0);
  } catch (const Error& error) {  // a time that the transition does not know
    fail(ErrorCode::kCorruptData, "[delayed filter] rounds: ", error.message());
  }
  out.shrink();
  *this = std::move(out);
}

}  // namespace attune::people
