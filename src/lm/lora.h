// Low-rank adapters, applied at run time in F32 (docs/methods/publishing.md, "LoRA"): y += s B (A x) behind the product of the base weights.
//
// A [rank, in], B [out, rank] of the seven matrices of a layer; s = alpha / rank (alpha / sqrt(rank) with rank-stabilised scaling). Nothing is
// merged into the base weights, so that rows of one batch may have different adapters, and a row's bits depend on its own adapter alone.
// An Adapter is immutable and thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/file.h"
#include "core/thread_pool.h"
#include "io/tensor.h"
#include "kernels/kernels.h"
#include "lm/config.h"

namespace attune::lm {

struct LoraMatrix {
  int64_t rank = 0;  ///< 0: the matrix is not adapted
  std::vector<float> a;  ///< [rank, in]
  std::vector<float> b;  ///< [out, rank]
};

struct LoraLayer {
  LoraMatrix q, k, v, o, gate, up, down;
};

class Adapter {
 public:
  /// From tensors named as PEFT writes them: [base_model.model.]PREFIX layers.N.self_attn.q_proj.lora_A.weight, ...lora_B.weight. Throws
  /// kInvalidArgument for an unknown name, a missing half, a rank above 4096, wrong shapes, infinite values or NaN, no tensor at all, or a
  /// scale that is not finite; kUnsupported for adapters of the embedding or the head.
  static std::shared_ptr<const Adapter> from_tensors(const ModelConfig& config, const io::TensorSource& source, double scale);
  /// A folder as PEFT writes it: adapter_config.json and adapter_model.safetensors. Also throws kNotFound, kCorruptData, and kUnsupported for
  /// what changes the formula: DoRA, biases, saved modules, ranks by pattern.
  static std::shared_ptr<const Adapter> from_folder(const ModelConfig& config, const Path& folder);

  const LoraLayer& layer(int index) const noexcept { return layers_[static_cast<size_t>(index)]; }
  float scale() const noexcept { return scale_; }
  int64_t memory_bytes() const noexcept { return memory_bytes_; }

 private:
  Adapter() = default;

  std::vector<LoraLayer> layers_;
  float scale_ = 1;
  int64_t memory_bytes_ = 0;
};

/// y [., out] += scale B (A x) for rows [begin, end) of x [., in].
struct LoraProduct {
  const LoraMatrix* lora;
  const float* x;
  float* y;
  int64_t in, out;
  int64_t begin, end;
  float scale;
};

/// All of them, in blocks of rows on all cores. Cost: rank (in + out) multiplications a row.
void add_lora(const kernels::Ops& ops, ThreadPool& pool, std::span<const LoraProduct> products);

/// Scale and what else matters of an adapter_config.json. Throws as from_folder. `rank` gets r.
double lora_scale_from_json(std::string_view json, int64_t& rank);

}  // namespace attune::lm
