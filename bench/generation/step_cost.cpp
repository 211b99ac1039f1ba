#include "bench/generation/step_cost.h"

#include <algorithm>

#include "core/dtype.h"

namespace attune::bench {
namespace {

double matrix_macs(const lm::Matrix& m) { return static_cast<double>(m.rows) * static_cast<double>(m.cols); }

}  // namespace

bool screens_head(const lm::Engine& engine, const lm::SamplerOptions& sampler) {
  return engine.compute() == lm::Compute::kFast && engine.model().weights()->head().dtype == DType::kQ8_0 &&
         (sampler.greedy() || sampler.top_k > 0);
}

StepCost step_cost(const lm::Engine& engine, int64_t rows, int64_t head_rows, int64_t length, bool screened) {
  const lm::ModelConfig& c = engine.model().config();
  const lm::Weights& weights = *engine.model().weights();
  StepCost out;
  const double n = static_cast<double>(rows);
  for (int i = 0; i < c.num_layers; ++i) {
    const lm::LayerWeights& w = weights.layer(i);
    for (const lm::Matrix* m : {&w.q, &w.k, &w.v, &w.o, &w.gate, &w.up, &w.down}) {
      out.layer_macs += n * matrix_macs(*m);
    }
    const bool global = c.is_global[static_cast<size_t>(i)] || c.sliding_window == 0;
    const auto seen = static_cast<double>(global ? length : std::min<int64_t>(length, c.sliding_window));
    out.attention_macs += n * 2 * seen * c.num_heads * c.head_dim;
  }
  out.kv_bytes = n * static_cast<double>(c.kv_bytes(length, engine.compute() == lm::Compute::kFast ? 2 : 4));
  out.layer_bytes = static_cast<double>(weights.layer_bytes());
  if (head_rows > 0) out.head_bytes = static_cast<double>(weights.head_bytes()) / (screened ? 2 : 1);
  out.head_macs = static_cast<double>(head_rows) * matrix_macs(weights.head());
  return out;
}

}  // namespace attune::bench
