// SentencePiece-style BPE with byte fallback (spec: docs/methods/gemma3_text.md, "Tokenizer"). Own implementation; ids equal the
// sentencepiece library's (tests/text_oracle). Immutable after construction, thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/vocab.h"

namespace attune::text {

struct EncodeOptions {
  bool add_bos = false;  ///< put BOS in front
  /// True: control pieces written in the text ("<end_of_turn>") become their ids. For templates, never for text from users.
  bool allow_control = false;
  /// False: a literal <start_of_image> or <end_of_image> is split into ordinary pieces, as all text from users must be.
  bool allow_image_tokens = false;
};

class Tokenizer {
 public:
  /// Throws kCorruptData if sizes differ, a byte piece is malformed or missing, or pieces repeat where ids would be ambiguous.
  explicit Tokenizer(Vocab vocab);
  ~Tokenizer();

  /// Invalid UTF-8 bytes become U+FFFD. O(n log n); 1 MiB of one character stays under 1 s. Throws kInvalidArgument above 64 MiB.
  std::vector<int32_t> encode(std::string_view text, const EncodeOptions& options = {}) const;
  /// Bytes of one id: U+2581 becomes a space, byte pieces their byte, control pieces "" (or their text with `show_control`).
  std::string piece_bytes(int32_t id, bool show_control = false) const;
  /// Whole sequence; bytes that are no UTF-8 are kept as they are (use Utf8Stream for text that must be valid).
  std::string decode(std::span<const int32_t> ids, bool show_control = false) const;

  const Vocab& vocab() const noexcept;
  bool is_control(int32_t id) const noexcept;
  /// Id of a piece of any type by its exact text ("<end_of_turn>").
  std::optional<int32_t> find(std::string_view piece) const noexcept;

 private:
  struct State;
  std::unique_ptr<const State> state_;
};

}  // namespace attune::text
