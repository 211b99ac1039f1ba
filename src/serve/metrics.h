// Counters of the server in Prometheus' text form. Thread-safe. Labels hold routes and status codes, never what users wrote.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "lm/engine.h"
#include "net/server.h"

namespace attune::serve {

/// Values read at the moment of a scrape.
struct Gauges {
  bool ready = false;
  int64_t running = 0;   ///< generations that hold a place
  int64_t queued = 0;    ///< requests that wait for one
  lm::EngineStats engine;
  net::ServerStats net;
  int64_t because_model = 0;
  int64_t because_template = 0;
};

class Metrics {
 public:
  Metrics();
  ~Metrics();

  /// `route` is the pattern of the route table, or "none".
  void request_done(std::string_view route, int status, double seconds);
  void add_prompt_tokens(int64_t count);
  void add_cached_tokens(int64_t count);
  void add_generated_tokens(int64_t count);
  /// From the arrival of the request to its first token.
  void first_token(double seconds);
  /// Between two tokens of one answer.
  void token_gap(double seconds);
  void cancelled();
  void feedback(std::string_view kind);

  /// The page of /metrics.
  std::string text(const Gauges& gauges);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::serve
