// What one step of the model must read and multiply, from the sizes of its matrices (not counted while it runs).
#pragma once

#include <cstdint>

#include "lm/engine.h"

namespace attune::bench {

/// Of one forward pass over `rows` positions. Bytes: every matrix once as it is packed, keys and values once a row; of a screened head the
/// high plane, which is half of it (the few rows then computed exactly are not counted). Multiply-adds: all rows.
struct StepCost {
  double layer_bytes = 0;
  double head_bytes = 0;
  double kv_bytes = 0;
  double layer_macs = 0;  ///< matrices
  double head_macs = 0;
  double attention_macs = 0;

  double bytes() const noexcept { return layer_bytes + head_bytes + kv_bytes; }
  double macs() const noexcept { return layer_macs + head_macs + attention_macs; }
};

/// Whether the engine finds this sampler's tokens by screening (lm/head.h).
bool screens_head(const lm::Engine& engine, const lm::SamplerOptions& sampler);

/// `rows` positions, each seeing `length` positions; `head_rows` of them need logits.
StepCost step_cost(const lm::Engine& engine, int64_t rows, int64_t head_rows, int64_t length, bool screened);

}  // namespace attune::bench
