#include "people/bandits/gibbs_belief.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "people/bandits/draws.h"
#include "people/bandits/exact_belief.h"

namespace attune::people {
namespace {

GibbsOptions checked(const GibbsOptions& options) {
  const auto need = [](int32_t value, int32_t low, int32_t high, const char* name) {
    check(value >= low && value <= high, ErrorCode::kInvalidArgument, "[gibbs belief] ", name, ": expected ", low, " to ", high, ", found ",
          value);
  };
  need(options.num_draws, 1, 1000000, "num_draws");
  need(options.burn_in, 0, 1000000, "burn_in");
  need(options.thin, 1, 1000, "thin");
  need(options.every, 1, 1000000, "every");
  check(options.refresh_below >= 0 && options.refresh_below <= 1, ErrorCode::kInvalidArgument,
        "[gibbs belief] refresh_below: expected 0 to 1, found ", options.refresh_below);
  return options;
}

}  // namespace

void GibbsOptions::describe(OptionList& list) {
  list.add("gibbs_draws", num_draws, "Parameter draws that the Gibbs belief keeps.").range(1, 1000000);
  list.add("gibbs_burn_in", burn_in, "Sweeps before the first draw is kept.").range(0, 1000000);
  list.add("gibbs_thin", thin, "Sweeps for each kept draw.").range(1, 1000);
  list.add("gibbs_every", every, "Rounds between runs of the chain.").range(1, 1000000);
  list.add("gibbs_refresh_below", refresh_below, "Run the chain early if the effective share of the draws is below this.").range(0, 1);
  list.add("gibbs_seed", seed, "Seed of the Gibbs belief's own random numbers.");
}

GibbsBelief::GibbsBelief(std::shared_ptr<const UncertainModel> uncertain, GibbsOptions options)
    : UncertainBelief(std::move(uncertain)), options_(checked(options)), chain_(uncertain_) {
  reset();
}

void GibbsBelief::reset() {
  rng_ = Rng(options_.seed, "gibbs belief");
  chain_ = GibbsSampler(uncertain_);
  draws_.assign(static_cast<size_t>(options_.num_draws), {});
  for (Draw& draw : draws_) {
    chain_.start(rng_);
    draw.parameters = chain_.parameters();
    draw.p = draw.parameters.initial;
    draw.weight = 1.0 / options_.num_draws;
  }
  pending_ = 0;
  rounds_since_ = 0;
  num_refreshed_ = 0;
}

void GibbsBelief::predict(double dt) {
  check(std::isfinite(dt) && dt >= 0, ErrorCode::kInvalidArgument, "[gibbs belief] expected a time of at least 0 rounds, found ", dt);
  check(uncertain_->transition_known() ||
            (dt == std::floor(dt) && dt + pending_ + static_cast<double>(chain_.size()) < static_cast<double>(GibbsSampler::kMostRounds)),
        ErrorCode::kInvalidArgument, "[gibbs belief] an unknown transition moves by whole rounds, at most ", GibbsSampler::kMostRounds,
        " in all, found ", dt);
  std::vector<double> first = draws_[0].p;
  draws_[0].parameters.transition.apply(first, dt);  // throws for all draws or for none
  draws_[0].p = std::move(first);
  for (size_t i = 1; i < draws_.size(); ++i) draws_[i].parameters.transition.apply(draws_[i].p, dt);
  pending_ += dt;
}

double GibbsBelief::update(const Observation& observation) {
  prepare_observation(*uncertain_, observation, prepared_);
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  std::vector<double> evidence(draws_.size(), kNever);
  std::vector<double> log_likelihood(observation.log_likelihood.begin(), observation.log_likelihood.end());
  log_likelihood.resize(static_cast<size_t>(uncertain_->num_states()));
  for (size_t i = 0; i < draws_.size() && prepared_.possible; ++i) {
    Draw& draw = draws_[i];
    if (observation.log_likelihood.empty()) {
      draw.parameters.log_likelihood(observation.action, observation.features, observation.reward, log_likelihood);
    }
    if (draw.weight > 0) evidence[i] = condition(draw.p, log_likelihood);
  }
  const double top = *std::max_element(evidence.begin(), evidence.end());
  if (top == kNever) {
    ++num_impossible_;
    return kNever;
  }
  double sum = 0;
  for (size_t i = 0; i < draws_.size(); ++i) sum += draws_[i].weight *= std::exp(evidence[i] - top);
  for (Draw& draw : draws_) draw.weight /= sum;
  chain_.append(pending_, prepared_);
  pending_ = 0;
  prepared_.seen.features = {};  // the caller's memory
  ++rounds_since_;
  if (rounds_since_ >= options_.every || num_effective() < options_.refresh_below * options_.num_draws) refresh();
  return top + std::log(sum);
}

void GibbsBelief::refresh() {
  if (chain_.size() == 0) return;
  for (int32_t i = 0; i < options_.burn_in; ++i) chain_.sweep(rng_);
  for (Draw& draw : draws_) {
    for (int32_t i = 0; i < options_.thin; ++i) chain_.sweep(rng_);
    draw.parameters = chain_.parameters();
    draw.p.assign(chain_.filtered().begin(), chain_.filtered().end());
    if (pending_ > 0) draw.parameters.transition.apply(draw.p, pending_);
    draw.weight = 1.0 / options_.num_draws;
  }
  rounds_since_ = 0;
  ++num_refreshed_;
}

double GibbsBelief::num_effective() const noexcept {
  double sum = 0;
  for (const Draw& draw : draws_) sum += draw.weight * draw.weight;
  return 1 / sum;
}

std::optional<std::vector<double>> GibbsBelief::marginals() const {
  std::vector<double> out(static_cast<size_t>(uncertain_->num_states()), 0.0);
  double sum = 0;
  for (const Draw& draw : draws_) {
    for (size_t z = 0; z < out.size(); ++z) sum += draw.weight * draw.p[z], out[z] += draw.weight * draw.p[z];
  }
  for (double& x : out) x /= sum;
  return out;
}

void GibbsBelief::draw(const Round& round, Rng& rng, LatentDraw& out) const {
  size_t chosen = 0;
  double rest = rng.uniform();
  for (size_t i = 0; i < draws_.size(); ++i) {
    if (draws_[i].weight <= 0) continue;
    chosen = i;
    rest -= draws_[i].weight;
    if (rest < 0) break;
  }
  const Draw& draw = draws_[chosen];
  out.state = draw_categorical(draw.p, rng);
  out.phi.clear();
  out.means.resize(static_cast<size_t>(round.num_actions));
  out.scratch.resize(draw.p.size());
  for (int32_t a = 0; a < round.num_actions; ++a) {
    draw.parameters.means(round.arm(a), round.features_of(a), out.scratch);
    out.means[static_cast<size_t>(a)] = out.scratch[static_cast<size_t>(out.state)];
  }
  if (uncertain_->form() != RewardForm::kLinear) return;
  const auto d = static_cast<ptrdiff_t>(draw.parameters.d);
  const auto row = draw.parameters.theta.begin() + d * out.state;
  out.theta.assign(row, row + d);
}

void GibbsBelief::mean_rewards(const Round& round, std::span<double> out) const {
  std::fill(out.begin(), out.end(), 0.0);
  std::vector<double> means(static_cast<size_t>(uncertain_->num_states()));
  for (const Draw& draw : draws_) {
    for (int32_t a = 0; a < round.num_actions; ++a) {
      draw.parameters.means(round.arm(a), round.features_of(a), means);
      for (size_t z = 0; z < means.size(); ++z) out[static_cast<size_t>(a)] += draw.weight * draw.p[z] * means[z];
    }
  }
}

}  // namespace attune::people
