#include "net/server.h"

#include <poll.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <chrono>
#include <map>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/log.h"
#include "net/exchange_internal.h"
#include "net/request_parser.h"
#include "net/worker_pool.h"

namespace attune::net {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;
using Millis = std::chrono::milliseconds;
using boost::system::error_code;
using namespace asio::experimental::awaitable_operators;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kMaxPipelinedBytes = 64 * 1024;
constexpr int kMaxRejecting = 64;
constexpr Millis kEvictSilentAfter{1000};      // nothing received, or idle between two requests
constexpr Millis kEvictUnfinishedAfter{200};   // a head that does not get complete: honest ones arrive in one piece
constexpr Millis kLinger{1000};

class Connection;

}  // namespace

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

namespace {

enum class Phase { kWaiting, kBody, kHandling, kClosing };

/// One accepted socket. Everything runs on the io thread, except the handler.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Server::State> server, tcp::socket socket, std::string address)
      : server_(std::move(server)), socket_(std::move(socket)), address_(std::move(address)), wake_(server_->io), parser_(limits()) {
    wake_.expires_at(Clock::time_point::max());
  }

  asio::awaitable<void> run();
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
  bool may_give_way(Clock::time_point now) const {
    const bool unfinished = parser_.state() == ParseState::kHead;
    return phase_ == Phase::kWaiting && now - phase_start_ >= (unfinished ? kEvictUnfinishedAfter : kEvictSilentAfter);
  }
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

asio::awaitable<void> Connection::run() {
  const auto self = shared_from_this();
  enter(Phase::kWaiting, limits().header_timeout_ms);
  while (socket_.is_open()) {
    if (!co_await read_request()) break;
    if (!co_await answer(parser_.take())) break;
    if (server_->stopping) break;
    // A pipelined request may be (partly) here already: its head has the shorter time.
    enter(Phase::kWaiting, parser_.state() == ParseState::kIdle ? limits().keep_alive_timeout_ms : limits().header_timeout_ms);
  }
  close();
  release();
  server_->connections.erase(self);
  server_->open.fetch_sub(1);
  server_->changed.notify_all();
}

// Heads: one deadline from the first byte. Bodies: a deadline that moves with every piece, and a total one.
void Connection::set_read_deadline(ParseState before, ParseState now) {
  if (now == ParseState::kHead && before == ParseState::kIdle && phase_ == Phase::kWaiting) {
    deadline_ = std::min(deadline_, Clock::now() + Millis(limits().header_timeout_ms));
  }
  if (now == ParseState::kBody) {
    if (phase_ != Phase::kBody) {
      enter(Phase::kBody, limits().body_idle_timeout_ms);
      body_end_ = phase_start_ + Millis(limits().body_total_timeout_ms);
    }
    deadline_ = std::min(body_end_, Clock::now() + Millis(limits().body_idle_timeout_ms));
  }
}

asio::awaitable<bool> Connection::read_request() {
  char bytes[kReadBytes];
  ParseState state = parser_.state();
  set_read_deadline(ParseState::kIdle, state);
  while (state != ParseState::kDone) {
    if (state == ParseState::kError) {
      server_->malformed.fetch_add(1, std::memory_order_relaxed);
      co_await refuse(parser_.status(), parser_.message());
      co_return false;
    }
    if (parser_.take_expect_continue() && !co_await write("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
    const auto [code, size] = co_await socket_.async_read_some(asio::buffer(bytes), kAwait);
    if (code) co_return false;
    const ParseState before = state;
    state = parser_.feed(std::string_view(bytes, size));
    set_read_deadline(before, state);
  }
  co_return true;
}

asio::awaitable<bool> Connection::answer(Request request) {
  enter(Phase::kHandling, limits().write_stall_timeout_ms);
  deadline_ = Clock::time_point::max();  // set while a write waits
  auto exchange = std::make_shared<Exchange>();
  exchange_ = exchange;
  exchange->keep_alive = request.keep_alive && !server_->stopping;
  exchange->is_head_request = request.method == "HEAD";
  exchange->version_minor = request.version_minor;
  exchange->wake = [weak = weak_from_this(), server = server_] {
    asio::post(server->io, [weak] {
      if (const auto self = weak.lock()) self->wake_.cancel();
    });
  };
  request.remote = address_;
  request.stop = exchange->stop.get_token();
  server_->running.fetch_add(1);
  const bool submitted = server_->pool.submit([server = server_, exchange, request = std::move(request)] {
    Responder responder(exchange);
    bool failed = false;
    try {
      server->handler(request, responder);
      if (!responder.started()) responder.send(server->make_error(500, "the handler gave no answer"));
    } catch (const std::exception& error) {
      failed = true;
      log_line(LogLevel::kError, cat("request handler failed: ", error.what()));
      if (!responder.started()) responder.send(server->make_error(500, "internal error"));
    }
    server->running.fetch_sub(1);
    exchange->finish(failed);
    server->changed.notify_all();
  });
  if (!submitted) {
    server_->running.fetch_sub(1);
    exchange_.reset();
    co_await refuse(503, "all workers are busy");
    co_return false;
  }
  co_await (pump() || watch());
  exchange_.reset();
  co_return !exchange->broken && exchange->keep_alive && !exchange->gone && socket_.is_open();
}

// Moves what the handler wrote to the socket until the handler has finished.
asio::awaitable<void> Connection::pump() {
  const auto exchange = exchange_;
  std::string sending;
  for (;;) {
    bool finished = false;
    {
      std::lock_guard lock(exchange->mutex);
      sending.clear();
      sending.swap(exchange->out);
      exchange->in_flight = sending.size();
      finished = exchange->finished;
    }
    if (!sending.empty()) {
      if (!exchange->broken && !co_await write(sending)) exchange->mark_broken();
      {
        std::lock_guard lock(exchange->mutex);
        exchange->in_flight = 0;
      }
      exchange->drained.notify_all();
    } else if (finished) {
      co_return;
    } else {
      co_await wake_.async_wait(kAwait);  // ended by cancel: handlers never wait on it themselves
    }
  }
}

// Notices that the peer closed while a handler runs. Ends by cancellation only.
asio::awaitable<void> Connection::watch() {
  const auto exchange = exchange_;
  asio::steady_timer timer(server_->io);
  char bytes[kReadBytes];
  bool watching = true;
  while (watching) {
    if (parser_.buffered() < kMaxPipelinedBytes) {
      const auto [code] = co_await socket_.async_wait(tcp::socket::wait_read, kAwait);
      if (code == asio::error::operation_aborted && socket_.is_open()) co_return;
      const ssize_t size = code ? -1 : ::recv(socket_.native_handle(), bytes, sizeof(bytes), MSG_DONTWAIT);
      if (size > 0) {
        parser_.feed(std::string_view(bytes, static_cast<size_t>(size)));
        if (parser_.state() == ParseState::kError) watching = false;  // answered after this request
      } else if (code || size == 0 || (errno != EAGAIN && errno != EINTR)) {
        exchange->mark_gone();
        watching = false;
      }
    } else {  // enough pipelined bytes: look at the connection's state without reading
      timer.expires_after(Millis(50));
      const auto [code] = co_await timer.async_wait(kAwait);
      if (code) co_return;
      pollfd poll{socket_.native_handle(), POLLRDHUP, 0};
      if (::poll(&poll, 1, 0) > 0 && (poll.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) != 0) {
        exchange->mark_gone();
        watching = false;
      }
    }
  }
  timer.expires_at(Clock::time_point::max());
  co_await timer.async_wait(kAwait);
}

// Writes all; every piece taken by the peer moves the deadline.
asio::awaitable<bool> Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto before = deadline_;
    deadline_ = Clock::now() + Millis(limits().write_stall_timeout_ms);
    const auto [code, size] = co_await socket_.async_write_some(asio::buffer(bytes.data(), bytes.size()), kAwait);
    if (socket_.is_open()) deadline_ = before;
    if (code) co_return false;
    bytes.remove_prefix(size);
  }
  co_return true;
}

asio::awaitable<void> Connection::refuse(int status, std::string message) {
  enter(Phase::kClosing, limits().write_stall_timeout_ms);
  Exchange exchange;
  exchange.keep_alive = false;
  const Response page = server_->make_error(status, message);
  const std::string head = exchange.make_head(page.status, page.headers, cat("Content-Length: ", page.body.size(), "\r\n"));
  if (co_await write(head + page.body)) co_await linger();
}

// Reads and drops for a moment, so that the answer is not lost in a reset because of bytes still on their way.
asio::awaitable<void> Connection::linger() {
  enter(Phase::kClosing, static_cast<int>(kLinger.count()));
  error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  char bytes[kReadBytes];
  for (;;) {
    const auto [code, size] = co_await socket_.async_read_some(asio::buffer(bytes), kAwait);
    if (code) co_return;
  }
}

tcp::endpoint resolve(asio::io_context& io, const std::string& host, int port) {
  error_code code;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, code);
  check(!code && !found.empty(), ErrorCode::kInvalidArgument, "[server] host ", host, " cannot be resolved: ", code.message());
  return found.begin()->endpoint();
}

}  // namespace

void Server::State::listen() {
  endpoint = resolve(io, options.host, options.port);
  error_code code;
  acceptor.open(endpoint.protocol(), code);
  if (!code) acceptor.set_option(tcp::acceptor::reuse_address(true), code);
  if (!code) acceptor.bind(endpoint, code);
  if (!code) acceptor.listen(1024, code);
  check(!code, ErrorCode::kIo, "[server] cannot listen on ", options.host, ":", options.port, ": ", code.message());
  endpoint = acceptor.local_endpoint();
}

Response Server::State::make_error(int status, std::string_view message) const {
  Response page;
  if (error_page) {
    page = error_page(status, message);
  } else {
    page = {status, {{"Content-Type", "text/plain; charset=utf-8"}}, cat(message, "\n")};
  }
  if (status == 503 && page.headers.find("Retry-After") == nullptr) page.headers.add("Retry-After", "1");
  return page;
}

void Server::State::on_io(std::function<void()> work) { asio::post(io, std::move(work)); }

Connection* Server::State::longest_silent(const std::string* address) {
  Connection* out = nullptr;
  const auto now = Clock::now();
  for (const auto& connection : connections) {
    if (!connection->may_give_way(now) || (address != nullptr && connection->address() != *address)) continue;
    if (out == nullptr || connection->phase_start() < out->phase_start()) out = connection.get();
  }
  return out;
}

// Counts a newcomer in, if need be in the place of a silent one.
bool Server::State::admit(const std::string& address) {
  const auto found = per_address.find(address);
  const bool address_full = found != per_address.end() && found->second >= options.limits.max_connections_per_address;
  if (address_full || num_counted >= options.limits.max_connections) {
    Connection* victim = longest_silent(address_full ? &address : nullptr);
    if (victim == nullptr) return false;
    victim->release();
    victim->close();
  }
  ++num_counted;
  ++per_address[address];
  return true;
}

asio::awaitable<void> Server::State::accept_loop() {
  while (!stopping) {
    auto [code, socket] = co_await acceptor.async_accept(kAwait);
    if (stopping || code == asio::error::operation_aborted) co_return;
    if (code) {  // out of descriptors, or the peer left: try again a little later
      asio::steady_timer pause(io, Millis(50));
      co_await pause.async_wait(kAwait);
      continue;
    }
    error_code ignored;
    const auto peer = socket.remote_endpoint(ignored);
    if (ignored) continue;
    socket.set_option(tcp::no_delay(true), ignored);
    const std::string address = peer.address().to_string();
    if (!admit(address)) {
      rejected.fetch_add(1, std::memory_order_relaxed);
      if (num_rejecting < kMaxRejecting) asio::co_spawn(io, reject(std::move(socket)), asio::detached);
      continue;
    }
    accepted.fetch_add(1, std::memory_order_relaxed);
    open.fetch_add(1);
    auto connection = std::make_shared<Connection>(shared_from_this(), std::move(socket), address);
    connections.insert(connection);
    asio::co_spawn(io, [connection]() -> asio::awaitable<void> { return connection->run(); }, asio::detached);
  }
}

// Tells a newcomer that the server is full.
asio::awaitable<void> Server::State::reject(tcp::socket socket) {
  ++num_rejecting;
  Exchange exchange;
  exchange.keep_alive = false;
  const Response page = make_error(503, "too many connections");
  const std::string message =
      exchange.make_head(503, page.headers, cat("Content-Length: ", page.body.size(), "\r\n")) + page.body;
  error_code ignored;
  socket.non_blocking(true, ignored);
  socket.write_some(asio::buffer(message), ignored);
  socket.shutdown(tcp::socket::shutdown_send, ignored);
  asio::steady_timer timer(io, kLinger);
  char bytes[4096];
  const auto drain = [&]() -> asio::awaitable<void> {
    for (;;) {
      const auto [code, size] = co_await socket.async_read_some(asio::buffer(bytes), kAwait);
      if (code) co_return;
    }
  };
  co_await (drain() || timer.async_wait(asio::use_awaitable));
  --num_rejecting;
}

// Closes connections whose deadline has passed.
asio::awaitable<void> Server::State::reap_loop() {
  const HttpLimits& limits = options.limits;
  const int shortest = std::min({limits.header_timeout_ms, limits.body_idle_timeout_ms, limits.body_total_timeout_ms,
                                 limits.keep_alive_timeout_ms, limits.write_stall_timeout_ms});
  asio::steady_timer timer(io);
  for (;;) {
    timer.expires_after(Millis(std::clamp(shortest / 8, 5, 100)));
    const auto [code] = co_await timer.async_wait(kAwait);
    if (code) co_return;
    const auto now = Clock::now();
    for (const auto& connection : connections) connection->check_deadline(now);
  }
}

Server::Server(const ServerOptions& options, Handler handler, ErrorPage error_page)
    : state_(std::make_shared<State>(options, std::move(handler), std::move(error_page))) {
  State& state = *state_;
  state.listen();
  asio::co_spawn(state.io, [&state]() -> asio::awaitable<void> { return state.accept_loop(); }, asio::detached);
  asio::co_spawn(state.io, [&state]() -> asio::awaitable<void> { return state.reap_loop(); }, asio::detached);
  state.thread = std::thread([&state] { state.io.run(); });
}

Server::~Server() {
  stop(0);
  State& state = *state_;
  state.pool.wait_idle(1 << 30);  // handlers hold tokens that have fired
  for (int i = 0; i < 100 && state.open.load() > 0; ++i) std::this_thread::sleep_for(Millis(10));  // their connections end now
  state.io.stop();
  state.thread.join();
  state.connections.clear();
}

uint16_t Server::port() const noexcept { return state_->endpoint.port(); }

std::string Server::url() const {
  const std::string host = state_->endpoint.address().is_v6() ? cat("[", state_->endpoint.address().to_string(), "]")
                                                              : state_->endpoint.address().to_string();
  return cat("http://", host, ":", port());
}

bool Server::stop(int grace_ms) {
  State& state = *state_;
  if (state.stop_called.exchange(true)) return true;
  state.on_io([&state] {
    state.stopping = true;
    error_code ignored;
    state.acceptor.close(ignored);
    for (const auto& connection : state.connections) connection->close_if_waiting();
  });
  const auto start = Clock::now();
  const auto wait_until = [&](Clock::time_point end) {
    std::unique_lock lock(state.mutex);
    // Notifications are sent without the mutex: wake up now and then.
    while ((state.open.load() > 0 || state.running.load() > 0) && Clock::now() < end) {
      state.changed.wait_for(lock, Millis(10));
    }
    return state.open.load() == 0 && state.running.load() == 0;
  };
  if (wait_until(start + Millis(grace_ms) * 4 / 5)) return true;
  state.on_io([&state] {
    for (const auto& connection : state.connections) connection->cancel();
  });
  if (wait_until(start + Millis(grace_ms))) return true;
  state.on_io([&state] {
    for (const auto& connection : state.connections) {
      connection->cancel();
      connection->close();
    }
  });
  return wait_until(Clock::now() + Millis(200));
}

ServerStats Server::stats() const {
  const State& state = *state_;
  return {state.open.load(), state.running.load(), state.accepted.load(), state.rejected.load(), state.malformed.load(),
          state.timed_out.load()};
}

bool is_loopback_host(std::string_view host) noexcept {
  if (equals_ignore_case(host, "localhost") || host == "::1" || host == "[::1]") return true;
  return host.starts_with("127.") && std::count(host.begin(), host.end(), '.') == 3 && host.back() != '.' &&
         std::all_of(host.begin(), host.end(), [](char c) { return c == '.' || (c >= '0' && c <= '9'); });
}

void ServerOptions::describe(OptionList& list) {
  list.add("host", host, "Address to listen on; anything but loopback needs --api-key.");
  list.add("port", port, "Port to listen on; 0 takes a free one.").range(0, 65535);
  limits.describe(list);
}

}  // namespace attune::net
