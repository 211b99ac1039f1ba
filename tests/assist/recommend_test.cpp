#include "assist/recommend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <thread>

#include "assist/explain.h"
#include "core/error.h"
#include "data/generated.h"
#include "data/title.h"
#include "lm/engine.h"
#include "people/als.h"
#include "people/recommender.h"
#include "store/sqlite_store.h"
#include "tests/temp_folder.h"

namespace attune::assist {
namespace {

std::shared_ptr<const people::Recommender> recommender() {
  static const std::shared_ptr<const people::Recommender> made = [] {
    data::GeneratedOptions options;
    options.num_users = 120;
    options.num_items = 200;
    options.num_ratings = 6000;
    options.seed = 3;
    data::Dataset dataset = data::generate_dataset(options).dataset;
    people::AlsOptions als = people::als_preset("ranking");
    als.rank = 8;
    als.sweeps = 4;
    ThreadPool pool(1);
    people::AlsModel model = people::fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), als, pool);
    return std::make_shared<const people::Recommender>(std::move(dataset), std::move(model), people::TrainRecord{});
  }();
  return made;
}

class ServiceTest : public ::testing::Test {
 protected:
  void SetUp() override { open(); }
  void open(std::shared_ptr<Explainer> explainer = nullptr) {
    service_.reset();
    service_ = std::make_unique<RecommendService>(recommender(), store::open_sqlite_store(folder_ / "events.db"), std::move(explainer));
  }
  std::vector<std::string> ids(const std::string& user, int k = 10, bool exclude_seen = true) {
    RecommendCall call;
    call.user = user;
    call.k = k;
    call.exclude_seen = exclude_seen;
    std::vector<std::string> out;
    for (const auto& item : service_->recommend(call).items) out.push_back(item.item);
    return out;
  }
  void rate(const std::string& user, const std::string& item, double value) { service_->feedback({user, item, "rating", value, "", 0}); }

  static std::string known() { return recommender()->users().keys().front(); }

  const test::TempFolder temp_{"recommend"};
  const Path folder_ = temp_.path();
  std::unique_ptr<RecommendService> service_;
};

ErrorCode code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::kInternal;
}

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

TEST_F(ServiceTest, KnownUserGetsWhatTheModelRanks) {
  people::RecommendOptions options;
  options.k = 7;
  std::vector<std::string> expected;
  for (const auto& hit : recommender()->recommend(*recommender()->users().find(known()), options))
    expected.push_back(recommender()->items().key(hit.item));
  EXPECT_EQ(ids(known(), 7), expected);
  const RecommendReply reply = service_->recommend({known(), 3, false, true, 0});
  EXPECT_EQ(reply.model, recommender()->version());
  EXPECT_FALSE(reply.items[0].because.has_value());
  EXPECT_EQ(reply.items[0].because_source, BecauseSource::kNone);
  EXPECT_GE(reply.items[0].score, reply.items[2].score);
  EXPECT_FALSE(reply.items[0].title.empty());
}

TEST_F(ServiceTest, UnknownUsersAndBadCallsAreNamed) {
  EXPECT_EQ(code_of([&] { ids("nobody"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { ids(known(), 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { ids(known(), 1001); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { service_->recommend({known(), 51, true, true, 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { service_->profile("nobody"); }), ErrorCode::kNotFound);
  EXPECT_EQ(code_of([&] { service_->export_user("nobody"); }), ErrorCode::kNotFound);
  EXPECT_FALSE(service_->erase_user("nobody"));
  EXPECT_THROW(RecommendService(nullptr, nullptr), Error);
}

TEST_F(ServiceTest, FeedbackChangesTheListAndSurvives) {
  const std::string& first = recommender()->items().keys()[5];
  const std::string& second = recommender()->items().keys()[9];
  rate("guest", first, 5);
  rate("guest", second, 1);
  const auto list = ids("guest");
  EXPECT_EQ(list.size(), 10u);
  EXPECT_FALSE(contains(list, first));
  EXPECT_TRUE(contains(ids("guest", 200, false), first));
  const std::string dismissed = list.front();
  service_->feedback({"guest", dismissed, "dismiss", std::nullopt, "", 0});
  EXPECT_FALSE(contains(ids("guest", 200, false), dismissed));
  open();  // a new process
  EXPECT_FALSE(contains(ids("guest", 200, false), dismissed));
  EXPECT_FALSE(contains(ids("guest"), first));
  const UserProfile profile = service_->profile("guest");
  EXPECT_EQ(profile.num_ratings, 2);
  ASSERT_EQ(profile.ratings.size(), 2u);
  EXPECT_EQ(profile.ratings[0].item, second);
  EXPECT_GT(profile.ratings[0].time_ms, 0);
  rate("guest", dismissed, 4);  // changed the mind
  EXPECT_TRUE(contains(ids("guest", 200, false), dismissed));
}

TEST_F(ServiceTest, FeedbackIsChecked) {
  const std::string& item = recommender()->items().keys()[0];
  const auto code = [&](Feedback feedback) { return code_of([&] { service_->feedback(feedback); }); };
  EXPECT_EQ(code({"u", "no such item", "rating", 3, "", 0}), ErrorCode::kNotFound);
  EXPECT_EQ(code({"u", item, "rating", std::nullopt, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"u", item, "rating", 0.5, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"u", item, "rating", 5.5, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"u", item, "rating", std::nan(""), "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"u", item, "dismiss", 3, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"u", item, "purchase", 3, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({"", item, "rating", 3, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code({std::string(300, 'u'), item, "rating", 3, "", 0}), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(service_->has_user("u"));
  const FeedbackReply stored = service_->feedback({"u", item, "rating", 3, "event-1", 0});
  EXPECT_EQ(stored.event_id, "event-1");
  EXPECT_FALSE(stored.duplicate);
  EXPECT_TRUE(service_->feedback({"u", item, "rating", 3, "event-1", 0}).duplicate);
  EXPECT_EQ(service_->profile("u").num_ratings, 1);
}

TEST_F(ServiceTest, ItemsAreOverlaid) {
  const std::string learned = recommender()->items().keys()[0];
  const int64_t before = service_->num_items();
  CatalogueEntry entry;
  entry.id = learned;
  entry.title = "Quite Another, The";
  entry.year = 2001;
  entry.genres = {"Drama"};
  entry.extra = {{"studio", "none"}};
  EXPECT_FALSE(service_->put_item(entry));  // replaces
  EXPECT_EQ(service_->item(learned)->title, "The Quite Another");
  EXPECT_TRUE(service_->item(learned)->learned);
  EXPECT_TRUE(service_->item(learned)->overridden);
  entry.id = "new-1";
  EXPECT_TRUE(service_->put_item(entry));
  EXPECT_EQ(service_->num_items(), before + 1);
  EXPECT_FALSE(service_->item("new-1")->learned);
  EXPECT_EQ(service_->item("new-1")->extra.at("studio"), "none");
  EXPECT_TRUE(service_->delete_item(learned));
  EXPECT_FALSE(service_->delete_item(learned));
  EXPECT_FALSE(service_->delete_item("never there"));
  EXPECT_FALSE(service_->item(learned).has_value());
  EXPECT_FALSE(contains(ids(known(), 200, false), learned));
  EXPECT_EQ(service_->num_items(), before);
  open();
  EXPECT_EQ(service_->num_items(), before);
  EXPECT_FALSE(service_->item(learned).has_value());
  EXPECT_TRUE(service_->item("new-1").has_value());
  entry.id = learned;
  EXPECT_TRUE(service_->put_item(entry));  // back again
}

TEST_F(ServiceTest, ItemsAreChecked) {
  const auto code = [&](const std::function<void(CatalogueEntry&)>& spoil) {
    CatalogueEntry entry;
    entry.id = "x";
    entry.title = "Title";
    spoil(entry);
    return code_of([&] { service_->put_item(entry); });
  };
  EXPECT_EQ(code([](CatalogueEntry& e) { e.id = ""; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.title = ""; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.title = "a\nb"; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.title = "\xff"; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.title = std::string(2000, 't'); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.year = 1869; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.year = 2101; }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.genres.assign(33, "Drama"); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code([](CatalogueEntry& e) { e.genres = {""}; }), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(service_->item("x").has_value());
}

TEST_F(ServiceTest, AddedItemsAreRankedByTheirGenres) {
  const auto list = ids(known(), 200, false);
  CatalogueEntry entry;
  entry.id = "added";
  entry.title = "Added One";
  entry.genres = recommender()->item(*recommender()->items().find(list.front())).genres;
  service_->put_item(entry);
  const RecommendReply reply = service_->recommend({known(), 201, false, false, 0});
  double score = 0;
  double sum = 0;
  double weight = 0;
  for (const auto& item : reply.items) {
    if (item.item == "added") {
      score = item.score;
      continue;
    }
    int shared = 0;
    for (const auto& genre : item.genres) shared += contains(entry.genres, genre) ? 1 : 0;
    sum += shared * item.score;
    weight += shared;
  }
  ASSERT_GT(weight, 0);
  EXPECT_NEAR(score, sum / weight, 1e-6);
  EXPECT_TRUE(std::is_sorted(reply.items.begin(), reply.items.end(), [](const auto& a, const auto& b) { return a.score > b.score; }));
  rate(known(), "added", 4);
  EXPECT_FALSE(contains(ids(known(), 201), "added"));
  EXPECT_TRUE(contains(ids(known(), 201, false), "added"));
  EXPECT_EQ(service_->profile(known()).ratings.front().title, "Added One");
  service_->feedback({known(), "added", "dismiss", std::nullopt, "", 0});
  EXPECT_FALSE(contains(ids(known(), 201, false), "added"));
}

TEST_F(ServiceTest, SearchFoldsCaseAndAccents) {
  CatalogueEntry entry;
  entry.id = "fr";
  entry.title = "Zyx Amélie, Le";
  service_->put_item(entry);
  const auto found = service_->search_items("AMELIE zyx", 10);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].id, "fr");
  EXPECT_EQ(found[0].title, "Le Zyx Amélie");
  EXPECT_TRUE(service_->search_items("no such words anywhere", 10).empty());
  EXPECT_TRUE(service_->search_items("???", 10).empty());
  const auto all = service_->search_items("", 1000);
  EXPECT_EQ(static_cast<int64_t>(all.size()), service_->num_items());
  EXPECT_GE(all[0].popularity, all[1].popularity);
  EXPECT_EQ(service_->search_items("", 3).size(), 3u);
  EXPECT_EQ(code_of([&] { service_->search_items("", 0); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { service_->search_items("", 1001); }), ErrorCode::kInvalidArgument);
}

TEST_F(ServiceTest, UsersAreListedAndErased) {
  rate("guest-1", recommender()->items().keys()[1], 4);
  EXPECT_TRUE(contains(service_->users("guest", 10), "guest-1"));
  EXPECT_EQ(service_->users("", 5).size(), 5u);
  const std::string user = known();
  EXPECT_TRUE(service_->has_user(user));
  EXPECT_TRUE(contains(service_->users(user, 1000), user));
  rate(user, recommender()->items().keys()[2], 2);
  EXPECT_NE(service_->export_user(user).find("rating"), std::string::npos);
  EXPECT_TRUE(service_->erase_user(user));
  EXPECT_FALSE(service_->has_user(user));
  EXPECT_FALSE(contains(service_->users(user, 1000), user));
  EXPECT_EQ(code_of([&] { ids(user); }), ErrorCode::kNotFound);
  EXPECT_FALSE(service_->erase_user(user));
  open();
  EXPECT_FALSE(service_->has_user(user));
  rate(user, recommender()->items().keys()[3], 5);  // comes back as a new user
  EXPECT_EQ(service_->profile(user).num_ratings, 1);
  EXPECT_EQ(code_of([&] { service_->users("", 0); }), ErrorCode::kInvalidArgument);
}

TEST_F(ServiceTest, ReasonsByTemplateWithoutAModel) {
  RecommendCall call;
  call.user = known();
  call.k = 8;
  call.because = true;
  std::vector<std::string> order;
  size_t listed = 0;
  RecommendCallbacks callbacks;
  callbacks.on_items = [&](const RecommendReply& reply) {
    listed = reply.items.size();
    EXPECT_TRUE(order.empty());
    EXPECT_FALSE(reply.items[0].because.has_value());
  };
  callbacks.on_because = [&](std::string_view item, std::string_view because, BecauseSource source) {
    order.emplace_back(item);
    EXPECT_FALSE(because.empty());
    EXPECT_EQ(source, BecauseSource::kTemplate);
  };
  const RecommendReply reply = service_->recommend(call, callbacks);
  EXPECT_EQ(listed, 8u);
  EXPECT_EQ(reply.because_share.from_template, 8);
  EXPECT_EQ(reply.because_share.model, 0);
  EXPECT_EQ(service_->because_totals().from_template, 8);
  const UserProfile profile = service_->profile(known());
  std::set<std::string> texts;
  for (size_t i = 0; i < reply.items.size(); ++i) {
    const auto& item = reply.items[i];
    EXPECT_EQ(order[i], item.item);
    const ReasonFacts facts = {item.catalogue_title, item.year, item.genres, profile.likes, profile.dislikes, {}};
    EXPECT_TRUE(check_reason(facts, *item.because).accepted()) << *item.because;
    texts.insert(*item.because);
  }
  EXPECT_EQ(texts.size(), 8u);
}

TEST_F(ServiceTest, ReasonsThroughAnEngine) {
  lm::EngineOptions options;
  options.threads = 1;
  lm::Engine engine(lm::Model::load(std::string(ATTUNE_SOURCE_DIR) + "/data/tiny.gguf"), options);
  ExplainOptions explain;
  explain.max_samples = 2;
  explain.max_tokens = 8;
  open(std::make_shared<Explainer>(engine, explain));
  const RecommendReply reply = service_->recommend({known(), 4, true, true, 5});
  for (const auto& item : reply.items) EXPECT_TRUE(item.because.has_value());
  EXPECT_EQ(reply.because_share.model + reply.because_share.from_template, 4);
  std::stop_source stopped;
  stopped.request_stop();
  EXPECT_EQ(code_of([&] { service_->recommend({known(), 4, true, true, 5}, {}, stopped.get_token()); }), ErrorCode::kCancelled);
  service_.reset();
}

TEST_F(ServiceTest, WithoutAStoreItOnlyReads) {
  RecommendService service(recommender(), nullptr);
  EXPECT_EQ(service.recommend({known(), 5, false, true, 0}).items.size(), 5u);
  EXPECT_EQ(service.users("", 3).size(), 3u);
  const std::string item = recommender()->items().keys()[0];
  EXPECT_EQ(code_of([&] { service.feedback({known(), item, "rating", 4, "", 0}); }), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code_of([&] { service.erase_user(known()); }), ErrorCode::kFailedPrecondition);
  EXPECT_EQ(code_of([&] { service.delete_item(item); }), ErrorCode::kFailedPrecondition);
  CatalogueEntry entry;
  entry.id = "x";
  entry.title = "X";
  EXPECT_EQ(code_of([&] { service.put_item(entry); }), ErrorCode::kFailedPrecondition);
}

TEST_F(ServiceTest, OpenNamesAMissingModel) {
  EXPECT_EQ(code_of([&] { RecommendService::open(folder_ / "absent", nullptr); }), ErrorCode::kNotFound);
  recommender()->save(folder_ / "model");
  EXPECT_EQ(RecommendService::open(folder_ / "model", nullptr)->num_items(), 200);
}

/// Readers and writers at once: no crash, and a rating that was acknowledged is seen by the next call.
TEST_F(ServiceTest, ManyThreads) {
  std::atomic<int> failures{0};
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t, &failures] {
      const std::string user = "thread-" + std::to_string(t);
      for (int i = 0; i < 12; ++i) {
        const std::string item = recommender()->items().keys()[static_cast<size_t>(10 * t + i)];
        rate(user, item, 4);
        if (contains(ids(user, 200), item)) ++failures;
        CatalogueEntry entry;
        entry.id = "t" + std::to_string(t);
        entry.title = "Title " + std::to_string(i);
        service_->put_item(entry);
        if (service_->item(entry.id)->title != entry.title) ++failures;
        service_->search_items("title", 5);
        service_->users("", 20);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(failures.load(), 0);
  for (int t = 0; t < 4; ++t) EXPECT_EQ(service_->profile("thread-" + std::to_string(t)).num_ratings, 12);
}

}  // namespace
}  // namespace attune::assist
