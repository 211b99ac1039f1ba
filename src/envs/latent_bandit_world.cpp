#include "envs/latent_bandit_world.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "people/bandits/draws.h"

namespace attune::envs {
namespace {

constexpr int kMostTries = 10000;

/// A stream that belongs to one user of the world.
Rng user_stream(const LatentBanditOptions& o, std::string_view name) { return Rng(o.seed, fnv1a(name, o.user)); }

/// mu [K, Z] with distinct best arms and gaps, state by state.
std::vector<double> draw_means(const LatentBanditOptions& o, Rng& rng) {
  const auto k = static_cast<size_t>(o.num_arms), z = static_cast<size_t>(o.num_states);
  std::vector<double> out(k * z), column(k), sorted;
  std::vector<uint8_t> taken(k, 0);
  for (size_t s = 0; s < z; ++s) {
    for (int tries = 0;; ++tries) {
      check(tries < kMostTries, ErrorCode::kInvalidArgument, "[latent bandit] no draw of ", kMostTries, " has a gap of ", o.least_gap,
            " and a new best arm");
      for (double& x : column) x = rng.uniform();
      const auto best = static_cast<size_t>(std::max_element(column.begin(), column.end()) - column.begin());
      sorted = column;
      std::sort(sorted.begin(), sorted.end());
      if (taken[best] != 0 || sorted[k - 1] - sorted[k - 2] < o.least_gap) continue;
      taken[best] = 1;
      break;
    }
    for (size_t a = 0; a < k; ++a) out[a * z + s] = column[a];
  }
  return out;
}

people::LatentModel true_model(const LatentBanditOptions& o) {
  people::LatentModel out;
  out.num_states = o.num_states;
  out.noise_sd = o.noise_sd;
  const std::vector<double> uniform(static_cast<size_t>(o.num_states), 1.0 / o.num_states);
  out.initial = uniform;
  out.transition = people::Transition::sticky(sticky_rho(o.changes, o.horizon, o.num_states), uniform);
  Rng rng(o.seed, "latent bandit means");
  if (o.d > 0) {
    out.d = o.d;
    out.theta.resize(static_cast<size_t>(o.num_states) * static_cast<size_t>(o.d));
    for (double& x : out.theta) x = rng.normal();
  } else {
    out.num_arms = o.num_arms;
    out.mean = draw_means(o, rng);
  }
  out.check();
  return out;
}

/// Actions of every round as directions on the unit sphere.
void draw_features(const LatentBanditOptions& o, Episode& out) {
  Rng rng = user_stream(o, "latent bandit contexts");
  const auto d = static_cast<size_t>(o.d), rows = static_cast<size_t>(o.horizon) * static_cast<size_t>(o.num_arms);
  out.features.resize(rows * d);
  for (size_t r = 0; r < rows; ++r) {
    const auto x = std::span(out.features).subspan(r * d, d);
    double square = 0;
    for (double& value : x) {
      value = rng.normal();
      square += value * value;
    }
    for (double& value : x) value /= std::sqrt(square);
  }
}

Episode draw_episode(const LatentBanditOptions& o, const people::LatentModel& truth) {
  Episode out;
  out.num_rounds = o.horizon;
  out.num_actions = o.num_arms;
  out.d = o.d;
  out.noise_sd = o.noise_sd;
  Rng chain = user_stream(o, "latent bandit states"), noise = user_stream(o, "latent bandit noise");
  out.states = draw_states(truth.initial, truth.transition, o.horizon, chain);
  if (o.d > 0) draw_features(o, out);
  const auto actions = static_cast<size_t>(o.num_arms);
  out.means.resize(static_cast<size_t>(o.horizon) * actions);
  out.noise.resize(out.means.size());
  for (double& x : out.noise) x = o.noise_sd * noise.normal();
  std::vector<double> means(static_cast<size_t>(o.num_states));
  for (int64_t t = 0; t < o.horizon; ++t) {
    const people::Round round = out.round(t);
    for (int32_t a = 0; a < o.num_arms; ++a) {
      truth.means(a, round.features_of(a), means);
      out.means[static_cast<size_t>(t) * actions + static_cast<size_t>(a)] = means[static_cast<size_t>(out.states[static_cast<size_t>(t)])];
    }
  }
  return out;
}

/// The model with its means off by N(0, s0^2), and that as its prior.
void doubt(const LatentBanditOptions& o, people::LatentModel& model, people::LatentPrior& prior) {
  Rng rng(o.seed, "latent bandit model error");
  auto& values = model.by_features() ? model.theta : model.mean;
  for (double& x : values) x += o.model_sd * rng.normal();
  if (!model.by_features()) {
    prior.mean = values;
    prior.variance.assign(values.size(), o.model_sd * o.model_sd);
    return;
  }
  const auto d = static_cast<size_t>(model.d);
  prior.theta = values;
  prior.covariance.assign(values.size() * d, 0.0);
  for (size_t i = 0; i < values.size(); ++i) prior.covariance[i * d + i % d] = o.model_sd * o.model_sd;
}

}  // namespace

people::Round Episode::round(int64_t t) const noexcept {
  people::Round out;
  out.t = t;
  out.num_actions = num_actions;
  const auto row = static_cast<size_t>(t) * static_cast<size_t>(num_actions), count = static_cast<size_t>(num_actions);
  if (!arms.empty()) out.arms = std::span(arms).subspan(row, count);
  if (d > 0) out.features = std::span(features).subspan(row * static_cast<size_t>(d), count * static_cast<size_t>(d));
  return out;
}

std::span<const double> Episode::means_of(int64_t t) const noexcept {
  return std::span(means).subspan(static_cast<size_t>(t) * static_cast<size_t>(num_actions), static_cast<size_t>(num_actions));
}

double Episode::reward(int64_t t, int32_t action) const noexcept {
  const size_t place = static_cast<size_t>(t) * static_cast<size_t>(num_actions) + static_cast<size_t>(action);
  return means[place] + noise[place];
}

double Episode::best_mean(int64_t t) const noexcept {
  const auto row = means_of(t);
  return *std::max_element(row.begin(), row.end());
}

int64_t Episode::num_changes() const noexcept {
  int64_t out = 0;
  for (size_t t = 1; t < states.size(); ++t) out += states[t] != states[t - 1] ? 1 : 0;
  return out;
}

void LatentBanditOptions::describe(OptionList& list) {
  list.add("num-arms", num_arms, "Arms K of a table, or actions offered each round.").range(2, 10000);
  list.add("num-states", num_states, "Latent states Z.").range(1, 1000);
  list.add("d", d, "Features of an action; 0 = a table of arms.").range(0, 1000);
  list.add("horizon", horizon, "Rounds n.").range(1, 1e8);
  list.add("changes", changes, "Expected changes of the state in n rounds.").range(0, 1e8);
  list.add("noise-sd", noise_sd, "Standard deviation of the rewards' noise.").range(1e-9, 1e6);
  list.add("least-gap", least_gap, "Least lead of a state's best arm.").range(0, 0.9);
  list.add("model-sd", model_sd, "Standard deviation of the error of the model's means.").range(0, 1e6);
  list.add("seed", seed, "Seed of the world.");
  list.add("user", user, "Which of its users: their states, contexts and noise differ.");
}

void LatentBanditOptions::check_ranges() const {
  check_option_ranges(*this);
  check(d > 0 || num_states <= num_arms, ErrorCode::kInvalidArgument,
        "[latent bandit] expected an arm for every state to be best in, found ", num_arms, " arms and ", num_states, " states");
}

BanditProblem make_latent_bandit(const LatentBanditOptions& options) {
  options.check_ranges();
  BanditProblem out;
  people::LatentModel truth = true_model(options);
  out.episode = draw_episode(options, truth);
  people::LatentModel model = truth;
  out.truth = std::make_shared<const people::LatentModel>(std::move(truth));
  if (options.model_sd > 0) doubt(options, model, out.prior);
  out.prior.check(model);
  out.model = std::make_shared<const people::LatentModel>(std::move(model));
  out.certain = out.model;
  return out;
}

double sticky_rho(double changes, int64_t num_rounds, int32_t num_states) {
  if (num_rounds < 2 || num_states < 2) return 0;
  return std::min(1.0, changes / static_cast<double>(num_rounds - 1) / (1 - 1.0 / num_states));
}

std::vector<int32_t> draw_states(std::span<const double> initial, const people::Transition& transition, int64_t n, Rng& rng) {
  std::vector<int32_t> out;
  out.reserve(static_cast<size_t>(n));
  std::vector<double> row(initial.begin(), initial.end());
  for (int64_t t = 0; t < n; ++t) {
    const int32_t state = people::draw_categorical(row, rng);
    out.push_back(state);
    for (size_t z = 0; z < row.size(); ++z) row[z] = transition.at(state, static_cast<int32_t>(z));
  }
  return out;
}

RandomLog play_at_random(const Episode& episode, uint64_t seed) {
  Rng rng(seed, "random log");
  RandomLog out;
  for (int64_t t = 0; t < episode.num_rounds; ++t) {
    out.actions.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(episode.num_actions))));
    out.rewards.push_back(episode.reward(t, out.actions.back()));
  }
  return out;
}

}  // namespace attune::envs
