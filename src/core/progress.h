// Progress of long work: libraries report to a ProgressSink, the edge decides how it looks.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace attune {

class ProgressSink {
 public:
  virtual ~ProgressSink() = default;
  /// `done` of `total` units of `what` ("epochs", "tokens"). Total 0 = unknown. Cheap; may be called often, from one thread at a time.
  virtual void update(std::string_view what, int64_t done, int64_t total) = 0;
};

/// Sink that shows nothing.
ProgressSink& no_progress() noexcept;

/// One line on a terminal: bar, share, rate and ETA, redrawn at most ten times a second; silent if `out` is no terminal.
class TerminalProgress final : public ProgressSink {
 public:
  explicit TerminalProgress(std::FILE* out = stderr);
  ~TerminalProgress() override;  // ends the line
  void update(std::string_view what, int64_t done, int64_t total) override;

 private:
  using Clock = std::chrono::steady_clock;
  std::FILE* out_;
  bool visible_;
  bool open_ = false;
  std::string what_;
  int64_t first_done_ = 0;
  Clock::time_point start_;
  Clock::time_point drawn_;
};

/// "1 h 02 min", "3 min 05 s", "12 s".
std::string format_duration(double seconds);

}  // namespace attune
