// An immutable Gemma 3 model: configuration, weights, tokenizer. Shared by all sequences; thread-safe.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "lm/config.h"
#include "lm/weights.h"
#include "text/tokenizer.h"

namespace attune::lm {

class Model {
 public:
  /// A .gguf file, a .safetensors file beside its config.json, or a folder of an HF checkpoint. All weights are packed into one arena while the
  /// tokenizer is read.
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

  const std::shared_ptr<const Weights>& weights() const noexcept { return weights_; }
  int64_t weight_bytes() const noexcept { return weights_->file_bytes(); }

 private:
  Model() = default;
  void set_tokenizer(std::shared_ptr<const text::Tokenizer> tokenizer);

  ModelConfig config_;
  std::string name_;
  std::shared_ptr<const text::Tokenizer> tokenizer_;
  bool instruction_tuned_ = false;
  std::vector<int32_t> stop_ids_;
  std::vector<int32_t> forbidden_ids_;
  std::shared_ptr<const Weights> weights_;
};

}  // namespace attune::lm
