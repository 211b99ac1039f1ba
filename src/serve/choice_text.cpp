#include "serve/choice_text.h"

namespace attune::serve {
namespace {

constexpr std::string_view kSpace = " \t\r\n\v\f";

}  // namespace

ChoiceText::ChoiceText(Options options) : options_(std::move(options)), format_stop_(options_.format_stops), stop_(options_.stops) {}

ChoicePiece ChoiceText::add(TokenOut token) {
  ChoicePiece out;
  if (stopped_) return out;
  const std::string text = utf8_.feed(token.bytes);
  if (options_.keep_tokens) kept_.push_back({std::move(token), fed_bytes_});
  fed_bytes_ += text.size();
  pass(text, false, out);
  release_tokens(false, out);
  return out;
}

ChoicePiece ChoiceText::finish() {
  ChoicePiece out;
  if (stopped_) return out;
  const std::string rest = utf8_.finish();
  fed_bytes_ += rest.size();
  pass(rest, true, out);
  release_tokens(!stopped_, out);
  return out;
}

// Text through both matchers. The format's stops come first; what they let pass may still hold one of the request's.
void ChoiceText::pass(std::string_view text, bool at_end, ChoicePiece& out) {
  auto first = format_stop_.feed(text);
  if (at_end && !first.stopped) first.text += format_stop_.finish();
  const bool format_ended = first.stopped || at_end;
  auto second = stop_.feed(first.text);
  if (format_ended && !second.stopped) second.text += stop_.finish();
  stopped_ = first.stopped || second.stopped;
  certain_bytes_ += second.text.size();
  emit(std::move(second.text), stopped_ || at_end, out);
}

void ChoiceText::emit(std::string text, bool at_end, ChoicePiece& out) {
  if (!options_.trim) {
    out.text += text;
    return;
  }
  held_space_ += text;
  if (!begun_) {
    held_space_.erase(0, std::min(held_space_.find_first_not_of(kSpace), held_space_.size()));
    begun_ = !held_space_.empty();
  }
  const size_t last = held_space_.find_last_not_of(kSpace);
  const size_t ready = last == std::string::npos ? 0 : last + 1;
  out.text += held_space_.substr(0, ready);
  held_space_.erase(0, ready);
  if (at_end) held_space_.clear();
}

// A token is listed once text at or behind its first byte is certain; after a stop, tokens that begin inside the stop string are dropped.
void ChoiceText::release_tokens(bool all, ChoicePiece& out) {
  while (!kept_.empty() && (all || kept_.front().start < certain_bytes_)) {
    out.tokens.push_back(std::move(kept_.front().token));
    kept_.pop_front();
  }
  if (stopped_) kept_.clear();
}

}  // namespace attune::serve
