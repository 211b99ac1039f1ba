#include "bench/generation/step_cost.h"

#include <algorithm>

#include "core/dtype.h"

namespace attune::bench {
namespace {

double matrix_bytes(const lm::Matrix& m) {
  return static_cast<double>(m.rows) * static_cast<double>(row_bytes(m.dtype, static_cast<uint64_t>(m.cols)));
}
double matrix_macs(const lm::Matrix& m) { return static_cast<double>(m.rows) * static_cast<double>(m.cols); }

}  // namespace

StepCost step_cost(const lm::Model& model, lm::Compute compute, int64_t rows, int64_t head_rows, int64_t length) {
  const lm::ModelConfig& c = model.config();
  StepCost out;
  const double n = static_cast<double>(rows);
  for (int i = 0; i < c.num_layers; ++i) {
    const lm::LayerWeights& w = model.layer(i);
    for (const lm::Matrix* m : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down}) {
      out.layer_bytes += matrix_bytes(*m);
      out.layer_macs += n * matrix_macs(*m);
    }
    const bool global = c.is_global[static_cast<size_t>(i)] || c.sliding_window == 0;
    const auto seen = static_cast<double>(global ? length : std::min<int64_t>(length, c.sliding_window));
    out.attention_macs += n * 2 * seen * c.num_heads * c.head_dim;
  }
  out.kv_bytes = n * static_cast<double>(c.kv_bytes(length, compute == lm::Compute::kFast ? 2 : 4));
  if (head_rows > 0) out.head_bytes = matrix_bytes(model.head());
  out.head_macs = static_cast<double>(head_rows) * matrix_macs(model.head());
  return out;
}

}  // namespace attune::bench
