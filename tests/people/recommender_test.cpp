// The recommender: lists, histories from events, explanations, taste; its files, and every way in which they may be damaged.
#include "people/recommender.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "data/generated.h"
#include "io/npy/npy.h"
#include "people/als.h"
#include "people/learn.h"
#include "people/recommendation.h"
#include "people/taste.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

using attune::test::expect_error;
using Json = nlohmann::ordered_json;
constexpr int kUsers = 80;
constexpr int kItems = 120;

const data::Dataset& shared_data() {
  static const data::Dataset dataset =
      data::generate_dataset({.num_users = kUsers, .num_items = kItems, .num_ratings = 2400, .rank = 3}).dataset;
  return dataset;
}

std::unique_ptr<Recommender> make(const char* preset = "ranking", int rank = 8) {
  ThreadPool pool(1);
  AlsOptions o = als_preset(preset);
  o.rank = rank;
  o.sweeps = 5;
  TrainRecord record{"generated", 2400, "2026-01-02T03:04:05Z", {{"test ndcg@10", 0.25}}, "by a test"};
  return std::make_unique<Recommender>(shared_data(), fit_als(shared_data().interactions, kUsers, kItems, o, pool), record);
}

store::Event event(std::string kind, std::string item, std::optional<double> value = {}) {
  store::Event out;
  out.user = "u";
  out.kind = std::move(kind);
  out.item = std::move(item);
  out.value = value;
  return out;
}

TEST(Recommender, ListIsSortedAndLeavesOutWhatWasRated) {
  const auto recommender = make();
  for (int u = 0; u < kUsers; ++u) {
    const auto rated = recommender->training_ratings(UserIndex(u));
    const auto list = recommender->recommend(UserIndex(u), {.k = 15});
    ASSERT_EQ(list.size(), 15u);
    for (size_t n = 0; n < list.size(); ++n) {
      for (const auto& r : rated) EXPECT_NE(list[n].item, r.item);
      if (n > 0) {
        EXPECT_GE(list[n - 1].score, list[n].score);
      }
    }
  }
}

TEST(Recommender, ScoresAreThoseOfTheModel) {
  for (const char* preset : {"ranking", "soft_attributes"}) {
    const auto recommender = make(preset);
    const auto rated = recommender->training_ratings(UserIndex(3));
    const auto user = recommender->fold_in(rated);
    std::vector<float> all(kItems);
    recommender->model().scores(user, all);
    for (const auto& scored : recommender->recommend(UserIndex(3), {.k = 1000})) EXPECT_EQ(scored.score, all[scored.item.value]);
    EXPECT_EQ(recommender->recommend(UserIndex(3), {.k = 1000}).size(), kItems - rated.size());
    EXPECT_EQ(recommender->recommend(UserIndex(3), {.k = 1000, .exclude_rated = false}).size(), static_cast<size_t>(kItems));
  }
}

TEST(Recommender, FiltersAndExclusions) {
  const auto recommender = make();
  const auto first = recommender->recommend(UserIndex(0), {.k = 3});
  const auto without = recommender->recommend(UserIndex(0), {.k = 3, .exclude = {first[0].item}});
  EXPECT_EQ(without[0].item, first[1].item);
  const auto odd = recommender->recommend(UserIndex(0), {.k = 10, .accept = [](ItemIndex i) { return i.value % 2 == 1; }});
  for (const auto& scored : odd) EXPECT_EQ(scored.item.value % 2, 1);
  EXPECT_THROW(recommender->recommend(UserIndex(0), {.k = 0}), Error);
  EXPECT_THROW(recommender->recommend(UserIndex(0), {.k = 100001}), Error);
  EXPECT_THROW(recommender->recommend(UserIndex(kUsers), {}), Error);
  EXPECT_THROW(recommender->recommend(UserIndex(0), {.exclude = {ItemIndex(kItems)}}), Error);
}

TEST(Recommender, NewUserGetsPopularItems) {
  const auto recommender = make();
  const auto list = recommender->recommend(std::span<const RatedItem>{}, {.k = 5});
  ASSERT_EQ(list.size(), 5u);
  for (size_t n = 0; n < list.size(); ++n) {
    EXPECT_FLOAT_EQ(list[n].score, static_cast<float>(recommender->popularity(list[n].item)) / kUsers);
    if (n > 0) {
      EXPECT_GE(recommender->popularity(list[n - 1].item), recommender->popularity(list[n].item));
    }
  }
}

TEST(Recommender, LowRatingsPushAway) {
  const auto recommender = make();
  const ItemIndex item(10);
  const auto user = recommender->fold_in(std::vector<RatedItem>{{item, 1}});
  EXPECT_EQ(user.num_liked, 0);
  EXPECT_LT(recommender->model().score(user, item), 0);
  EXPECT_GT(recommender->model().score(recommender->fold_in(std::vector<RatedItem>{{item, 5}}), item), 0);
  // Nothing liked: popular items lead, what resembles the disliked one falls behind its popularity.
  const auto list = recommender->recommend(std::vector<RatedItem>{{item, 1}}, {.k = kItems});
  for (const auto& scored : list) {
    const float share = static_cast<float>(recommender->popularity(scored.item)) / kUsers;
    EXPECT_NEAR(scored.score, share + recommender->model().score(user, scored.item), 1e-6);
  }
  EXPECT_EQ(recommender->fold_in(std::vector<RatedItem>{{item, 1}, {ItemIndex(3), 5}}).num_liked, 1);
}

TEST(Recommender, HistoryOverlaysEvents) {
  const auto recommender = make();
  const auto trained = recommender->training_ratings(UserIndex(1));
  const std::string known = recommender->items().key(trained[0].item);
  std::vector<store::Event> events{
      event("rating", known, 2), event("rating", "77", 5), event("chat", "78", 5),  event("rating", "no such item", 5),
      event("rating", "79", 99), event("rating", "80"),    event("rating", "77", 4)};
  const auto history = recommender->history(UserIndex(1), events);
  std::map<std::string, float> by_key;
  for (const auto& r : history) by_key[recommender->items().key(r.item)] = r.rating;
  EXPECT_EQ(by_key.at(known), 2);
  EXPECT_EQ(by_key.at("77"), 4);  // the last one counts
  size_t expected = trained.size();
  for (const auto& r : trained) expected -= recommender->items().key(r.item) == "77";
  EXPECT_EQ(history.size(), expected + 1);
  EXPECT_EQ(recommender->history(std::nullopt, events).size(), 2u);
  EXPECT_EQ(recommender->history(UserIndex(1), {}).size(), trained.size());
}

TEST(Recommender, RatingChangesTheList) {
  const auto recommender = make();
  const auto before = recommender->recommend(UserIndex(2), {.k = 10});
  const std::vector<store::Event> events{event("rating", recommender->items().key(before[0].item), 5)};
  const auto history = recommender->history(UserIndex(2), events);
  const auto after = recommender->recommend(history, {.k = 10});
  for (const auto& scored : after) EXPECT_NE(scored.item, before[0].item);
}

TEST(Recommender, DismissedUnlessRatedLater) {
  const auto recommender = make();
  const std::vector<store::Event> events{event("dismiss", "5"), event("dismiss", "6"), event("rating", "5", 4), event("dismiss", "none")};
  EXPECT_EQ(recommender->dismissed(events), (std::vector<ItemIndex>{recommender->items().at("6")}));
}

TEST(Recommender, ExplainsByRatedItems) {
  const auto recommender = make();
  const auto rated = recommender->training_ratings(UserIndex(4));
  const auto best = recommender->recommend(UserIndex(4), {.k = 1})[0].item;
  const auto why = recommender->explain(rated, best, 3);
  ASSERT_FALSE(why.empty());
  EXPECT_LE(why.size(), 3u);
  for (size_t n = 0; n < why.size(); ++n) {
    EXPECT_GT(why[n].amount, 0);
    if (n > 0) {
      EXPECT_GE(why[n - 1].amount, why[n].amount);
    }
    EXPECT_TRUE(
        std::any_of(rated.begin(), rated.end(), [&](const RatedItem& r) { return r.item == why[n].item && r.rating == why[n].rating; }));
  }
}

TEST(Recommender, SimilarItemsAndUsers) {
  const auto recommender = make();
  const auto items = recommender->similar_items(ItemIndex(10), 5);
  ASSERT_EQ(items.size(), 5u);
  for (const auto& hit : items) {
    EXPECT_NE(hit.item.value, 10);
    EXPECT_LE(hit.score, 1.0f + 1e-5f);
  }
  EXPECT_EQ(recommender->similar_users(UserIndex(0), 4).size(), 4u);
}

TEST(Recommender, ItemsAndUsersWithoutRatingsAreInNoList) {
  data::Dataset dataset = shared_data();
  const ItemIndex item = dataset.items.add("nobody rated it");
  dataset.item_info.emplace_back();
  const UserIndex user = dataset.users.add("rated nothing");
  if (!dataset.user_info.empty()) dataset.user_info.emplace_back();
  ThreadPool pool(1);
  AlsOptions o = als_preset("ranking");
  o.rank = 8;
  o.sweeps = 3;
  const Recommender recommender(dataset, fit_als(dataset.interactions, kUsers + 1, kItems + 1, o, pool), {});
  for (const int k : {5, 1000}) {
    for (const UserIndex u : {UserIndex(0), user}) {
      const auto list = recommender.recommend(u, {.k = k, .exclude_rated = false});
      EXPECT_EQ(list.size(), static_cast<size_t>(std::min(k, kItems)));  // the others are all there
      for (const auto& entry : list) EXPECT_NE(entry.item, item);
    }
  }
  const auto similar = recommender.similar_items(ItemIndex(3), 1000);
  EXPECT_EQ(similar.size(), static_cast<size_t>(kItems - 1));
  for (const auto& entry : similar) EXPECT_NE(entry.item, item);
  EXPECT_EQ(recommender.similar_users(UserIndex(3), 1000).size(), static_cast<size_t>(kUsers - 1));
  expect_error(ErrorCode::kFailedPrecondition, "nobody has rated item nobody rated it", [&] { recommender.similar_items(item, 3); });
  expect_error(ErrorCode::kFailedPrecondition, "user rated nothing has rated nothing", [&] { recommender.similar_users(user, 3); });
}

TEST(Recommender, SpacesWithBiasGiveTheRankingScore) {
  const auto recommender = make("soft_attributes");
  const auto items = recommender->item_space(true);
  const auto users = recommender->user_space(true);
  EXPECT_EQ(items.d(), 9);
  const auto user = recommender->model().known_user(UserIndex(5));
  double dot = 0;
  for (int k = 0; k < 9; ++k) dot += static_cast<double>(users.row(UserIndex(5))[k]) * items.row(ItemIndex(6))[k];
  EXPECT_NEAR(dot, recommender->model().score(user, ItemIndex(6)), 1e-5);
  EXPECT_EQ(recommender->item_space().d(), 8);
}

TEST(Recommender, ListForAKey) {
  const auto recommender = make();
  const auto list = recommend_for(*recommender, "7", 4);
  EXPECT_EQ(list.user, "7");
  ASSERT_EQ(list.items.size(), 4u);
  EXPECT_EQ(list.items[0].title, recommender->item(recommender->items().at(list.items[0].item)).display_title);
  try {
    recommend_for(*recommender, "nobody", 4);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("nobody"), std::string::npos);
  }
  const std::vector<store::Event> events{event("rating", "3", 5), event("dismiss", "4")};
  EXPECT_EQ(recommend_for(*recommender, "nobody", 4, events).items.size(), 4u);
}

TEST(Recommender, ThreadsShareOne) {
  const auto recommender = make();
  const auto expected = recommender->recommend(UserIndex(9), {.k = 10});
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        const auto list = recommender->recommend(UserIndex(9), {.k = 10});
        for (size_t i = 0; i < list.size(); ++i) wrong += list[i].item != expected[i].item || list[i].score != expected[i].score;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

// ---- taste ----

/// Items 0..59 "A", 60..119 "B"; everyone rates both alike, 4 on average.
std::unique_ptr<Recommender> two_genres() {
  data::Dataset dataset;
  for (int i = 0; i < 120; ++i) {
    data::ItemInfo info;
    info.title = info.display_title = cat("Film ", i);
    info.genres = {i < 60 ? "A" : "B"};
    dataset.items.add(cat(i));
    dataset.item_info.push_back(info);
  }
  Rng rng(3, "taste");
  for (int u = 0; u < 20; ++u) {
    const auto user = dataset.users.add(cat(u));
    for (int i = u % 4; i < 120; i += 4) dataset.interactions.push_back({user, ItemIndex(i), static_cast<float>(3 + rng.below(3)), 0});
  }
  ThreadPool pool(1);
  AlsOptions o = als_preset("ranking");
  o.rank = 2;
  AlsModel model = fit_als(dataset.interactions, 20, 120, o, pool);
  return std::make_unique<Recommender>(std::move(dataset), std::move(model), TrainRecord{});
}

std::vector<std::string> names(const std::vector<GenreTaste>& genres) {
  std::vector<std::string> out;
  for (const auto& g : genres) out.push_back(g.genre);
  return out;
}

TEST(Taste, LikesAndDislikes) {
  const auto recommender = two_genres();
  std::vector<RatedItem> ratings;
  for (int i = 0; i < 10; ++i) ratings.push_back({ItemIndex(i), 5});
  for (int i = 60; i < 70; ++i) ratings.push_back({ItemIndex(i), 2});
  const auto taste = taste_of(*recommender, ratings);
  EXPECT_EQ(names(taste.likes), (std::vector<std::string>{"A"}));
  EXPECT_EQ(names(taste.dislikes), (std::vector<std::string>{"B"}));
  // (10 + 8 * 0.5) / (10 + 8) / 0.5
  EXPECT_NEAR(taste.likes[0].lift, (10 + 8 * recommender->genre_share()[0]) / 18 / recommender->genre_share()[0], 1e-12);
  EXPECT_EQ(taste.likes[0].count, 10);
  ASSERT_EQ(taste.favourites.size(), 5u);
  for (const auto& favourite : taste.favourites) EXPECT_EQ(favourite.rating, 5);
}

TEST(Taste, FewRatings) {
  const auto recommender = two_genres();
  EXPECT_TRUE(taste_of(*recommender, {}).likes.empty());
  EXPECT_EQ(taste_of(*recommender, {}).num_ratings, 0);
  const auto one_good = taste_of(*recommender, std::vector<RatedItem>{{ItemIndex(3), 5}});
  EXPECT_TRUE(one_good.likes.empty());  // lift (1 + 4) / 9 / 0.5 = 1.11: too little to say so
  EXPECT_EQ(one_good.favourites.size(), 1u);
  const auto one_bad = taste_of(*recommender, std::vector<RatedItem>{{ItemIndex(3), 1}});
  EXPECT_TRUE(one_bad.likes.empty());
  EXPECT_TRUE(one_bad.favourites.empty());
  const auto only_fives =
      taste_of(*recommender, std::vector<RatedItem>{{ItemIndex(3), 5}, {ItemIndex(4), 5}, {ItemIndex(5), 5}, {ItemIndex(6), 5}});
  EXPECT_EQ(names(only_fives.likes), (std::vector<std::string>{"A"}));  // someone who only gives the best mark likes it all the same
  EXPECT_TRUE(only_fives.dislikes.empty());
}

TEST(Taste, AFourAmongFivesIsNoDislike) {
  const auto recommender = two_genres();
  const auto taste =
      taste_of(*recommender, std::vector<RatedItem>{{ItemIndex(1), 5}, {ItemIndex(2), 5}, {ItemIndex(61), 4.25f}, {ItemIndex(62), 4.25f}});
  EXPECT_EQ(names(taste.likes), (std::vector<std::string>{"A"}));
  EXPECT_TRUE(taste.dislikes.empty());
  const auto worse =
      taste_of(*recommender, std::vector<RatedItem>{{ItemIndex(1), 5}, {ItemIndex(2), 5}, {ItemIndex(61), 3}, {ItemIndex(62), 3}});
  EXPECT_EQ(names(worse.dislikes), (std::vector<std::string>{"B"}));
}

TEST(Taste, MixedTasteSaysNothing) {
  const auto recommender = two_genres();
  std::vector<RatedItem> ratings;
  for (int i = 0; i < 10; ++i) ratings.push_back({ItemIndex(i), i % 2 == 0 ? 5.0f : 2.0f});
  for (int i = 60; i < 70; ++i) ratings.push_back({ItemIndex(i), i % 2 == 0 ? 5.0f : 2.0f});
  const auto taste = taste_of(*recommender, ratings);
  EXPECT_TRUE(taste.likes.empty());
  EXPECT_TRUE(taste.dislikes.empty());
}

TEST(Taste, ManyRatingsOfAGenreAreNotALikingOfIt) {
  const auto recommender = two_genres();
  std::vector<RatedItem> ratings;  // only "A", half of them bad: its lift is high on both sides
  for (int i = 0; i < 20; ++i) ratings.push_back({ItemIndex(i), i % 2 == 0 ? 5.0f : 2.0f});
  const auto taste = taste_of(*recommender, ratings);
  EXPECT_TRUE(taste.likes.empty());
  EXPECT_TRUE(taste.dislikes.empty());
}

// ---- files ----

class ModelFilesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = std::filesystem::temp_directory_path() /
            cat("attune-model-", ::getpid(), "-", ::testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(root_);
    std::filesystem::create_directories(root_);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }
  Path folder() const { return root_ / "model"; }

  std::string text(const char* file) const { return read_file(folder() / file); }
  void put(const char* file, const std::string& content) const { std::ofstream(folder() / file, std::ios::binary) << content; }

  /// Replaces a file and its digest in model.json, so that the check behind the digest is what refuses it.
  void put_with_digest(const char* file, const std::string& content) const {
    put(file, content);
    Json model = Json::parse(text("model.json"));
    char digest[32];
    std::snprintf(digest, sizeof(digest), "%016llx", static_cast<unsigned long long>(fnv1a(content)));
    model["digests"][file] = digest;
    put("model.json", model.dump());
  }
  template <class Change>
  void change_json(Change change) const {
    Json model = Json::parse(text("model.json"));
    change(model);
    put("model.json", model.dump());
  }
  void expect_refused(ErrorCode code, const std::string& part) const {
    try {
      Recommender::load(folder());
      FAIL() << "accepted; expected " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), code) << error.what();
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << " lacks " << part;
    }
  }
  Path root_;
};

TEST_F(ModelFilesTest, RoundTrip) {
  for (const char* preset : {"ranking", "soft_attributes", "latent_bandits"}) {
    const auto before = make(preset);
    before->save(folder());
    const auto after = Recommender::load(folder());
    EXPECT_EQ(after->version(), before->version());
    EXPECT_EQ(after->users().keys(), before->users().keys());
    EXPECT_EQ(after->items().keys(), before->items().keys());
    EXPECT_EQ(after->model().parameters().user_factors, before->model().parameters().user_factors);
    EXPECT_EQ(after->model().parameters().item_bias, before->model().parameters().item_bias);
    EXPECT_EQ(after->model().parameters().mean, before->model().parameters().mean);
    EXPECT_EQ(after->model().parameters().options.target, before->model().parameters().options.target);
    EXPECT_EQ(after->model().parameters().options.lambda, before->model().parameters().options.lambda);
    EXPECT_EQ(after->record().metrics, before->record().metrics);
    EXPECT_EQ(after->record().created, "2026-01-02T03:04:05Z");
    for (int u = 0; u < kUsers; ++u) {
      const auto a = before->recommend(UserIndex(u), {.k = 10});
      const auto b = after->recommend(UserIndex(u), {.k = 10});
      for (size_t n = 0; n < a.size(); ++n) {
        EXPECT_EQ(a[n].item, b[n].item);
        EXPECT_EQ(a[n].score, b[n].score);
      }
    }
    const auto& a = before->item(ItemIndex(11));
    const auto& b = after->item(ItemIndex(11));
    EXPECT_EQ(a.title, b.title);
    EXPECT_EQ(a.display_title, b.display_title);
    EXPECT_EQ(a.year, b.year);
    EXPECT_EQ(a.genres, b.genres);
    EXPECT_EQ(after->popularity(ItemIndex(11)), before->popularity(ItemIndex(11)));
    size_t files = 0;  // no temporary file is left, in the folder or beside it
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder())) ++files;
    EXPECT_EQ(files, 4u);
    EXPECT_EQ(std::distance(std::filesystem::directory_iterator(root_), std::filesystem::directory_iterator()), 1);
  }
}

// Opaque keys: ids far above the number of rows, more users than items, texts of any kind.
TEST_F(ModelFilesTest, KeysAreOpaque) {
  data::Dataset dataset;
  const std::vector<std::string> users{"7", "100000", "11964631"};
  const std::vector<std::string> items{"1", "131262", "käse \"&\" \\ </x>", " 007", "0x7"};
  for (const auto& key : users) dataset.users.add(key);
  for (const auto& key : items) {
    dataset.items.add(key);
    data::ItemInfo info;
    info.title = info.display_title = key;
    dataset.item_info.push_back(info);
  }
  for (int u = 0; u < 3; ++u) {
    for (int i = u; i < 5; i += 2) dataset.interactions.push_back({UserIndex(u), ItemIndex(i), 4, 0});
  }
  ThreadPool pool(1);
  AlsOptions o = als_preset("ranking");
  o.rank = 2;
  AlsModel model = fit_als(dataset.interactions, 3, 5, o, pool);
  EXPECT_EQ(model.parameters().user_factors.size(), 6u);
  EXPECT_EQ(model.parameters().item_factors.size(), 10u);
  Recommender(dataset, std::move(model), {}).save(folder());
  const auto loaded = Recommender::load(folder());
  EXPECT_EQ(loaded->users().keys(), users);
  EXPECT_EQ(loaded->items().keys(), items);
  EXPECT_EQ(loaded->users().at("11964631").value, 2);
  try {
    loaded->users().at("8");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("\"8\""), std::string::npos);
  }
  EXPECT_THROW(loaded->items().at("2"), Error);
  // The transposed matrix does not fit: sizes are checked, and the index types do not convert.
  static_assert(!std::is_convertible_v<UserIndex, ItemIndex> && !std::is_convertible_v<int, UserIndex>);
  AlsModel transposed = fit_als(std::vector<data::Interaction>{{UserIndex(4), ItemIndex(2), 4, 0}}, 5, 3, o, pool);
  EXPECT_THROW(Recommender(dataset, std::move(transposed), {}), Error);
}

TEST_F(ModelFilesTest, SavingReplacesTheFolder) {
  make("ranking", 8)->save(folder());
  put("stale.txt", "x");
  make("ranking", 4)->save(folder());
  EXPECT_EQ(Recommender::load(folder())->model().rank(), 4);
  EXPECT_FALSE(std::filesystem::exists(folder() / "stale.txt"));
  make("ranking", 3)->save(folder() / "");  // "model/" names the same folder
  EXPECT_EQ(Recommender::load(folder())->model().rank(), 3);
}

TEST_F(ModelFilesTest, ExportToNpy) {
  const auto recommender = make();
  recommender->export_npy(root_ / "npy");
  const auto items = io::read_npy(root_ / "npy" / "item_factors.npy");
  EXPECT_EQ(items.shape, (std::vector<int64_t>{kItems, 8}));
  EXPECT_EQ(items.floats()[8 * 5 + 2], recommender->model().item_row(ItemIndex(5))[2]);
  EXPECT_EQ(io::read_npy(root_ / "npy" / "user_factors.npy").shape, (std::vector<int64_t>{kUsers, 8}));
  EXPECT_EQ(io::read_npy(root_ / "npy" / "user_bias.npy").shape, (std::vector<int64_t>{kUsers}));
  std::ofstream(root_ / "file") << "x";
  EXPECT_THROW(recommender->export_npy(root_ / "file"), Error);
}

TEST_F(ModelFilesTest, MissingAndNewer) {
  expect_refused(ErrorCode::kNotFound, "attune learn ratings");
  make()->save(folder());
  change_json([](Json& j) { j["format_version"] = 2; });
  expect_refused(ErrorCode::kUnsupported, "format_version is 2");
  change_json([](Json& j) { j["format_version"] = 0; });
  expect_refused(ErrorCode::kCorruptData, "format_version is 0");
  change_json([](Json& j) { j["format_version"] = "1"; });
  expect_refused(ErrorCode::kCorruptData, "wrong type");
  change_json([](Json& j) {
    j["format_version"] = 1;
    j["kind"] = "two_tower";
  });
  expect_refused(ErrorCode::kUnsupported, "two_tower");
  change_json([](Json& j) { j["format"] = "x"; });
  expect_refused(ErrorCode::kUnsupported, "format is x");
  for (const char* file : {"factors.safetensors", "users.jsonl", "items.jsonl", "model.json"}) {
    make()->save(folder());
    std::filesystem::remove(folder() / file);
    expect_refused(ErrorCode::kNotFound, file);
  }
}

TEST_F(ModelFilesTest, DamagedModelJson) {
  const std::pair<const char*, std::function<void(Json&)>> cases[] = {
      {"num_users", [](Json& j) { j["num_users"] = kUsers + 1; }},
      {"num_items", [](Json& j) { j["num_items"] = kItems - 1; }},
      {"num_users", [](Json& j) { j.erase("num_users"); }},
      {"num_ratings", [](Json& j) { j["num_ratings"] = 0; }},
      {"rating_items", [](Json& j) { j["num_ratings"] = 2399; }},
      {"mean", [](Json& j) { j["mean"] = "x"; }},
      {"mean", [](Json& j) { j["mean"] = nullptr; }},
      {"options", [](Json& j) { j["options"] = 3; }},
      {"rank", [](Json& j) { j["options"]["rank"] = 0; }},
      {"user_factors", [](Json& j) { j["options"]["rank"] = 9; }},
      {"rank", [](Json& j) { j["options"]["rank"] = 1e300; }},
      {"lambda", [](Json& j) { j["options"].erase("lambda"); }},
      {"colour", [](Json& j) { j["options"]["colour"] = 1; }},
      {"target", [](Json& j) { j["options"]["target"] = "x"; }},
      {"w0", [](Json& j) { j["options"]["w0"] = nullptr; }},
      {"w0", [](Json& j) { j["options"]["w0"] = Json::array(); }},
      {"digests", [](Json& j) { j.erase("digests"); }},
      {"users.jsonl", [](Json& j) { j["digests"].erase("users.jsonl"); }},
      {"digest", [](Json& j) { j["digests"]["items.jsonl"] = "0000000000000000"; }},
      {"record", [](Json& j) { j["record"] = 1; }},
      {"created", [](Json& j) { j["record"].erase("created"); }},
      {"metric", [](Json& j) { j["record"]["metrics"]["x"] = "y"; }},
  };
  for (const auto& [part, change] : cases) {
    make()->save(folder());
    change_json(change);
    try {
      Recommender::load(folder());
      ADD_FAILURE() << "accepted; expected " << part;
    } catch (const Error& error) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what() << " lacks " << part;
    }
  }
  make()->save(folder());
  const std::string whole = text("model.json");
  for (const std::string& content :
       {std::string(), std::string("[]"), whole.substr(0, whole.size() / 2), std::string(5000, '['), std::string("\0\0", 2)}) {
    put("model.json", content);
    expect_refused(ErrorCode::kCorruptData, "model.json");
  }
  put("model.json", std::string(2 << 20, ' '));
  expect_refused(ErrorCode::kResource, "model.json");
}

TEST_F(ModelFilesTest, DamagedIdFiles) {
  make()->save(folder());
  const std::string users = text("users.jsonl");
  const std::string items = text("items.jsonl");
  const auto edit = [](std::string whole, const std::string& from, const std::string& to) {
    const size_t at = whole.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return at == std::string::npos ? whole : whole.replace(at, from.size(), to);
  };
  struct Case {
    const char* file;
    std::string content;
    const char* part;
  };
  const Case cases[] = {
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":\"1\"}"), "users.jsonl:2] user id 1 is repeated"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":2}"), "users.jsonl:2] id has the wrong type"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":\"\"}"), "users.jsonl:2] id has 0 bytes"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"name\":\"2\"}"), "users.jsonl:2] id is missing"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}", "{\"id\":\"2\""), "users.jsonl:2] expected a JSON object"},
      {"users.jsonl", edit(users, "{\"id\":\"2\"}\n", ""), "num_users"},
      {"users.jsonl", users + "{\"id\":\"new\"}\n", "num_users"},
      {"users.jsonl", users.substr(0, users.size() - 1), "cut off"},
      {"users.jsonl", "", "num_users"},
      {"users.jsonl", edit(users, "\"2\"", "\"" + std::string(300, 'a') + "\""), "id has 300 bytes"},
      {"items.jsonl", edit(items, "{\"id\":\"3\"", "{\"id\":\"2\""), "items.jsonl:3] item id 2 is repeated"},
      {"items.jsonl", edit(items, "\"genres\":[", "\"genres\":[1,"), "genres holds something that is no text"},
      {"items.jsonl", edit(items, "\"genres\":[", "\"styles\":["), "genres, expected a list"},
      {"items.jsonl", edit(items, "\"other\":{}", "\"other\":[]"), "other, expected an object"},
      {"items.jsonl", edit(items, "\"title\":", "\"titel\":"), "title is missing"},
      {"items.jsonl", edit(items, "\"year\":", "\"year\":\"x\",\"y\":"), "year has the wrong type"},
      {"items.jsonl", items.substr(0, items.size() / 2), "items.jsonl"},
  };
  for (const auto& c : cases) {
    make()->save(folder());
    put_with_digest(c.file, c.content);
    expect_refused(ErrorCode::kCorruptData, c.part);
  }
}

/// Changes bytes of a tensor's data in a safetensors file: 8-byte header length, header, data.
std::string patch_tensor(std::string file, const char* name, size_t offset, const void* bytes, size_t size) {
  uint64_t header = 0;
  std::memcpy(&header, file.data(), 8);
  const Json json = Json::parse(file.substr(8, header));
  const auto begin = json[name]["data_offsets"][0].get<size_t>();
  std::memcpy(file.data() + 8 + header + begin + offset, bytes, size);
  return file;
}

std::string patch_header(std::string file, const std::string& from, const std::string& to) {
  const size_t at = file.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? file : file.replace(at, from.size(), to);
}

TEST_F(ModelFilesTest, DamagedFactors) {
  make()->save(folder());
  const std::string whole = text("factors.safetensors");
  const float nan = NAN;
  const float infinity = INFINITY;
  const int32_t beyond = kItems;
  const int32_t negative = -1;
  const int64_t one = 1;
  const int64_t far = int64_t{1} << 60;
  int32_t first = 0;
  {
    uint64_t header = 0;
    std::memcpy(&header, whole.data(), 8);
    const Json json = Json::parse(whole.substr(8, header));
    std::memcpy(&first, whole.data() + 8 + header + json["rating_items"]["data_offsets"][0].get<size_t>(), 4);
  }
  struct Case {
    std::string content;
    const char* part;
  };
  const Case cases[] = {
      {patch_tensor(whole, "item_factors", 20, &nan, 4), "item_factors: value 5 is not finite"},
      {patch_tensor(whole, "user_factors", 0, &infinity, 4), "user_factors: value 0 is not finite"},
      {patch_tensor(whole, "item_bias", 4, &nan, 4), "item_bias"},
      {patch_tensor(whole, "user_bias", 4, &nan, 4), "user_bias"},
      {patch_tensor(whole, "rating_values", 4, &nan, 4), "rating_values"},
      {patch_tensor(whole, "rating_items", 4, &beyond, 4), "rating_items: value 1 is 120"},
      {patch_tensor(whole, "rating_items", 4, &negative, 4), "rating_items: value 1 is -1"},
      {patch_tensor(whole, "rating_items", 4, &first, 4), "twice"},
      {patch_tensor(whole, "rating_offsets", 0, &one, 8), "rating_offsets run from 1"},
      {patch_tensor(whole, "rating_offsets", 8, &far, 8), "rating_offsets fall"},
      {patch_tensor(whole, "rating_offsets", 8 * kUsers, &one, 8), "rating_offsets run"},
      {patch_header(whole, "[80,8]", "[8,80]"), "user_factors is F32 [8, 80], expected F32 [80, 8]"},
      {patch_header(whole, "\"user_bias\"", "\"user_bigs\""), "user_bias"},
      {patch_header(whole, "\"rating_times\"", "\"rating_timez\""), "rating_times is missing"},
      {patch_header(whole, "\"I64\"", "\"U64\""), "I64"},
      {whole.substr(0, whole.size() - 4), "factors.safetensors"},
      {whole.substr(0, 100), "factors.safetensors"},
      {"", "factors.safetensors"},
      {whole + "x", "factors.safetensors"},
  };
  for (const auto& c : cases) {
    make()->save(folder());
    put_with_digest("factors.safetensors", c.content);
    try {
      Recommender::load(folder());
      ADD_FAILURE() << "accepted; expected " << c.part;
    } catch (const Error& error) {
      EXPECT_TRUE(error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kNotFound) << error.what();
      EXPECT_NE(std::string(error.what()).find(c.part), std::string::npos) << error.what() << " lacks " << c.part;
    }
  }
  make()->save(folder());
  put("factors.safetensors", patch_tensor(whole, "item_factors", 20, &infinity, 4));  // without the digest
  expect_refused(ErrorCode::kCorruptData, "digest");
}

TEST_F(ModelFilesTest, EveryCutOfSmallFilesIsRefused) {
  make()->save(folder());
  for (const char* file : {"model.json", "users.jsonl"}) {
    const std::string whole = text(file);
    for (size_t length = 0; length + 1 < whole.size(); length += 7) {
      put(file, whole.substr(0, length));
      EXPECT_THROW(Recommender::load(folder()), Error) << file << " cut at " << length;
    }
    put(file, whole);
  }
  EXPECT_NO_THROW(Recommender::load(folder()));
}

TEST_F(ModelFilesTest, SavingToABadPlaceIsAnIoError) {
  std::ofstream(root_ / "file") << "x";
  try {
    make()->save(root_ / "file" / "model");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kIo) << error.what();
  }
}

}  // namespace
}  // namespace attune::people
