#include "serve/service.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <mutex>
#include <thread>

#include "assist/explain.h"
#include "assist/recommend.h"
#include "core/log.h"
#include "lm/arena.h"
#include "store/sqlite_store.h"

namespace attune::serve {
namespace {

/// Reasons put many short generations of one request into the engine: its own queue must not refuse what the API admitted.
constexpr int32_t kEngineQueue = 1 << 16;

std::shared_ptr<assist::RecommendService> open_people(const ServiceOptions& options, std::shared_ptr<assist::Explainer> explainer) {
  if (options.recommender.empty()) return nullptr;
  if (!options.recommender_required && !std::filesystem::exists(options.recommender)) return nullptr;
  std::shared_ptr<store::EventStore> store =
      with_context(cat("opening the store ", options.store.string()), [&] { return store::open_sqlite_store(options.store); });
  return assist::RecommendService::open(options.recommender, std::move(store), std::move(explainer));
}

}  // namespace

void ServiceOptions::validate() const {
  check(net::is_loopback_host(http.host) || !api.api_key.empty(), ErrorCode::kInvalidArgument, "[serve] --host ", http.host,
        " can be reached from other machines; it needs --api-key (or ATTUNE_API_KEY)");
}

struct Service::State {
  explicit State(ServiceOptions given) : options(std::move(given)), api(api_options(options)) {}

  ServiceOptions options;
  Api api;
  std::shared_ptr<lm::Engine> engine;
  std::unique_ptr<net::Server> server;
  std::thread loader;

  mutable std::mutex mutex;
  ServiceState phase = ServiceState::kLoading;
  std::string failure;
  std::string summary;

  static ApiOptions api_options(const ServiceOptions& options) {
    ApiOptions out = options.api;
    out.parallel = options.engine.max_sequences;
    out.queue_limit = options.engine.queue_limit;
    // The address we were told to listen on is a name of ours; behind a wildcard any name may be, so those are listed by hand.
    if (options.http.host != "0.0.0.0" && options.http.host != "::") out.allowed_hosts.push_back(options.http.host);
    return out;
  }
  void load();
};

void Service::State::load() {
  const auto start = std::chrono::steady_clock::now();
  try {
    auto model = lm::Model::load(options.model);
    lm::EngineOptions engine_options = options.engine;
    engine_options.queue_limit = kEngineQueue;
    engine = std::make_shared<lm::Engine>(model, engine_options);
    App app;
    app.engine = std::make_shared<LmTextEngine>(engine, options.text);
    app.people = open_people(options, std::make_shared<assist::Explainer>(*engine));
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    std::string text = cat(model->name(), model->is_instruction_tuned() ? "" : " (base model: chat runs as a transcript)");
    const int64_t weights = model->weights()->memory_bytes() >> 20, huge = lm::Arena::huge_page_kib() >> 10;
    text += cat(", weights ", weights, " MiB",
                huge >= weights ? " on huge pages"
                : huge > 0      ? cat(" (huge pages: ", huge, " MiB)")
                                : " on small pages: slower");
    text += app.people ? cat(", recommender ", options.recommender.string()) : ", no recommender";
    if (app.people) {
      const std::string problem = app.people->attributes_problem();
      if (!problem.empty()) text += cat(" without attributes (", problem, ")");
      const std::string no_moods = app.people->moods_problem();
      if (!no_moods.empty()) text += cat(" without moods (", no_moods, ")");
    }
    text += cat(", loaded in ", std::round(seconds * 10) / 10, " s");
    api.set_ready(std::move(app));
    std::lock_guard lock(mutex);
    summary = std::move(text);
    phase = ServiceState::kReady;
  } catch (const std::exception& error) {
    std::lock_guard lock(mutex);
    failure = error.what();
    phase = ServiceState::kFailed;
  }
}

Service::Service(ServiceOptions options) {
  options.validate();
  state_ = std::make_unique<State>(std::move(options));
  State& state = *state_;
  state.server = std::make_unique<net::Server>(
      state.options.http, [&state](const net::Request& request, net::Responder& responder) { state.api.handle(request, responder); },
      Api::error_page);
  state.api.set_net_stats([&state] { return state.server->stats(); });
  state.loader = std::thread([&state] { state.load(); });
}

Service::~Service() {
  State& state = *state_;
  state.loader.join();
  state.server->stop(0);
  state.api.set_net_stats({});
  state.server.reset();  // no handler runs any more
}

ServiceState Service::state() const {
  std::lock_guard lock(state_->mutex);
  return state_->phase;
}
std::string Service::failure() const {
  std::lock_guard lock(state_->mutex);
  return state_->failure;
}
std::string Service::summary() const {
  std::lock_guard lock(state_->mutex);
  return state_->summary;
}
bool Service::has_recommender() const {
  const auto app = state_->api.app();
  return app != nullptr && app->people != nullptr;
}
std::string Service::url() const { return state_->server->url(); }
uint16_t Service::port() const { return state_->server->port(); }
Api& Service::api() noexcept { return state_->api; }
bool Service::stop() { return state_->server->stop(state_->options.http.limits.stop_grace_ms); }

}  // namespace attune::serve
