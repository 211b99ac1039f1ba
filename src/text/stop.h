// Stop strings in streamed text (docs/methods/gemma3_text.md, "Stop strings").
//
// The first place where any stop string is complete ends the text; of several that are complete at the same byte the longest counts. The
// rule looks at bytes only, so the result does not depend on how the text was cut into pieces: streaming and one-shot agree byte for byte.
// What is held back is exactly the longest tail that is a proper prefix of a stop string. Memory: at most 256 bytes of text a matcher.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace attune::text {

inline constexpr size_t kMaxStops = 4;
inline constexpr size_t kMaxStopBytes = 256;

/// Throws kInvalidArgument naming the index: more than 4 stops, an empty one, one of more than 256 bytes, one that is no UTF-8.
void check_stops(std::span<const std::string> stops);

/// Not thread-safe; one matcher a stream. Amortised O(number of stops) a byte.
class StopMatcher {
 public:
  /// No stops: everything passes. Throws as check_stops.
  explicit StopMatcher(std::vector<std::string> stops = {});

  struct Result {
    std::string text;      ///< safe to send: no byte of it can belong to a stop string
    bool stopped = false;  ///< a stop string is complete; it and everything behind it are dropped
  };
  /// Takes the next piece. If the pieces are well-formed UTF-8 (Utf8Stream), the returned texts are too. After a stop: "" and true.
  Result feed(std::string_view piece);
  /// The end of the stream: what was held back, "" after a stop. Ready for a new stream afterwards.
  std::string finish();

  /// Index of the stop string that ended the text.
  std::optional<size_t> matched() const noexcept { return matched_; }
  /// Text held back now.
  std::string_view held() const noexcept { return held_; }

 private:
  struct Pattern {
    std::string text;
    std::vector<uint32_t> border;  ///< border[k]: longest proper border of the first k bytes (Knuth, Morris, Pratt 1977)
    uint32_t matched = 0;          ///< bytes of `text` that the stream's tail matches
  };
  static void advance(Pattern& pattern, char byte) noexcept;
  void reset() noexcept;

  std::vector<Pattern> patterns_;
  std::string held_;
  std::optional<size_t> matched_;
};

/// One-shot: `text` up to the stop. `matched`, if given, receives the index.
std::string cut_at_stop(std::string_view text, std::span<const std::string> stops, std::optional<size_t>* matched = nullptr);

}  // namespace attune::text
