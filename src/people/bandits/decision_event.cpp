#include "people/bandits/decision_event.h"

#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "people/bandits/bandit_log.h"
#include "people/bandits/user_mood.h"

namespace attune::people {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostLists = 1025;  // a list a state, and the mean's
constexpr size_t kMostItems = 1000;

template <class... Parts>
void need(bool ok, const Parts&... parts) {
  check(ok, ErrorCode::kCorruptData, "[decision] ", parts...);
}
const Json& member(const Json& json, const char* key) {
  const auto found = json.find(key);
  need(found != json.end(), key, " is missing");
  return *found;
}
std::string text(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_string(), key, ": expected a text");
  return value.get<std::string>();
}
int64_t count(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_number_integer() && value.get<double>() >= 0 && value.get<double>() <= 9007199254740991.0, key, ": expected a count");
  return value.get<int64_t>();
}
std::vector<double> probabilities(const Json& json, const char* key) {
  const Json& value = member(json, key);
  need(value.is_array() && value.size() <= kMostLists, key, ": expected a list");
  std::vector<double> out;
  for (const Json& x : value) {
    need(x.is_number() && x.get<double>() >= 0 && x.get<double>() <= 1 + 1e-9, key, ": expected probabilities");
    out.push_back(x.get<double>());
  }
  return out;
}

/// A decision of one user with the rewards that its items got.
struct Open {
  DecisionEvent decision;
  double time_s = 0;
  std::vector<double> rewards;
};

/// Mean features [n, d] of the lists; nullopt if one has no item with factors.
std::optional<std::vector<double>> features_of(const DecisionEvent& decision, const Recommender& recommender,
                                               const RecommenderBandit& bandit) {
  const auto d = static_cast<size_t>(bandit.model().d);
  std::vector<double> out;
  for (const auto& list : decision.lists) {
    std::vector<double> sum(d, 0.0);
    double found = 0;
    for (const auto& id : list) {
      const auto item = recommender.items().find(id);
      if (!item || recommender.popularity(*item) == 0) continue;
      const auto x = bandit.features(*item);
      for (size_t a = 0; a < d; ++a) sum[a] += x[a];
      ++found;
    }
    if (found == 0) return std::nullopt;
    for (const double x : sum) out.push_back(x / found);
  }
  return out;
}

/// Decisions of a user, feedback joined to the latest list that showed the item.
std::vector<Open> decisions_of(const Recommender& recommender, const RecommenderBandit& bandit, std::optional<UserIndex> learned,
                               std::span<const store::Event> events, int64_t& num_skipped) {
  std::map<std::string, double> reward;  // of the events that count
  for (const MoodRound& round : mood_rounds(recommender, bandit, learned, events)) {
    if (!round.event_id.empty()) reward[round.event_id] = round.reward;
  }
  std::vector<Open> out;
  std::map<std::string, size_t> shown_by;
  for (const auto& event : events) {
    if (event.kind == store::kDecision) {
      try {
        Open open{parse_decision_event(event.payload), static_cast<double>(event.time_ms) / 1000, {}};
        if (open.decision.model == bandit.version()) {
          for (const auto& item : open.decision.items()) shown_by[item] = out.size();
          out.push_back(std::move(open));
          continue;
        }
      } catch (const Error&) {
      }
      ++num_skipped;
    } else if (const auto found = reward.find(event.event_id); found != reward.end()) {
      if (const auto by = shown_by.find(event.item); by != shown_by.end()) out[by->second].rewards.push_back(found->second);
    }
  }
  return out;
}

}  // namespace

std::string decision_event_json(const DecisionEvent& event) {
  const Json out = {{"policy", event.policy},
                    {"model", event.model},
                    {"recommender", event.recommender},
                    {"seed", event.seed},
                    {"candidates", event.num_candidates},
                    {"items", event.items()},
                    {"propensity", event.propensity()},
                    {"exact", event.exact},
                    {"belief", event.belief},
                    {"lists", event.lists},
                    {"probability", event.probability},
                    {"shown", event.shown}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

DecisionEvent parse_decision_event(std::string_view payload) {
  const Json json = Json::parse(payload, nullptr, false);
  need(json.is_object(), "expected a JSON object");
  DecisionEvent out;
  out.policy = text(json, "policy");
  out.model = text(json, "model");
  out.recommender = text(json, "recommender");
  out.seed = static_cast<uint64_t>(count(json, "seed"));
  out.num_candidates = count(json, "candidates");
  out.belief = probabilities(json, "belief");
  out.probability = probabilities(json, "probability");
  const Json& exact = member(json, "exact");
  need(exact.is_boolean(), "exact: expected true or false");
  out.exact = exact.get<bool>();
  const Json& lists = member(json, "lists");
  need(lists.is_array() && lists.size() == out.probability.size(), "lists: expected one a probability");
  for (const Json& list : lists) {
    need(list.is_array() && list.size() <= kMostItems, "lists: expected lists of at most ", kMostItems, " items");
    auto& to = out.lists.emplace_back();
    for (const Json& id : list) {
      need(id.is_string(), "lists: expected ids");
      to.push_back(id.get<std::string>());
    }
  }
  const int64_t shown = count(json, "shown");
  need(shown < static_cast<int64_t>(out.lists.size()), "shown: expected below ", out.lists.size(), ", found ", shown);
  out.shown = static_cast<int32_t>(shown);
  return out;
}

DecisionExport export_decisions(const Recommender& recommender, const RecommenderBandit& bandit, const store::EventStore& store) {
  std::map<std::string, std::vector<store::Event>> users;
  store.for_each_event(0, [&](const store::Event& event) {
    users[event.user].push_back(event);
    return true;
  });
  DecisionExport out;
  for (const auto& [user, events] : users) {
    const auto learned = store.is_erased(user) ? std::nullopt : recommender.users().find(user);
    for (const Open& open : decisions_of(recommender, bandit, learned, events, out.num_skipped)) {
      const auto features = features_of(open.decision, recommender, bandit);
      if (!features) {
        ++out.num_skipped;
        continue;
      }
      Round round;
      round.num_actions = static_cast<int32_t>(open.decision.lists.size());
      round.features = *features;
      Choice choice{open.decision.shown, std::numeric_limits<double>::quiet_NaN()};
      if (open.decision.exact && open.decision.propensity() > 0) choice.propensity = std::min(1.0, open.decision.propensity());
      std::optional<double> reward;
      if (!open.rewards.empty()) {
        double sum = 0;
        for (const double r : open.rewards) sum += r;
        reward = sum / static_cast<double>(open.rewards.size());
        ++out.num_rewards;
      }
      out.text += bandit_log_line(user, open.time_s, round, choice, reward, open.decision.policy, open.decision.model);
      ++out.num_decisions;
    }
  }
  return out;
}

}  // namespace attune::people
