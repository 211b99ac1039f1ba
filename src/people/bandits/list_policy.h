// Which list to show: acting rules over whole lists instead of single items (docs/methods/latent_bandits.md, "In the product").
//
// Each state has its own best list of k items; the belief's mean has one too. These few lists, equal ones taken together, are the actions, so
// that the probability of a list is exact:
//   latent_ts   z ~ p, the list of z                              P(list) = sum of p[z] over states with that list
//   greedy      the list of the belief's mean                     1
//   latent_ids  information-directed over the lists (acting.h)    of the mixture of at most two
//   latent_ucb  optimism: of the states that make up 95 % of the belief, the likeliest first, the one whose own list pays most     1
// A list pays the mean reward of its items; a reward is one person's rating of one of them. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "core/rng.h"
#include "people/bandits/latent_model.h"

namespace attune::people {

/// Lists as actions.
struct ListActions {
  std::vector<double> means;  ///< [n, Z] mean reward of an item of the list
  std::vector<int32_t> of_state;  ///< [Z] the list of each state
  int32_t greedy = 0;  ///< the list of the belief's mean
};

struct ListChoice {
  int32_t list = 0;
  std::vector<double> probability;  ///< [n], sums to 1
};

/// "latent_ts", "greedy", "latent_ids", "latent_ucb".
std::span<const std::string_view> list_policy_names() noexcept;

/// Chooses. `p` [Z] sums to 1. Throws kInvalidArgument: unknown policy (listing them), sizes. One draw at most. O(n Z), latent_ids see
/// information.h.
ListChoice choose_list(std::string_view policy, const LatentModel& model, std::span<const double> p, const ListActions& actions, Rng& rng);

}  // namespace attune::people
