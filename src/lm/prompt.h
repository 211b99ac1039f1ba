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
/// over two chunks; a causal one behaves like tokens. `hash` names the content: prefix caches compare it.
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
  /// Chained hash of the first `position` positions (token ids and soft hashes). O(position).
  uint64_t prefix_hash(int64_t position) const noexcept;
};

/// Text to ids with BOS exactly once in front; control pieces in the text stay text.
std::vector<int32_t> tokenize_text(const text::Tokenizer& tokenizer, std::string_view text);

}  // namespace attune::lm
