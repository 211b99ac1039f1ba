// The transformer over a batch of chunks: many sequences, each with some new positions (docs/methods/gemma3.md, "Forward pass").
//
// Every row (position) is computed with operations whose order depends on that row alone, so results do not depend on the batch.
// Memory: workspace of about rows * (4 D + 2 H E + 2 G E + 2 F) floats, kept and grown to the largest batch seen. One caller at a time.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <vector>

#include "core/thread_pool.h"
#include "kernels/kernels.h"
#include "lm/kv_cache.h"
#include "lm/lora.h"
#include "lm/prompt.h"
#include "lm/weights.h"

namespace attune::lm {

/// New positions of one sequence. `cache.begin(num_rows)` was called; forward commits.
struct Chunk {
  KvCache* cache = nullptr;
  int64_t num_rows = 0;
  /// Token id a row, or -1 for a soft row. [num_rows]
  std::span<const int32_t> ids;
  /// Soft row of each position, null for tokens. [num_rows] or empty.
  std::span<const float* const> soft_rows;
  /// One past the last position each row may see: its own position + 1, or the end of its bidirectional block. [num_rows] or empty (causal).
  std::span<const int64_t> visible_end;
  /// Rows whose final hidden state is wanted: from this row of the chunk to its end.
  int64_t first_output = 0;
  /// Added to the weights' products; null: none. Neighbouring chunks of one adapter are computed together.
  const Adapter* adapter = nullptr;
};

class Forward {
 public:
  Forward(const ModelConfig& config, bool fast, ThreadPool& pool);
  ~Forward();

  /// Runs all layers over the chunks in order; outputs are the final-norm hidden states of the wanted rows, in order. [num_outputs, D]
  /// Valid until the next call.
  std::span<const float> run(const Weights& weights, std::span<Chunk> chunks);

  /// L2 norm of the last row's residual before each layer and after the last: [L + 1], of the latest run (tests). Empty unless enabled.
  std::vector<double> residual_norms;
  bool trace_residual = false;

 private:
  struct Workspace;
  void embed(std::span<const Chunk> chunks);
  /// Products of x [rows, cols] with matrices of a layer, and what the chunks' adapters add.
  struct Projection {
    const Matrix* w;
    float* y;
    LoraMatrix LoraLayer::*lora;
  };
  void project(int index, const float* x, std::initializer_list<Projection> projections);
  void layer(int index, std::span<Chunk> chunks);
  void attention(int index, std::span<Chunk> chunks);
  void norm_rows(const float* in, const std::vector<float>& gain, float* out, int64_t size);
  void add_normed(const float* branch, const std::vector<float>& gain);
  void for_rows(const std::function<void(int64_t begin, int64_t end)>& body);

  const ModelConfig config_;
  const Weights* weights_ = nullptr;  // during a run
  bool fast_;                         // of the engine: the type of keys and values
  bool fast_products_ = false;        // of the weights of this run
  ThreadPool& pool_;
  const kernels::Ops& ops_;
  std::unique_ptr<Workspace> work_;
  int64_t rows_ = 0;
};

}  // namespace attune::lm
