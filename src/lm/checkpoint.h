// A checkpoint on disk, opened but not loaded: what Model::load, publishing, `convert` and `quantize` read. Tensors stay in the mapped files.
#pragma once

#include <memory>
#include <string>

#include "core/file.h"
#include "io/tensor.h"
#include "lm/config.h"
#include "lm/tensor_list.h"
#include "text/tokenizer.h"

namespace attune::io {
class GgufFile;
}

namespace attune::lm {

struct Checkpoint {
  Path path;
  Path folder;  ///< of safetensors: where config.json and tokenizer lie
  std::shared_ptr<const io::TensorSource> source;
  std::shared_ptr<const io::GgufFile> gguf;  ///< the same file, if it is one; null for safetensors
  ModelConfig config;
  std::string prefix;  ///< of tensor names in safetensors (lm/tensor_list.h)
  std::shared_ptr<const text::Tokenizer> tokenizer;  ///< null if there is none, or not read
  std::string chat_template;  ///< Jinja text, "" if there is none

  bool is_gguf() const noexcept { return gguf != nullptr; }
  /// Whether the output head is a tensor of its own.
  bool own_head() const;
  /// The name under which the checkpoint keeps the tensor.
  std::string name_of(const TensorSpec& spec) const;
};

/// A .gguf file, a .safetensors file beside its config.json, or a folder of an HF checkpoint (sharded or not): tensors and configuration.
/// Throws kNotFound, kIo, kCorruptData, kUnsupported.
Checkpoint open_tensors(const Path& path);
/// Null if the checkpoint has none. Throws kCorruptData, kUnsupported.
std::shared_ptr<const text::Tokenizer> tokenizer_of(const Checkpoint& checkpoint);
/// open_tensors with tokenizer and chat template (`tokenizer.chat_template`; chat_template.jinja or tokenizer_config.json).
Checkpoint open_checkpoint(const Path& path);

}  // namespace attune::lm
