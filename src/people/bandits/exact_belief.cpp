#include "people/bandits/exact_belief.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/bandits/belief_json_internal.h"

namespace attune::people {
namespace {

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kLeastWeight = 1e-300;
constexpr int64_t kFormat = 1;
constexpr const char* kKind = "exact";
constexpr const char* kWhat = "belief";

/// Room for Z numbers: on the stack where they fit.
class Scratch {
 public:
  explicit Scratch(size_t n) : n_(n) {
    if (n > small_.size()) large_.resize(n);
  }
  std::span<double> span() noexcept { return {large_.empty() ? small_.data() : large_.data(), n_}; }

 private:
  size_t n_;
  std::array<double, 64> small_;
  std::vector<double> large_;
};

}  // namespace

int32_t draw_index(std::span<const double> weights, Rng& rng) noexcept {
  double rest = rng.uniform();
  int32_t last = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] <= 0) continue;
    last = static_cast<int32_t>(i);
    rest -= weights[i];
    if (rest < 0) break;
  }
  return last;
}

double condition(std::span<double> p, std::span<const double> log_likelihood) noexcept {
  double top = kNever;
  for (size_t z = 0; z < p.size(); ++z) {
    if (p[z] > 0) top = std::max(top, log_likelihood[z]);
  }
  if (top == kNever) return kNever;
  // With the largest likelihood as the unit, the sum is at least the p of its state, so at least 1e-300.
  double sum = 0;
  for (size_t z = 0; z < p.size(); ++z) {
    if (p[z] <= 0) continue;
    p[z] = log_likelihood[z] == kNever ? 0 : std::max(p[z] * std::exp(log_likelihood[z] - top), std::numeric_limits<double>::denorm_min());
    sum += p[z];
  }
  for (size_t z = 0; z < p.size(); ++z) p[z] = p[z] > 0 ? std::max(p[z] / sum, kLeastWeight) : 0;
  return top + std::log(sum);
}

ExactBelief::ExactBelief(std::shared_ptr<const LatentModel> model) : model_(std::move(model)) {
  check(model_ != nullptr, ErrorCode::kInvalidArgument, "[belief] expected a model, found none");
  p_ = model_->initial;
}

void ExactBelief::reset() { p_ = model_->initial; }

void ExactBelief::predict(double dt) { model_->transition.apply(p_, dt); }

double ExactBelief::update(const Observation& observation) {
  if (!observation.log_likelihood.empty()) return update_log_likelihood(observation.log_likelihood);
  Scratch scratch(p_.size());
  model_->log_likelihood(observation.action, observation.features, observation.reward, scratch.span());
  const double evidence = condition(p_, scratch.span());
  num_impossible_ += evidence == kNever;
  return evidence;
}

double ExactBelief::update_log_likelihood(std::span<const double> log_likelihood) {
  check(log_likelihood.size() == p_.size(), ErrorCode::kInvalidArgument, "[belief] expected log likelihoods of ", p_.size(),
        " states, found ", log_likelihood.size());
  for (const double x : log_likelihood) {
    check(x < std::numeric_limits<double>::infinity(), ErrorCode::kInvalidArgument,
          "[belief] expected log likelihoods that are finite or -infinity, found ", x);
  }
  const double evidence = condition(p_, log_likelihood);
  num_impossible_ += evidence == kNever;
  return evidence;
}

Latent ExactBelief::sample(Rng& rng) const { return {draw_index(p_, rng), {}}; }

void ExactBelief::features(std::span<float> out) const {
  check(out.size() == p_.size(), ErrorCode::kInvalidArgument, "[belief] expected room for ", p_.size(), " features, found ", out.size());
  std::transform(p_.begin(), p_.end(), out.begin(), [](double x) { return static_cast<float>(x); });
}

double ExactBelief::entropy() const noexcept {
  double sum = 0;
  for (const double x : p_) sum -= x > 0 ? x * std::log(x) : 0;
  return std::max(sum, 0.0);
}

std::string ExactBelief::save() const {
  bandit_json::Json json;
  json["kind"] = kKind;
  json["format"] = kFormat;
  json["model"] = model_->version;
  json["num_impossible"] = num_impossible_;
  json["p"] = p_;
  return json.dump(-1, ' ', false, bandit_json::Json::error_handler_t::replace);
}

void ExactBelief::load(std::string_view text) {
  using namespace bandit_json;
  const Json json = parse_belief(text, kKind, kFormat, model_->version);
  const int64_t impossible = whole(member(json, "num_impossible", kWhat), 0, std::numeric_limits<int64_t>::max(), "num_impossible", kWhat);
  p_ = distribution(member(json, "p", kWhat), p_.size(), "p", kWhat);
  num_impossible_ = impossible;
}

}  // namespace attune::people
