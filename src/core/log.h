// Log lines of libraries: a level, a message, no output of its own. The edges (cli/, serve/) choose where lines go; by default nowhere.
// Messages carry ids and counts, never what users wrote.
#pragma once

#include <functional>
#include <string_view>

#include "core/error.h"

namespace attune {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
std::string_view log_level_name(LogLevel level) noexcept;

using LogSink = std::function<void(LogLevel, std::string_view message)>;
/// Replaces the sink; null silences. Thread-safe.
void set_log_sink(LogSink sink);
/// A sink that writes time-stamped lines of `least` and above to stderr (spdlog).
LogSink stderr_log_sink(LogLevel least);

void log_line(LogLevel level, std::string_view message) noexcept;
template <class... Parts>
void log_info(const Parts&... parts) {
  log_line(LogLevel::kInfo, cat(parts...));
}
template <class... Parts>
void log_warning(const Parts&... parts) {
  log_line(LogLevel::kWarning, cat(parts...));
}

}  // namespace attune
