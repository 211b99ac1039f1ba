// The HTTP API without a socket: checks, route table, error translation, metrics (docs/http_api.md).
//
// Order of checks: Host, API key, route, readiness, content type; then the route's handler. Until set_ready every route but /health and
// /metrics answers 503. All functions are thread-safe; set_ready is called once.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "net/server.h"
#include "serve/completion_request.h"
#include "serve/gate.h"
#include "serve/metrics.h"
#include "serve/text_engine.h"

namespace attune::assist {
class RecommendService;
}

namespace attune::serve {

struct ApiOptions {
  std::string api_key;                     ///< empty: no key is asked for
  std::vector<std::string> allowed_hosts;  ///< values of Host accepted besides loopback, without port
  int32_t parallel = 64;                   ///< generations at once; the engine's --parallel
  int32_t queue_limit = 256;               ///< requests that wait, beyond it 429; the engine's --queue-limit
  int32_t queue_timeout_ms = 60'000;       ///< longest wait; then 503
  RequestLimits limits;

  void describe(OptionList& list);
};

/// What the API serves. `people` may be null: its routes answer 404 then.
struct App {
  std::shared_ptr<TextEngine> engine;
  std::shared_ptr<assist::RecommendService> people;
};

class Api {
 public:
  explicit Api(ApiOptions options);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void set_ready(App app);
  bool ready() const noexcept;
  /// Source of the connection gauges of /metrics.
  void set_net_stats(std::function<net::ServerStats()> stats);

  /// Answers one request. Never throws.
  void handle(const net::Request& request, net::Responder& responder);
  /// OpenAI's error shape for what the HTTP server itself refuses.
  static net::Response error_page(int status, std::string_view message);

  const ApiOptions& options() const noexcept { return options_; }
  Gate& gate() noexcept { return gate_; }
  Metrics& metrics() noexcept { return metrics_; }
  /// Null until ready.
  std::shared_ptr<const App> app() const;
  Gauges gauges() const;

 private:
  bool host_allowed(std::string_view host) const;
  bool key_accepted(const net::Request& request) const;

  ApiOptions options_;
  Gate gate_;
  Metrics metrics_;
  mutable std::mutex mutex_;
  std::shared_ptr<const App> app_;
  std::function<net::ServerStats()> net_stats_;
};

}  // namespace attune::serve
