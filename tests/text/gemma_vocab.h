// The real Gemma 3 vocabulary out of the default model, for tests. Null if the file is not there (the test is skipped then).
// The path is models/gemma-3-270m-q4_k_m.gguf below the source root, or the environment variable ATTUNE_MODEL.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>

#include "io/gguf.h"
#include "text/tokenizer.h"

namespace attune::text::testing {

inline std::optional<Vocab> load_gguf_vocab(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return std::nullopt;
  const auto file = io::GgufFile::open(path);
  const auto* pieces = file->get_strings("tokenizer.ggml.tokens");
  const auto* scores = file->get_floats("tokenizer.ggml.scores");
  const auto types = file->get_ints("tokenizer.ggml.token_type");
  if (pieces == nullptr || scores == nullptr || !types) return std::nullopt;
  Vocab vocab;
  vocab.pieces = *pieces;
  vocab.scores.assign(scores->begin(), scores->end());
  for (const int64_t type : *types) vocab.types.push_back(static_cast<PieceType>(type));
  const auto id = [&](const char* key, int32_t fallback) { return static_cast<int32_t>(file->get_int(key).value_or(fallback)); };
  vocab.bos_id = id("tokenizer.ggml.bos_token_id", 2);
  vocab.eos_id = id("tokenizer.ggml.eos_token_id", 1);
  vocab.unknown_id = id("tokenizer.ggml.unknown_token_id", 3);
  vocab.pad_id = id("tokenizer.ggml.padding_token_id", 0);
  vocab.add_bos = file->get_bool("tokenizer.ggml.add_bos_token").value_or(true);
  return vocab;
}

inline std::optional<Vocab> gemma_vocab() {
  const char* path = std::getenv("ATTUNE_MODEL");
  return load_gguf_vocab(path != nullptr ? path : ATTUNE_SOURCE_DIR "/models/gemma-3-270m-q4_k_m.gguf");
}

/// One tokenizer a process.
inline std::shared_ptr<const Tokenizer> gemma_tokenizer() {
  static const std::shared_ptr<const Tokenizer> tokenizer = [] {
    auto vocab = gemma_vocab();
    return vocab ? std::make_shared<const Tokenizer>(std::move(*vocab)) : nullptr;
  }();
  return tokenizer;
}

}  // namespace attune::text::testing

#define ATTUNE_GEMMA_OR_SKIP(name)                              \
  const auto name = ::attune::text::testing::gemma_tokenizer(); \
  if (name == nullptr) GTEST_SKIP() << "the default model is absent"
