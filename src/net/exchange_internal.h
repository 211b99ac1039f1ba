// One request being answered: the meeting point of the handler's thread and the connection's coroutine.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <stop_token>
#include <string>

#include "net/http.h"

namespace attune::net {

struct Exchange {
  static constexpr size_t kHighWaterBytes = 256 * 1024;

  std::mutex mutex;
  std::condition_variable drained;
  std::string out;             ///< bytes not handed to the socket yet
  size_t in_flight = 0;        ///< bytes handed to it
  bool head_sent = false;
  bool streaming = false;
  bool chunked = false;
  bool finished = false;       ///< the handler returned
  bool gone = false;           ///< the peer closed its side
  bool broken = false;         ///< nothing can be sent any more
  bool keep_alive = true;
  bool is_head_request = false;
  int version_minor = 1;
  std::stop_source stop;
  std::function<void()> wake;  ///< tells the coroutine that `out` or `finished` changed

  /// Status line, Date, given fields and framing. Throws kInternal for a field with a control character.
  std::string make_head(int status, const Headers& headers, const std::string& framing) const;
  /// Waits for room, then queues. False once broken, or once gone if `stop_when_gone`.
  bool put(std::string_view bytes, bool stop_when_gone);
  /// Peer closed its side: fires the token.
  void mark_gone();
  /// The connection is unusable: fires the token, drops what waits.
  void mark_broken();
  /// Called after the handler returned; `failed` cuts an unfinished stream instead of ending it properly.
  void finish(bool failed);
};

/// "Tue, 15 Nov 1994 08:12:31 GMT" of now, whatever the locale.
std::string http_date();

}  // namespace attune::net
