// Bytes to requests: an incremental HTTP/1.1 parser with limits in front, for one connection.
//
// Own checks come before the library's: no byte reaches Boost.Beast until the head is complete, within its limits, and free of bare CR or
// LF, NUL and folded lines. Ambiguous framing is refused (RFC 9112, section 6.3): Content-Length with Transfer-Encoding, repeated or listed
// Content-Length, any transfer coding but "chunked", Transfer-Encoding in HTTP/1.0, no or repeated Host in HTTP/1.1.
// Trailer fields of a chunked body are checked and dropped. Memory: the head limit, plus the body received so far. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/limits.h"

namespace attune::net {

enum class ParseState {
  kIdle,  ///< no byte of a request seen
  kHead,  ///< inside the head
  kBody,  ///< head complete, body not
  kDone,  ///< take() gives the request
  kError,  ///< status() and message() say why; the connection must be closed after answering
};

class RequestParser {
 public:
  explicit RequestParser(const HttpLimits& limits);
  ~RequestParser();

  /// Takes bytes from the connection; bytes behind a finished request are kept for the next one. O(bytes).
  ParseState feed(std::string_view bytes);
  ParseState state() const noexcept;
  /// HTTP status and reason of kError: 400, 413, 417, 431, 501 or 505.
  int status() const noexcept;
  const std::string& message() const noexcept;
  /// In kBody: true once, if the client waits for "100 Continue".
  bool take_expect_continue() noexcept;
  /// The finished request (kDone). Starts on the next one at once with the bytes kept: look at state() again.
  Request take();
  /// Bytes received beyond the current request (they wait while it is answered).
  size_t buffered() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::net
