// Helpers shared by the readers of configurations.
#pragma once

#include <cstdint>
#include <vector>

namespace attune::lm {

inline constexpr int32_t kDefaultPattern = 6;  ///< five local layers, then a global one

/// Layer l is global iff (l + 1) % pattern == 0.
std::vector<bool> every_nth_global(int32_t num_layers, int32_t pattern);
/// sqrt(D) rounded to bfloat16, as the reference code does for bfloat16 checkpoints: 25.25, 34, 50.5, 62, 73.5 for the released sizes.
float rounded_embedding_scale(int32_t hidden_size);

}  // namespace attune::lm
