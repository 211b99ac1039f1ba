// The routes of attributes and critiques over a recommender of made-up ratings, its genres as attributes.

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>

#include "assist/recommend.h"
#include "core/thread_pool.h"
#include "data/generated.h"
#include "data/tag_planting.h"
#include "people/als.h"
#include "people/recommender.h"
#include "people/soft_attributes_learn.h"
#include "store/sqlite_store.h"
#include "tests/serve/served_api.h"
#include "tests/temp_folder.h"

namespace attune::serve {
namespace {

using test::fixed;
using test::Json;
using test::ServedApi;

struct Learned {
  std::shared_ptr<const people::Recommender> recommender;
  std::shared_ptr<const people::LearnedAttributes> attributes;
};

/// Genres, and the word "shifty" with two senses.
const Learned& learned() {
  static const Learned out = [] {
    const auto dataset = data::generate_dataset({.num_users = 150, .num_items = 200, .num_ratings = 9000, .rank = 4, .seed = 2}).dataset;
    ThreadPool pool(2);
    people::AlsOptions options = people::als_preset("ranking");
    options.rank = 8;
    options.sweeps = 5;
    auto model = people::fit_als(dataset.interactions, 150, 200, options, pool);
    Learned made;
    made.recommender =
        std::make_shared<const people::Recommender>(dataset, std::move(model), people::TrainRecord{"generated", 9000, "now", {}, ""});
    people::AttributeSources sources;
    sources.tags = dataset;
    data::TagPlantOptions plant;
    plant.none_share = 0.3;
    plant.low = plant.high = 1;
    sources.tags->tags = data::plant_senses(dataset, "shifty", {{"Children's", "Comedy"}, {"Horror", "Crime"}}, plant).tags;
    sources.tags->tags.push_back({data::UserIndex(0), data::ItemIndex(0), "seldom", 0});
    people::LearnAttributesOptions learn;
    learn.permutations = 20;
    learn.max_pairs = 40;
    made.attributes = std::make_shared<const people::LearnedAttributes>(
        people::learn_attributes(*made.recommender, sources, learn, "now", pool, no_progress()));
    return made;
  }();
  return out;
}

class Critiques : public ::testing::Test {
 protected:
  Critiques() : served_(fixed({"a"})) { open(); }
  void open(bool with_attributes = true) {
    served_.people = std::make_shared<assist::RecommendService>(learned().recommender, store::open_sqlite_store(folder_ / "events.db"),
                                                                nullptr, with_attributes ? learned().attributes : nullptr);
    served_.ready();
  }
  Json get(const std::string& path, int status = 200) {
    const auto response = served_.client().get(path);
    EXPECT_EQ(response.status, status) << path << ": " << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  Json undo(const std::string& user, const std::string& event, int status = 200) {
    const auto response = served_.client().request("DELETE", "/v1/users/" + user + "/critiques/" + event, {}, "");
    EXPECT_EQ(response.status, status) << response.body;
    return Json::parse(response.body, nullptr, false);
  }
  Json critique(const std::string& user, const std::string& attribute, const std::string& direction, Json more = Json::object()) {
    Json body = {{"user", user}, {"attribute", attribute}, {"direction", direction}};
    body.update(more);
    return served_.post("/v1/critique", body);
  }
  Json recommend(const std::string& user) { return served_.post("/v1/recommend", {{"user", user}}); }
  static std::vector<std::string> ids(const Json& list) {
    std::vector<std::string> out;
    for (const Json& item : list["items"]) out.push_back(item["item"]);
    return out;
  }
  static std::string known(int n = 0) { return learned().recommender->users().keys()[static_cast<size_t>(n)]; }
  double taste(const std::string& user, const std::string& attribute) {
    const Json profile = get("/v1/users/" + user + "/attributes");
    for (const Json& a : profile["attributes"]) {
      if (a["name"] == attribute) return a["taste"];
    }
    ADD_FAILURE() << attribute;
    return 0;
  }

  const test::TempFolder temp_{"critiques"};
  const Path folder_ = temp_.path();
  ServedApi served_;
};

TEST_F(Critiques, AttributesHaveTheShapeOfTheContract) {
  const Json list = get("/v1/attributes");
  EXPECT_EQ(list["object"], "list");
  EXPECT_EQ(list["model"], learned().recommender->version());
  EXPECT_FALSE(list["space"].get<std::string>().empty());
  ASSERT_GE(list["data"].size(), 10u);
  const std::set<std::string> kinds = {"objective", "degree-subjective", "sense-subjective", "irrelevant", "unknown"};
  for (const Json& a : list["data"]) {
    EXPECT_TRUE(kinds.contains(a["kind"])) << a["kind"];
    EXPECT_TRUE(a["source"] == "genres" || a["source"] == "tags");
    EXPECT_GT(a["users"], 0);
    EXPECT_GT(a["examples"], 0);
    for (const Json& sense : a["senses"]) {
      ASSERT_EQ(sense["high"].size(), 5u);
      ASSERT_EQ(sense["low"].size(), 5u);
      EXPECT_GT(sense["high"][0]["degree"], sense["low"][0]["degree"]);
      EXPECT_GE(sense["high"][0]["degree"], sense["high"][4]["degree"]);
      EXPECT_LE(sense["low"][0]["degree"], sense["low"][4]["degree"]);
      EXPECT_FALSE(sense["high"][0]["title"].get<std::string>().empty());
      EXPECT_FALSE(sense.contains("histogram"));
    }
  }
  EXPECT_EQ(list["num_skipped"], list["skipped"].size());
  const auto& skipped = list["skipped"];
  const auto rare = std::find_if(skipped.begin(), skipped.end(), [](const Json& word) { return word["name"] == "seldom"; });
  ASSERT_NE(rare, skipped.end());
  EXPECT_NE((*rare)["reason"].get<std::string>().find("too few"), std::string::npos);
}

TEST_F(Critiques, OneAttributeHasLongListsAndHistograms) {
  const Json one = get("/v1/attributes/SHIFTY");
  EXPECT_EQ(one["name"], "shifty");
  EXPECT_EQ(one["kind"], "sense-subjective");
  ASSERT_EQ(one["senses"].size(), 2u);
  EXPECT_EQ(one["senses"][1]["name"], "shifty#2");
  for (const Json& sense : one["senses"]) {
    EXPECT_EQ(sense["high"].size(), 20u);
    const Json& histogram = sense["histogram"];
    ASSERT_EQ(histogram["edges"].size(), histogram["counts"].size() + 1);
    int64_t total = 0;
    for (const Json& count : histogram["counts"]) total += count.get<int64_t>();
    EXPECT_EQ(total, 200);
    EXPECT_LT(histogram["edges"][0], histogram["edges"][1]);
  }
  const Json error = get("/v1/attributes/horor", 404)["error"];
  EXPECT_EQ(error["code"], "attribute_not_found");
  EXPECT_EQ(error["param"], "name");
  EXPECT_NE(error["message"].get<std::string>().find("horror"), std::string::npos) << error;
  EXPECT_NE(get("/v1/attributes/seldom", 404)["error"]["message"].get<std::string>().find("too few"), std::string::npos);
  get("/v1/attributes/" + std::string(300, 'x'), 400);
}

TEST_F(Critiques, ASpectrumIsStrongestFirst) {
  const Json found = get("/v1/items/" + ids(recommend(known()))[0] + "/attributes");
  EXPECT_FALSE(found["title"].get<std::string>().empty());
  ASSERT_EQ(found["attributes"].size(), learned().attributes->attributes().size());
  double last = 1e9;
  for (const Json& a : found["attributes"]) {
    EXPECT_LE(std::abs(a["degree"].get<double>()), last);
    last = std::abs(a["degree"].get<double>());
    EXPECT_GE(a["percentile"], 0);
    EXPECT_LE(a["percentile"], 1);
    EXPECT_FALSE(a["sense"].get<std::string>().empty());
  }
  EXPECT_EQ(get("/v1/items/nothing/attributes", 404)["error"]["code"], "item_not_found");
  const auto put = served_.client().request("PUT", "/v1/items/added", {{"Content-Type", "application/json"}},
                                            R"({"title":"Added","genres":["Horror"]})");
  EXPECT_EQ(put.status, 200);
  EXPECT_EQ(get("/v1/items/added/attributes")["attributes"], Json::array());
}

TEST_F(Critiques, LessLowersTheListAndIsKept) {
  const auto before = recommend(known());
  const Json answer = critique(known(), "horror", "less");
  EXPECT_EQ(answer["user"], known());
  EXPECT_EQ(answer["attribute"], "horror");
  EXPECT_EQ(answer["sense"], "horror");
  EXPECT_EQ(answer["direction"], "less");
  EXPECT_EQ(answer["update"], "heuristic");
  EXPECT_FALSE(answer["event"].get<std::string>().empty());
  EXPECT_EQ(ids(answer["before"]), ids(before));
  for (const char* field : {"title", "year", "genres", "score", "because", "because_source", "degree"}) {
    EXPECT_TRUE(answer["before"]["items"][0].contains(field)) << field;
  }
  EXPECT_LT(answer["after"]["mean_degree"], answer["before"]["mean_degree"]);
  double mean = 0;
  for (const Json& item : answer["after"]["items"]) mean += item["degree"].get<double>() / 10;
  EXPECT_NEAR(mean, answer["after"]["mean_degree"].get<double>(), 1e-9);
  EXPECT_EQ(ids(recommend(known())), ids(answer["after"]));
  ASSERT_EQ(answer["trajectory"].size(), 2u);
  EXPECT_EQ(answer["trajectory"][0]["direction"], nullptr);
  EXPECT_EQ(answer["trajectory"][0]["mean_degree"], answer["before"]["mean_degree"]);
  EXPECT_EQ(answer["trajectory"][1]["direction"], "less");
  EXPECT_EQ(answer["trajectory"][1]["mean_degree"], answer["after"]["mean_degree"]);
  EXPECT_EQ(served_.metric("attune_feedback_events_total{kind=\"critique\"}"), 1);
  const auto kept = ids(recommend(known()));
  open();
  EXPECT_EQ(ids(recommend(known())), kept);
}

TEST_F(Critiques, MoreRaisesTasteAndUndoGivesTheListBack) {
  const auto before = recommend(known()).dump();
  const double taste_before = taste(known(), "horror");
  const Json first = critique(known(), "Horror", "more");
  const Json second = critique(known(), "horror", "more");
  EXPECT_GT(second["after"]["mean_degree"], first["before"]["mean_degree"]);
  EXPECT_EQ(second["trajectory"].size(), 3u);
  EXPECT_GT(taste(known(), "horror"), taste_before);
  const Json profile = get("/v1/users/" + known() + "/attributes");
  ASSERT_EQ(profile["critiques"].size(), 2u);
  EXPECT_EQ(profile["critiques"][0]["event"], first["event"]);
  EXPECT_EQ(profile["critiques"][0]["attribute"], "horror");
  EXPECT_EQ(profile["critiques"][0]["direction"], "more");
  EXPECT_GT(profile["critiques"][0]["at"].get<int64_t>(), 1'600'000'000);
  for (const Json& a : profile["attributes"]) {
    EXPECT_LT(a["low"], a["taste"]);
    EXPECT_GT(a["high"], a["taste"]);
  }
  EXPECT_EQ(undo(known(), second["event"])["undone"], true);
  const Json again = undo(known(), first["event"]);
  EXPECT_EQ(again["event"], first["event"]);
  EXPECT_EQ(again["duplicate"], false);
  EXPECT_EQ(recommend(known()).dump(), before);
  EXPECT_EQ(undo(known(), first["event"])["duplicate"], true);
  EXPECT_EQ(get("/v1/users/" + known() + "/attributes")["critiques"], Json::array());
  EXPECT_EQ(undo(known(), "nothing", 404)["error"]["code"], "critique_not_found");
  EXPECT_EQ(undo(known(1), first["event"], 404)["error"]["code"], "critique_not_found");
  open();
  EXPECT_EQ(recommend(known()).dump(), before);
}

TEST_F(Critiques, UpdatesLimitsItemsAndReasons) {
  for (const char* update : {"heuristic", "bayesian", "pairwise"}) {
    const Json answer = critique(known(2), "horror", "more", {{"update", update}, {"limit", 7}});
    EXPECT_EQ(answer["update"], update);
    EXPECT_EQ(answer["after"]["items"].size(), 7u);
    if (std::string_view(update) == "pairwise") continue;  // asks for items near the list, which need not raise the mean of this one
    EXPECT_GE(answer["after"]["mean_degree"], answer["before"]["mean_degree"]) << update;
  }
  const Json profile = get("/v1/users/" + known(2) + "/attributes");
  EXPECT_EQ(profile["critiques"][1]["update"], "bayesian");
  const std::string item = ids(recommend(known(3)))[0];
  const Json about = critique(known(3), "horror", "less", {{"item", item}, {"explain", true}, {"limit", 3}});
  for (const Json& entry : about["after"]["items"]) EXPECT_FALSE(entry["because"].get<std::string>().empty());
  EXPECT_TRUE(about["before"]["items"][0]["because"].is_null());
  EXPECT_EQ(about["because_share"]["template"], 3);
}

TEST_F(Critiques, ASenseNamedIsTheSenseUsedFromThenOn) {
  const Json mixed = critique("guest-senses", "shifty", "more");
  EXPECT_EQ(mixed["sense"], "shifty");  // who means what is not known
  EXPECT_EQ(critique("guest-senses", "shifty#2", "more")["sense"], "shifty#2");
  const Json later = critique("guest-senses", "shifty", "more");
  EXPECT_EQ(later["sense"], "shifty#2");
  EXPECT_EQ(later["trajectory"].size(), 4u);
  const auto& attribute = learned().attributes->attributes()[learned().attributes->at("shifty")];
  ASSERT_FALSE(attribute.users.empty());
  const auto [user, sense] = attribute.users.front();
  const std::string id = learned().recommender->users().key(user);
  EXPECT_EQ(critique(id, "shifty", "less")["sense"], cat("shifty#", sense + 1));
  const Json mine = get("/v1/attributes?user=" + id);
  for (const Json& a : mine["data"]) {
    if (a["name"] == "shifty") {
      EXPECT_EQ(a["own_sense"], cat("shifty#", sense + 1));
    }
  }
}

TEST_F(Critiques, SomebodyNewMayBeginWithACritique) {
  EXPECT_EQ(served_.post("/v1/recommend", {{"user", "guest-new"}}, 404)["error"]["code"], "user_not_found");
  EXPECT_EQ(get("/v1/users/guest-new/attributes", 404)["error"]["code"], "user_not_found");
  const Json answer = critique("guest-new", "horror", "more", {{"limit", 20}});
  EXPECT_GT(answer["after"]["mean_degree"], answer["before"]["mean_degree"]);
  EXPECT_EQ(recommend("guest-new")["items"].size(), 10u);
  EXPECT_NE(served_.client().get("/v1/users/guest-new/export").body.find("\"horror\""), std::string::npos);
}

TEST_F(Critiques, EventsAreRepeatableByTheirId) {
  const Json first = critique("guest", "horror", "more", {{"event_id", "c-1"}});
  EXPECT_EQ(first["event"], "c-1");
  EXPECT_EQ(first["duplicate"], false);
  EXPECT_EQ(critique("guest", "horror", "more", {{"event_id", "c-1"}})["duplicate"], true);
  EXPECT_EQ(get("/v1/users/guest/attributes")["critiques"].size(), 1u);
}

TEST_F(Critiques, BadRequestsNameTheFieldAndStoreNothing) {
  const Json good = {{"user", "u"}, {"attribute", "horror"}, {"direction", "more"}};
  const auto refuse = [&](const std::string& field, const Json& value, int status = 400) {
    Json body = good;
    body[field] = value;
    const Json error = served_.post("/v1/critique", body, status);
    EXPECT_EQ(error["error"]["param"], field) << value;
    return error["error"];
  };
  for (const Json& value : {Json(nullptr), Json(""), Json(7), Json(std::string(257, 'x'))}) {
    refuse("user", value);
    refuse("attribute", value);
  }
  for (const Json& value : {Json(nullptr), Json("up"), Json(1), Json(true)}) refuse("direction", value);
  for (const Json& value : {Json("newton"), Json(""), Json(1)}) refuse("update", value);
  for (const Json& value : {Json(0), Json(1001), Json(1.5), Json("10")}) refuse("limit", value);
  refuse("explain", "yes");
  refuse("item", 5);
  refuse("event_id", "");
  EXPECT_EQ(refuse("item", "nothing", 404)["code"], "item_not_found");
  const Json unknown = refuse("attribute", "horr", 404);
  EXPECT_EQ(unknown["code"], "attribute_not_found");
  EXPECT_NE(unknown["message"].get<std::string>().find("close to it: horror"), std::string::npos) << unknown;
  EXPECT_EQ(refuse("attribute", "horror#2", 404)["code"], "attribute_not_found");
  served_.post("/v1/critique", {{"user", "u"}, {"attribute", "horror"}, {"direction", "more"}, {"limit", 51}, {"explain", true}}, 400);
  served_.post("/v1/critique", {{"user", "control\nletters"}, {"attribute", "horror"}, {"direction", "more"}}, 400);
  served_.post_text("/v1/critique", "[]", 400);
  get("/v1/users/u", 404);  // nothing was stored
  get("/v1/attributes?user=" + std::string(300, 'x'), 400);
  EXPECT_EQ(get("/v1/attributes?user=nobody", 404)["error"]["code"], "user_not_found");
}

TEST_F(Critiques, WithoutAttributesTheRoutesSayWhatToRun) {
  critique(known(), "horror", "less");
  open(false);
  for (const std::string path : {"/v1/attributes", "/v1/attributes/horror", "/v1/items/1/attributes", "/v1/users/1/attributes"}) {
    const Json error = get(path, 409)["error"];
    EXPECT_EQ(error["code"], "attributes_not_learned") << path;
    EXPECT_NE(error["message"].get<std::string>().find("attune learn attributes"), std::string::npos);
  }
  served_.post("/v1/critique", {{"user", "u"}, {"attribute", "horror"}, {"direction", "more"}}, 409);
  EXPECT_EQ(recommend(known())["items"].size(), 10u);  // lists do without
}

TEST_F(Critiques, ErasedUsersTakeTheirCritiquesAlong) {
  critique("guest-secret", "horror", "more");
  served_.client().request("DELETE", "/v1/users/guest-secret", {}, "");
  get("/v1/users/guest-secret/attributes", 404);
  EXPECT_EQ(served_.client().get("/v1/users/guest-secret/export").status, 404);
}

TEST_F(Critiques, ManyWritersAndReaders) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      const std::string user = cat("writer-", t);
      for (int i = 0; i < 6; ++i) {
        critique(user, i % 2 == 0 ? "horror" : "comedy", i % 3 == 0 ? "more" : "less");
        EXPECT_EQ(get("/v1/users/" + user + "/attributes")["critiques"].size(), static_cast<size_t>(i + 1));
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(served_.metric("attune_feedback_events_total{kind=\"critique\"}"), 48);
}

TEST(CritiquesWithoutRecommender, SayHowToGetOne) {
  ServedApi served(fixed({"a"}));
  served.ready();
  EXPECT_EQ(served.post("/v1/critique", {{"user", "1"}, {"attribute", "x"}, {"direction", "more"}}, 404)["error"]["code"],
            "no_recommender");
}

}  // namespace
}  // namespace attune::serve
