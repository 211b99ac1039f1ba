// HTTP/1.1 server: one thread moves bytes, blocking handlers run on worker threads, at most one a connection.
//
// Flow: bytes -> RequestParser -> handler(request, responder) on a worker -> bytes. The next request of a connection is read when the
// answer is out (pipelining is answered in order). While a handler runs, its connection is watched: when the peer closes, or shuts down its
// sending side, request.stop fires at once; what a handler still sends is attempted. Back-pressure: write_chunk blocks while more than
// 256 KiB wait; a peer that takes nothing for write_stall_timeout is dropped and the stop token fires.
// At a connection limit the connection that waits longest for a request is closed to make room, if it was silent for a second or left a
// head unfinished for 0.2 s; else the newcomer gets 503 with Retry-After.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "net/http.h"
#include "net/limits.h"

namespace attune::net {

struct Exchange;

/// The answer of one request. Used by the handler's thread only, and not after the handler returned.
class Responder {
 public:
  explicit Responder(std::shared_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}

  /// Sends a whole response (Content-Length and Connection are added). False if the connection is lost. Throws kInternal if a response
  /// was begun already or a header holds a line break. Blocks while the peer is slow.
  bool send(const Response& response);
  /// Begins a response whose length is not known: chunked in HTTP/1.1, ended by closing in HTTP/1.0. False if the client is gone.
  bool start_stream(int status, const Headers& headers);
  /// One piece of the stream, sent at once. False if the client is gone: stop working. Blocks while the peer is slow.
  bool write_chunk(std::string_view bytes);
  /// The peer closed or shut down its side, or the connection broke.
  bool gone() const;
  /// Whether a response was begun.
  bool started() const;

 private:
  std::shared_ptr<Exchange> exchange_;
};

using Handler = std::function<void(const Request&, Responder&)>;
/// Makes the body of errors that the server itself answers (malformed, too large, too many connections).
using ErrorPage = std::function<Response(int status, std::string_view message)>;

struct ServerOptions {
  std::string host = "127.0.0.1";
  int32_t port = 8080;  ///< 0 takes a free one
  HttpLimits limits;

  void describe(OptionList& list);
};

struct ServerStats {
  int64_t connections = 0;  ///< open now
  int64_t running = 0;  ///< handlers running now
  int64_t accepted = 0;
  int64_t rejected = 0;  ///< refused at a connection limit
  int64_t malformed = 0;  ///< requests that the parser refused
  int64_t timed_out = 0;
};

class Server {
 public:
  /// Binds and starts to serve. Throws kIo if the address cannot be bound, kInvalidArgument if it cannot be resolved.
  /// A handler that throws gives 500 (or a cut stream); translate errors inside the handler.
  Server(const ServerOptions& options, Handler handler, ErrorPage error_page = {});
  /// stop() with no grace, unless it was called.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  uint16_t port() const noexcept;
  /// "http://127.0.0.1:8080".
  std::string url() const;
  /// Stops accepting, closes idle connections, lets running requests finish for 4/5 of `grace_ms`, then fires their tokens, then closes
  /// what is left. True if every handler had returned in time. A second call returns at once.
  bool stop(int grace_ms);
  ServerStats stats() const;

  struct State;  ///< opaque

 private:
  std::shared_ptr<State> state_;
};

/// True for the spellings "127.a.b.c", "::1", "[::1]" and "localhost"; a name like "127.0.0.1.example" is no loopback.
bool is_loopback_host(std::string_view host) noexcept;

}  // namespace attune::net
