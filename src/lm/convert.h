// Conversion of model files: Hugging Face checkpoints (safetensors, config.json, tokenizer.json) to GGUF and back, GGUF to GGUF in another
// type. What is carried over, and what is exact: docs/formats/conversion.md.
#pragma once

#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "core/file.h"
#include "core/options.h"
#include "core/progress.h"

namespace attune::lm {

struct ConvertOptions {
  std::string dtype = "source";  ///< source, f32, f16 or bf16
  bool force = false;            ///< an existing .gguf file is replaced
  bool no_tokenizer = false;     ///< a source without tokenizer is no error
  int32_t threads = 0;           ///< 0: all usable cores; the bytes written do not depend on it

  void describe(OptionList& list);
};

struct ConvertReport {
  uint64_t bytes = 0;                    ///< of the tensors
  int64_t num_tensors = 0;
  std::map<std::string, int64_t> types;  ///< tensors by type
  std::vector<std::string> notes;        ///< what was left out or is not exact, a sentence each
};

/// Writes `to`, a GGUF file if it ends in .gguf and otherwise a folder of a Hugging Face checkpoint, which appears whole or not at all.
/// Not between two folders (kInvalidArgument). Memory: some 16 MiB beside the mapped source and the tokenizer.
/// Throws what `open_checkpoint` does; kFailedPrecondition if `to` is there already, for a missing tokenizer, and for values that are
/// infinite or NaN or beyond the type; kInvalidArgument if `to` is the source; kIo (no space, no permission); kCancelled.
ConvertReport convert_model(const Path& from, const Path& to, const ConvertOptions& options, ProgressSink& progress,
                            std::stop_token stop = {});

}  // namespace attune::lm
