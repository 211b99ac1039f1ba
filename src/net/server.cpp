#include "net/server.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>

#include "core/error.h"
#include "net/connection_internal.h"

namespace attune::net {
namespace {

using namespace asio::experimental::awaitable_operators;

constexpr int kMaxRejecting = 64;

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
  const std::string message = exchange.make_head(503, page.headers, cat("Content-Length: ", page.body.size(), "\r\n")) + page.body;
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
  const std::string host =
      state_->endpoint.address().is_v6() ? cat("[", state_->endpoint.address().to_string(), "]") : state_->endpoint.address().to_string();
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
  return {state.open.load(),     state.running.load(),   state.accepted.load(),
          state.rejected.load(), state.malformed.load(), state.timed_out.load()};
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
