// The routes of moods and latent policies over a recommender with planted groups.
#include <cmath>
#include <filesystem>
#include <map>

#include "assist/recommend.h"
#include "people/bandits/bandit_log.h"
#include "people/bandits/decision_event.h"
#include "people/bandits/user_mood.h"
#include "store/sqlite_store.h"
#include "tests/people/bandits/planted_moods.h"
#include "tests/serve/served_api.h"
#include "tests/temp_folder.h"

namespace attune::serve {
namespace {

using test::fixed;
using test::Json;
using test::ServedApi;

std::shared_ptr<const people::Recommender> planted() {
  static const auto out = people::planted_recommender();
  return out;
}
std::shared_ptr<const people::RecommenderBandit> bandit() {
  static const auto out = people::planted_bandit(*planted());
  return out;
}

class Moods : public ::testing::Test {
 protected:
  Moods() : served_(fixed({"a"})) { open(); }
  void open(bool with_moods = true) {
    served_.people.reset();
    store_.reset();
    store_ = store::open_sqlite_store(temp_.path() / "events.db");
    served_.people = std::make_shared<assist::RecommendService>(planted(), store_, nullptr, nullptr, with_moods ? bandit() : nullptr);
    served_.ready();
  }
  Json get(const std::string& path, int status = 200) {
    const auto response = served_.client().get(path);
    EXPECT_EQ(response.status, status) << path << ": " << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  Json rate(const std::string& user, int item, double value, Json more = Json::object()) {
    Json body = {{"user", user}, {"item", cat("i", item)}, {"kind", "rating"}, {"value", value}};
    body.update(more);
    return served_.post("/v1/feedback", body);
  }
  Json recommend(const std::string& user, const std::string& policy, Json more = Json::object()) {
    Json body = {{"user", user}, {"policy", policy}, {"k", 5}};
    body.update(more);
    return served_.post("/v1/recommend", body);
  }
  static int group_of(const Json& item) { return std::stoi(item["item"].get<std::string>().substr(1)) / people::kGroupItems; }
  int64_t num_decisions(const std::string& user) {
    return static_cast<int64_t>(store_->user_events(user, {.kind = std::string(store::kDecision)}).size());
  }

  const test::TempFolder temp_{"moods"};
  std::shared_ptr<store::EventStore> store_;
  ServedApi served_;
};

TEST_F(Moods, StatesHaveNamesItemsAndGenres) {
  const Json list = get("/v1/states");
  EXPECT_EQ(list["model"], bandit()->version());
  EXPECT_EQ(list["recommender"], planted()->version());
  ASSERT_EQ(list["data"].size(), 4u);
  double share = 0;
  for (size_t z = 0; z < 4; ++z) {
    const Json& state = list["data"][z];
    EXPECT_EQ(state["state"], z);
    EXPECT_EQ(state["users"], people::kGroupUsers);
    EXPECT_EQ(state["items"].size(), 8u);
    EXPECT_GT(state["items"][0]["lift"], 0);
    EXPECT_FALSE(state["genres"].empty());
    share += state["share"].get<double>();
  }
  EXPECT_NEAR(share, 1, 1e-9);
}

TEST_F(Moods, FeedbackMovesTheBeliefAndSaysHow) {
  for (int n = 0; n < 6; ++n) rate("new", 40 + n, 5);
  const Json moved = rate("new", 46, 4, {{"belief", true}})["belief"];
  const Json belief = get("/v1/users/new/belief");
  ASSERT_EQ(moved["after"].size(), 4u);
  double sum = 0;
  for (size_t z = 0; z < 4; ++z) {
    EXPECT_NEAR(belief["states"][z]["probability"].get<double>(), moved["after"][z].get<double>(), 1e-12);
    sum += moved["after"][z].get<double>();
    const bool own = group_of(belief["states"][z]["items"][0]) == 2;
    EXPECT_EQ(moved["after"][z].get<double>() > 0.9, own);
  }
  EXPECT_NEAR(sum, 1, 1e-9);
  EXPECT_NE(moved["before"], moved["after"]);
  EXPECT_EQ(belief["steps"], 7);
  ASSERT_EQ(belief["trajectory"].size(), 7u);
  EXPECT_EQ(belief["trajectory"][6]["item"], "i46");
  EXPECT_EQ(belief["trajectory"][6]["value"], 4);
  EXPECT_EQ(belief["trajectory"][6]["step"], 6);
  EXPECT_EQ(belief["misfit"]["rounds"], 7);
  EXPECT_LT(belief["entropy"].get<double>(), std::log(4));
  EXPECT_FALSE(rate("new", 47, 4).contains("belief"));
  EXPECT_EQ(get("/v1/users/new/belief?limit=2")["trajectory"].size(), 2u);
  EXPECT_EQ(get("/v1/users/new/belief?limit=2")["trajectory"][0]["step"], 6);
}

TEST_F(Moods, TheBeliefIsAReplayOfTheLogAlsoAfterARestart) {
  for (int n = 0; n < 9; ++n) rate("u5", (n * 31) % 80, 1 + n % 5);
  served_.post("/v1/feedback", {{"user", "u5"}, {"item", "i7"}, {"kind", "dismiss"}});
  recommend("u5", "latent_ts");
  const Json before = get("/v1/users/u5/belief");
  const auto replayed = people::mood_belief(*planted(), *bandit(), planted()->users().find("u5"), store_->user_events("u5"));
  const auto now = replayed.at(*bandit(), replayed.rounds.back().time_ms);
  for (size_t z = 0; z < 4; ++z) EXPECT_EQ(before["states"][z]["probability"].get<double>(), now[z]);
  open();
  EXPECT_EQ(get("/v1/users/u5/belief"), before);
}

TEST_F(Moods, EveryLatentPolicyListsItemsOfTheMoodAndLogsItsDecision) {
  for (int n = 0; n < 8; ++n) rate("new", 60 + n, 5);
  int64_t logged = 0;
  for (const char* policy : {"greedy", "latent_ts", "latent_ids", "latent_ucb", "latent_mmts"}) {
    const Json answer = recommend("new", policy, {{"seed", 3}});
    EXPECT_EQ(answer["policy"], policy);
    ASSERT_EQ(answer["items"].size(), 5u) << policy;
    EXPECT_EQ(group_of(answer["items"][0]), 3) << policy;
    const Json& decision = answer["decision"];
    EXPECT_EQ(decision["model"], bandit()->version());
    EXPECT_EQ(decision["seed"], 3);
    EXPECT_EQ(decision["belief"].size(), 4u);
    EXPECT_EQ(num_decisions("new"), ++logged);
    const auto stored = store_->user_events("new", {.kind = std::string(store::kDecision), .limit = 1, .newest_first = true}).front();
    EXPECT_EQ(stored.event_id, decision["event"]);
    const auto event = people::parse_decision_event(stored.payload);
    EXPECT_EQ(event.policy, policy);
    EXPECT_EQ(event.belief, decision["belief"].get<std::vector<double>>());
    ASSERT_EQ(event.items().size(), 5u);
    for (size_t n = 0; n < 5; ++n) EXPECT_EQ(event.items()[n], answer["items"][n]["item"]);
    EXPECT_GE(event.num_candidates, 5);
    EXPECT_EQ(event.exact, std::string(policy) != "latent_mmts");
    EXPECT_EQ(event.propensity(), decision["propensity"].is_null() ? 0 : decision["propensity"].get<double>());
    // The same seed gives the same list.
    EXPECT_EQ(recommend("new", policy, {{"seed", 3}})["items"], answer["items"]) << policy;
    ++logged;
  }
}

TEST_F(Moods, PropensitiesOfThompsonSamplingAreHowOftenListsCome) {
  rate("new", 3, 5);
  rate("new", 63, 5);
  std::map<std::string, int> count;
  std::map<std::string, double> propensity;
  constexpr int kDraws = 600;
  double belief_sum = 0;
  for (int n = 0; n < kDraws; ++n) {
    const Json answer = recommend("new", "latent_ts", {{"seed", n}});
    const std::string first = answer["items"].dump();
    ++count[first];
    propensity[first] = answer["decision"]["propensity"];
    belief_sum = 0;
    for (const Json& p : answer["decision"]["belief"]) belief_sum += p.get<double>();
  }
  EXPECT_NEAR(belief_sum, 1, 1e-9);
  EXPECT_GE(count.size(), 2u);
  for (const auto& [list, times] : count) {
    const double p = propensity[list];
    EXPECT_NEAR(times, kDraws * p, 4 * std::sqrt(kDraws * p * (1 - p)) + 1);  // 4 standard deviations
  }
}

TEST_F(Moods, WithoutAPolicyTheListIsTheUsersOwn) {
  const Json plain = served_.post("/v1/recommend", {{"user", "u1"}, {"k", 5}});
  EXPECT_EQ(plain["policy"], "vector");
  EXPECT_FALSE(plain.contains("decision"));
  EXPECT_EQ(recommend("u1", "vector")["items"], plain["items"]);
  EXPECT_EQ(num_decisions("u1"), 0);
  EXPECT_EQ(served_.stream("/v1/recommend", {{"user", "u1"}, {"policy", "greedy"}, {"k", 3}})[0]["decision"]["propensity"], 1);
}

TEST_F(Moods, DecisionsAreExportedWithTheFeedbackThatFollowed) {
  rate("a", 3, 5);
  const Json first = recommend("a", "latent_ts", {{"seed", 1}});
  const std::string shown = first["items"][0]["item"], other = first["items"][1]["item"];
  served_.post("/v1/feedback", {{"user", "a"}, {"item", shown}, {"kind", "rating"}, {"value", 5}});
  served_.post("/v1/feedback", {{"user", "a"}, {"item", other}, {"kind", "dismiss"}});
  recommend("a", "latent_mmts");
  recommend("b2", "greedy", {{"user", "u9"}});
  store_->append({"", "u9", std::string(store::kDecision), "", std::nullopt, 0, "{\"policy\":1}", 0});
  const auto out = people::export_decisions(*planted(), *bandit(), *store_);
  EXPECT_EQ(out.num_decisions, 3);
  EXPECT_EQ(out.num_rewards, 1);
  EXPECT_EQ(out.num_skipped, 1);
  const auto log = people::parse_bandit_log(out.text, "export");
  ASSERT_EQ(log.decisions.size(), 3u);
  EXPECT_EQ(log.d, bandit()->model().d);
  EXPECT_NEAR(log.decisions[0].reward, (1 + 0.35) / 2, 1e-6);  // 5 stars and a dismissal, which counts as 2
  EXPECT_NEAR(log.decisions[0].propensity, first["decision"]["propensity"].get<double>(), 1e-12);
  EXPECT_TRUE(std::isnan(log.decisions[1].reward));
  EXPECT_TRUE(std::isnan(log.decisions[1].propensity));  // an estimate is no propensity
  EXPECT_EQ(log.decisions[2].propensity, 1);
}

TEST_F(Moods, BadRequestsAreRefused) {
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "u1"}, {"policy", "latent"}}, 400)["error"]["param"], "policy");
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "u1"}, {"policy", 3}}, 400)["error"]["param"], "policy");
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "u1"}, {"policy", "greedy"}, {"seed", -1}}, 400)["error"]["param"], "seed");
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "u1"}, {"policy", "greedy"}, {"k", 0}}, 400)["error"]["param"], "k");
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "nobody"}, {"policy", "greedy"}}, 404)["error"]["code"], "user_not_found");
  EXPECT_EQ(get("/v1/users/nobody/belief", 404)["error"]["code"], "user_not_found");
  for (const char* limit : {"-1", "1001", "x", "1e3"}) {
    EXPECT_EQ(get(cat("/v1/users/u1/belief?limit=", limit), 400)["error"]["param"], "limit");
  }
  const Json feedback = {{"user", "u1"}, {"item", "i1"}, {"kind", "rating"}, {"value", 5}, {"belief", "yes"}};
  EXPECT_EQ(served_.post("/v1/feedback", feedback, 400)["error"]["param"], "belief");
  EXPECT_EQ(num_decisions("nobody"), 0);
}

TEST_F(Moods, WithoutMoodsTheServerSaysWhatToRun) {
  open(false);
  for (const char* path : {"/v1/states", "/v1/users/u1/belief"}) {
    const Json error = get(path, 409)["error"];
    EXPECT_EQ(error["code"], "moods_not_learned");
    EXPECT_NE(error["message"].get<std::string>().find(people::kLearnBanditCommand), std::string::npos);
  }
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "u1"}, {"policy", "greedy"}}, 409)["error"]["code"], "moods_not_learned");
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "u1"}})["items"].size(), 10u);
}

TEST_F(Moods, AnErasedUserIsNobody) {
  rate("u3", 70, 5);
  recommend("u3", "latent_ts");
  EXPECT_EQ(served_.client().request("DELETE", "/v1/users/u3", {}, "").status, 200);
  get("/v1/users/u3/belief", 404);
  EXPECT_EQ(num_decisions("u3"), 0);
  rate("u3", 71, 5);
  EXPECT_EQ(get("/v1/users/u3/belief")["steps"], 1);
}

}  // namespace
}  // namespace attune::serve
