#include "core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace attune {
namespace {

class NoProgress final : public ProgressSink {
 public:
  void update(std::string_view, int64_t, int64_t) override {}
};

std::string two_digits(int64_t value) { return (value < 10 ? "0" : "") + std::to_string(value); }

}  // namespace

ProgressSink& no_progress() noexcept {
  static NoProgress sink;
  return sink;
}

std::string format_duration(double seconds) {
  const int64_t s = static_cast<int64_t>(std::llround(std::clamp(seconds, 0.0, 1e9)));
  if (s >= 3600) return cat(s / 3600, " h ", two_digits(s % 3600 / 60), " min");
  if (s >= 60) return cat(s / 60, " min ", two_digits(s % 60), " s");
  return cat(s, " s");
}

TerminalProgress::TerminalProgress(std::FILE* out) : out_(out), visible_(::isatty(::fileno(out)) == 1) {}

TerminalProgress::~TerminalProgress() {
  if (open_) std::fputs("\n", out_);
}

void TerminalProgress::update(std::string_view what, int64_t done, int64_t total) {
  if (!visible_) return;
  const auto now = Clock::now();
  if (what != what_) {
    if (open_) std::fputs("\n", out_);
    what_ = what;
    first_done_ = done;
    start_ = now;
    drawn_ = {};
  }
  const bool last = total > 0 && done >= total;
  if (!last && now - drawn_ < std::chrono::milliseconds(100)) return;
  drawn_ = now;
  open_ = true;
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double rate = elapsed > 0 ? static_cast<double>(done - first_done_) / elapsed : 0;
  std::string line = cat("\r", what_, " ", done);
  if (total > 0) {
    constexpr int kWidth = 24;
    const double share = std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0);
    const int filled = static_cast<int>(share * kWidth);
    line = cat("\r", what_, " [", std::string(filled, '#'), std::string(kWidth - filled, '.'), "] ", static_cast<int>(share * 100), "% ", done,
               "/", total);
    if (rate > 0) line += last ? cat(" in ", format_duration(elapsed)) : cat(" ETA ", format_duration(static_cast<double>(total - done) / rate));
  }
  std::fprintf(out_, "%s\x1b[K", line.c_str());
  std::fflush(out_);
}

}  // namespace attune
