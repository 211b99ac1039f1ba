// Acting rules: from a belief p [Z] and mean rewards mu [n, Z] to one of n actions (docs/methods/latent_bandits.md, "Acting rules").
//
//   thompson   z ~ p, a = argmax_a mu(a, z)              P(a) = sum_z p[z] 1[a is the best in z], exact
//   greedy     a = argmax_a sum_z p[z] mu(a, z)
//   ids        minimises (expected regret)^2 / information gained, over actions or over mixtures of two
// Only actions with available[a] != 0 are played (empty span: all); ties go to the lowest action. Pure functions, thread-safe. Preconditions,
// checked by check_round: at least one action is available, sizes fit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "people/bandits/latent_model.h"
#include "people/bandits/policy.h"

namespace attune::people {

/// Throws kInvalidArgument: no action or none available, sizes that do not fit the model, unknown arms, features that are not finite.
void check_round(const LatentModel& model, const Round& round);
/// mu of every action in every state: out [n, Z], resized. O(n Z), by features O(n Z d).
void action_means(const LatentModel& model, const Round& round, std::vector<double>& out);

/// argmax over available actions of means[a, z]; -1 if none is available. O(n).
int32_t best_action(std::span<const double> means, size_t num_states, size_t z, std::span<const uint8_t> available) noexcept;

/// P(a) of Thompson sampling: out [n]. O(n Z).
void thompson_probabilities(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available,
                            std::span<double> out) noexcept;
/// One draw from p; states without weight are not looked at.
Choice act_thompson(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, Rng& rng);
/// Propensity 1.
Choice act_greedy(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available) noexcept;

/// Probabilities over actions: `first` with probability `weight`, else `second`.
struct Mixture {
  int32_t first = -1;
  int32_t second = -1;
  double weight = 1;
};
/// Minimises (E regret)^2 / (E information) over actions (`randomised` false) or over all distributions, where a mixture of two actions
/// attains the least. regret, information [n], at least 0. An action without regret is played outright;
/// without any information the rule is greedy. O(n log n + m^2), m = actions that no other beats in both figures.
Mixture information_directed(std::span<const double> regret, std::span<const double> information, std::span<const uint8_t> available,
                             bool randomised);
/// E over p of max_b mu(b, z) - mu(a, z): out [n], best over available actions. O(n Z).
void expected_regret(std::span<const double> p, std::span<const double> means, std::span<const uint8_t> available, std::span<double> out);

}  // namespace attune::people
