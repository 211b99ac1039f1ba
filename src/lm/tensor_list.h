// The tensors of a Gemma 3 text model: names in both schemes and shapes, for whatever looks into a checkpoint (docs/methods/gemma3.md, "File
// formats").
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lm/config.h"

namespace attune::io {
class TensorSource;
struct TensorView;
}  // namespace attune::io

namespace attune::lm {

enum class TensorRole { kEmbedding, kHead, kMatrix, kGain };

struct TensorSpec {
  std::string gguf;  ///< "blk.3.attn_q.weight"
  std::string hf;  ///< "layers.3.self_attn.q_proj.weight", behind the checkpoint's prefix; "lm_head.weight" has none
  TensorRole role;
  std::string_view part;  ///< "attn_q" of a layer's tensor, else ""
  int32_t layer = -1;
  std::vector<int64_t> shape;  ///< outermost first
};

/// Embedding, layers in order, final norm, and the head if it is not the embedding.
std::vector<TensorSpec> model_tensors(const ModelConfig& config, bool own_head);
// And each of them. `part`: "attn_q", "attn_norm", ...; another one is kInternal.
TensorSpec embedding_tensor(const ModelConfig& config);
TensorSpec layer_tensor(const ModelConfig& config, int32_t layer, std::string_view part);
TensorSpec final_norm_tensor(const ModelConfig& config);
TensorSpec head_tensor(const ModelConfig& config);
/// "self_attn.q_proj" for "attn_q".
std::string_view hf_part(std::string_view part);

/// The name in a file: of GGUF, or of safetensors with `prefix` (hf_prefix) in front of all but the head.
std::string file_name(const TensorSpec& spec, bool is_gguf, std::string_view prefix);
/// What may stand before "embed_tokens.weight" and "layers.": "model.", "language_model.model.", ..., "".
std::span<const char* const> hf_prefixes() noexcept;
/// What stands before "embed_tokens.weight" in a checkpoint of safetensors: "model.", "language_model.model.", ...; "" if nothing is found.
std::string hf_prefix(const io::TensorSource& source);

/// All values of a tensor, exactly. [num_elements]
std::vector<float> values_of(const io::TensorView& tensor);

}  // namespace attune::lm
