// Tokens of one answer to text: whole UTF-8 characters, stop strings, and the log-probabilities of exactly the tokens that are in the text.
//
// Streamed pieces joined equal the one-shot text byte for byte. Not thread-safe: one answer.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "serve/text_engine.h"
#include "text/stop.h"
#include "text/utf8.h"

namespace attune::serve {

/// What became certain: text, and the tokens whose text (or first byte of it) it holds.
struct ChoicePiece {
  std::string text;
  std::vector<TokenOut> tokens;  ///< empty unless kept
};

class ChoiceText {
 public:
  struct Options {
    std::vector<std::string> format_stops;  ///< of the chat format (a transcript's next speaker)
    std::vector<std::string> stops;  ///< of the request
    bool trim = false;  ///< remove white space at both ends (transcripts: the answer begins with a space)
    bool keep_tokens = false;  ///< for log-probabilities
  };
  explicit ChoiceText(Options options);

  /// Takes a token and returns what became certain. After a stop string stopped() holds, and further tokens are ignored.
  ChoicePiece add(TokenOut token);
  /// The end of the answer: the rest.
  ChoicePiece finish();
  bool stopped() const noexcept { return stopped_; }

 private:
  void pass(std::string_view text, bool at_end, ChoicePiece& out);
  void emit(std::string text, bool at_end, ChoicePiece& out);
  void release_tokens(bool all, ChoicePiece& out);

  struct Kept {
    TokenOut token;
    size_t start;  ///< bytes of well-formed text before it
  };

  Options options_;
  text::Utf8Stream utf8_;
  text::StopMatcher format_stop_;
  text::StopMatcher stop_;
  std::string held_space_;  // white space that is dropped if nothing follows
  std::deque<Kept> kept_;
  size_t fed_bytes_ = 0;  // well-formed text before stops
  size_t certain_bytes_ = 0;  // of it, bytes that passed the stops (trimmed ones included)
  bool begun_ = false;
  bool stopped_ = false;
};

}  // namespace attune::serve
