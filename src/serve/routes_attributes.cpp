// What people mean by their words: attributes, spectra, tastes, critiques.
#include "serve/people_routes_internal.h"

namespace attune::serve {
namespace {

constexpr int kMaxLimit = 1000;

/// The service with attributes; 409 with the command that learns them otherwise.
assist::RecommendService& learned(Call& call) {
  assist::RecommendService& service = people(call);
  if (const std::string problem = service.attributes_problem(); !problem.empty()) {
    throw ApiError(409, problem, "", "attributes_not_learned");
  }
  return service;
}

/// Runs `body`; what it does not find is a user, an item (its message begins so), or else the attribute, whose field is `attribute_param`.
template <class Body>
decltype(auto) finding_any(const std::string& attribute_param, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kNotFound) throw;
    const std::string& text = error.message();
    if (text.starts_with("[user]")) throw ApiError(404, error.what(), "user", "user_not_found");
    if (text.starts_with("[item]")) throw ApiError(404, error.what(), "item", "item_not_found");
    throw ApiError(404, error.what(), attribute_param, "attribute_not_found");
  }
}

OrderedJson number_json(const std::optional<double>& value) { return value ? OrderedJson(*value) : OrderedJson(nullptr); }

OrderedJson degrees_json(const std::vector<assist::ItemDegree>& items) {
  OrderedJson out = OrderedJson::array();
  for (const auto& item : items) out.push_back({{"item", item.item}, {"title", item.title}, {"degree", item.degree}});
  return out;
}

OrderedJson attribute_json(const assist::AttributeInfo& info) {
  OrderedJson senses = OrderedJson::array();
  for (const auto& sense : info.senses) {
    OrderedJson entry = {{"name", sense.name},
                         {"share", sense.share},
                         {"users", sense.num_users},
                         {"high", degrees_json(sense.high)},
                         {"low", degrees_json(sense.low)}};
    if (sense.histogram) entry["histogram"] = {{"edges", sense.histogram->edges}, {"counts", sense.histogram->counts}};
    senses.push_back(std::move(entry));
  }
  OrderedJson out = {{"name", info.name},
                     {"kind", info.kind},
                     {"source", info.source},
                     {"users", info.num_users},
                     {"examples", info.num_examples},
                     {"accuracy", number_json(info.accuracy)},
                     {"auc", number_json(info.auc)},
                     {"senses", std::move(senses)}};
  if (!info.own_sense.empty()) out["own_sense"] = info.own_sense;
  return out;
}

OrderedJson list_json(const assist::CritiqueList& list) {
  OrderedJson items = OrderedJson::array();
  for (const auto& entry : list.items) {
    OrderedJson item = item_json(entry.item);
    item["degree"] = number_json(entry.degree);
    items.push_back(std::move(item));
  }
  return {{"mean_degree", number_json(list.mean_degree)}, {"items", std::move(items)}};
}

const char* direction_name(bool more) { return more ? "more" : "less"; }

/// "user" of a query: empty if absent.
std::string query_user(const net::Request& request) {
  const std::string* user = request.query_value("user");
  if (user == nullptr) return {};
  if (user->size() > kMaxIdBytes) throw ApiError(400, cat("'user' must have at most ", kMaxIdBytes, " bytes"), "user", "invalid_value");
  return *user;
}

/// A member of fixed choices; empty if absent.
std::string choice(const Json& body, const char* name, std::initializer_list<std::string_view> choices, const char* expected) {
  const Json* value = find_member(body, name);
  if (value == nullptr) return {};
  for (const auto known : choices) {
    if (value->is_string() && value->get_ref<const std::string&>() == known) return std::string(known);
  }
  throw ApiError(400, cat("'", name, "' must be ", expected), name, "invalid_value");
}

assist::CritiqueCall read_critique(const Json& body) {
  assist::CritiqueCall out;
  out.user = require_text(body, "user", kMaxIdBytes);
  out.attribute = require_text(body, "attribute", kMaxIdBytes);
  const std::string direction = choice(body, "direction", {"more", "less"}, "'more' or 'less'");
  if (direction.empty()) throw ApiError(400, "'direction' is required: 'more' or 'less'", "direction", "missing_required_parameter");
  out.more = direction == "more";
  out.update = choice(body, "update", {"heuristic", "bayesian", "pairwise"}, "'heuristic', 'bayesian' or 'pairwise'");
  if (find_member(body, "item") != nullptr) out.item = require_text(body, "item", kMaxIdBytes);
  if (find_member(body, "event_id") != nullptr) out.event_id = require_text(body, "event_id", kMaxIdBytes);
  int32_t limit = 10;
  OptionList list;
  list.add("limit", limit, "Length of the lists; at most 50 with reasons.").range(1, kMaxLimit);
  list.add("explain", out.because, "Say why for the list after, in a sentence each.");
  list.add("seed", out.seed, "Of the written reasons.").range(0, 9007199254740991.0);
  read_fields(body, list);
  out.k = limit;
  return out;
}

}  // namespace

void handle_attributes(Call& call) {
  const auto list = finding_any("user", [&] { return learned(call).attributes(query_user(call.request)); });
  OrderedJson data = OrderedJson::array();
  for (const auto& info : list.attributes) data.push_back(attribute_json(info));
  OrderedJson skipped = OrderedJson::array();
  for (const auto& [name, reason] : list.skipped) skipped.push_back({{"name", name}, {"reason", reason}});
  const OrderedJson answer = {{"object", "list"},        {"model", list.model},           {"space", list.space},
                              {"data", std::move(data)}, {"skipped", std::move(skipped)}, {"num_skipped", list.num_skipped}};
  call.send_json(200, dump_json(answer));
}

void handle_attribute(Call& call) {
  const std::string& name = path_id(call);
  call.send_json(200, dump_json(attribute_json(finding_any("name", [&] { return learned(call).attribute(name); }))));
}

void handle_item_attributes(Call& call) {
  const std::string& id = path_id(call);
  const auto found = finding_any("attribute", [&] { return learned(call).item_attributes(id, query_user(call.request)); });
  OrderedJson attributes = OrderedJson::array();
  for (const auto& a : found.attributes) {
    attributes.push_back({{"name", a.name}, {"degree", a.degree}, {"sense", a.sense}, {"percentile", a.percentile}});
  }
  call.send_json(200, dump_json({{"item", found.item}, {"title", found.title}, {"attributes", std::move(attributes)}}));
}

void handle_user_attributes(Call& call) {
  const std::string& id = path_id(call);
  const auto found = finding_any("attribute", [&] { return learned(call).user_attributes(id); });
  OrderedJson attributes = OrderedJson::array();
  for (const auto& a : found.attributes) {
    attributes.push_back(
        {{"name", a.name}, {"sense", a.sense}, {"taste", a.taste}, {"low", number_json(a.low)}, {"high", number_json(a.high)}});
  }
  OrderedJson critiques = OrderedJson::array();
  for (const auto& c : found.critiques) {
    critiques.push_back({{"event", c.event_id},
                         {"attribute", c.attribute},
                         {"direction", direction_name(c.more)},
                         {"update", c.update},
                         {"at", c.time_ms / 1000}});
  }
  call.send_json(200, dump_json({{"user", found.user}, {"attributes", std::move(attributes)}, {"critiques", std::move(critiques)}}));
}

void handle_critique(Call& call) {
  assist::RecommendService& service = learned(call);
  const auto asked = read_critique(parse_json_object(call.request.body));
  const auto reply = finding_any("attribute", [&] { return storing([&] { return service.critique(asked, call.request.stop); }); });
  if (!reply.duplicate) call.api.metrics().feedback("critique");
  OrderedJson trajectory = OrderedJson::array();
  for (const auto& step : reply.trajectory) {
    trajectory.push_back({{"step", step.step},
                          {"mean_degree", number_json(step.mean_degree)},
                          {"direction", step.more ? OrderedJson(direction_name(*step.more)) : OrderedJson(nullptr)},
                          {"attribute", reply.attribute}});
  }
  const OrderedJson answer = {{"user", reply.user},
                              {"attribute", reply.attribute},
                              {"sense", reply.sense},
                              {"direction", direction_name(reply.more)},
                              {"update", reply.update},
                              {"event", reply.event_id},
                              {"duplicate", reply.duplicate},
                              {"before", list_json(reply.before)},
                              {"after", list_json(reply.after)},
                              {"trajectory", std::move(trajectory)},
                              {"because_share", share_json(reply.because_share)}};
  call.send_json(200, dump_json(answer));
}

void handle_undo_critique(Call& call) {
  assist::RecommendService& service = people(call);
  const std::string user = path_id(call);
  if (call.params[1].size() > kMaxIdBytes) throw ApiError(400, cat("an id has at most ", kMaxIdBytes, " bytes"), "id", "invalid_value");
  const auto reply = finding("critique", [&] { return storing([&] { return service.undo_critique(user, call.params[1]); }); });
  if (!reply.duplicate) call.api.metrics().feedback("undo");
  call.send_json(200, dump_json({{"user", user}, {"event", reply.event_id}, {"undone", true}, {"duplicate", reply.duplicate}}));
}

}  // namespace attune::serve
