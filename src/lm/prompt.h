// A prompt is a list of pieces: token ids, or soft vectors that stand in the place of token embeddings.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "text/tokenizer.h"

namespace attune::lm {

struct Tokens {
  std::vector<int32_t> ids;  ///< [n]
};

/// Rows of width hidden_size, entering after the sqrt(D) factor. A bidirectional block sees itself whole (an image) and is never split
/// over two chunks; a causal one behaves like tokens. `hash` names the content: the prefix cache compares it in place of the rows, so
/// different rows need different hashes. 0 = unnamed: positions from there on are never shared between requests.
struct Soft {
  std::shared_ptr<const float[]> rows;  ///< [n, D]
  int64_t n = 0;
  bool bidirectional = false;
  uint64_t hash = 0;
};

using Piece = std::variant<Tokens, Soft>;

struct Prompt {
  std::vector<Piece> pieces;

  Prompt() = default;
  explicit Prompt(std::vector<int32_t> ids) { pieces.emplace_back(Tokens{std::move(ids)}); }
  int64_t length() const noexcept;
};

/// Text to ids with BOS exactly once in front; control pieces in the text stay text.
std::vector<int32_t> tokenize_text(const text::Tokenizer& tokenizer, std::string_view text);

}  // namespace attune::lm
