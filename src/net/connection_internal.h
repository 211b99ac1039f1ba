// One accepted connection and the state of the server that it belongs to. Includes Boost.Asio: for server.cpp and connection.cpp only.
//
// Everything here runs on the io thread, except the handler and what it does through its Exchange.
#pragma once

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "net/exchange_internal.h"
#include "net/request_parser.h"
#include "net/server.h"
#include "net/worker_pool.h"

namespace attune::net {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;
using boost::system::error_code;

inline constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
inline constexpr Millis kLinger{1000};  ///< how long bytes are dropped after a refusal

class Connection;

struct Server::State : std::enable_shared_from_this<Server::State> {
  State(const ServerOptions& given, Handler on_request, ErrorPage page)
      : options(given), handler(std::move(on_request)), error_page(std::move(page)), pool(given.limits.max_connections) {}

  ServerOptions options;
  Handler handler;
  ErrorPage error_page;
  asio::io_context io{1};
  tcp::acceptor acceptor{io};
  tcp::endpoint endpoint;
  WorkerPool pool;
  std::thread thread;

  // Used by the io thread only.
  std::set<std::shared_ptr<Connection>> connections;
  std::map<std::string, int> per_address;
  int num_counted = 0;
  int num_rejecting = 0;
  bool stopping = false;

  std::atomic<bool> stop_called{false};
  std::atomic<int64_t> open{0}, running{0}, accepted{0}, rejected{0}, malformed{0}, timed_out{0};
  std::mutex mutex;
  std::condition_variable changed;

  void listen();
  asio::awaitable<void> accept_loop();
  asio::awaitable<void> reap_loop();
  asio::awaitable<void> reject(tcp::socket socket);
  bool admit(const std::string& address);
  Connection* longest_silent(const std::string* address);
  Response make_error(int status, std::string_view message) const;
  void on_io(std::function<void()> work);
};

enum class Phase { kWaiting, kBody, kHandling, kClosing };

/// One accepted socket. Everything runs on the io thread, except the handler.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Server::State> server, tcp::socket socket, std::string address)
      : server_(std::move(server)), socket_(std::move(socket)), address_(std::move(address)), wake_(server_->io), parser_(limits()) {
    wake_.expires_at(Clock::time_point::max());
  }

  asio::awaitable<void> run();
  /// Closes if the deadline of the present phase has passed.
  void check_deadline(Clock::time_point now) {
    if (now < deadline_) return;
    server_->timed_out.fetch_add(1, std::memory_order_relaxed);
    close();
  }
  void close() {
    deadline_ = Clock::time_point::max();
    error_code ignored;
    socket_.close(ignored);
    wake_.cancel();
  }
  /// At a stop: whoever waits for a request is closed.
  void close_if_waiting() {
    if (phase_ == Phase::kWaiting) close();
  }
  void cancel() {
    if (exchange_) exchange_->stop.request_stop();
  }
  /// Whether it may be closed to make room for a newcomer.
  bool may_give_way(Clock::time_point now) const;
  Clock::time_point phase_start() const { return phase_start_; }
  const std::string& address() const { return address_; }
  /// Gives the connection's place in the limits back, once.
  void release() {
    if (!counted_) return;
    counted_ = false;
    --server_->num_counted;
    const auto found = server_->per_address.find(address_);
    if (--found->second == 0) server_->per_address.erase(found);
  }

 private:
  const HttpLimits& limits() const { return server_->options.limits; }
  void enter(Phase phase, int timeout_ms) {
    phase_ = phase;
    phase_start_ = Clock::now();
    deadline_ = phase_start_ + Millis(timeout_ms);
  }
  void set_read_deadline(ParseState before, ParseState now);
  asio::awaitable<bool> read_request();
  asio::awaitable<bool> answer(Request request);
  asio::awaitable<void> pump();
  asio::awaitable<void> watch();
  asio::awaitable<bool> write(std::string_view bytes);
  asio::awaitable<void> refuse(int status, std::string message);
  asio::awaitable<void> linger();

  std::shared_ptr<Server::State> server_;
  tcp::socket socket_;
  std::string address_;
  asio::steady_timer wake_;
  RequestParser parser_;
  std::shared_ptr<Exchange> exchange_;
  Phase phase_ = Phase::kWaiting;
  Clock::time_point phase_start_ = Clock::now();
  Clock::time_point deadline_ = Clock::time_point::max();
  Clock::time_point body_end_ = Clock::time_point::max();
  bool counted_ = true;
};

}  // namespace attune::net
