// Many beliefs at once in float: one pass of likelihood, normalisation and transition over the users of a batch, and mean rewards of candidates
// in every state (docs/methods/latent_bandits.md, "Batches, delays and slates").
//
// Beliefs are rows p [., Z] without padding. Users are taken 4, 8 or 16 at a time, one a lane (the width of the instruction set), and every
// user's numbers are computed in one fixed order: a row's bits do not depend on its neighbours, on n, or on which other rows are in the call.
// Likelihoods are relative to the largest of a row, so that only ratios below 1e-37 are lost; a state that is possible keeps at least 1e-37.
// The text of the loops is belief/belief-inl.h.
#pragma once

#include <cstdint>

#include "kernels/kernels.h"

namespace attune::kernels {

/// Where the likelihood of a reward comes from.
enum class BeliefLikelihood {
  kGaussianTable,  ///< N(mean[cell, z], sd), cell = arm
  kGaussianFeatures,  ///< N(x . theta_z, sd)
  kBernoulliFeatures,  ///< x . theta_z clipped to [low, high], reward 0 or 1
  kTable,  ///< likelihood[cell, z], cell = (arm, level)
};

/// What is common to all users of a call.
struct BeliefStep {
  BeliefLikelihood kind = BeliefLikelihood::kGaussianTable;
  int num_states = 0;  ///< Z
  int d = 0;
  const float* table = nullptr;  ///< mean or likelihood [cells, Z]; likelihoods: largest of a row 1, others 0 or at least 1e-37;
      ///< below 2^31 numbers
  const float* theta = nullptr;  ///< [Z, d]
  float precision = 0;  ///< 1 / (2 sd^2)
  float floor = 0;  ///< gaussian: least -(r - mu)^2 precision
  float low = 0;
  float high = 1;
  const float* phi = nullptr;  ///< [Z, Z] rows from; null: sticky
  float stay = 1;  ///< sticky: 1 - rho; 1 moves nothing
  const float* pi = nullptr;  ///< sticky: [Z]
};

/// The rounds of n users.
struct BeliefRounds {
  int64_t n = 0;
  const int64_t* rows = nullptr;  ///< [n] row of each user; null: first_row + i
  int64_t first_row = 0;
  const int32_t* cells = nullptr;  ///< [n]; tables
  const float* x = nullptr;  ///< [n, d]; features
  const float* rewards = nullptr;  ///< [n]
  float* top = nullptr;  ///< [n] out, null: neither of the two; exponent that was taken out (gaussian), else 0
  float* sum = nullptr;  ///< [n] out: sum_z p[z] likelihood / exp(top); 0 = impossible
};

/// p[row] of each round: w = p likelihood, p = (w / sum w) phi. Impossible rounds (sum 0): likelihood 1. Rows are distinct.
/// scratch [belief_scratch(Z)]. Returns the number of impossible rounds. O(n (Z^2 + Z d)).
int64_t belief_update(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept;
constexpr int64_t belief_scratch(int num_states) noexcept { return 2 * 16 * static_cast<int64_t>(num_states); }

/// States padded to whole registers.
inline constexpr int kBeliefPad = 8;
constexpr int belief_padded(int num_states) noexcept { return (num_states + kBeliefPad - 1) / kBeliefPad * kBeliefPad; }

/// mu[a, z] = clip(x[a] . theta_z, low, high): x [n, d], theta transposed [d, padded], mu [n, padded].
void belief_means(const float* x, int64_t n, int d, const float* theta_t, int padded, float low, float high, float* mu) noexcept;
/// best[z] = first argmax over a with available[a] != 0 (null: all) of mu[a, z], -1 if none; mu [n, padded], best [padded].
void belief_best(const float* mu, int64_t n, int padded, const uint8_t* available, int32_t* best) noexcept;

/// The functions above in the instructions of one level.
struct BeliefKernels {
  int64_t (*update)(const BeliefStep& step, const BeliefRounds& rounds, float* p, float* scratch) noexcept;
  void (*means)(const float* x, int64_t n, int d, const float* theta_t, int padded, float low, float high, float* mu) noexcept;
  void (*best)(const float* mu, int64_t n, int padded, const uint8_t* available, int32_t* best) noexcept;
};
/// The functions of a level that this machine runs (kernels.h).
const BeliefKernels& belief_kernels_of(Isa isa) noexcept;

}  // namespace attune::kernels
