#include "people/bandits/list_policy.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/error.h"
#include "people/bandits/acting.h"
#include "people/bandits/exact_belief.h"
#include "people/bandits/information.h"

namespace attune::people {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"latent_ts", "greedy", "latent_ids", "latent_ucb"};
constexpr double kCredible = 0.95;

ListChoice surely(int32_t list, size_t n) {
  ListChoice out{list, std::vector<double>(n, 0.0)};
  out.probability[static_cast<size_t>(list)] = 1;
  return out;
}

ListChoice thompson(std::span<const double> p, const ListActions& actions, size_t n, Rng& rng) {
  ListChoice out{0, std::vector<double>(n, 0.0)};
  for (size_t z = 0; z < p.size(); ++z) out.probability[static_cast<size_t>(actions.of_state[z])] += p[z];
  out.list = actions.of_state[static_cast<size_t>(draw_index(p, rng))];
  return out;
}

ListChoice optimistic(std::span<const double> p, const ListActions& actions, size_t n) {
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return p[a] > p[b]; });
  double mass = 0, best_value = 0;
  int32_t best = -1;
  for (const size_t z : order) {
    const int32_t list = actions.of_state[z];
    const double value = actions.means[static_cast<size_t>(list) * p.size() + z];
    if (best < 0 || value > best_value) {
      best = list;
      best_value = value;
    }
    mass += p[z];
    if (mass >= kCredible) break;
  }
  return surely(best, n);
}

ListChoice informed(const LatentModel& model, std::span<const double> p, const ListActions& actions, size_t n, Rng& rng) {
  std::vector<double> regret(n), information(n);
  expected_regret(p, actions.means, {}, regret);
  std::vector<int32_t> group(p.size());
  std::iota(group.begin(), group.end(), 0);
  for (size_t a = 0; a < n; ++a) {
    information[a] = std::max(0.0, mutual_information(model, -1, std::span(actions.means).subspan(a * p.size(), p.size()), p, group));
  }
  const Mixture mixture = information_directed(regret, information, {}, true);
  ListChoice out{mixture.first, std::vector<double>(n, 0.0)};
  out.probability[static_cast<size_t>(mixture.first)] += mixture.weight;
  if (mixture.second >= 0) out.probability[static_cast<size_t>(mixture.second)] += 1 - mixture.weight;
  if (mixture.second >= 0 && rng.uniform() >= mixture.weight) out.list = mixture.second;
  return out;
}

}  // namespace

std::span<const std::string_view> list_policy_names() noexcept { return kNames; }

ListChoice choose_list(std::string_view policy, const LatentModel& model, std::span<const double> p, const ListActions& actions, Rng& rng) {
  const size_t n = p.empty() ? 0 : actions.means.size() / p.size();
  check(p.size() == static_cast<size_t>(model.num_states) && n >= 1 && actions.means.size() == n * p.size() &&
            actions.of_state.size() == p.size() && actions.greedy >= 0 && static_cast<size_t>(actions.greedy) < n,
        ErrorCode::kInvalidArgument, "[list policy] a belief [", p.size(), "], means [", actions.means.size(), "], expected [",
        model.num_states, "] and lists of each state");
  if (policy == "latent_ts") return thompson(p, actions, n, rng);
  if (policy == "greedy") return surely(actions.greedy, n);
  if (policy == "latent_ids") return informed(model, p, actions, n, rng);
  if (policy == "latent_ucb") return optimistic(p, actions, n);
  fail(ErrorCode::kInvalidArgument, "[list policy] policy is \"", policy.substr(0, 40),
       "\", expected latent_ts, greedy, latent_ids or latent_ucb");
}

}  // namespace attune::people
