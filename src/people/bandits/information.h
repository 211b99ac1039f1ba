// How much a reward would say about the latent state, and how surprising it is (docs/methods/latent_bandits.md, "Acting rules").
//
// Under a belief p [Z] the reward of an arm is a mixture of Z laws. Bernoulli and categorical mixtures are summed exactly; Gaussian ones by
// Gauss-Hermite quadrature of 32 nodes a component (error below 1e-6 nats for means within 6 noise_sd of each other, tested against a fine
// grid). All figures are in nats. Pure functions, thread-safe; precondition: the arm and features passed LatentModel's checks.
#pragma once

#include <cstdint>
#include <span>

#include "people/bandits/latent_model.h"

namespace attune::people {

/// I(G; R) of the reward of `arm` with G = group[z] (labels 0 to Z - 1): information about the group that the state is in. `means` [Z] as from
/// LatentModel::means. Each state its own group gives I(Z; R). O(Z) Bernoulli, O(Z C) categorical, O(32 Z^2) exponentials Gaussian.
double mutual_information(const LatentModel& model, int32_t arm, std::span<const double> means, std::span<const double> p,
                          std::span<const int32_t> group);
/// Variance over groups of the mean reward: the surrogate of variance-based information-directed sampling (Russo and Van Roy, "Learning to
/// optimize via information-directed sampling"; Pinsker: I(G; R) >= 2 variance for rewards within [0, 1]). O(Z).
double mean_variance(std::span<const double> means, std::span<const double> p, std::span<const int32_t> group);
/// E[log p(R)] of the reward of `arm` under the mixture: minus its (differential) entropy. What the log evidence is on average if the model
/// is right. Costs as mutual_information.
double expected_log_evidence(const LatentModel& model, int32_t arm, std::span<const double> means, std::span<const double> p);

/// Mean and variance of the log evidence of a round before its reward is seen, if the model is right.
struct EvidenceMoments {
  double mean = 0;
  double variance = 0;
};
/// Costs as mutual_information.
EvidenceMoments log_evidence_moments(const LatentModel& model, int32_t arm, std::span<const double> means, std::span<const double> p);

}  // namespace attune::people
