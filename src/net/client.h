// A small blocking HTTP/1.1 client for checks, tests and endpoints on other machines. Plain TCP, no redirects.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "net/http.h"

namespace attune::net {

struct ClientOptions {
  std::string host = "127.0.0.1";
  int32_t port = 8080;
  int32_t connect_timeout_ms = 5'000;
  int32_t timeout_ms = 120'000;              ///< between two pieces of an answer
  int64_t max_body_bytes = int64_t{1} << 30; ///< of an answer; beyond it kResource
};

/// One connection, opened on first use, kept alive, and opened again if the server closed it between two requests. Not thread-safe.
class Client {
 public:
  explicit Client(ClientOptions options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  /// Sends a request and reads the answer. `on_data`, if given, gets the body piece by piece (and Response::body stays empty); returning
  /// false closes the connection. Throws kIo (with what happened) on connection errors and time-outs, kCancelled when `stop` fires,
  /// kCorruptData for a malformed answer.
  Response request(std::string_view method, std::string_view target, const Headers& headers = {}, std::string_view body = {},
                   const std::function<bool(std::string_view)>& on_data = {}, std::stop_token stop = {});
  Response get(std::string_view target, const Headers& headers = {}) { return request("GET", target, headers); }
  /// POST with Content-Type application/json.
  Response post_json(std::string_view target, std::string_view body, Headers headers = {});
  void close();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Splits server-sent events: feed bytes, get the payload of each complete "data:" line group.
class SseReader {
 public:
  /// Calls `on_data` for every finished event. False as soon as `on_data` returned false.
  bool feed(std::string_view bytes, const std::function<bool(std::string_view data)>& on_data);

 private:
  std::string line_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace attune::net
