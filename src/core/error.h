// The one exception type of Attune, and helpers that build its messages.
//
// A message begins with the operation and gives expected and actual: "[rms_norm] weight is [512], x is [4, 640]".
// Context is added on the way up: `with_context("loading tensor blk.3.attn_q", [&] { ... })`.
// Edges translate once: the command line to one line on stderr, the server to an HTTP status.
#pragma once

#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace attune {

enum class ErrorCode {
  kInvalidArgument,     ///< The caller passed something outside the documented range.
  kNotFound,            ///< A named thing does not exist.
  kFailedPrecondition,  ///< The call is legal, but not in this state.
  kOutOfMemory,         ///< The machine's memory does not suffice.
  kResource,            ///< A configured limit is reached; trying again later may succeed.
  kCorruptData,         ///< A file or message breaks its format.
  kIo,                  ///< The operating system refused a read or write.
  kUnsupported,         ///< Legal, known, and not implemented here.
  kCancelled,           ///< The caller asked to stop.
  kInternal,            ///< A bug of Attune.
};

/// The code's name as it stands in messages and JSON, for example "corrupt_data".
std::string_view error_code_name(ErrorCode code) noexcept;

class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message);

  ErrorCode code() const noexcept { return code_; }
  /// The innermost message, without the trail.
  const std::string& message() const noexcept { return message_; }
  /// Outermost context first.
  const std::vector<std::string>& trail() const noexcept { return trail_; }
  /// Trail and message joined by ": ".
  const char* what() const noexcept override { return what_.c_str(); }

  /// Puts `context` in front of the trail.
  void add_context(std::string context);

 private:
  ErrorCode code_;
  std::string message_;
  std::vector<std::string> trail_;
  std::string what_;
};

/// Runs `body` and adds `context` to any Error it throws. `context` is a string or a callable that makes one
/// (a callable costs nothing when nothing is thrown). std::bad_alloc becomes kOutOfMemory.
template <class Context, class Body>
decltype(auto) with_context(Context&& context, Body&& body) {
  auto text = [&]() -> std::string {
    if constexpr (std::is_invocable_v<Context>) {
      return context();
    } else {
      return std::string(context);
    }
  };
  try {
    return std::forward<Body>(body)();
  } catch (Error& error) {
    error.add_context(text());
    throw;
  } catch (const std::bad_alloc&) {
    Error error(ErrorCode::kOutOfMemory, "out of memory");
    error.add_context(text());
    throw error;
  }
}

namespace internal {
inline void append_part(std::string& out, std::string_view part) { out.append(part); }
inline void append_part(std::string& out, const char* part) { out.append(part); }
inline void append_part(std::string& out, char part) { out.push_back(part); }
void append_part(std::string& out, double part);
template <class T>
  requires std::is_integral_v<T>
void append_part(std::string& out, T part) {
  out.append(std::to_string(part));
}
[[noreturn]] void dcheck_failed(const char* expression, const char* file, int line);
}  // namespace internal

/// Joins its arguments to one string: text, characters, integers and floating-point numbers (shortest round-trip form).
template <class... Parts>
std::string cat(const Parts&... parts) {
  std::string out;
  (internal::append_part(out, parts), ...);
  return out;
}

/// Throws Error(code, cat(parts...)).
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, cat(parts...));
}

/// Throws Error(code, cat(parts...)) unless `condition`.
template <class... Parts>
void check(bool condition, ErrorCode code, const Parts&... parts) {
  if (!condition) [[unlikely]] {
    fail(code, parts...);
  }
}

/// "[4, 640]": a shape for messages.
std::string shape_string(const std::vector<int64_t>& shape);

}  // namespace attune

/// Precondition of a hot noexcept loop: checked in debug and sanitizer builds only.
#ifdef ATTUNE_DCHECKS
#define ATTUNE_DCHECK(condition) \
  ((condition) ? (void)0 : ::attune::internal::dcheck_failed(#condition, __FILE__, __LINE__))
#else
#define ATTUNE_DCHECK(condition) ((void)0)
#endif
