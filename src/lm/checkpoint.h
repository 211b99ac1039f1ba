// A checkpoint on disk, opened but not loaded: what `convert` and `quantize` read. Tensors stay in the mapped files.
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
  std::shared_ptr<const io::TensorSource> source;
  std::shared_ptr<const io::GgufFile> gguf;  ///< the same file, if it is one; null for safetensors
  ModelConfig config;
  std::string prefix;                                 ///< of tensor names in safetensors (lm/tensor_list.h)
  std::shared_ptr<const text::Tokenizer> tokenizer;   ///< null if there is none
  std::string chat_template;                          ///< Jinja text, "" if there is none

  bool is_gguf() const noexcept { return gguf != nullptr; }
  /// Whether the output head is a tensor of its own.
  bool own_head() const;
  /// The name under which the checkpoint keeps the tensor.
  std::string name_of(const TensorSpec& spec) const;
};

/// A .gguf file, a .safetensors file beside its config.json, or a folder of an HF checkpoint (sharded or not). Reads configuration,
/// tokenizer and chat template (`tokenizer.chat_template`; chat_template.jinja or tokenizer_config.json). Throws kNotFound, kIo,
/// kCorruptData, kUnsupported.
Checkpoint open_checkpoint(const Path& path);

}  // namespace attune::lm
