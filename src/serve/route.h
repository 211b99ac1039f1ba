// The route table: data that the dispatcher, the documentation and the generated tests walk.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "net/server.h"
#include "serve/api.h"
#include "serve/text_engine.h"

namespace attune::serve {

/// One request being handled. Counts itself in the metrics just before its answer is complete: whoever has the answer finds it counted.
class Call {
 public:
  Call(Api& owner, const net::Request& given, net::Responder& out) : api(owner), request(given), responder_(out) {}
  ~Call() { count(); }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  Api& api;
  const net::Request& request;
  std::vector<std::string> params;  ///< decoded values of the pattern's {names}, in order
  std::shared_ptr<const App> app;  ///< set for routes that need it
  std::string_view pattern = "none";  ///< of the route, for the metrics

  /// A JSON answer.
  void send_json(int status, std::string body);
  void send(const net::Response& response);
  /// Begins server-sent events. False if the client is gone.
  bool start_events();
  /// One event. False if the client is gone.
  bool event(std::string_view data);
  bool started() const { return responder_.started(); }

 private:
  void count();

  net::Responder& responder_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  int status_ = 0;
  bool counted_ = false;
};

struct Route {
  std::string_view method;  ///< GET also answers HEAD
  std::string_view pattern;  ///< "/v1/items/{id}"; a last "*" takes any rest
  bool needs_key;  ///< asked for once a key is set
  bool needs_ready;  ///< 503 while loading
  std::string_view help;
  void (*handler)(Call& call);
};

/// All routes, in the order they are tried.
std::span<const Route> routes();

struct RouteMatch {
  const Route* route = nullptr;
  std::vector<std::string> params;
  std::string allow;  ///< if only the method is wrong: the methods of this path, "GET, PUT"
};
/// Finds the route of a path. A segment with a malformed escape matches nothing.
RouteMatch match_route(std::string_view method, std::string_view path);

/// What a request's `model` means.
struct ModelChoice {
  std::string id;  ///< as /v1/models lists it
  lm::WeightsId weights;
};
/// Accepts the served name, no name, "default", "attune", and a leading part of the name ("gemma-3-270m"); an adapter's name alone, or behind one
/// of these and a colon ("gemma-3-270m:tone"). Throws ApiError 404 otherwise.
ModelChoice choose_model(const std::string& asked, const EngineInfo& info);
/// Ids of the model and of its adapters.
std::vector<ModelChoice> served_models(const EngineInfo& info);

/// Fills the gauges that come from the recommender, if there is one.
void add_people_gauges(const App& app, Gauges& gauges);

// Handlers, by file.
void handle_health(Call& call);
void handle_metrics(Call& call);
void handle_models(Call& call);
void handle_model(Call& call);
void handle_tokenize(Call& call);
void handle_detokenize(Call& call);
void handle_chat_completions(Call& call);
void handle_completions(Call& call);
void handle_embeddings(Call& call);
void handle_recommend(Call& call);
void handle_feedback(Call& call);
void handle_items(Call& call);
void handle_get_item(Call& call);
void handle_put_item(Call& call);
void handle_delete_item(Call& call);
void handle_users(Call& call);
void handle_get_user(Call& call);
void handle_delete_user(Call& call);
void handle_export_user(Call& call);
void handle_attributes(Call& call);
void handle_attribute(Call& call);
void handle_item_attributes(Call& call);
void handle_user_attributes(Call& call);
void handle_critique(Call& call);
void handle_undo_critique(Call& call);
void handle_states(Call& call);
void handle_user_belief(Call& call);
void handle_page(Call& call);

}  // namespace attune::serve
