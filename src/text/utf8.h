// UTF-8: decoding with the Unicode standard's replacement rule, and assembly of text that arrives in arbitrary byte pieces.
//
// Rule for ill-formed input (Unicode 15, section 3.9, "U+FFFD Substitution of Maximal Subparts"; also WHATWG and Python's
// errors="replace"): each maximal prefix of a well-formed sequence, or else each single byte, becomes one U+FFFD. Surrogates and code
// points above U+10FFFF are ill-formed. Everything here is O(bytes); the functions are pure and thread-safe, a Utf8Stream belongs to one
// stream.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace attune::text {

inline constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  ///< U+FFFD

/// One step of decoding.
struct Utf8Char {
  char32_t code = 0xFFFD;  ///< the character, U+FFFD if ill-formed
  uint8_t size = 1;  ///< bytes consumed, 1 to 4; for ill-formed input the maximal subpart (1 to 3)
  bool valid = false;
  bool truncated = false;  ///< ill-formed only because the text ends here: more bytes could complete the character
};

/// Decodes the character that starts at `text[at]`. Requires at < text.size().
Utf8Char decode_utf8(std::string_view text, size_t at) noexcept;

/// Appends `code` (a scalar value; anything else becomes U+FFFD).
void append_utf8(std::string& out, char32_t code);

/// True if the whole text is well-formed. The empty text is.
bool is_valid_utf8(std::string_view text) noexcept;

/// `text` with ill-formed parts replaced by U+FFFD; well-formed text is returned as it is.
std::string sanitize_utf8(std::string_view text);

/// The first `max_bytes` of `text` at most, cut between characters and sanitized: for error messages, which must be well-formed themselves.
std::string excerpt(std::string_view text, size_t max_bytes = 32);

/// Number of code points of well-formed text (an ill-formed part counts as one).
size_t count_code_points(std::string_view text) noexcept;

/// White space as Python's str.isspace has it, which str.strip() and so the chat templates' `trim` remove.
bool is_white_space(char32_t code) noexcept;

/// Removes white space at both ends. An ill-formed part is no white space.
std::string_view trim(std::string_view text) noexcept;

/// Assembles well-formed text from bytes that may be cut anywhere (tokens of byte fallback). Every returned chunk is well-formed, an
/// incomplete character is held back (at most 3 bytes) until it is whole, and the chunks joined equal sanitize_utf8 of all bytes joined.
class Utf8Stream {
 public:
  /// Takes the next bytes and returns what is certain. May be empty.
  std::string feed(std::string_view bytes);
  /// The end: a held-back incomplete character becomes one U+FFFD, otherwise "". The stream can be used again afterwards.
  std::string finish();
  /// Bytes held back now.
  std::string_view pending() const noexcept { return pending_; }

 private:
  std::string pending_;
};

}  // namespace attune::text
