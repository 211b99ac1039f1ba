#include "net/client.h"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <chrono>

#include "core/error.h"

namespace attune::net {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

}  // namespace

struct Client::State {
  explicit State(ClientOptions given) : options(std::move(given)) {}

  ClientOptions options;
  asio::io_context io{1};
  std::unique_ptr<beast::tcp_stream> stream;
  beast::flat_buffer buffer;

  /// Runs what was started until it is done; `stop` is looked at every 20 ms.
  void run(const std::stop_token& stop) {
    io.restart();
    while (!io.stopped()) {
      io.run_for(std::chrono::milliseconds(20));
      if (stop.stop_requested() && stream) {
        stream->close();
        io.run();
        fail(ErrorCode::kCancelled, "[http client] cancelled");
      }
    }
  }
  void arm(int timeout_ms) { stream->expires_after(std::chrono::milliseconds(timeout_ms)); }
  [[noreturn]] void give_up(std::string_view doing, const error_code& code) {
    stream.reset();
    buffer.clear();
    const bool malformed = code.category() == http::make_error_code(http::error::end_of_stream).category() &&
                           code != http::error::end_of_stream && code != http::error::partial_message;
    fail(malformed ? ErrorCode::kCorruptData : ErrorCode::kIo, "[http client] ", doing, " ", options.host, ":", options.port, ": ",
         code.message());
  }
  void connect(const std::stop_token& stop);
  bool send(std::string_view message, const std::stop_token& stop);
  Response read(bool is_head, const std::function<bool(std::string_view)>& on_data, const std::stop_token& stop);
  bool read_head(http::response_parser<http::buffer_body>& parser, error_code& code, const std::stop_token& stop);
};

void Client::State::connect(const std::stop_token& stop) {
  error_code code;
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port), code);
  if (code) give_up("resolving", code);
  stream = std::make_unique<beast::tcp_stream>(io);
  buffer.clear();
  arm(options.connect_timeout_ms);
  stream->async_connect(found, [&](error_code result, const tcp::endpoint&) { code = result; });
  run(stop);
  if (code) give_up("connecting to", code);
  stream->socket().set_option(tcp::no_delay(true), code);
}

bool Client::State::send(std::string_view message, const std::stop_token& stop) {
  error_code code;
  arm(options.timeout_ms);
  asio::async_write(*stream, asio::buffer(message.data(), message.size()), [&](error_code result, size_t) { code = result; });
  run(stop);
  return !code;
}

bool Client::State::read_head(http::response_parser<http::buffer_body>& parser, error_code& code, const std::stop_token& stop) {
  arm(options.timeout_ms);
  http::async_read_header(*stream, buffer, parser, [&](error_code result, size_t) { code = result; });
  run(stop);
  return !code;
}

Response Client::State::read(bool is_head, const std::function<bool(std::string_view)>& on_data, const std::stop_token& stop) {
  http::response_parser<http::buffer_body> parser;
  parser.skip(is_head);
  parser.body_limit(static_cast<std::uint64_t>(options.max_body_bytes));
  error_code code;
  if (!read_head(parser, code, stop)) give_up("reading from", code);
  Response out;
  out.status = static_cast<int>(parser.get().result_int());
  for (const auto& field : parser.get()) out.headers.add(std::string(field.name_string()), std::string(field.value()));
  char bytes[16 * 1024];
  while (!parser.is_done()) {
    parser.get().body().data = bytes;
    parser.get().body().size = sizeof(bytes);
    arm(options.timeout_ms);
    http::async_read_some(*stream, buffer, parser, [&](error_code result, size_t) { code = result; });
    run(stop);
    if (code == http::error::need_buffer) code = {};
    check(code != http::error::body_limit, ErrorCode::kResource, "[http client] the answer has more than ", options.max_body_bytes,
          " bytes");
    if (code) give_up("reading from", code);
    const std::string_view piece(bytes, sizeof(bytes) - parser.get().body().size);
    if (piece.empty()) continue;
    if (!on_data) {
      out.body.append(piece);
    } else if (!on_data(piece)) {
      stream.reset();
      return out;
    }
  }
  if (!parser.get().keep_alive()) stream.reset();
  return out;
}

Client::Client(ClientOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Response Client::request(std::string_view method, std::string_view target, const Headers& headers, std::string_view body,
                         const std::function<bool(std::string_view)>& on_data, std::stop_token stop) {
  State& state = *state_;
  std::string message = cat(method, " ", target, " HTTP/1.1\r\n");
  if (headers.find("Host") == nullptr) message += cat("Host: ", state.options.host, ":", state.options.port, "\r\n");
  for (const auto& [name, value] : headers.fields()) message += cat(name, ": ", value, "\r\n");
  if (!body.empty() || method == "POST" || method == "PUT") message += cat("Content-Length: ", body.size(), "\r\n");
  message += "\r\n";
  message += body;

  // A kept connection may have been closed by the server meanwhile: its end is readable before anything is sent.
  if (state.stream) {
    char byte = 0;
    error_code code;
    state.stream->socket().non_blocking(true, code);
    state.stream->socket().receive(asio::buffer(&byte, 1), tcp::socket::message_peek, code);
    if (code != asio::error::would_block) state.stream.reset();
  }
  if (!state.stream) state.connect(stop);
  // The server may answer (413) and close before the whole body is sent: an answer that is there counts more than the failed write.
  const bool sent = state.send(message, stop);
  try {
    return state.read(method == "HEAD", on_data, stop);
  } catch (const Error& error) {
    if (!sent) fail(ErrorCode::kIo, "[http client] sending to ", state.options.host, ":", state.options.port, " failed");
    throw;
  }
}

Response Client::post_json(std::string_view target, std::string_view body, Headers headers) {
  headers.add("Content-Type", "application/json");
  return request("POST", target, headers, body);
}

void Client::close() { state_->stream.reset(); }

bool SseReader::feed(std::string_view bytes, const std::function<bool(std::string_view data)>& on_data) {
  for (const char c : bytes) {
    if (c == '\r') continue;
    if (c != '\n') {
      line_.push_back(c);
      continue;
    }
    if (line_.empty()) {
      const std::string data = std::exchange(data_, {});
      if (std::exchange(has_data_, false) && !on_data(data)) return false;
    } else if (line_.starts_with("data:")) {
      if (has_data_) data_.push_back('\n');
      data_.append(line_, line_.starts_with("data: ") ? 6 : 5);
      has_data_ = true;
    }
    line_.clear();
  }
  return true;
}

}  // namespace attune::net
