// Sets of weights that an engine serves beside each other (docs/methods/publishing.md). A set is immutable; sequences keep the one that they
// began with, and its memory comes back when it is retired and its last sequence has ended.
#pragma once

#include <cstdint>

namespace attune::lm {

using WeightsId = uint64_t;
inline constexpr WeightsId kCurrentWeights = 0;  ///< whatever set new sequences get
inline constexpr WeightsId kBaseWeights = 1;  ///< of the model that the engine was made with

/// Trained changes are never rounded into 4-bit blocks.
enum class Publish {
  kLoraF32,  ///< a low-rank adapter, added at run time in F32 to the products of a base set
  kFullF32,  ///< all tensors with the source's values, multiplied with F32 activations also in a fast engine
  kFullQ8,  ///< all matrices rounded to Q8_0; the report says what that lost
};

struct PublishOptions {
  WeightsId base = kCurrentWeights;  ///< kLoraF32: what the adapter is added to
  double lora_scale = 1;  ///< kLoraF32 from tensors: s in W + s B A. An adapter's folder knows its own
  /// kLoraF32: rows with the adapter are multiplied with F32 activations also in a fast engine: slower, but the smallest steps of training show.
  bool f32_activations = false;
  bool probe = true;  ///< measure the set on the probe prompts; without, the report's differences are NaN
};

struct PublishReport {
  WeightsId id = 0;
  int64_t bytes = 0;  ///< memory of the set, without the base of an adapter
  int64_t probe_positions = 0;
  /// |log p of the engine's arithmetic - log p of the source's values in F32| of the probe prompts' tokens.
  double mean_abs_dlogp = 0, max_abs_dlogp = 0;
};

}  // namespace attune::lm
