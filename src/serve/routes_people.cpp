// Recommendations, feedback, the catalogue, users.
#include <charconv>

#include "assist/recommend.h"
#include "serve/api_error.h"
#include "serve/json.h"
#include "serve/people_routes_internal.h"
#include "serve/route.h"

namespace attune::serve {

assist::RecommendService& people(Call& call) {
  if (call.app->people == nullptr) {
    throw ApiError(404, "this server has no recommender; start it with --recommender FOLDER", "", "no_recommender");
  }
  return *call.app->people;
}

const std::string& path_id(Call& call) {
  if (call.params[0].size() > kMaxIdBytes) throw ApiError(400, cat("an id has at most ", kMaxIdBytes, " bytes"), "id", "invalid_value");
  return call.params[0];
}

namespace {

OrderedJson optional_text(const std::optional<std::string>& text) { return text ? OrderedJson(*text) : OrderedJson(nullptr); }
OrderedJson optional_year(const std::optional<int>& year) { return year ? OrderedJson(*year) : OrderedJson(nullptr); }
OrderedJson source_json(assist::BecauseSource source) {
  const auto name = assist::because_source_name(source);
  return name.empty() ? OrderedJson(nullptr) : OrderedJson(name);
}

}  // namespace

OrderedJson item_json(const assist::RecommendedItem& item) {
  return {{"item", item.item},
          {"title", item.title},
          {"year", optional_year(item.year)},
          {"genres", item.genres},
          {"score", item.score},
          {"because", optional_text(item.because)},
          {"because_source", source_json(item.because_source)}};
}

OrderedJson share_json(const assist::BecauseShare& share) { return {{"model", share.model}, {"template", share.from_template}}; }

namespace {

constexpr int kMaxListed = 1000;

OrderedJson items_json(const std::vector<assist::RecommendedItem>& items) {
  OrderedJson out = OrderedJson::array();
  for (const auto& item : items) out.push_back(item_json(item));
  return out;
}

OrderedJson entry_json(const assist::CatalogueEntry& entry) {
  OrderedJson out = {
      {"item", entry.id},       {"title", entry.title},     {"catalogue_title", entry.catalogue_title}, {"year", optional_year(entry.year)},
      {"genres", entry.genres}, {"learned", entry.learned}, {"overridden", entry.overridden},           {"popularity", entry.popularity}};
  if (!entry.extra.empty()) out["extra"] = entry.extra;
  return out;
}

/// "limit" of a query: 1 to 1,000.
int query_limit(const net::Request& request, int fallback) {
  const std::string* text = request.query_value("limit");
  if (text == nullptr || text->empty()) return fallback;
  int value = 0;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text->data() + text->size() || value < 1 || value > kMaxListed) {
    throw ApiError(400, cat("'limit' must be 1 to ", kMaxListed, ", found ", text->substr(0, 32)), "limit", "invalid_value");
  }
  return value;
}

std::string query_text(const net::Request& request) {
  const std::string* text = request.query_value("query");
  if (text == nullptr) return {};
  if (text->size() > kMaxIdBytes) throw ApiError(400, cat("'query' must have at most ", kMaxIdBytes, " bytes"), "query", "invalid_value");
  return *text;
}

struct RecommendFields {
  int32_t k = 10;
  bool because = false;
  bool stream = false;
  bool exclude_seen = true;
  uint64_t seed = 0;
  std::string policy = "vector";

  void describe(OptionList& list) {
    list.add("policy", policy, "How the list is chosen: by the user's own vector, or by what the user is believed to be in the mood for.")
        .choices({"vector", "greedy", "latent_ts", "latent_ids", "latent_ucb", "latent_mmts"});
    list.add("k", k, "Items to recommend.").range(1, kMaxListed);
    list.add("because", because, "Say why, in a sentence each; at most 50 items then.");
    list.add("stream", stream, "Send items and reasons as they come.");
    list.add("exclude_seen", exclude_seen, "Leave out what the user rated.");
    list.add("seed", seed, "Of the written reasons and of the choice of a latent policy.").range(0, 9007199254740991.0);
  }
};

/// Adds how the list was chosen.
void add_decision(OrderedJson& answer, const assist::RecommendReply& reply) {
  answer["policy"] = reply.policy;
  if (reply.decision) answer["decision"] = decision_json(*reply.decision);
}

/// The list first, then the reasons while they are written.
void stream_recommendation(Call& call, assist::RecommendService& service, const assist::RecommendCall& asked) {
  assist::RecommendCallbacks callbacks;
  bool alive = true;
  const auto send = [&](const OrderedJson& event) { alive = alive && call.event(dump_json(event)); };
  callbacks.on_items = [&](const assist::RecommendReply& reply) {
    alive = call.start_events();
    OrderedJson event = {{"type", "items"}, {"user", reply.user}, {"model", reply.model}, {"items", items_json(reply.items)}};
    add_decision(event, reply);
    send(event);
  };
  callbacks.on_delta = [&](std::string_view item, std::string_view text) {
    send({{"type", "because_delta"}, {"item", item}, {"text", text}});
  };
  callbacks.on_because = [&](std::string_view item, std::string_view because, assist::BecauseSource source) {
    send({{"type", "because"}, {"item", item}, {"because", because}, {"because_source", source_json(source)}});
  };
  const auto reply = finding("user", [&] { return storing([&] { return service.recommend(asked, callbacks, call.request.stop); }); });
  send({{"type", "done"}, {"because_share", share_json(reply.because_share)}});
  if (alive) call.event("[DONE]");
}

}  // namespace

void add_people_gauges(const App& app, Gauges& gauges) {
  if (app.people == nullptr) return;
  const assist::BecauseShare share = app.people->because_totals();
  gauges.because_model = share.model;
  gauges.because_template = share.from_template;
}

void handle_recommend(Call& call) {
  assist::RecommendService& service = people(call);
  const Json body = parse_json_object(call.request.body);
  RecommendFields fields;
  OptionList list;
  fields.describe(list);
  read_fields(body, list);
  assist::RecommendCall asked;
  asked.user = require_text(body, "user", kMaxIdBytes);
  asked.k = fields.k;
  asked.because = fields.because;
  asked.exclude_seen = fields.exclude_seen;
  asked.seed = fields.seed;
  asked.policy = fields.policy;
  if (list.get("seed").was_set()) asked.draw_seed = fields.seed;
  if (fields.policy != "vector") need_moods(service);
  if (fields.stream) return stream_recommendation(call, service, asked);
  const auto reply = finding("user", [&] { return storing([&] { return service.recommend(asked, {}, call.request.stop); }); });
  OrderedJson answer = {
      {"user", reply.user}, {"model", reply.model}, {"items", items_json(reply.items)}, {"because_share", share_json(reply.because_share)}};
  add_decision(answer, reply);
  call.send_json(200, dump_json(answer));
}

void handle_feedback(Call& call) {
  assist::RecommendService& service = people(call);
  const Json body = parse_json_object(call.request.body);
  assist::Feedback event;
  event.user = require_text(body, "user", kMaxIdBytes);
  event.item = require_text(body, "item", kMaxIdBytes);
  event.kind = require_text(body, "kind", 32);
  if (event.kind != "rating" && event.kind != "dismiss") {
    throw ApiError(400, "'kind' must be 'rating' or 'dismiss'", "kind", "invalid_value");
  }
  if (find_member(body, "event_id") != nullptr) event.event_id = require_text(body, "event_id", kMaxIdBytes);
  if (event.kind == "rating") {
    double value = 0;
    OptionList list;
    list.add("value", value, "Stars.").range(1, 5);
    read_fields(body, list);
    if (!list.options()[0]->was_set()) throw ApiError(400, "'value' is required for a rating", "value", "missing_required_parameter");
    event.value = value;
  } else if (find_member(body, "value") != nullptr) {
    throw ApiError(400, "'value' belongs to ratings only", "value", "invalid_value");
  }
  bool belief = false;
  OptionList extra;
  extra.add("belief", belief, "Answer with the belief before and after.");
  read_fields(body, extra);
  std::vector<double> before;
  if (belief) {
    need_moods(service);
    before = service.belief(event.user);
  }
  const auto reply = finding("item", [&] { return storing([&] { return service.feedback(event); }); });
  if (!reply.duplicate) call.api.metrics().feedback(event.kind);
  OrderedJson answer = {{"event_id", reply.event_id}, {"stored", true}, {"duplicate", reply.duplicate}};
  if (belief) answer["belief"] = {{"before", before}, {"after", service.belief(event.user)}};
  call.send_json(200, dump_json(answer));
}

void handle_items(Call& call) {
  const auto found = people(call).search_items(query_text(call.request), query_limit(call.request, 20));
  OrderedJson items = OrderedJson::array();
  for (const auto& entry : found) items.push_back(entry_json(entry));
  const OrderedJson answer = {{"items", std::move(items)}, {"total", people(call).num_items()}};
  call.send_json(200, dump_json(answer));
}

void handle_get_item(Call& call) {
  const auto found = people(call).item(path_id(call));
  if (!found) throw ApiError(404, "no such item", "id", "item_not_found");
  call.send_json(200, dump_json(entry_json(*found)));
}

void handle_put_item(Call& call) {
  assist::RecommendService& service = people(call);
  const Json body = parse_json_object(call.request.body);
  assist::CatalogueEntry entry;
  entry.id = path_id(call);
  int32_t year = 0;
  OptionList list;
  list.add("title", entry.title, "Title.");
  list.add("year", year, "Year of release.").range(1870, 2100);
  list.add("genres", entry.genres, "Genres.");
  read_fields(body, list);
  if (entry.title.empty()) throw ApiError(400, "'title' is required", "title", "missing_required_parameter");
  entry.catalogue_title = entry.title;
  if (year != 0) entry.year = year;
  for (const auto& [key, value] : body.items()) {  // further texts and numbers are kept as they are
    if (key == "title" || key == "year" || key == "genres") continue;
    if (value.is_string()) {
      entry.extra[key] = value.get<std::string>();
    } else if (value.is_number() || value.is_boolean()) {
      entry.extra[key] = value.dump();
    }
  }
  const bool is_new = storing([&] { return service.put_item(entry); });
  const auto stored = service.item(entry.id);
  OrderedJson answer = entry_json(stored ? *stored : entry);
  answer["created"] = is_new;
  call.send_json(200, dump_json(answer));
}

void handle_delete_item(Call& call) {
  const bool found = storing([&] { return people(call).delete_item(path_id(call)); });
  if (!found) throw ApiError(404, "no such item", "id", "item_not_found");
  call.send_json(200, dump_json({{"item", path_id(call)}, {"deleted", true}}));
}

void handle_users(Call& call) {
  const OrderedJson answer = {{"users", people(call).users(query_text(call.request), query_limit(call.request, 20))}};
  call.send_json(200, dump_json(answer));
}

void handle_get_user(Call& call) {
  const auto profile = finding("user", [&] { return people(call).profile(path_id(call)); });
  OrderedJson ratings = OrderedJson::array();
  for (const auto& rating : profile.ratings) {
    // Unix seconds; null where the data that was learned from had no time.
    ratings.push_back({{"item", rating.item},
                       {"title", rating.title},
                       {"value", rating.value},
                       {"time", rating.time_ms > 0 ? OrderedJson(rating.time_ms / 1000) : OrderedJson(nullptr)}});
  }
  const OrderedJson answer = {{"user", profile.user},
                              {"num_ratings", profile.num_ratings},
                              {"ratings", std::move(ratings)},
                              {"taste", {{"likes", profile.likes}, {"dislikes", profile.dislikes}, {"favourites", profile.favourites}}}};
  call.send_json(200, dump_json(answer));
}

void handle_delete_user(Call& call) {
  const bool found = storing([&] { return people(call).erase_user(path_id(call)); });
  if (!found) throw ApiError(404, "no such user", "id", "user_not_found");
  call.send_json(200, dump_json({{"user", path_id(call)}, {"erased", true}}));
}

void handle_export_user(Call& call) {
  call.send({200, {{"Content-Type", "application/x-ndjson"}, {"Cache-Control", "no-store"}}, finding("user", [&] {
               return people(call).export_user(path_id(call));
             })});
}

}  // namespace attune::serve
