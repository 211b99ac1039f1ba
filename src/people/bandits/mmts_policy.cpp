#include "people/bandits/mmts_policy.h"

#include <algorithm>
#include <array>
#include <limits>

#include "core/error.h"
#include "people/bandits/acting.h"
#include "people/bandits/decoupled_belief.h"

namespace attune::people {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"mmts", "mmts-greedy", "mmts-gibbs", "mmts-decoupled"};

MmtsOptions checked(MmtsOptions options) {
  check(options.rule == "thompson" || options.rule == "greedy", ErrorCode::kInvalidArgument,
        "[mmts] rule: expected thompson or greedy, found ", options.rule.substr(0, 100));
  check(options.propensity_draws >= 0 && options.propensity_draws <= 1000000, ErrorCode::kInvalidArgument,
        "[mmts] propensity_draws: expected 0 to 1000000, found ", options.propensity_draws);
  return options;
}

}  // namespace

void MmtsOptions::describe(OptionList& list) {
  list.add("belief", belief, "Posterior over state and parameters; decoupled is an approximation.")
      .choices({"particles", "gibbs", "decoupled"});
  list.add("rule", rule, "How the posterior is acted on.").choices({"thompson", "greedy"});
  list.add("propensity_draws", propensity_draws, "Draws that estimate the propensity of a choice; 0 leaves it unknown.").range(0, 1000000);
  particles.describe(list);
  gibbs.describe(list);
}

std::unique_ptr<UncertainBelief> make_uncertain_belief(std::shared_ptr<const UncertainModel> uncertain, const MmtsOptions& options) {
  if (options.belief == "particles") return std::make_unique<ParticleBelief>(std::move(uncertain), options.particles);
  if (options.belief == "gibbs") return std::make_unique<GibbsBelief>(std::move(uncertain), options.gibbs);
  if (options.belief == "decoupled") return std::make_unique<DecoupledBelief>(std::move(uncertain));
  fail(ErrorCode::kNotFound, "[mmts] belief: expected particles, gibbs or decoupled, found ", options.belief.substr(0, 100));
}

MmtsPolicy::MmtsPolicy(std::string name, std::unique_ptr<UncertainBelief> belief, MmtsOptions options)
    : name_(std::move(name)),
      options_(checked(std::move(options))),
      belief_(std::move(belief)),
      log_evidence_(std::numeric_limits<double>::quiet_NaN()) {
  check(belief_ != nullptr, ErrorCode::kInvalidArgument, "[mmts] expected a belief, found none");
}

void MmtsPolicy::reset() {
  belief_->reset();
  last_t_ = -1;
  log_evidence_ = std::numeric_limits<double>::quiet_NaN();
}

void MmtsPolicy::advance(const Round& round) {
  check_round(belief_->uncertain()->model(), round);
  if (last_t_ >= 0 && round.t > last_t_) belief_->predict(round.dt);
  last_t_ = std::max(last_t_, round.t);
}

int32_t MmtsPolicy::draw_action(const Round& round, Rng& rng) {
  belief_->draw(round, rng, draw_);
  return best_action(draw_.means, 1, 0, round.available);
}

Choice MmtsPolicy::choose(const Round& round, Rng& rng) {
  advance(round);
  if (options_.rule == "greedy") {
    draw_.means.resize(static_cast<size_t>(round.num_actions));
    belief_->mean_rewards(round, draw_.means);
    return {best_action(draw_.means, 1, 0, round.available), 1.0};
  }
  Rng further(rng.seed(), cat("propensity ", rng.stream(), " ", rng.position()));
  Choice out;
  out.action = draw_action(round, rng);
  if (options_.propensity_draws == 0) return out;
  int32_t same = 1;
  for (int32_t i = 0; i < options_.propensity_draws; ++i) same += draw_action(round, further) == out.action;
  out.propensity = static_cast<double>(same) / (options_.propensity_draws + 1);
  return out;
}

void MmtsPolicy::observe(const Round& round, int32_t action, double reward, Rng&) {
  advance(round);
  check(action >= 0 && action < round.num_actions, ErrorCode::kInvalidArgument, "[mmts] expected an action below ", round.num_actions,
        ", found ", action);
  log_evidence_ = belief_->update({round.arm(action), round.features_of(action), reward, {}});
}

std::span<const std::string_view> mmts_policy_names() noexcept { return kNames; }

std::unique_ptr<MmtsPolicy> make_mmts_policy(std::string_view name, std::shared_ptr<const UncertainModel> uncertain, MmtsOptions options) {
  if (std::find(kNames.begin(), kNames.end(), name) == kNames.end()) {
    std::string known;
    for (const std::string_view x : kNames) known += cat(known.empty() ? "" : ", ", x);
    fail(ErrorCode::kNotFound, "[mmts] expected one of ", known, ", found ", name.substr(0, 100));
  }
  if (name == "mmts-greedy") options.rule = "greedy";
  if (name == "mmts-gibbs") options.belief = "gibbs";
  if (name == "mmts-decoupled") options.belief = "decoupled";
  auto belief = make_uncertain_belief(std::move(uncertain), options);
  return std::make_unique<MmtsPolicy>(std::string(name), std::move(belief), std::move(options));
}

}  // namespace attune::people
