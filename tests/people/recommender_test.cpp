// The recommender: lists, histories from events, explanations, taste.
#include "people/recommender.h"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "people/als.h"
#include "people/learn.h"
#include "people/recommendation.h"
#include "people/taste.h"
#include "tests/expect_error.h"
#include "tests/people/recommender_fixtures.h"

namespace attune::people {
namespace {

using attune::test::expect_error;
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

}  // namespace
}  // namespace attune::people
