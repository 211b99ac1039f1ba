#include "serve/route.h"

#include <utility>

namespace attune::serve {
namespace {

constexpr Route kRoutes[] = {
    {"GET", "/health", false, false, "Whether the server is ready: 200 or 503.", handle_health},
    {"GET", "/metrics", true, false, "Counters in Prometheus' text form.", handle_metrics},
    {"GET", "/v1/models", true, true, "The served model.", handle_models},
    {"GET", "/v1/models/{id}", true, true, "One model.", handle_model},
    {"POST", "/v1/chat/completions", true, true, "Chat; streams with \"stream\": true.", handle_chat_completions},
    {"POST", "/v1/completions", true, true, "Continue texts.", handle_completions},
    {"POST", "/v1/embeddings", true, true, "Vectors of texts.", handle_embeddings},
    {"POST", "/tokenize", true, true, "Token ids of a text.", handle_tokenize},
    {"POST", "/detokenize", true, true, "Text of token ids.", handle_detokenize},
    {"POST", "/v1/recommend", true, true, "The best items for a user, with reasons if asked; streams with \"stream\": true.",
     handle_recommend},
    {"POST", "/v1/feedback", true, true, "Store a rating or a dismissal; durable when answered.", handle_feedback},
    {"GET", "/v1/items", true, true, "Search the catalogue: ?query=&limit=.", handle_items},
    {"GET", "/v1/items/{id}", true, true, "One item.", handle_get_item},
    {"PUT", "/v1/items/{id}", true, true, "Add or replace an item.", handle_put_item},
    {"DELETE", "/v1/items/{id}", true, true, "Remove an item.", handle_delete_item},
    {"GET", "/v1/users", true, true, "Ids of users: ?query=&limit=.", handle_users},
    {"GET", "/v1/users/{id}", true, true, "Ratings and taste of a user.", handle_get_user},
    {"DELETE", "/v1/users/{id}", true, true, "Erase a user's events and forget what was learned.", handle_delete_user},
    {"GET", "/v1/users/{id}/export", true, true, "Everything kept about a user, JSON lines.", handle_export_user},
    {"GET", "/v1/attributes", true, true, "Words that lists can be criticised with: ?user=.", handle_attributes},
    {"GET", "/v1/attributes/{name}", true, true, "One word: its senses, typical items, histogram.", handle_attribute},
    {"GET", "/v1/items/{id}/attributes", true, true, "How much an item has of each word: ?user=.", handle_item_attributes},
    {"GET", "/v1/users/{id}/attributes", true, true, "What a user wants more and less of, and said.", handle_user_attributes},
    {"POST", "/v1/critique", true, true, "More or less of a word; durable when answered.", handle_critique},
    {"DELETE", "/v1/users/{id}/critiques/{event}", true, true, "Take a critique back.", handle_undo_critique},
    {"GET", "/v1/states", true, true, "Moods that users move between, with typical items and genres.", handle_states},
    {"GET", "/v1/users/{id}/belief", true, true, "What a user is in the mood for, and how that came about: ?limit=.", handle_user_belief},
    {"GET", "/*", true, false, "The page and its assets.", handle_page},
};

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> out;
  while (!path.empty()) {
    path.remove_prefix(1);  // the slash
    const size_t end = std::min(path.find('/'), path.size());
    out.push_back(path.substr(0, end));
    path.remove_prefix(end);
  }
  return out;
}

bool match_segments(std::string_view pattern, const std::vector<std::string_view>& segments, std::vector<std::string>& params) {
  const auto parts = split(pattern);
  params.clear();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] == "*") return true;
    if (i >= segments.size()) return false;
    const auto segment = net::percent_decode(segments[i]);
    if (!segment) return false;
    if (parts[i].starts_with('{')) {
      if (segment->empty()) return false;
      params.push_back(*segment);
    } else if (*segment != parts[i]) {
      return false;
    }
  }
  return parts.size() == segments.size();
}

}  // namespace

std::span<const Route> routes() { return kRoutes; }

RouteMatch match_route(std::string_view method, std::string_view path) {
  RouteMatch out;
  if (path.empty() || path.front() != '/') return out;
  const auto segments = split(path);
  std::vector<std::string> params;
  for (const Route& route : routes()) {
    if (!match_segments(route.pattern, segments, params)) continue;
    // The catch-all is for assets: it takes GET only, and never hides that a path above it exists.
    const bool is_rest = route.pattern.ends_with('*');
    if (route.method == method || (route.method == "GET" && method == "HEAD")) {
      if (is_rest && !out.allow.empty()) return out;
      out.route = &route;
      out.params = params;
      return out;
    }
    if (!is_rest) out.allow += (out.allow.empty() ? "" : ", ") + std::string(route.method);
  }
  return out;
}

void Call::send_json(int status, std::string body) { send({status, {{"Content-Type", "application/json"}}, std::move(body)}); }

void Call::send(const net::Response& response) {
  // A client that left and is told so by nobody is not the server's failure: counted as 499, as web servers do.
  status_ = response.status == 503 && responder_.gone() ? 499 : response.status;
  count();
  responder_.send(response);
}

// A stream is complete when its handler has returned: the destructor counts it.
void Call::count() {
  if (std::exchange(counted_, true)) return;
  api.metrics().request_done(pattern, status_, std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count());
}

bool Call::start_events() {
  status_ = 200;
  return responder_.start_stream(
      200, {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-store"}, {"X-Accel-Buffering", "no"}});
}

bool Call::event(std::string_view data) { return responder_.write_chunk(cat("data: ", data, "\n\n")); }

}  // namespace attune::serve
