#include "net/connection_internal.h"

#include <poll.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>

#include "core/error.h"
#include "core/log.h"

namespace attune::net {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr size_t kReadBytes = 16 * 1024;
constexpr size_t kMaxPipelinedBytes = 64 * 1024;
constexpr Millis kEvictSilentAfter{1000};      // nothing received, or idle between two requests
constexpr Millis kEvictUnfinishedAfter{200};   // a head that does not get complete: honest ones arrive in one piece

}  // namespace

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

bool Connection::may_give_way(Clock::time_point now) const {
  const bool unfinished = parser_.state() == ParseState::kHead;
  return phase_ == Phase::kWaiting && now - phase_start_ >= (unfinished ? kEvictUnfinishedAfter : kEvictSilentAfter);
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

}  // namespace attune::net
