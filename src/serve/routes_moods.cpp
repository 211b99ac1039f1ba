// What people are in the mood for: states, and a user's belief.
#include <charconv>

#include "serve/people_routes_internal.h"

namespace attune::serve {
namespace {

constexpr int kMaxSteps = 1000;

/// The service with moods; 409 with the command that learns them otherwise.
assist::RecommendService& with_moods(Call& call) {
  assist::RecommendService& service = people(call);
  need_moods(service);
  return service;
}

OrderedJson mood_json(const assist::Mood& mood) {
  OrderedJson items = OrderedJson::array();
  for (const auto& i : mood.items) items.push_back({{"item", i.item}, {"title", i.title}, {"mean", i.mean}, {"lift", i.lift}});
  OrderedJson genres = OrderedJson::array();
  for (const auto& [genre, lift] : mood.genres) genres.push_back({{"genre", genre}, {"lift", lift}});
  return {{"state", mood.state},     {"name", mood.name},         {"share", mood.share},
          {"users", mood.num_users}, {"items", std::move(items)}, {"genres", std::move(genres)}};
}

OrderedJson step_json(const assist::MoodStep& step, int64_t number) {
  return {{"step", number},
          {"event", step.event_id.empty() ? OrderedJson(nullptr) : OrderedJson(step.event_id)},
          {"kind", step.kind},
          {"item", step.item},
          {"title", step.title},
          {"value", step.value ? OrderedJson(*step.value) : OrderedJson(nullptr)},
          {"at", step.time_ms > 0 ? OrderedJson(step.time_ms / 1000) : OrderedJson(nullptr)},
          {"reward", step.reward},
          {"rounds", step.rounds},
          {"log_evidence", step.log_evidence},
          {"belief", step.belief}};
}

/// "limit" of a query: 0 to 1,000.
int steps_limit(const net::Request& request) {
  const std::string* text = request.query_value("limit");
  if (text == nullptr || text->empty()) return 100;
  int value = -1;
  const auto parsed = std::from_chars(text->data(), text->data() + text->size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text->data() + text->size() || value < 0 || value > kMaxSteps) {
    throw ApiError(400, cat("'limit' must be 0 to ", kMaxSteps, ", found ", text->substr(0, 32)), "limit", "invalid_value");
  }
  return value;
}

OrderedJson change_json(const assist::UserMood& mood) {
  if (!mood.last_change) return nullptr;
  return {{"step", *mood.last_change},
          {"from", mood.changed_from},
          {"to", mood.changed_to},
          {"steps_since", mood.num_steps - 1 - *mood.last_change}};
}

}  // namespace

void need_moods(const assist::RecommendService& service) {
  if (const std::string problem = service.moods_problem(); !problem.empty()) throw ApiError(409, problem, "", "moods_not_learned");
}

OrderedJson decision_json(const assist::ListDecision& decision) {
  return {{"event", decision.event_id.empty() ? OrderedJson(nullptr) : OrderedJson(decision.event_id)},
          {"model", decision.model},
          {"seed", decision.seed},
          {"propensity", decision.propensity ? OrderedJson(*decision.propensity) : OrderedJson(nullptr)},
          {"exact", decision.exact},
          {"lists", decision.num_lists},
          {"belief", decision.belief}};
}

void handle_states(Call& call) {
  const auto list = with_moods(call).moods();
  OrderedJson data = OrderedJson::array();
  for (const auto& mood : list.moods) data.push_back(mood_json(mood));
  call.send_json(200, dump_json({{"object", "list"},
                                 {"model", list.model},
                                 {"recommender", list.recommender},
                                 {"rho", list.rho},
                                 {"round_hours", list.round_hours},
                                 {"noise_sd", list.noise_sd},
                                 {"data", std::move(data)}}));
}

void handle_user_belief(Call& call) {
  assist::RecommendService& service = with_moods(call);
  const std::string& id = path_id(call);
  const int limit = steps_limit(call.request);
  const auto mood = finding("user", [&] { return service.user_mood(id, limit); });
  OrderedJson states = OrderedJson::array();
  for (const auto& one : service.moods().moods) {
    OrderedJson state = mood_json(one);
    state["probability"] = mood.belief[static_cast<size_t>(one.state)];
    states.push_back(std::move(state));
  }
  OrderedJson trajectory = OrderedJson::array();
  const int64_t first = mood.num_steps - static_cast<int64_t>(mood.steps.size());
  for (size_t n = 0; n < mood.steps.size(); ++n) trajectory.push_back(step_json(mood.steps[n], first + static_cast<int64_t>(n)));
  call.send_json(200, dump_json({{"user", mood.user},
                                 {"model", mood.model},
                                 {"states", std::move(states)},
                                 {"entropy", mood.entropy},
                                 {"steps", mood.num_steps},
                                 {"rounds_since", mood.rounds_since},
                                 {"last_change", change_json(mood)},
                                 {"misfit", {{"rounds", mood.misfit.num_rounds}, {"z", mood.misfit.z}, {"alarms", mood.misfit.num_alarms}}},
                                 {"impossible", mood.num_impossible},
                                 {"trajectory", std::move(trajectory)}}));
}

}  // namespace attune::serve
