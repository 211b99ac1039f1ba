// An immutable Gemma 3 model: configuration, weights as stored in the file, tokenizer. Shared by all sequences; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "io/tensor.h"
#include "lm/arena.h"
#include "lm/config.h"
#include "text/tokenizer.h"

namespace attune::lm {

/// A weight matrix [rows, cols] of y = x W^T, in the file's element type.
struct Matrix {
  DType dtype = DType::kF32;
  int64_t rows = 0;
  int64_t cols = 0;
  const std::byte* data = nullptr;
};

struct LayerWeights {
  Matrix q, k, v, o, gate, up, down;
  std::vector<float> attn_norm, q_norm, k_norm, post_attn_norm, ffn_norm, post_ffn_norm;  ///< gains, the 1 already added
};

class Model {
 public:
  /// A .gguf file, a .safetensors file beside its config.json, or a folder of an HF checkpoint. All weights are copied into one arena.
  /// Throws kNotFound, kCorruptData, kUnsupported, kOutOfMemory.
  static std::shared_ptr<const Model> load(const Path& path);

  const ModelConfig& config() const noexcept { return config_; }
  /// Null when the checkpoint has no tokenizer beside it.
  const text::Tokenizer* tokenizer() const noexcept { return tokenizer_.get(); }
  /// Name for people and for the API: the file's stem.
  const std::string& name() const noexcept { return name_; }
  /// False for base models: they are served in transcript mode and say so.
  bool is_instruction_tuned() const noexcept { return instruction_tuned_; }
  /// Ids that end a generation: end of sequence, and end of turn of instruction-tuned models.
  const std::vector<int32_t>& stop_ids() const noexcept { return stop_ids_; }
  /// Ids that are never generated: image markers of a text model's output.
  const std::vector<int32_t>& forbidden_ids() const noexcept { return forbidden_ids_; }

  const Matrix& embedding() const noexcept { return embedding_; }
  const Matrix& head() const noexcept { return head_; }  ///< the embedding, unless the file has output.weight
  const std::vector<float>& final_norm() const noexcept { return final_norm_; }
  const LayerWeights& layer(int index) const noexcept { return layers_[static_cast<size_t>(index)]; }
  int64_t weight_bytes() const noexcept { return weight_bytes_; }

 private:
  Model() = default;
  class Binder;  // finds, checks and copies every tensor
  void set_tokenizer(std::shared_ptr<const text::Tokenizer> tokenizer);

  ModelConfig config_;
  std::string name_;
  Arena arena_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  bool instruction_tuned_ = false;
  std::vector<int32_t> stop_ids_;
  std::vector<int32_t> forbidden_ids_;
  Matrix embedding_, head_;
  std::vector<float> final_norm_;
  std::vector<LayerWeights> layers_;
  int64_t weight_bytes_ = 0;
};

}  // namespace attune::lm
