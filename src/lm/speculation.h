// Guessing the next tokens of a sequence from its own text ("prompt lookup"): where the end of the text occurred before, what followed there is
// likely to follow again. The guesses are computed as rows of one step and kept as far as they are what would have been drawn anyway, so that
// output never depends on them (docs/methods/gemma3.md, "Speculation"). Not thread-safe; one a sequence.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace attune::lm {

class PromptLookup {
 public:
  /// At most `limit` tokens that may follow `ids`; none while guessing does not pay. Negative ids (soft rows) are never guessed.
  /// O(length): one pass backwards for the longest repetition of the end, of at least kMinMatch tokens; the latest of equally long ones.
  std::vector<int32_t> propose(std::span<const int32_t> ids, int64_t limit);

  /// Of the last `proposed` tokens (at least 1) the first `accepted` were right. Right guesses make the next ones longer; wrong ones make
  /// the next ones shorter and rarer, down to one attempt in kMaxPause steps.
  void observe(int64_t proposed, int64_t accepted) noexcept;

 private:
  static constexpr int64_t kMinMatch = 2;
  static constexpr int64_t kMaxMatch = 16;  // longer repetitions are not told apart
  static constexpr int64_t kFirstLength = 4;
  static constexpr int64_t kMaxPause = 64;

  int64_t length_ = kFirstLength;
  int64_t pause_ = 0;  // steps before the next attempt
  int64_t next_pause_ = 1;  // after the next failure
};

}  // namespace attune::lm
