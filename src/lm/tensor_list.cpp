#include "lm/tensor_list.h"

#include <algorithm>

#include "core/error.h"
#include "io/tensor.h"
#include "kernels/kernels.h"

namespace attune::lm {
namespace {

enum class Size { kHidden, kQuery, kKeyValue, kInner, kHeadDim };

struct LayerTensor {
  const char* gguf;
  const char* hf;
  TensorRole role;
  Size out, in;  ///< of a gain only `in`
};
/// In the order of llama.cpp's converter. In HF names "post_attention_layernorm" is the norm of the attention branch's output.
constexpr LayerTensor kLayerTensors[] = {
    {"attn_norm", "input_layernorm", TensorRole::kGain, Size::kHidden, Size::kHidden},
    {"ffn_down", "mlp.down_proj", TensorRole::kMatrix, Size::kHidden, Size::kInner},
    {"ffn_gate", "mlp.gate_proj", TensorRole::kMatrix, Size::kInner, Size::kHidden},
    {"ffn_up", "mlp.up_proj", TensorRole::kMatrix, Size::kInner, Size::kHidden},
    {"post_attention_norm", "post_attention_layernorm", TensorRole::kGain, Size::kHidden, Size::kHidden},
    {"post_ffw_norm", "post_feedforward_layernorm", TensorRole::kGain, Size::kHidden, Size::kHidden},
    {"ffn_norm", "pre_feedforward_layernorm", TensorRole::kGain, Size::kHidden, Size::kHidden},
    {"attn_k_norm", "self_attn.k_norm", TensorRole::kGain, Size::kHeadDim, Size::kHeadDim},
    {"attn_k", "self_attn.k_proj", TensorRole::kMatrix, Size::kKeyValue, Size::kHidden},
    {"attn_output", "self_attn.o_proj", TensorRole::kMatrix, Size::kHidden, Size::kQuery},
    {"attn_q_norm", "self_attn.q_norm", TensorRole::kGain, Size::kHeadDim, Size::kHeadDim},
    {"attn_q", "self_attn.q_proj", TensorRole::kMatrix, Size::kQuery, Size::kHidden},
    {"attn_v", "self_attn.v_proj", TensorRole::kMatrix, Size::kKeyValue, Size::kHidden},
};

int64_t size_of(Size size, const ModelConfig& c) {
  switch (size) {
    case Size::kHidden: return c.hidden_size;
    case Size::kQuery: return int64_t{c.num_heads} * c.head_dim;
    case Size::kKeyValue: return int64_t{c.num_kv_heads} * c.head_dim;
    case Size::kInner: return c.intermediate_size;
    case Size::kHeadDim: return c.head_dim;
  }
  return 0;
}

std::vector<int64_t> shape_of(const LayerTensor& t, const ModelConfig& c) {
  if (t.role == TensorRole::kGain) return {size_of(t.in, c)};
  return {size_of(t.out, c), size_of(t.in, c)};
}

const LayerTensor& find_part(std::string_view part) {
  const auto* found =
      std::find_if(std::begin(kLayerTensors), std::end(kLayerTensors), [&](const LayerTensor& t) { return t.gguf == part; });
  check(found != std::end(kLayerTensors), ErrorCode::kInternal, "[model] a layer has no tensor ", part);
  return *found;
}

TensorSpec spec_of(const ModelConfig& c, int32_t layer, const LayerTensor& t) {
  return {cat("blk.", layer, ".", t.gguf, ".weight"), cat("layers.", layer, ".", t.hf, ".weight"), t.role, t.gguf, layer, shape_of(t, c)};
}

constexpr const char* kHfPrefixes[] = {"model.", "language_model.model.", "model.language_model.", ""};

}  // namespace

TensorSpec embedding_tensor(const ModelConfig& c) {
  return {"token_embd.weight", "embed_tokens.weight", TensorRole::kEmbedding, "", -1, {c.vocab_size, c.hidden_size}};
}

TensorSpec layer_tensor(const ModelConfig& c, int32_t layer, std::string_view part) { return spec_of(c, layer, find_part(part)); }

TensorSpec final_norm_tensor(const ModelConfig& c) {
  return {"output_norm.weight", "norm.weight", TensorRole::kGain, "", -1, {c.hidden_size}};
}

TensorSpec head_tensor(const ModelConfig& c) {
  return {"output.weight", "lm_head.weight", TensorRole::kHead, "", -1, {c.vocab_size, c.hidden_size}};
}

std::vector<TensorSpec> model_tensors(const ModelConfig& c, bool own_head) {
  std::vector<TensorSpec> out{embedding_tensor(c)};
  for (int32_t layer = 0; layer < c.num_layers; ++layer) {
    for (const LayerTensor& t : kLayerTensors) out.push_back(spec_of(c, layer, t));
  }
  out.push_back(final_norm_tensor(c));
  if (own_head) out.push_back(head_tensor(c));
  return out;
}

std::string_view hf_part(std::string_view part) { return find_part(part).hf; }

std::string file_name(const TensorSpec& spec, bool is_gguf, std::string_view prefix) {
  if (is_gguf) return spec.gguf;
  return spec.role == TensorRole::kHead ? spec.hf : cat(prefix, spec.hf);
}

std::span<const char* const> hf_prefixes() noexcept { return kHfPrefixes; }

std::string hf_prefix(const io::TensorSource& source) {
  for (const char* prefix : kHfPrefixes) {
    if (source.find(cat(prefix, "embed_tokens.weight")) != nullptr) return prefix;
  }
  return "";
}

std::vector<float> values_of(const io::TensorView& tensor) {
  std::vector<float> out(static_cast<size_t>(tensor.num_elements()));
  kernels::ops().dequantize_row(tensor.dtype, tensor.data.data(), out.data(), tensor.num_elements());
  return out;
}

}  // namespace attune::lm
