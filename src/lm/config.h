// Gemma 3 hyper-parameters (docs/methods/gemma3.md, "Configurations"), read from a GGUF header or an HF config.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace attune::io {
class GgufFile;
class GgufWriter;
}  // namespace attune::io

namespace attune::lm {

/// Names follow the released configs. Letters: L layers, D hidden_size, H query heads, G key/value heads, E head_dim, F intermediate_size,
/// V vocabulary.
struct ModelConfig {
  std::string name;
  int32_t num_layers = 0;
  int32_t hidden_size = 0;
  int32_t num_heads = 0;
  int32_t num_kv_heads = 0;
  int32_t head_dim = 0;  ///< never hidden_size / num_heads
  int32_t intermediate_size = 0;
  int32_t vocab_size = 0;
  int32_t context_length = 0;
  int32_t sliding_window = 0;  ///< W: a local layer sees itself and W - 1 earlier positions; 0 = every layer is global
  std::vector<bool> is_global; ///< [L]
  double rms_norm_eps = 1e-6;
  double rope_theta_local = 1e4;
  double rope_theta_global = 1e6;
  double rope_scaling_factor = 1;  ///< global layers only: angle = position / factor * theta^(-2i/E)
  double attention_scale = 0;      ///< 1/sqrt(query_pre_attn_scalar)
  float embedding_scale = 0;       ///< sqrt(D), rounded to bfloat16 for HF bfloat16 checkpoints; applies to token rows only
  bool norm_gain_is_offset = false; ///< HF weights store g - 1

  int64_t num_global_layers() const noexcept;
  int64_t num_local_layers() const noexcept { return num_layers - num_global_layers(); }
  /// Text parameters with the tied embedding counted once: V D + L (2 D H E + 2 D G E + 3 D F + 4 D + 2 E) + D.
  int64_t num_parameters() const noexcept;
  /// Bytes of keys and values of one sequence of `length` positions at `bytes_per_value`:
  /// 2 G E b (num_global T + num_local min(T, W)). The formula of docs/methods/gemma3.md; the cache adds its declared margin.
  int64_t kv_bytes(int64_t length, int64_t bytes_per_value) const noexcept;

  /// Throws kCorruptData or kInvalidArgument naming the field, if a size is out of range (limits: L <= 512, D, F, H E <= 2^20, V <= 2^22).
  void validate() const;
};

/// From `gemma3.*` metadata with the documented defaults, and our own exact keys `attune.*` (docs/formats/gguf.md), which go before them.
/// Throws kUnsupported for other architectures or an unknown RoPE scaling type.
ModelConfig config_from_gguf(const io::GgufFile& file);
/// Adds architecture, name, `gemma3.*` and the exact keys, so that `config_from_gguf` finds the same configuration (norm gains are whole).
void config_to_gguf(const ModelConfig& config, io::GgufWriter& writer);
/// From an HF config.json ("gemma3_text", or "gemma3" with text_config). `weights_are_bf16` decides the embedding scale's rounding.
ModelConfig config_from_hf(std::string_view json, bool weights_are_bf16);
/// config.json as `config_from_hf` and transformers read it. `dtype`: "float32", "float16" or "bfloat16". Ids are left out where negative.
/// Keys `attune_embedding_scale` and `attune_attention_scale` hold what `config_from_hf` would otherwise derive from other fields.
struct HfTokenIds {
  int32_t bos = -1, eos = -1, pad = -1;
};
std::string config_to_hf(const ModelConfig& config, std::string_view dtype, const HfTokenIds& ids, bool tied_head);
/// The five released text configurations: "270m", "1b", "4b", "12b", "27b" (HF conventions). kNotFound lists the known ones.
ModelConfig released_config(std::string_view size);
std::vector<std::string> released_config_names();

}  // namespace attune::lm
