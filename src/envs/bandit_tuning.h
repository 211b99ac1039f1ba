// Keys of baselines chosen by regret on problems of their own, so that comparisons are with each baseline at its best
// (docs/methods/latent_bandits.md, "Baselines").
//
// A grid lists values for each key that matters to a baseline; all combinations are played on the same seeds, which must not be those of the
// comparison, and the one with the least mean regret is taken (the first of equals). "auto" values of other keys stay.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/thread_pool.h"
#include "envs/bandit_experiment.h"
#include "people/bandits/baselines/options.h"

namespace attune::envs {

struct GridKey {
  std::string key;  ///< as in BaselineOptions::describe
  std::vector<std::string> values;
};

/// Keys and values that a baseline is tuned over; empty if it has none.
std::vector<GridKey> tuning_grid(std::string_view baseline);

struct TunedBaseline {
  people::BaselineOptions options;
  std::string setting;  ///< "bonus 0.5, window 200"; "" without a grid
  double regret = 0;  ///< mean over the tuning seeds
  double default_regret = 0;  ///< of the options given
  int32_t settings = 0;  ///< combinations that were tried, the given one apart
};

/// The given options compete too. Throws as the problems and baselines do; kInvalidArgument without a seed.
TunedBaseline tune_baseline(const std::string& baseline, const people::BaselineOptions& given, const MakeProblem& problem,
                            uint64_t first_seed, int32_t num_seeds, ThreadPool& pool);

}  // namespace attune::envs
