// The model of a BeliefBatch in float, laid out for kernels/belief.h.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "kernels/belief.h"
#include "people/bandits/belief_batch.h"

namespace attune::people {

struct BeliefBatch::Tables {
  explicit Tables(const LatentModel& model);

  /// Index into the kernel's table of each round: the arm (gaussian: `arms` itself) or (arm, level), in `room`. Empty for models by features.
  /// Throws kInvalidArgument: unknown arms, rewards outside the support or not finite.
  std::span<const int32_t> cells(const LatentModel& model, std::span<const int32_t> arms, std::span<const float> rewards,
                                 std::vector<int32_t>& room) const;
  /// Everything but the transition.
  kernels::BeliefStep step(const LatentModel& model) const;
  /// What the log evidence of a round in `cell` lacks.
  double log_scale(int32_t cell) const noexcept { return scale.size() == 1 ? scale[0] : scale[static_cast<size_t>(cell)]; }

  std::vector<float> table;  ///< gaussian: means [K, Z]; else likelihoods [cells, Z] by their largest
  std::vector<double> scale;  ///< log of what likelihoods were divided by: [cells], or one for all
  std::vector<float> theta;  ///< [Z, d]
  std::vector<float> theta_t;  ///< [d, padded]
  std::vector<float> means;  ///< tables: mu [K, padded]
  int padded = 0;
  float low = -std::numeric_limits<float>::infinity();  ///< clip of means by features
  float high = std::numeric_limits<float>::infinity();
};

}  // namespace attune::people
