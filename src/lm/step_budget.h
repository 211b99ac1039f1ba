// How many rows of prompts a step may compute beside sequences that are decoding, so that none of them waits longer than a limit for its
// next token. A step is planned to take kAim of the limit: times vary. A moving estimate: cost of a decode step, and seconds per row of a
// prompt on top of it. Bytes do not depend on it (chunks may be cut anywhere), so it may follow the clock. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>

namespace attune::lm {

class StepBudget {
 public:
  /// `max_seconds` 0: no limit. Never fewer than `min_rows`, so that prompts advance whatever the limit is.
  StepBudget(double max_seconds, int64_t max_rows, int64_t min_rows = 8)
      : max_seconds_(max_seconds), max_rows_(max_rows), min_rows_(std::min(min_rows, max_rows)) {}

  /// Rows of prompts for a step that also decodes `decoding` sequences; the fewest before anything was measured.
  int64_t prompt_rows(int64_t decoding) const noexcept {
    if (decoding == 0 || max_seconds_ <= 0) return max_rows_;
    if (seconds_per_row_ <= 0) return min_rows_;
    const double left = kAim * max_seconds_ - decode_seconds(decoding);
    if (left <= 0) return min_rows_;
    // Compared in double: the quotient may be huge.
    return std::max(min_rows_, static_cast<int64_t>(std::min(static_cast<double>(max_rows_), left / seconds_per_row_)));
  }

  /// A step took `seconds`.
  void observe(int64_t decoding, int64_t prompt_rows, double seconds) noexcept {
    if (!(seconds > 0)) return;
    if (prompt_rows == 0) {
      if (decoding == 0) return;
      decode_step_ = mix(decode_step_, seconds);
      decode_rows_ = decode_rows_ <= 0 ? static_cast<double>(decoding) : mix(decode_rows_, static_cast<double>(decoding));
    } else if (prompt_rows >= min_rows_ || seconds_per_row_ <= 0) {
      // What the step took beyond decoding; at least a tenth of its time, should the decode estimate be stale.
      const double beyond = std::max(seconds - decode_seconds(decoding), 0.1 * seconds);
      seconds_per_row_ = mix(seconds_per_row_, beyond / static_cast<double>(prompt_rows));
    }
  }

  double seconds_per_row() const noexcept { return seconds_per_row_; }

 private:
  static constexpr double kAim = 0.8;
  /// Slower at once by half, faster by a quarter: a limit is kept by believing bad news.
  static double mix(double old, double now) noexcept { return old <= 0 ? now : old + (now > old ? 0.5 : 0.25) * (now - old); }
  /// A batch costs at least what a smaller one did, and no more than in proportion to its sequences.
  double decode_seconds(int64_t decoding) const noexcept {
    if (decoding == 0 || decode_rows_ <= 0) return 0;
    return decode_step_ * std::max(1.0, static_cast<double>(decoding) / decode_rows_);
  }

  double max_seconds_;
  int64_t max_rows_;
  int64_t min_rows_;
  double decode_step_ = 0;  // seconds of a step that only decodes
  double decode_rows_ = 0;  // and its sequences
  double seconds_per_row_ = 0;
};

}  // namespace attune::lm
