#include "people/bandits/latent_policy.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/error.h"
#include "people/bandits/information.h"

namespace attune::people {
namespace {

constexpr double kDefaultAlarm = 5;
constexpr std::array<std::string_view, 6> kNames = {"mts", "greedy", "ids", "mucb", "mts-stationary", "cd-mts"};

/// The model with the transition that the options ask for; the same object where nothing changes.
std::shared_ptr<const LatentModel> moved(std::shared_ptr<const LatentModel> model, const LatentPolicyOptions& options) {
  check(model != nullptr, ErrorCode::kInvalidArgument, "[latent policy] expected a model, found none");
  if (!options.stationary && options.rho_scale == 1) return model;
  auto out = std::make_shared<LatentModel>(*model);
  out->transition = options.stationary ? Transition::identity(model->num_states) : model->transition.scaled(options.rho_scale);
  return out;
}

/// Each field against the range that describe() gives it.
LatentPolicyOptions checked(LatentPolicyOptions options) {
  check_option_ranges(options);
  return options;
}

/// Standard deviation that bounds the noise of a reward: sub-Gaussian with this parameter.
double noise_scale(const LatentModel& model) {
  if (model.reward == RewardKind::kGaussian) return model.noise_sd;
  return model.reward == RewardKind::kBernoulli ? 0.5 : 0.5 * (model.levels.back() - model.levels.front());
}

}  // namespace

void LatentPolicyOptions::describe(OptionList& list) {
  list.add("rule", rule, "How an action is chosen from the belief.").choices({"thompson", "greedy", "ids", "ucb"});
  list.add("stationary", stationary, "Assume that the state never moves.");
  list.add("rho-scale", rho_scale, "Assume that the state moves this many times as often as the model says.").range(0, 1000);
  list.add("alarm", alarm, "Restart from the initial belief when the log evidence falls short by this much in sum; 0: never.")
      .range(0, 1e6)
      .unit("nats");
  list.add("alarm-slack", alarm_slack, "Shortfall a round that the alarm forgives.").range(0, 1e3).unit("nats");
  list.add("ids-randomised", ids_randomised, "ids: mix two actions where that is better than one.");
  list.add("ids-information", ids_information, "ids: what counts as information.").choices({"mutual", "variance"});
  list.add("ids-target", ids_target, "ids: what the information is about.").choices({"state", "action"});
  list.add("ucb-horizon", ucb_horizon, "ucb: number of rounds that the bound is for.").range(2, 1e12);
  list.add("ucb-window", ucb_window, "ucb: rounds that are remembered; 0: all.").range(0, 1e6);
  list.add("ucb-restart", ucb_restart, "ucb: forget all rounds when no state explains them.");
}

StateLedger::StateLedger(int32_t num_states, int32_t window)
    : window_(window), sum_(static_cast<size_t>(num_states), 0.0), count_(static_cast<size_t>(num_states), 0) {}

void StateLedger::add(int32_t state, double shortfall) {
  sum_[static_cast<size_t>(state)] += shortfall;
  ++count_[static_cast<size_t>(state)];
  if (window_ == 0) return;
  recent_.push_back({state, shortfall});
  if (recent_.size() <= static_cast<size_t>(window_)) return;
  const Entry old = recent_.front();
  recent_.pop_front();
  const auto z = static_cast<size_t>(old.state);
  sum_[z] = --count_[z] == 0 ? 0 : sum_[z] - old.shortfall;  // an empty state has no rounding left over
}

void StateLedger::clear() {
  std::fill(sum_.begin(), sum_.end(), 0.0);
  std::fill(count_.begin(), count_.end(), 0);
  recent_.clear();
}

LatentPolicy::LatentPolicy(std::string name, std::shared_ptr<const LatentModel> model, LatentPolicyOptions options)
    : name_(std::move(name)),
      options_(checked(std::move(options))),
      belief_(moved(std::move(model), options_)),
      ledger_(belief_.model().num_states, options_.ucb_window),
      log_evidence_(std::numeric_limits<double>::quiet_NaN()) {}

void LatentPolicy::reset() {
  belief_.reset();
  ledger_.clear();
  last_t_ = -1;
  used_state_ = -1;
  cusum_ = 0;
  log_evidence_ = std::numeric_limits<double>::quiet_NaN();
  num_alarms_ = 0;
}

void LatentPolicy::advance(const Round& round) {
  check_round(belief_.model(), round);
  if (last_t_ >= 0 && round.t > last_t_) belief_.predict(round.dt);
  last_t_ = std::max(last_t_, round.t);
}

Choice LatentPolicy::choose(const Round& round, Rng& rng) {
  advance(round);
  action_means(belief_.model(), round, means_);
  used_state_ = -1;
  if (options_.rule == "thompson") return act_thompson(belief_.p(), means_, round.available, rng);
  if (options_.rule == "greedy") return act_greedy(belief_.p(), means_, round.available);
  if (options_.rule == "ucb") return act_ucb(round);
  const Mixture mixture = mix_ids(round);
  if (mixture.first == mixture.second) return {mixture.first, 1.0};
  const bool first = rng.uniform() < mixture.weight;
  return first ? Choice{mixture.first, mixture.weight} : Choice{mixture.second, 1 - mixture.weight};
}

bool LatentPolicy::probabilities(const Round& round, std::span<double> out) {
  advance(round);
  check(out.size() == static_cast<size_t>(round.num_actions), ErrorCode::kInvalidArgument, "[latent policy] expected room for ",
        round.num_actions, " probabilities, found ", out.size());
  action_means(belief_.model(), round, means_);
  if (options_.rule == "thompson") {
    thompson_probabilities(belief_.p(), means_, round.available, out);
    return true;
  }
  std::fill(out.begin(), out.end(), 0.0);
  Mixture mixture;
  if (options_.rule == "ids") {
    mixture = mix_ids(round);
  } else {
    mixture.first = (options_.rule == "greedy" ? act_greedy(belief_.p(), means_, round.available) : act_ucb(round)).action;
  }
  if (mixture.first == mixture.second || mixture.second < 0) mixture.weight = 1;
  out[static_cast<size_t>(mixture.first)] = mixture.weight;
  if (mixture.weight < 1) out[static_cast<size_t>(mixture.second)] = 1 - mixture.weight;
  return true;
}

Mixture LatentPolicy::mix_ids(const Round& round) const {
  const LatentModel& model = belief_.model();
  const std::span<const double> p = belief_.p();
  const auto n = static_cast<size_t>(round.num_actions);
  std::vector<int32_t> group(p.size());
  std::iota(group.begin(), group.end(), 0);
  if (options_.ids_target == "action") {
    std::vector<int32_t> best(p.size());
    for (size_t z = 0; z < p.size(); ++z) best[z] = best_action(means_, p.size(), z, round.available);
    for (size_t z = 0; z < p.size(); ++z) group[z] = static_cast<int32_t>(std::find(best.begin(), best.end(), best[z]) - best.begin());
  }
  std::vector<double> regret(n);
  std::vector<double> information(n);
  expected_regret(p, means_, round.available, regret);
  for (size_t a = 0; a < n; ++a) {
    if (!round.may(static_cast<int32_t>(a))) continue;
    const std::span<const double> mu = std::span(means_).subspan(a * p.size(), p.size());
    information[a] = options_.ids_information == "variance" ? mean_variance(mu, p, group)
                                                            : mutual_information(model, round.arm(static_cast<int32_t>(a)), mu, p, group);
  }
  return information_directed(regret, information, round.available, options_.ids_randomised);
}

double LatentPolicy::excess(int32_t state) const noexcept {
  const double bound =
      noise_scale(belief_.model()) * std::sqrt(6 * static_cast<double>(ledger_.uses(state)) * std::log(options_.ucb_horizon));
  return ledger_.shortfall(state) - bound;
}

Choice LatentPolicy::act_ucb(const Round& round) {
  const int32_t num_states = belief_.model().num_states;
  int32_t least = 0;
  bool any = false;
  for (int32_t z = 0; z < num_states; ++z) {
    any = any || excess(z) <= 0;
    if (excess(z) < excess(least)) least = z;
  }
  if (!any && options_.ucb_restart) {
    ledger_.clear();
    any = true;
  }
  Choice out{-1, 1.0};
  double top = 0;
  for (int32_t z = 0; z < num_states; ++z) {
    if (any ? excess(z) > 0 : z != least) continue;
    const int32_t action = best_action(means_, static_cast<size_t>(num_states), static_cast<size_t>(z), round.available);
    const double mu = means_[static_cast<size_t>(action) * static_cast<size_t>(num_states) + static_cast<size_t>(z)];
    if (out.action >= 0 && !(mu > top)) continue;
    out.action = action;
    top = mu;
    used_state_ = z;
  }
  return out;
}

void LatentPolicy::observe(const Round& round, int32_t action, double reward, Rng&) {
  advance(round);
  check(action >= 0 && action < round.num_actions, ErrorCode::kInvalidArgument, "[latent policy] expected an action below ",
        round.num_actions, ", found ", action);
  const LatentModel& model = belief_.model();
  const auto num_states = static_cast<size_t>(model.num_states);
  std::vector<double> mu(num_states);
  model.means(round.arm(action), round.features_of(action), mu);
  const double expected = options_.alarm > 0 ? expected_log_evidence(model, round.arm(action), mu, belief_.p()) : 0;
  log_evidence_ = belief_.update({round.arm(action), round.features_of(action), reward, {}});
  if (options_.rule == "ucb" && used_state_ >= 0) ledger_.add(used_state_, mu[static_cast<size_t>(used_state_)] - reward);
  used_state_ = -1;
  if (options_.alarm <= 0) return;
  cusum_ = std::max(0.0, cusum_ + expected - log_evidence_ - options_.alarm_slack);
  if (cusum_ <= options_.alarm) return;
  ++num_alarms_;
  cusum_ = 0;
  belief_.reset();
  ledger_.clear();
}

std::span<const std::string_view> latent_policy_names() noexcept { return kNames; }

std::unique_ptr<LatentPolicy> make_latent_policy(std::string_view name, std::shared_ptr<const LatentModel> model,
                                                 LatentPolicyOptions options) {
  if (name == "mts" || name == "mts-stationary" || name == "cd-mts") options.rule = "thompson";
  if (name == "greedy" || name == "ids") options.rule = std::string(name);
  if (name == "mucb") options.rule = "ucb";
  if (name == "mts-stationary" || name == "cd-mts") options.stationary = true;
  if (name == "cd-mts" && options.alarm == 0) options.alarm = kDefaultAlarm;
  if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
    std::string known;
    for (const std::string_view x : kNames) known += cat(known.empty() ? "" : ", ", x);
    fail(ErrorCode::kNotFound, "[latent policy] expected one of ", known, ", found ", name.substr(0, 100));
  }
  return std::make_unique<LatentPolicy>(std::string(name), std::move(model), std::move(options));
}

}  // namespace attune::people
