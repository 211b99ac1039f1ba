// What one step of the model must read and multiply, from the sizes of its matrices (not counted while it runs).
#pragma once

#include <cstdint>

#include "lm/engine.h"

namespace attune::bench {

/// Of one forward pass over `rows` positions. Bytes: every matrix once as it lies in the file, keys and values once a row. Multiply-adds: all
/// rows. The head counts whole; a decoder that screens it reads less.
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

/// `rows` positions, each seeing `length` positions; `head_rows` of them need logits.
StepCost step_cost(const lm::Model& model, lm::Compute compute, int64_t rows, int64_t head_rows, int64_t length);

}  // namespace attune::bench
