#include "people/bandits/exact_belief.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>

#include "core/error.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kNever = -std::numeric_limits<double>::infinity();
constexpr double kLeastWeight = 1e-300;
constexpr double kSumTolerance = 1e-6;
constexpr int kFormat = 1;

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

const Json& field(const Json& json, const char* name) {
  const auto found = json.find(name);
  check(found != json.end(), ErrorCode::kCorruptData, "[belief] expected field ", name, ", found none");
  return *found;
}

std::vector<double> read_distribution(const Json& json, size_t num_states) {
  check(json.is_array() && json.size() == num_states, ErrorCode::kCorruptData, "[belief] p: expected ", num_states, " numbers, found ",
        json.is_array() ? cat(json.size()) : std::string(json.type_name()));
  std::vector<double> p;
  double sum = 0;
  for (const Json& value : json) {
    check(value.is_number(), ErrorCode::kCorruptData, "[belief] p: expected numbers, found ", value.type_name());
    p.push_back(value.get<double>());
    check(p.back() >= 0 && p.back() <= 1 + kSumTolerance, ErrorCode::kCorruptData, "[belief] p: expected probabilities, found ", p.back());
    sum += p.back();
  }
  check(std::abs(sum - 1) <= kSumTolerance, ErrorCode::kCorruptData, "[belief] p: expected a sum of 1, found ", sum);
  return p;
}

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
  Json json;
  json["format"] = kFormat;
  json["model"] = model_->version;
  json["num_impossible"] = num_impossible_;
  json["p"] = p_;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void ExactBelief::load(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  check(json.is_object(), ErrorCode::kCorruptData, "[belief] expected a JSON object of ", text.size(), " bytes, found something else");
  const Json& format = field(json, "format");
  check(format.is_number_integer() && format == kFormat, ErrorCode::kFailedPrecondition, "[belief] format: expected ", kFormat, ", found ",
        format.dump().substr(0, 40));
  const Json& model = field(json, "model");
  check(model.is_string(), ErrorCode::kCorruptData, "[belief] model: expected text, found ", model.type_name());
  check(model == model_->version, ErrorCode::kFailedPrecondition, "[belief] model: expected version ", model_->version, ", found ",
        model.get_ref<const std::string&>().substr(0, 100));
  const Json& impossible = field(json, "num_impossible");
  check(impossible.is_number_integer() && impossible.get<int64_t>() >= 0, ErrorCode::kCorruptData,
        "[belief] num_impossible: expected a count, found ", impossible.dump().substr(0, 40));
  p_ = read_distribution(field(json, "p"), p_.size());
  num_impossible_ = impossible.get<int64_t>();
}

}  // namespace attune::people
