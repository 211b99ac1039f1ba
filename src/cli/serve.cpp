// attune serve: the HTTP API and the page.
#include <pthread.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "core/file.h"
#include "net/client.h"
#include "serve/service.h"

namespace attune::cli {
namespace {

struct ServeOptions {
  ModelOptions model;
  net::ServerOptions http;
  serve::ApiOptions api;
  serve::LmTextEngineOptions text;
  std::string recommender = (home_folder() / "models" / "recommender").string();
  std::string store = (home_folder() / "state" / "attune.db").string();
  bool check = false;

  void describe(OptionList& list) {
    model.describe(list);
    list.get("parallel").alias("-np");
    text.describe(list);
    list.add("recommender", recommender, "Folder of a learned recommender; without one the personal routes are off.");
    list.add("store", store, "SQLite file that ratings and other events are kept in.");
    http.describe(list);
    api.describe(list);
    list.add("check", check, "Start on a free port, answer a few requests, and stop: exit code 0 if all is well.");
  }
};

serve::ServiceOptions service_options(const ServeOptions& options) {
  serve::ServiceOptions out;
  out.http = options.http;
  out.api = options.api;
  out.text = options.text;
  out.engine = options.model.engine;
  out.model = options.model.model;
  out.recommender = options.recommender;
  out.recommender_required = options.recommender != ServeOptions{}.recommender;
  out.store = options.store;
  if (options.check) out.http.port = 0;
  return out;
}

/// SIGINT and SIGTERM, taken by waiting instead of by a handler. Made before any thread, so that all inherit the mask.
class SignalWait {
 public:
  SignalWait() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set_, nullptr);
  }
  /// The signal that came within `timeout_ms`, or 0.
  int wait(int timeout_ms) const {
    const timespec timeout{timeout_ms / 1000, (timeout_ms % 1000) * 1'000'000L};
    return std::max(sigtimedwait(&set_, nullptr, &timeout), 0);
  }
  /// From now on a further signal ends the program at once.
  void quit_at_next() const {
    std::thread([set = set_] {
      int signal = 0;
      sigwait(&set, &signal);
      std::_Exit(1);
    }).detach();
  }

 private:
  sigset_t set_;
};

/// Health, model list, a few tokens of chat. Throws Error if an answer is not as it must be.
void check_service(const CommandContext& context, const serve::Service& service, const std::string& api_key) {
  net::Client client({.host = "127.0.0.1", .port = service.port()});
  net::Headers headers;
  if (!api_key.empty()) headers.add("Authorization", "Bearer " + api_key);
  const auto expect_ok = [&](const char* what, const net::Response& response) {
    check(response.status == 200, ErrorCode::kInternal, "[check] ", what, " answered ", response.status, ": ", response.body);
    context.note(cat("ok: ", what));
  };
  expect_ok("GET /health", client.get("/health"));
  expect_ok("GET /v1/models", client.get("/v1/models", headers));
  expect_ok(
      "POST /v1/chat/completions",
      client.post_json("/v1/chat/completions", R"({"messages":[{"role":"user","content":"Hello"}],"max_tokens":8,"seed":1})", headers));
  expect_ok("GET /metrics", client.get("/metrics", headers));
  expect_ok("GET /", client.get("/", headers));
}

void say_ready(const CommandContext& context, const serve::Service& service, const ServeOptions& options) {
  context.note(cat("ready: ", service.summary()));
  const std::string key = options.api.api_key.empty() ? "" : " -H 'Authorization: Bearer KEY'";
  context.note(cat("Open ", service.url(), " in a browser", options.api.api_key.empty() ? "" : " (any name, the key as password)",
                   ", or use it with any OpenAI client at ", service.url(), "/v1:"));
  context.note(cat("  curl ", service.url(), "/v1/chat/completions", key,
                   " -H 'Content-Type: application/json' -d '{\"messages\":[{\"role\":\"user\",\"content\":\"Hello\"}],\"stream\":true}'"));
  if (!service.has_recommender()) context.note(cat("No recommender at ", options.recommender, ": `attune learn ratings` makes one."));
  context.note("Ctrl-C stops.");
}

int run_server(const CommandContext& context, const ServeOptions& options) {
  check(std::filesystem::exists(options.model.model), ErrorCode::kNotFound, "[serve] model ", options.model.model,
        " is absent; scripts/bootstrap.sh gets the default one, -m names another");
  const SignalWait signals;
  ::signal(SIGPIPE, SIG_IGN);
  serve::Service service(service_options(options));
  context.note(cat("listening on ", service.url(), ", loading ", options.model.model));
  bool announced = false;
  int signal = 0;
  int exit_code = 0;
  while (signal == 0) {
    signal = signals.wait(announced ? 1000 : 50);
    const serve::ServiceState state = service.state();
    if (state == serve::ServiceState::kFailed) fail(ErrorCode::kFailedPrecondition, service.failure());
    if (state != serve::ServiceState::kReady || announced) continue;
    announced = true;
    if (options.check) {
      check_service(context, service, options.api.api_key);
      break;
    }
    say_ready(context, service, options);
  }
  signals.quit_at_next();
  if (signal != 0) context.note(cat(signal == SIGTERM ? "SIGTERM" : "SIGINT", ": stopping; once more to quit at once"));
  const bool clean = service.stop();
  context.note(clean ? "stopped" : "stopped; some requests were cut off");
  return exit_code;
}

}  // namespace

void register_serve(CommandSet& commands) {
  commands.add("serve", "Serve the HTTP API (OpenAI's and the personal routes) and the page.", [](CommandSpec& spec) {
    auto& options = spec.options<ServeOptions>();
    spec.example("attune serve");
    spec.example("attune serve -m model.gguf --port 9000 -c 8192 -np 16");
    spec.example("ATTUNE_API_KEY=secret attune serve --host 0.0.0.0 --allowed-host my.machine");
    return [&options](const CommandContext& context) { return run_server(context, options); };
  });
}

}  // namespace attune::cli
