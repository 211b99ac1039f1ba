#include "lm/prompt.h"

namespace attune::lm {

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

std::vector<int32_t> tokenize_text(const text::Tokenizer& tokenizer, std::string_view text) {
  return tokenizer.encode(text, {.add_bos = tokenizer.vocab().add_bos});
}

}  // namespace attune::lm
