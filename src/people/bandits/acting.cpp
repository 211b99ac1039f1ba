#include "people/bandits/acting.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "people/bandits/exact_belief.h"

namespace attune::people {
namespace {

bool may(std::span<const uint8_t> available, size_t action) { return available.empty() || available[action] != 0; }

struct Candidate {
  size_t action;
  double regret;
  double information;
};

/// Actions that no other beats in both figures, by rising regret (and so rising information).
std::vector<Candidate> front_of(std::span<const double> regret, std::span<const double> information, std::span<const uint8_t> available) {
  std::vector<Candidate> all;
  for (size_t a = 0; a < regret.size(); ++a) {
    if (may(available, a)) all.push_back({a, regret[a], information[a]});
  }
  std::stable_sort(all.begin(), all.end(), [](const Candidate& a, const Candidate& b) { return a.regret < b.regret; });
  std::vector<Candidate> out;
  for (const Candidate& x : all) {
    if (!out.empty() && x.information <= out.back().information) continue;
    if (!out.empty() && x.regret == out.back().regret) out.pop_back();
    out.push_back(x);
  }
  return out;
}

double ratio(double regret, double information) {
  if (regret <= 0) return 0;
  return information > 0 ? regret * regret / information : std::numeric_limits<double>::infinity();
}

/// Least ratio over q in [0, 1] of a with q and b with 1 - q; the ratio is convex in q.
std::pair<double, double> best_weight(const Candidate& a, const Candidate& b) {
  const double regret = a.regret - b.regret;
  const double information = a.information - b.information;
  // Zero slope: 2 regret (b.information + q information) = information (b.regret + q regret). On the front both differences are not 0.
  const double q = std::clamp(b.regret / regret - 2 * b.information / information, 0.0, 1.0);
  return {q, ratio(b.regret + q * regret, b.information + q * information)};
}

}  // namespace

void check_round(const LatentModel& model, const Round& round) {
  const auto fail_round = [](const auto&... parts) { fail(ErrorCode::kInvalidArgument, "[bandit round] ", parts...); };
  if (round.num_actions < 1) fail_round("expected at least 1 action, found ", round.num_actions);
  const auto n = static_cast<size_t>(round.num_actions);
  if (!round.available.empty()) {
    if (round.available.size() != n) fail_round("expected ", n, " entries of available, found ", round.available.size());
    const auto is_available = [](uint8_t x) { return x != 0; };
    if (std::none_of(round.available.begin(), round.available.end(), is_available)) fail_round("no action is available");
  }
  if (!round.arms.empty() && round.arms.size() != n) fail_round("expected ", n, " arms, found ", round.arms.size());
  if (model.by_features()) {
    const size_t expected = n * static_cast<size_t>(model.d);
    if (round.features.size() != expected) fail_round("expected ", expected, " features, found ", round.features.size());
    for (const double x : round.features) {
      if (!std::isfinite(x)) fail_round("expected finite features, found ", x);
    }
    return;
  }
  if (round.arms.empty() && round.num_actions > model.num_arms) fail_round("expected at most ", model.num_arms, " actions, found ", n);
  for (const int32_t arm : round.arms) {
    if (arm < 0 || arm >= model.num_arms) fail_round("unknown arm ", arm, ", there are ", model.num_arms);
  }
}

void action_means(const LatentModel& model, const Round& round, std::vector<double>& out) {
  const auto z = static_cast<size_t>(model.num_states);
  out.resize(static_cast<size_t>(round.num_actions) * z);
  for (int32_t a = 0; a < round.num_actions; ++a) {
    model.means(round.arm(a), round.features_of(a), std::span(out).subspan(static_cast<size_t>(a) * z, z));
  }
}

int32_t best_action(std::span<const double> means, size_t num_states, size_t z, std::span<const uint8_t> available) noexcept {
  int32_t best = -1;
  double top = 0;
  for (size_t a = 0; a * num_states < means.size(); ++a) {
    const double mu = means[a * num_states + z];
    if (!may(available, a) || (best >= 0 && !(mu > top))) continue;
    best = static_cast<int32_t>(a);
    top = mu;
  }
  return best;
}

void thompson_probabilities(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available,
                            std::span<double> out) noexcept {
  std::fill(out.begin(), out.end(), 0.0);
  for (size_t z = 0; z < p.size(); ++z) {
    const int32_t best = p[z] > 0 ? best_action(means, p.size(), z, available) : -1;
    if (best >= 0) out[static_cast<size_t>(best)] += p[z];
  }
}

Choice act_thompson(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, Rng& rng) {
  const int32_t drawn = draw_index(p, rng);
  const int32_t action = best_action(means, p.size(), static_cast<size_t>(drawn), available);
  double propensity = 0;
  for (size_t z = 0; z < p.size(); ++z) {
    if (p[z] > 0 && best_action(means, p.size(), z, available) == action) propensity += p[z];
  }
  return {action, std::min(propensity, 1.0)};
}

Choice act_greedy(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available) noexcept {
  Choice out{-1, 1.0};
  double top = 0;
  for (size_t a = 0; a * p.size() < means.size(); ++a) {
    if (!may(available, a)) continue;
    double sum = 0;
    for (size_t z = 0; z < p.size(); ++z) sum += p[z] * means[a * p.size() + z];
    if (out.action >= 0 && !(sum > top)) continue;
    out.action = static_cast<int32_t>(a);
    top = sum;
  }
  return out;
}

void expected_regret(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, std::span<double> out) {
  std::fill(out.begin(), out.end(), 0.0);
  for (size_t z = 0; z < p.size(); ++z) {
    if (p[z] <= 0) continue;
    const int32_t best = best_action(means, p.size(), z, available);
    const double top = means[static_cast<size_t>(best) * p.size() + z];
    for (size_t a = 0; a < out.size(); ++a) out[a] += p[z] * (top - means[a * p.size() + z]);
  }
}

Mixture information_directed(std::span<const double> regret, std::span<const double> information, std::span<const uint8_t> available,
                             bool randomised) {
  const std::vector<Candidate> front = front_of(regret, information, available);
  Mixture out{static_cast<int32_t>(front[0].action), static_cast<int32_t>(front[0].action), 1};
  double least = ratio(front[0].regret, front[0].information);
  const auto offer = [&](const Candidate& a, const Candidate& b, double weight, double value) {
    if (!(value < least)) return;
    least = value;
    out = {static_cast<int32_t>(a.action), static_cast<int32_t>(b.action), weight};
  };
  for (const Candidate& a : front) offer(a, a, 1, ratio(a.regret, a.information));
  for (size_t i = 0; randomised && i < front.size(); ++i) {
    for (size_t j = i + 1; j < front.size(); ++j) {
      const auto [weight, value] = best_weight(front[i], front[j]);
      if (weight > 0 && weight < 1) offer(front[i], front[j], weight, value);
    }
  }
  return out;
}

}  // namespace attune::people
