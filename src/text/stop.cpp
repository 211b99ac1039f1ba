#include "text/stop.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "text/utf8.h"

namespace attune::text {

void check_stops(std::span<const std::string> stops) {
  check(stops.size() <= kMaxStops, ErrorCode::kInvalidArgument, "[stop] ", stops.size(), " stop strings, expected at most ", kMaxStops);
  for (size_t i = 0; i < stops.size(); ++i) {
    check(!stops[i].empty(), ErrorCode::kInvalidArgument, "[stop] stop string ", i, " is empty, expected 1 to ", kMaxStopBytes, " bytes");
    check(stops[i].size() <= kMaxStopBytes, ErrorCode::kInvalidArgument, "[stop] stop string ", i, " has ", stops[i].size(),
          " bytes, expected at most ", kMaxStopBytes);
    check(is_valid_utf8(stops[i]), ErrorCode::kInvalidArgument, "[stop] stop string ", i, " is no UTF-8");
  }
}

StopMatcher::StopMatcher(std::vector<std::string> stops) {
  check_stops(stops);
  for (std::string& stop : stops) {
    Pattern pattern;
    pattern.border.assign(stop.size() + 1, 0);
    for (uint32_t k = 1, border = 0; k < stop.size(); ++k) {
      while (border > 0 && stop[k] != stop[border]) border = pattern.border[border];
      if (stop[k] == stop[border]) ++border;
      pattern.border[k + 1] = border;
    }
    pattern.text = std::move(stop);
    patterns_.push_back(std::move(pattern));
  }
}

void StopMatcher::advance(Pattern& pattern, char byte) noexcept {
  while (pattern.matched > 0 && pattern.text[pattern.matched] != byte) pattern.matched = pattern.border[pattern.matched];
  if (pattern.text[pattern.matched] == byte) ++pattern.matched;
}

StopMatcher::Result StopMatcher::feed(std::string_view piece) {
  if (matched_) return {{}, true};
  if (patterns_.empty()) return {std::string(piece), false};
  held_.reserve(held_.size() + piece.size());
  size_t held_back = 0;
  for (const char byte : piece) {
    held_.push_back(byte);
    size_t complete = 0;
    held_back = 0;
    for (size_t i = 0; i < patterns_.size(); ++i) {
      Pattern& pattern = patterns_[i];
      advance(pattern, byte);
      held_back = std::max<size_t>(held_back, pattern.matched);
      if (pattern.matched == pattern.text.size() && pattern.text.size() > complete) {
        complete = pattern.text.size();
        matched_ = i;
      }
    }
    if (complete > 0) {
      held_.resize(held_.size() - complete);
      return {std::exchange(held_, {}), true};
    }
  }
  if (piece.empty()) return {};
  Result result{held_.substr(0, held_.size() - held_back), false};
  held_.erase(0, held_.size() - held_back);
  return result;
}

std::string StopMatcher::finish() {
  std::string rest = std::exchange(held_, {});
  if (matched_) rest.clear();
  reset();
  return rest;
}

void StopMatcher::reset() noexcept {
  matched_.reset();
  for (Pattern& pattern : patterns_) pattern.matched = 0;
}

std::string cut_at_stop(std::string_view text, std::span<const std::string> stops, std::optional<size_t>* matched) {
  StopMatcher matcher(std::vector<std::string>(stops.begin(), stops.end()));
  StopMatcher::Result result = matcher.feed(text);
  if (matched != nullptr) *matched = matcher.matched();
  return result.stopped ? result.text : result.text + matcher.finish();
}

}  // namespace attune::text
