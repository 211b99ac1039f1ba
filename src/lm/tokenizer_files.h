// Tokenizers out of model files: fills text::Vocab from GGUF metadata or from the files of an HF checkpoint.
#pragma once

#include <memory>

#include "core/file.h"
#include "text/tokenizer.h"

namespace attune::io {
class GgufFile;
}

namespace attune::lm {

/// From `tokenizer.ggml.*`. Null if the file has no vocabulary. Throws kCorruptData for mistyped or inconsistent arrays, kUnsupported for a
/// tokenizer model other than "llama".
std::shared_ptr<const text::Tokenizer> tokenizer_from_gguf(const io::GgufFile& file);
/// From tokenizer.model or tokenizer.json in the folder, in this order. Null if neither is there.
std::shared_ptr<const text::Tokenizer> tokenizer_from_folder(const Path& folder);

}  // namespace attune::lm
