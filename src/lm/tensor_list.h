// The tensors of a Gemma 3 text model in both naming schemes, for whatever walks through a whole checkpoint (convert, quantize).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lm/config.h"

namespace attune::io {
class TensorSource;
}

namespace attune::lm {

enum class TensorRole { kEmbedding, kHead, kMatrix, kGain };

struct TensorSpec {
  std::string gguf;            ///< "blk.3.attn_q.weight"
  std::string hf;              ///< "layers.3.self_attn.q_proj.weight", behind the checkpoint's prefix; "lm_head.weight" has none
  TensorRole role;
  std::string_view part;       ///< "attn_q" of a layer's tensor, else ""
  int32_t layer = -1;
  std::vector<int64_t> shape;  ///< outermost first
};

/// Embedding, layers in order, final norm, and the head if it is not the embedding.
std::vector<TensorSpec> model_tensors(const ModelConfig& config, bool own_head);
/// What stands before "embed_tokens.weight" in a checkpoint of safetensors: "model.", "language_model.model.", ...; "" if nothing is found.
std::string hf_prefix(const io::TensorSource& source);

}  // namespace attune::lm
