// Options of weighted ALS and the named configurations of the works that use it (docs/methods/factorisation.md, table of presets).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"

namespace attune::people {

struct AlsOptions {
  std::string target = "residual";  ///< residual, centred, rating, liked, confidence: see describe()
  int32_t rank = 64;
  double lambda = 1;
  double w0 = 0.01;
  std::string kappa = "one";        ///< one, count, count_and_unobserved
  double weight = 1;
  double low_weight = 1;
  double low_target = 0;
  double low_slope = 0;
  double liked_threshold = 4;
  double user_damping = 10;
  double item_damping = 10;
  double init_sd = 0;               ///< 0 = 0.1 / sqrt(rank)
  int32_t sweeps = 20;
  bool rank_with_bias = true;
  std::string solver = "cholesky";  ///< cholesky, cg
  int32_t cg_steps = 3;
  bool double_precision = false;
  uint64_t seed = 0;

  /// Names every field with range and help.
  void describe(OptionList& list);
  /// Throws kInvalidArgument naming the field.
  void check_ranges() const;
};

/// "soft_attributes", "eagle", "latent_bandits", "ranking", "implicit". Throws kNotFound listing them.
AlsOptions als_preset(std::string_view name);
std::vector<std::string> als_preset_names();

}  // namespace attune::people
