#include "serve/api.h"

#include <algorithm>

#include "core/log.h"
#include "serve/api_error.h"
#include "serve/json.h"
#include "serve/route.h"

namespace attune::serve {
namespace {

/// Compares without giving away, by its time, how much of the key was right.
bool equal_secret(std::string_view given, std::string_view key) {
  unsigned char difference = given.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < given.size(); ++i) difference |= static_cast<unsigned char>(given[i] ^ key[i % key.size()]);
  return difference == 0;
}

/// Standard base64; nothing for malformed text.
std::optional<std::string> decode_base64(std::string_view text) {
  std::string out;
  uint32_t bits = 0;
  int count = 0;
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  for (const char c : text) {
    int value = 0;
    if (c >= 'A' && c <= 'Z')
      value = c - 'A';
    else if (c >= 'a' && c <= 'z')
      value = c - 'a' + 26;
    else if (c >= '0' && c <= '9')
      value = c - '0' + 52;
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else
      return std::nullopt;
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      out.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return out;
}

/// "[::1]:8080" and "localhost:8080" without their port.
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']'), host.size() - 1) + 1);
  return host.substr(0, host.find(':'));
}

bool is_json_type(const std::string* type) {
  if (type == nullptr) return false;
  std::string_view name = *type;
  name = name.substr(0, name.find(';'));
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  return net::equals_ignore_case(name, "application/json");
}

}  // namespace

void ApiOptions::describe(OptionList& list) {
  list.add("api_key", api_key, "Key that every route but /health asks for (Authorization: Bearer KEY).");
  list.add("allowed_host", allowed_hosts, "Further value of the Host header to accept, without port; may be repeated.");
  list.add("queue_timeout_ms", queue_timeout_ms, "Longest wait for a place; then 503.").range(1, 3'600'000).unit("ms");
  limits.describe(list);
}

Api::Api(ApiOptions options) : options_(std::move(options)), gate_(options_.parallel, options_.queue_limit, options_.queue_timeout_ms) {}
Api::~Api() = default;

void Api::set_ready(App app) {
  check(app.engine != nullptr, ErrorCode::kInvalidArgument, "[api] no engine");
  std::lock_guard lock(mutex_);
  app_ = std::make_shared<const App>(std::move(app));
}

bool Api::ready() const noexcept { return app() != nullptr; }

std::shared_ptr<const App> Api::app() const {
  std::lock_guard lock(mutex_);
  return app_;
}

void Api::set_net_stats(std::function<net::ServerStats()> stats) {
  std::lock_guard lock(mutex_);
  net_stats_ = std::move(stats);
}

bool Api::host_allowed(std::string_view header) const {
  const std::string_view host = without_port(header);
  return net::is_loopback_host(host) || std::any_of(options_.allowed_hosts.begin(), options_.allowed_hosts.end(),
                                                    [&](const auto& allowed) { return net::equals_ignore_case(host, allowed); });
}

bool Api::key_accepted(const net::Request& request) const {
  if (options_.api_key.empty()) return true;
  const std::string* header = request.headers.find("Authorization");
  if (header == nullptr) return false;
  const std::string_view value = *header;
  const size_t space = std::min(value.find(' '), value.size());
  const std::string_view scheme = value.substr(0, space);
  const std::string_view rest = value.substr(std::min(space + 1, value.size()));
  if (net::equals_ignore_case(scheme, "Bearer")) return equal_secret(rest, options_.api_key);
  if (!net::equals_ignore_case(scheme, "Basic")) return false;
  const auto decoded = decode_base64(rest);
  if (!decoded) return false;
  const size_t colon = decoded->find(':');
  return colon != std::string::npos && equal_secret(std::string_view(*decoded).substr(colon + 1), options_.api_key);
}

void Api::handle(const net::Request& request, net::Responder& responder) {
  Call call(*this, request, responder);
  // Errors before the first byte are a response; in a running stream they are an event, and the stream ends without [DONE].
  const auto refuse = [&](const ApiError& error) {
    call.started() ? static_cast<void>(call.event(error_body(error))) : call.send(error_response(error));
  };
  try {
    const std::string* host = request.headers.find("Host");
    if (host != nullptr && !host_allowed(*host)) {
      throw ApiError(400, cat("Host '", host->substr(0, 64), "' is not served here; start the server with --allowed-host to accept it"), "",
                     "host_not_allowed");
    }
    RouteMatch match = match_route(request.method, request.path);
    if ((match.route == nullptr || match.route->needs_key) && !key_accepted(request)) {
      throw ApiError(401, "a valid API key is required: Authorization: Bearer KEY", "", "invalid_api_key");
    }
    if (match.route == nullptr) {
      if (match.allow.empty()) throw ApiError(404, cat("no route ", request.method, " ", request.path.substr(0, 128)), "", "unknown_route");
      ApiError error(405, cat(request.method, " is not allowed here, expected ", match.allow), "", "method_not_allowed");
      net::Response response = error_response(error);
      response.headers.add("Allow", match.allow);
      call.send(response);
    } else {
      call.pattern = match.route->pattern;
      call.params = std::move(match.params);
      call.app = app();
      if (match.route->needs_ready && call.app == nullptr) throw ApiError(503, "the model is still loading", "", "loading");
      if ((request.method == "POST" || request.method == "PUT") && !is_json_type(request.headers.find("Content-Type"))) {
        throw ApiError(415, "expected Content-Type: application/json", "", "unsupported_media_type");
      }
      match.route->handler(call);
    }
  } catch (const ApiError& error) {
    refuse(error);
  } catch (const Error& error) {
    if (status_of(error.code()) == 500) log_line(LogLevel::kError, cat(request.method, " ", call.pattern, ": ", error.what()));
    refuse(api_error(error));
  } catch (const std::bad_alloc&) {
    refuse(ApiError(503, "out of memory", "", "out_of_memory"));
  } catch (const std::exception& error) {
    log_line(LogLevel::kError, cat(request.method, " ", call.pattern, ": ", error.what()));
    refuse(ApiError(500, "internal error", "", "internal"));
  }
}

net::Response Api::error_page(int status, std::string_view message) { return error_response(ApiError(status, std::string(message))); }

}  // namespace attune::serve
