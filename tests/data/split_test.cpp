// Splits: every rating in exactly one part, counts, order in time, seeds; k-core against a slow reference; the generated set.
#include "data/split.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "data/generated.h"

namespace attune::data {
namespace {

const Dataset& dataset() {
  static const Dataset out = generate_dataset({.num_users = 60, .num_items = 90, .num_ratings = 1500, .least_per_user = 1}).dataset;
  return out;
}

using Key = std::pair<int32_t, int32_t>;
Key key(const Interaction& r) { return {r.user.value, r.item.value}; }

void expect_partition(const Split& split) {
  std::set<Key> all;
  for (const auto* part : {&split.train, &split.valid, &split.test}) {
    for (const auto& r : *part) EXPECT_TRUE(all.insert(key(r)).second);
  }
  EXPECT_EQ(all.size(), dataset().interactions.size());
}

std::map<int32_t, std::vector<Interaction>> by_user(const std::vector<Interaction>& part) {
  std::map<int32_t, std::vector<Interaction>> out;
  for (const auto& r : part) out[r.user.value].push_back(r);
  return out;
}

TEST(Split, RandomKeepsRatiosPerUser) {
  const auto split = split_ratings(dataset(), {.seed = 3});
  expect_partition(split);
  auto all = by_user(dataset().interactions);
  auto train = by_user(split.train), valid = by_user(split.valid), test = by_user(split.test);
  for (const auto& [user, mine] : all) {
    const auto n = static_cast<double>(mine.size());
    EXPECT_GE(train[user].size(), 1u);
    if (n < 5) continue;
    EXPECT_EQ(static_cast<double>(test[user].size()), std::round(0.1 * n)) << n;
    EXPECT_EQ(static_cast<double>(valid[user].size()), std::round(0.1 * n)) << n;
  }
  const auto again = split_ratings(dataset(), {.seed = 3});
  const auto other = split_ratings(dataset(), {.seed = 4});
  EXPECT_TRUE(std::equal(split.test.begin(), split.test.end(), again.test.begin(), [](auto a, auto b) { return key(a) == key(b); }));
  EXPECT_FALSE(std::equal(split.test.begin(), split.test.end(), other.test.begin(), other.test.end(),
                          [](auto a, auto b) { return key(a) == key(b); }));
}

TEST(Split, SomethingAlwaysTrains) {
  Dataset few;  // users with 1, 2, 3, ... ratings
  for (int u = 0; u < 12; ++u) {
    const auto user = few.users.add(cat(u));
    for (int i = 0; i <= u; ++i) few.interactions.push_back({user, few.items.add(cat(i)), 3, i});
  }
  for (const char* kind : {"random", "user_temporal"}) {
    const auto split = split_ratings(few, {.kind = kind, .valid = 0.45, .test = 0.45});
    auto train = by_user(split.train);
    EXPECT_EQ(train.size(), 12u) << kind;
    EXPECT_EQ(split.train.size() + split.valid.size() + split.test.size(), few.interactions.size());
  }
}

TEST(Split, LeaveOneOut) {
  for (const char* order : {"time", "random"}) {
    const auto split = split_ratings(dataset(), {.kind = "leave_one_out", .order = order});
    expect_partition(split);
    auto all = by_user(dataset().interactions);
    auto train = by_user(split.train), valid = by_user(split.valid), test = by_user(split.test);
    for (const auto& [user, mine] : all) {
      const size_t expected = mine.size() < 3 ? 0 : 1;
      EXPECT_EQ(test[user].size(), expected);
      EXPECT_EQ(valid[user].size(), expected);
      if (expected == 0 || std::string(order) == "random") continue;
      for (const auto& r : train[user]) EXPECT_LE(r.timestamp, valid[user][0].timestamp);
      EXPECT_LE(valid[user][0].timestamp, test[user][0].timestamp);
    }
  }
}

TEST(Split, TemporalCutsThroughTime) {
  const auto split = split_ratings(dataset(), {.kind = "temporal"});
  expect_partition(split);
  EXPECT_EQ(split.test.size(), 150u);
  EXPECT_EQ(split.valid.size(), 150u);
  const auto latest = [](const std::vector<Interaction>& part) {
    return std::max_element(part.begin(), part.end(), [](auto a, auto b) { return a.timestamp < b.timestamp; })->timestamp;
  };
  const auto earliest = [](const std::vector<Interaction>& part) {
    return std::min_element(part.begin(), part.end(), [](auto a, auto b) { return a.timestamp < b.timestamp; })->timestamp;
  };
  EXPECT_LE(latest(split.train), earliest(split.valid));
  EXPECT_LE(latest(split.valid), earliest(split.test));
}

TEST(Split, UserTemporal) {
  const auto split = split_ratings(dataset(), {.kind = "user_temporal", .valid = 0, .test = 0.5});
  expect_partition(split);
  EXPECT_TRUE(split.valid.empty());
  auto train = by_user(split.train);
  for (const auto& [user, mine] : by_user(split.test)) {
    for (const auto& r : mine) {
      for (const auto& past : train[user]) EXPECT_LE(past.timestamp, r.timestamp);
    }
  }
}

TEST(Split, BadOptions) {
  EXPECT_THROW(split_ratings(dataset(), {.kind = "x"}), Error);
  EXPECT_THROW(split_ratings(dataset(), {.valid = 0.5, .test = 0.5}), Error);
  EXPECT_THROW(split_ratings(dataset(), {.valid = -0.1}), Error);
  EXPECT_THROW(split_ratings(dataset(), {.test = NAN}), Error);
}

TEST(KCore, AgainstRemovingOneAtATime) {
  Dataset small = generate_dataset({.num_users = 40, .num_items = 60, .num_ratings = 300, .least_per_user = 1}).dataset;
  small.tags.push_back({small.interactions[0].user, small.interactions[0].item, "tag", 0});
  std::vector<Interaction> kept = small.interactions;
  for (bool changed = true; changed;) {  // one row at a time
    changed = false;
    std::map<int32_t, int> users, items;
    for (const auto& r : kept) ++users[r.user.value], ++items[r.item.value];
    for (size_t n = 0; n < kept.size(); ++n) {
      if (users[kept[n].user.value] >= 5 && items[kept[n].item.value] >= 4) continue;
      kept.erase(kept.begin() + static_cast<std::ptrdiff_t>(n));
      changed = true;
      break;
    }
  }
  ASSERT_FALSE(kept.empty());
  ASSERT_LT(kept.size(), small.interactions.size());
  const auto core = k_core(small, 5, 4);
  ASSERT_EQ(core.interactions.size(), kept.size());
  for (size_t n = 0; n < kept.size(); ++n) {
    EXPECT_EQ(core.users.key(core.interactions[n].user), small.users.key(kept[n].user));
    EXPECT_EQ(core.items.key(core.interactions[n].item), small.items.key(kept[n].item));
    EXPECT_EQ(core.item_info[core.interactions[n].item.value].title, small.item_info[kept[n].item.value].title);
  }
  EXPECT_EQ(core.item_info.size(), static_cast<size_t>(core.items.size()));
  EXPECT_THROW(k_core(small, 1000, 1), Error);
}

TEST(Generated, HasTheShapeOfMovieLens100k) {
  const auto generated = generate_dataset();
  const Dataset& d = generated.dataset;
  EXPECT_EQ(d.shape_line(), "943 users x 1682 items, 100000 ratings");
  EXPECT_EQ(d.genres().size(), 18u);
  std::vector<int64_t> user_count(943, 0), item_count(1682, 0), ratings(6, 0);
  std::set<Key> pairs;
  for (const auto& r : d.interactions) {
    EXPECT_TRUE(pairs.insert(key(r)).second);
    ++user_count[r.user.value];
    ++item_count[r.item.value];
    ++ratings.at(static_cast<size_t>(r.rating));
  }
  EXPECT_GE(*std::min_element(user_count.begin(), user_count.end()), 20);
  std::sort(item_count.rbegin(), item_count.rend());
  int64_t top = 0;
  for (int i = 0; i < 168; ++i) top += item_count[i];
  EXPECT_GT(top, 25000);  // the most popular tenth takes far more than a tenth of the ratings
  EXPECT_EQ(ratings[0], 0);
  EXPECT_GT(ratings[4], ratings[1]);
  std::set<std::string> titles;
  for (const auto& info : d.item_info) {
    EXPECT_TRUE(titles.insert(info.title).second);
    EXPECT_TRUE(info.year && *info.year >= 1930 && *info.year <= 1998);
    EXPECT_TRUE(info.display_title.starts_with("The "));
    EXPECT_GE(info.genres.size(), 1u);
  }
}

TEST(Generated, SameSeedSameData) {
  const GeneratedOptions options{.num_users = 30, .num_items = 40, .num_ratings = 400, .least_per_user = 5, .seed = 8};
  const auto a = generate_dataset(options);
  const auto b = generate_dataset(options);
  EXPECT_EQ(a.user_factors, b.user_factors);
  for (size_t n = 0; n < a.dataset.interactions.size(); ++n) {
    EXPECT_EQ(key(a.dataset.interactions[n]), key(b.dataset.interactions[n]));
    EXPECT_EQ(a.dataset.interactions[n].rating, b.dataset.interactions[n].rating);
  }
  GeneratedOptions other = options;
  other.seed = 9;
  EXPECT_NE(generate_dataset(other).user_factors, a.user_factors);
  EXPECT_THROW(generate_dataset({.num_items = 1723}), Error);
  EXPECT_THROW(generate_dataset({.num_users = 10, .num_items = 20, .num_ratings = 5000}), Error);
  EXPECT_THROW(generate_dataset({.num_users = 0}), Error);
}

}  // namespace
}  // namespace attune::data
