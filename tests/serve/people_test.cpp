// The personal routes over a recommender of made-up ratings and a store in a temporary folder.

#include <filesystem>
#include <set>

#include "assist/explain.h"
#include "assist/recommend.h"
#include "core/thread_pool.h"
#include "data/generated.h"
#include "people/als.h"
#include "people/recommender.h"
#include "store/sqlite_store.h"
#include "tests/serve/served_api.h"
#include "tests/temp_folder.h"

namespace attune::serve {
namespace {

using test::eventually;
using test::fixed;
using test::Json;
using test::ServedApi;

std::shared_ptr<const people::Recommender> made_up_recommender() {
  static const auto recommender = [] {
    const auto dataset = data::generate_dataset({.num_users = 60, .num_items = 100, .num_ratings = 1800, .rank = 3}).dataset;
    ThreadPool pool(1);
    people::AlsOptions options = people::als_preset("ranking");
    options.rank = 8;
    options.sweeps = 4;
    auto model = people::fit_als(dataset.interactions, 60, 100, options, pool);
    return std::make_shared<const people::Recommender>(dataset, std::move(model),
                                                       people::TrainRecord{"generated", 1800, "2026-01-02T03:04:05Z", {}, ""});
  }();
  return recommender;
}

class People : public ::testing::Test {
 protected:
  People() : served_(fixed({"a"})) { open(); }
  void open(std::shared_ptr<assist::Explainer> explainer = nullptr) {
    served_.people = std::make_shared<assist::RecommendService>(made_up_recommender(), store::open_sqlite_store(folder_ / "events.db"),
                                                                std::move(explainer));
    served_.ready();
  }
  Json get(const std::string& path, int status = 200) {
    const auto response = served_.client().get(path);
    EXPECT_EQ(response.status, status) << path << ": " << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  Json send(const char* method, const std::string& path, const Json& body, int status = 200) {
    const auto response = served_.client().request(method, path, {{"Content-Type", "application/json"}}, body.is_null() ? "" : body.dump());
    EXPECT_EQ(response.status, status) << method << " " << path << ": " << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  Json recommend(const std::string& user, int k = 10) { return served_.post("/v1/recommend", {{"user", user}, {"k", k}}); }
  static std::vector<std::string> ids(const Json& answer) {
    std::vector<std::string> out;
    for (const Json& item : answer["items"]) out.push_back(item["item"]);
    return out;
  }
  std::string known_user() { return get("/v1/users?limit=1")["users"][0]; }

  const test::TempFolder temp_{"people"};
  const Path folder_ = temp_.path();
  ServedApi served_;
};

TEST_F(People, RecommendHasTheShapeOfTheContract) {
  const Json answer = recommend(known_user(), 7);
  EXPECT_EQ(answer["user"], known_user());
  EXPECT_TRUE(answer["model"].get<std::string>().size() > 0);
  ASSERT_EQ(answer["items"].size(), 7u);
  double last = 1e300;
  for (const Json& item : answer["items"]) {
    EXPECT_TRUE(item["item"].is_string());
    EXPECT_TRUE(item["title"].is_string());
    EXPECT_TRUE(item["year"].is_number_integer() || item["year"].is_null());
    EXPECT_TRUE(item["genres"].is_array());
    EXPECT_LE(item["score"].get<double>(), last);
    EXPECT_TRUE(item["because"].is_null());
    EXPECT_TRUE(item["because_source"].is_null());
    last = item["score"];
  }
  EXPECT_EQ(answer["because_share"], Json({{"model", 0}, {"template", 0}}));
  auto first_three = ids(answer);
  first_three.resize(3);
  EXPECT_EQ(ids(recommend(known_user(), 3)), first_three);
}

TEST_F(People, ReasonsComeWithTheirSource) {
  const Json answer = served_.post("/v1/recommend", {{"user", known_user()}, {"k", 5}, {"because", true}});
  for (const Json& item : answer["items"]) {
    EXPECT_TRUE(item["because"].is_string());
    EXPECT_EQ(item["because_source"], "template");  // no model here
  }
  EXPECT_EQ(answer["because_share"]["template"], 5);
  EXPECT_EQ(served_.metric("attune_because{source=\"template\"}"), 5);
}

TEST_F(People, StreamSendsItemsThenReasonsThenDone) {
  std::vector<Json> events = served_.stream("/v1/recommend", {{"user", known_user()}, {"k", 4}, {"because", true}});
  ASSERT_EQ(events.front()["type"], "items");
  ASSERT_EQ(events.back()["type"], "done");
  EXPECT_EQ(events.back()["because_share"]["template"], 4);
  const auto listed = ids(events.front());
  EXPECT_EQ(listed.size(), 4u);
  std::set<std::string> explained;
  for (const Json& event : events) {
    if (event["type"] != "because") continue;
    EXPECT_TRUE(explained.insert(event["item"]).second);
    EXPECT_FALSE(event["because"].get<std::string>().empty());
  }
  EXPECT_EQ(explained, std::set<std::string>(listed.begin(), listed.end()));
  events = served_.stream("/v1/recommend", {{"user", known_user()}, {"k", 2}});
  EXPECT_EQ(events.size(), 2u);
}

TEST_F(People, AModelThatWritesNonsenseIsReplacedByTemplates) {
  auto engine = std::make_shared<lm::Engine>(lm::Model::load(Path(ATTUNE_SOURCE_DIR) / "data" / "tiny.gguf"), lm::EngineOptions{});
  open(std::make_shared<assist::Explainer>(*engine));
  const auto events = served_.stream("/v1/recommend", {{"user", known_user()}, {"k", 3}, {"because", true}});
  EXPECT_EQ(events.back()["because_share"]["model"].get<int>() + events.back()["because_share"]["template"].get<int>(), 3);
  EXPECT_GE(events.back()["because_share"]["template"], 2);
  served_.api.set_ready({served_.engine, nullptr});  // let go of the engine before it goes
  served_.people.reset();
}

TEST_F(People, FeedbackMakesAUserAndChangesTheList) {
  get("/v1/users/guest-1", 404);
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "guest-1"}}, 404)["error"]["code"], "user_not_found");
  const std::string item = ids(recommend(known_user()))[0];
  const Json stored = served_.post("/v1/feedback", {{"user", "guest-1"}, {"item", item}, {"kind", "rating"}, {"value", 5}});
  EXPECT_EQ(stored["stored"], true);
  EXPECT_EQ(stored["duplicate"], false);
  EXPECT_FALSE(stored["event_id"].get<std::string>().empty());
  const auto before = ids(recommend("guest-1"));
  EXPECT_EQ(std::count(before.begin(), before.end(), item), 0);
  served_.post("/v1/feedback", {{"user", "guest-1"}, {"item", before[0]}, {"kind", "dismiss"}});
  const auto after = ids(recommend("guest-1"));
  EXPECT_EQ(std::count(after.begin(), after.end(), before[0]), 0);
  const Json profile = get("/v1/users/guest-1");
  EXPECT_EQ(profile["num_ratings"], 1);
  EXPECT_EQ(profile["ratings"][0]["item"], item);
  EXPECT_EQ(profile["ratings"][0]["value"], 5);
  EXPECT_GT(profile["ratings"][0]["time"].get<int64_t>(), 1'600'000'000);
  EXPECT_LT(profile["ratings"][0]["time"].get<int64_t>(), 10'000'000'000);  // seconds
  EXPECT_TRUE(profile["taste"]["likes"].is_array());
  EXPECT_TRUE(profile["taste"]["dislikes"].is_array());
  EXPECT_TRUE(profile["taste"]["favourites"].is_array());
  EXPECT_EQ(served_.metric("attune_feedback_events_total{kind=\"rating\"}"), 1);
  EXPECT_EQ(served_.metric("attune_feedback_events_total{kind=\"dismiss\"}"), 1);
}

TEST_F(People, FeedbackIsRepeatableByItsId) {
  const std::string item = ids(recommend(known_user()))[0];
  const Json body = {{"user", "guest-1"}, {"item", item}, {"kind", "rating"}, {"value", 4.5}, {"event_id", "e-1"}};
  EXPECT_EQ(served_.post("/v1/feedback", body)["duplicate"], false);
  const Json again = served_.post("/v1/feedback", body);
  EXPECT_EQ(again["duplicate"], true);
  EXPECT_EQ(again["stored"], true);
  EXPECT_EQ(again["event_id"], "e-1");
  EXPECT_EQ(get("/v1/users/guest-1")["num_ratings"], 1);
  EXPECT_EQ(served_.metric("attune_feedback_events_total{kind=\"rating\"}"), 1);
}

TEST_F(People, BadRequestsNameTheField) {
  const std::string item = ids(recommend(known_user()))[0];
  const Json good = {{"user", "u"}, {"item", item}, {"kind", "rating"}, {"value", 3}};
  const auto refuse_feedback = [&](const std::string& field, const Json& value, int status = 400) {
    Json body = good;
    body[field] = value;
    const Json error = served_.post("/v1/feedback", body, status);
    EXPECT_EQ(error["error"]["param"], field) << value;
  };
  for (const Json& value : {Json(nullptr), Json(0.5), Json(5.5), Json("5"), Json(true), Json::array()}) refuse_feedback("value", value);
  for (const Json& value : {Json(nullptr), Json(""), Json(7), Json(std::string(257, 'x'))}) {
    refuse_feedback("user", value);
    refuse_feedback("item", value);
  }
  for (const Json& value : {Json(nullptr), Json("like"), Json(1)}) refuse_feedback("kind", value);
  refuse_feedback("event_id", 5);
  refuse_feedback("item", "no such item", 404);
  served_.post("/v1/feedback", {{"user", "u"}, {"item", item}, {"kind", "dismiss"}, {"value", 3}}, 400);
  served_.post("/v1/feedback", {{"user", "u"}, {"item", item}, {"kind", "dismiss"}, {"value", nullptr}});
  served_.post("/v1/feedback", {{"user", "control\nletters"}, {"item", item}, {"kind", "dismiss"}}, 400);

  const auto refuse_recommend = [&](const std::string& field, const Json& value) {
    Json body = {{"user", known_user()}};
    body[field] = value;
    EXPECT_EQ(served_.post("/v1/recommend", body, 400)["error"]["param"], field) << value;
  };
  for (const Json& value : {Json(0), Json(1001), Json(1.5), Json("10"), Json(true)}) refuse_recommend("k", value);
  for (const char* field : {"because", "stream", "exclude_seen"}) refuse_recommend(field, "yes");
  refuse_recommend("user", nullptr);
  refuse_recommend("user", "");
  served_.post("/v1/recommend", {{"user", known_user()}, {"k", 51}, {"because", true}}, 400);
  served_.post("/v1/recommend", {{"user", known_user()}, {"k", 1000}});
  for (const char* path : {"/v1/items?limit=0", "/v1/items?limit=1001", "/v1/items?limit=x", "/v1/users?limit=-1", "/v1/users?limit=1.5"}) {
    EXPECT_EQ(get(path, 400)["error"]["param"], "limit") << path;
  }
  get("/v1/items?query=" + std::string(300, 'x'), 400);
}

TEST_F(People, ItemsAreAddedChangedFoundAndRemoved) {
  const std::string path = "/v1/items/new%2Fitem%201";
  Json put =
      send("PUT", path,
           {{"title", "The Quiet Caf\xc3\xa9"}, {"year", 2001}, {"genres", {"Drama", "Comedy"}}, {"director", "N. N."}, {"length", 93}});
  EXPECT_EQ(put["created"], true);
  Json item = get(path);
  EXPECT_EQ(item["item"], "new/item 1");
  EXPECT_EQ(item["title"], "The Quiet Caf\xc3\xa9");
  EXPECT_EQ(item["year"], 2001);
  EXPECT_EQ(item["genres"], Json({"Drama", "Comedy"}));
  EXPECT_EQ(item["learned"], false);
  EXPECT_EQ(item["extra"]["director"], "N. N.");
  EXPECT_EQ(ids(get("/v1/items?query=quiet%20cafe")), std::vector<std::string>{"new/item 1"});
  served_.post("/v1/feedback", {{"user", "guest"}, {"item", "new/item 1"}, {"kind", "rating"}, {"value", 5}});
  put = send("PUT", path, {{"title", "Another"}});
  EXPECT_EQ(put["created"], false);
  EXPECT_TRUE(get(path)["year"].is_null());
  EXPECT_EQ(send("DELETE", path, nullptr)["deleted"], true);
  get(path, 404);
  EXPECT_EQ(send("DELETE", path, nullptr, 404)["error"]["code"], "item_not_found");
  // A learned item is hidden by deletion and never recommended.
  const std::string learned = ids(recommend(known_user()))[0];
  send("DELETE", "/v1/items/" + learned, nullptr);
  get("/v1/items/" + learned, 404);
  const auto list = ids(recommend(known_user(), 100));
  EXPECT_EQ(std::count(list.begin(), list.end(), learned), 0);
}

TEST_F(People, BadItems) {
  const auto refuse = [&](const Json& body, const char* param) {
    const Json error = send("PUT", "/v1/items/x", body, 400);
    if (param != nullptr) {
      EXPECT_EQ(error["error"]["param"], param) << body;
    }
  };
  refuse(Json::object(), "title");
  refuse({{"title", ""}}, "title");
  refuse({{"title", 3}}, "title");
  refuse({{"title", "a"}, {"year", 1869}}, "year");
  refuse({{"title", "a"}, {"year", 2101}}, "year");
  refuse({{"title", "a"}, {"year", "2000"}}, "year");
  refuse({{"title", "a"}, {"genres", "Drama"}}, "genres");
  refuse({{"title", "a"}, {"genres", {1}}}, "genres");
  refuse({{"title", "a\nb"}}, nullptr);
  refuse({{"title", std::string(5000, 'a')}}, nullptr);
  refuse({{"title", "a"}, {"genres", std::vector<std::string>(65, "Drama")}}, nullptr);
  get("/v1/items/x", 404);
}

TEST_F(People, ErasedUsersAreGone) {
  const std::string item = ids(recommend(known_user()))[0];
  served_.post("/v1/feedback", {{"user", "guest-secret"}, {"item", item}, {"kind", "rating"}, {"value", 5}});
  EXPECT_EQ(get("/v1/users?query=guest-sec")["users"], Json({"guest-secret"}));
  const auto exported = served_.client().get("/v1/users/guest-secret/export");
  EXPECT_EQ(exported.status, 200);
  EXPECT_NE(exported.body.find("guest-secret"), std::string::npos);
  EXPECT_EQ(send("DELETE", "/v1/users/guest-secret", nullptr)["erased"], true);
  get("/v1/users/guest-secret", 404);
  EXPECT_EQ(get("/v1/users?query=guest-sec")["users"], Json::array());
  EXPECT_EQ(send("DELETE", "/v1/users/guest-secret", nullptr, 404)["error"]["code"], "user_not_found");
  served_.client().get("/v1/users/guest-secret/export");
  const std::string learned = known_user();
  send("DELETE", "/v1/users/" + learned, nullptr);
  get("/v1/users/" + learned, 404);
  served_.post("/v1/recommend", {{"user", learned}}, 404);
  EXPECT_EQ(served_.client().get("/metrics").body.find("guest-secret"), std::string::npos);
}

TEST_F(People, EventsSurviveARestart) {
  const std::string item = ids(recommend(known_user()))[0];
  served_.post("/v1/feedback", {{"user", "guest"}, {"item", item}, {"kind", "rating"}, {"value", 2}});
  const auto before = ids(recommend("guest"));
  open();
  EXPECT_EQ(get("/v1/users/guest")["num_ratings"], 1);
  EXPECT_EQ(ids(recommend("guest")), before);
}

TEST_F(People, ManyWritersAndReaders) {
  const auto items = ids(recommend(known_user(), 20));
  std::atomic<int> stored{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 12; ++t) {
    threads.emplace_back([&, t] {
      const std::string user = cat("writer-", t);
      for (int i = 0; i < 10; ++i) {
        const Json answer = served_.post(
            "/v1/feedback", {{"user", user}, {"item", items[static_cast<size_t>(i)]}, {"kind", "rating"}, {"value", 1 + i % 5}});
        stored += answer["stored"] == true ? 1 : 0;
        const auto list = ids(recommend(user, 100));
        EXPECT_EQ(std::count(list.begin(), list.end(), items[static_cast<size_t>(i)]), 0);
      }
      EXPECT_EQ(get("/v1/users/" + user)["num_ratings"], 10);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(stored, 120);
  EXPECT_EQ(served_.metric("attune_feedback_events_total{kind=\"rating\"}"), 120);
}

TEST(NoRecommender, ItsRoutesSayHowToGetOne) {
  ServedApi served(fixed({"a"}));
  served.ready();
  EXPECT_EQ(served.post("/v1/recommend", {{"user", "1"}}, 404)["error"]["code"], "no_recommender");
  const auto response = served.client().get("/v1/users");
  EXPECT_EQ(response.status, 404);
  EXPECT_NE(response.body.find("--recommender"), std::string::npos);
}

}  // namespace
}  // namespace attune::serve
