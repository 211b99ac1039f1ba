// Text out of generated tokens: whole characters only, cut at stop strings.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/stop.h"
#include "text/tokenizer.h"
#include "text/utf8.h"

namespace attune::lm {

/// One generation's text. The chunks joined are the same however tokens arrive. Not thread-safe.
class TextStream {
 public:
  /// Throws kInvalidArgument for bad stop strings.
  explicit TextStream(const text::Tokenizer& tokenizer, std::vector<std::string> stops = {})
      : tokenizer_(&tokenizer), stop_(std::move(stops)) {}

  /// Takes a token and returns the text that became certain.
  std::string add(int32_t token) { return pass(utf8_.feed(tokenizer_->piece_bytes(token))); }
  /// The end: what was held back.
  std::string finish() {
    if (stopped_) return "";
    std::string out = pass(utf8_.finish());
    if (!stopped_) out += stop_.finish();
    return out;
  }
  /// A stop string is complete: the generation should end.
  bool stopped() const noexcept { return stopped_; }

 private:
  std::string pass(const std::string& text) {
    auto result = stop_.feed(text);
    stopped_ = stopped_ || result.stopped;
    return std::move(result.text);
  }

  const text::Tokenizer* tokenizer_;
  text::Utf8Stream utf8_;
  text::StopMatcher stop_;
  bool stopped_ = false;
};

}  // namespace attune::lm
