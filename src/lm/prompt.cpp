#include "lm/prompt.h"

#include "core/rng.h"

namespace attune::lm {
namespace {

uint64_t mix(uint64_t hash, uint64_t value) noexcept {
  return fnv1a(std::string_view(reinterpret_cast<const char*>(&value), sizeof(value)), hash);
}

}  // namespace

int64_t Prompt::length() const noexcept {
  int64_t total = 0;
  for (const Piece& piece : pieces) {
    if (const auto* tokens = std::get_if<Tokens>(&piece)) {
      total += static_cast<int64_t>(tokens->ids.size());
    } else {
      total += std::get<Soft>(piece).n;
    }
  }
  return total;
}

uint64_t Prompt::prefix_hash(int64_t position) const noexcept {
  uint64_t hash = fnv1a("prompt");
  int64_t at = 0;
  for (const Piece& piece : pieces) {
    if (const auto* tokens = std::get_if<Tokens>(&piece)) {
      for (const int32_t id : tokens->ids) {
        if (at++ >= position) return hash;
        hash = mix(hash, static_cast<uint64_t>(static_cast<uint32_t>(id)));
      }
      continue;
    }
    const Soft& soft = std::get<Soft>(piece);
    for (int64_t row = 0; row < soft.n; ++row) {
      if (at++ >= position) return hash;
      hash = mix(mix(mix(hash, ~uint64_t{0}), soft.hash), static_cast<uint64_t>(row) * 2 + (soft.bidirectional ? 1 : 0));
    }
  }
  return hash;
}

std::vector<int32_t> tokenize_text(const text::Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_bos = tokenizer.vocab().add_bos});
}

}  // namespace attune::lm
