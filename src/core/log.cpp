#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <mutex>

namespace attune {
namespace {

std::mutex g_mutex;
std::shared_ptr<const LogSink> g_sink;

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return spdlog::level::debug;
    case LogLevel::kInfo: return spdlog::level::info;
    case LogLevel::kWarning: return spdlog::level::warn;
    case LogLevel::kError: return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

std::string_view log_level_name(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "info";
}

void set_log_sink(LogSink sink) {
  auto shared = sink ? std::make_shared<const LogSink>(std::move(sink)) : nullptr;
  const std::lock_guard lock(g_mutex);
  g_sink = std::move(shared);
}

LogSink stderr_log_sink(LogLevel least) {
  auto logger = std::make_shared<spdlog::logger>("attune", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
  logger->set_level(to_spdlog(least));
  logger->set_pattern("%Y-%m-%d %H:%M:%S %^%l%$ %v");
  return [logger](LogLevel level, std::string_view message) { logger->log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size())); };
}

void log_line(LogLevel level, std::string_view message) noexcept {
  try {
    std::shared_ptr<const LogSink> sink;
    {
      const std::lock_guard lock(g_mutex);
      sink = g_sink;
    }
    if (sink) (*sink)(level, message);
  } catch (...) {  // a log line that cannot be written must not end the work it speaks of
  }
}

}  // namespace attune
