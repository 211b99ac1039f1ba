#include "core/error.h"

#include <charconv>
#include <cstdlib>

namespace attune {

std::string_view error_code_name(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::kInvalidArgument: return "invalid_argument";
    case ErrorCode::kNotFound: return "not_found";
    case ErrorCode::kFailedPrecondition: return "failed_precondition";
    case ErrorCode::kOutOfMemory: return "out_of_memory";
    case ErrorCode::kResource: return "resource_exhausted";
    case ErrorCode::kCorruptData: return "corrupt_data";
    case ErrorCode::kIo: return "io";
    case ErrorCode::kUnsupported: return "unsupported";
    case ErrorCode::kCancelled: return "cancelled";
    case ErrorCode::kInternal: return "internal";
  }
  return "unknown";
}

Error::Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)), what_(message_) {}

void Error::add_context(std::string context) {
  what_ = context + ": " + what_;
  trail_.insert(trail_.begin(), std::move(context));
}

std::string shape_string(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) out += ", ";
    out += std::to_string(shape[i]);
  }
  return out + "]";
}

namespace internal {

void append_part(std::string& out, double part) {
  char buffer[64];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), part);
  out.append(buffer, result.ptr);
}

// A failed precondition is a bug. The check exists in debug and sanitizer builds only, so that a trap stops at the place.
void dcheck_failed(const char* expression, const char* file, int line) {
  throw Error(ErrorCode::kInternal, cat("[dcheck] ", expression, " at ", file, ":", line));
}

}  // namespace internal
}  // namespace attune
