// The whole server in one object: socket at once, model and recommender loaded in the background, routes answering 503 until then.
#pragma once

#include <memory>
#include <string>

#include "core/file.h"
#include "lm/engine.h"
#include "net/server.h"
#include "serve/api.h"
#include "serve/lm_text_engine.h"

namespace attune::serve {

struct ServiceOptions {
  net::ServerOptions http;
  ApiOptions api;
  LmTextEngineOptions text;
  lm::EngineOptions engine;       ///< its max_sequences and queue_limit also bound what the API admits
  Path model;
  Path recommender;               ///< folder of a learned recommender
  bool recommender_required = false;  ///< false: a missing folder leaves the personal routes off
  Path store;                     ///< SQLite file of events

  /// Throws kInvalidArgument for an address other than loopback without a key.
  void validate() const;
};

enum class ServiceState { kLoading, kReady, kFailed };

class Service {
 public:
  /// Checks the options, binds, and begins to load. Throws as validate and net::Server do.
  explicit Service(ServiceOptions options);
  /// stop(0), unless it was called.
  ~Service();
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  ServiceState state() const;
  /// What loading failed with (kFailed), or "".
  std::string failure() const;
  /// A line about what is served, for a person (kReady).
  std::string summary() const;
  /// Whether the personal routes are on (kReady).
  bool has_recommender() const;
  std::string url() const;
  uint16_t port() const;
  Api& api() noexcept;

  /// Stops as net::Server::stop does; the grace is http.limits.stop_grace_ms. True if everything ended in time.
  bool stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::serve
