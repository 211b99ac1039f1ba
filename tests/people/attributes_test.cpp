// Tags and judgements grouped by word and user: counts by hand, draws without replacement, and what must be refused.
#include "people/attributes.h"

#include <gtest/gtest.h>

#include <set>

#include "core/error.h"

namespace attune::people {
namespace {

ItemIndex item(int32_t row) { return ItemIndex(row); }
UserIndex user(int32_t row) { return UserIndex(row); }

data::Dataset small() {
  data::Dataset out;
  for (const char* key : {"u", "v"}) out.users.add(key);
  for (const char* key : {"a", "b", "c", "d"}) out.items.add(key);
  out.item_info.resize(4);
  for (int32_t i = 0; i < 4; ++i) out.interactions.push_back({user(0), item(i), 5, 0});
  out.interactions.push_back({user(1), item(0), 5, 0});
  out.interactions.push_back({user(1), item(1), 3, 0});
  out.tags = {{user(0), item(0), "Gory", 0}, {user(0), item(0), " gory ", 0}, {user(0), item(1), "funny", 0},
              {user(0), item(2), "gory", 0}, {user(0), item(2), "funny", 0},  {user(1), item(0), "gory", 0},
              {user(1), item(1), "gory", 0}, {user(1), item(2), "gory", 0},   {user(1), item(0), "  ", 0}};
  return out;
}

TEST(Attributes, TagsOfASmallSet) {
  const auto set = tag_attributes(small(), {.min_rating = 4, .min_items = 1});
  EXPECT_EQ(set.num_events, 9);
  EXPECT_EQ(set.num_kept, 5);
  EXPECT_EQ(set.num_repeated, 1);
  EXPECT_EQ(set.num_unrated, 1);
  EXPECT_EQ(set.num_low_rated, 1);
  EXPECT_EQ(set.num_empty, 1);
  ASSERT_EQ(set.attributes.size(), 2u);
  const auto& gory = set.at("gory");
  ASSERT_EQ(gory.users.size(), 2u);
  EXPECT_EQ(gory.users[0].tagged, (std::vector{item(0), item(2)}));
  EXPECT_EQ(gory.users[0].others, (std::vector{item(1)}));
  EXPECT_EQ(gory.users[1].tagged, (std::vector{item(0)}));
  EXPECT_TRUE(gory.users[1].others.empty());
  EXPECT_EQ(gory.num_tagged(), 3);
  EXPECT_EQ(set.tagged_items, (std::vector{item(0), item(1), item(2)}));
  check_attribute(gory, 4);
}

TEST(Attributes, RatingsNotAskedFor) {
  const auto set = tag_attributes(small(), {.min_rating = 0, .fold = false, .min_items = 1});
  EXPECT_EQ(set.num_kept, 7);
  EXPECT_EQ(set.at("gory").users[1].tagged.size(), 3u);
}

TEST(Attributes, TooFewExamplesAreListedAndNamed) {
  const auto set = tag_attributes(small(), {.min_rating = 4, .min_users = 2, .min_items = 1});
  ASSERT_EQ(set.skipped.size(), 1u);
  EXPECT_EQ(set.skipped[0].name, "funny");
  EXPECT_EQ(set.skipped[0].num_items, 2);
  try {
    set.at("funny");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kNotFound);
    EXPECT_NE(std::string(error.what()).find("too few examples"), std::string::npos);
  }
  EXPECT_THROW(set.at("unknown"), Error);
}

TEST(Attributes, PairsAreTheProductWithEqualSides) {
  const UserTags one{user(0), {item(0), item(1)}, {item(2), item(3), item(4), item(5)}, {}};
  Rng rng(1, "test");
  const auto pairs = user_pairs(one, {}, rng);
  EXPECT_EQ(pairs.size(), 4u);
  std::set<int32_t> worse;
  for (const auto& pair : pairs) worse.insert(pair.worse.value);
  EXPECT_EQ(worse.size(), 2u);
  EXPECT_EQ(user_pairs(one, {.equal_sides = false}, rng).size(), 8u);
  EXPECT_EQ(user_pairs(one, {.max_per_side = 1}, rng).size(), 1u);
  const auto few = user_pairs(one, {.equal_sides = false, .max_pairs = 5}, rng);
  std::set<std::pair<int32_t, int32_t>> distinct;
  for (const auto& pair : few) distinct.insert({pair.better.value, pair.worse.value});
  EXPECT_EQ(distinct.size(), 5u);
  const UserTags judged{user(0), {}, {}, {{item(3), item(1), 2}}};
  EXPECT_EQ(user_pairs(judged, {}, rng), judged.pairs);
  EXPECT_THROW(user_pairs(one, {.max_per_side = 0}, rng), Error);
}

TEST(Attributes, RelabelAndShuffle) {
  const AttributeData attribute{"g",
                                {{user(0), {item(0), item(1)}, {item(2), item(3)}, {{item(0), item(3), 2}, {item(0), item(2), 1}}},
                                 {user(1), {item(0)}, {item(2)}, {}}}};
  const std::vector<uint8_t> flags{0, 1, 0, 1};
  const auto parity = relabelled(attribute, "parity", flags);
  ASSERT_EQ(parity.users.size(), 1u);
  EXPECT_EQ(parity.users[0].tagged, (std::vector{item(1), item(3)}));
  EXPECT_EQ(parity.users[0].pairs, (std::vector<PairExample>{{item(3), item(0), 2}}));
  int moved = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const auto now = shuffled(attribute, "shuffled", seed);
    EXPECT_EQ(now.users[0].tagged.size(), 2u);
    EXPECT_EQ(now.users[0].others.size(), 2u);
    check_attribute(now, 4);
    moved += now.users[0].tagged != attribute.users[0].tagged ? 1 : 0;
  }
  EXPECT_GT(moved, 10);
}

TEST(Attributes, BadInput) {
  const auto refused = [](AttributeData data) { EXPECT_THROW(check_attribute(data, 4), Error); };
  refused({"g", {}});
  refused({"g", {{user(0), {item(4)}, {}, {}}}});
  refused({"g", {{user(0), {item(-1)}, {}, {}}}});
  refused({"g", {{user(0), {item(1), item(1)}, {}, {}}}});
  refused({"g", {{user(0), {item(1)}, {item(1)}, {}}}});
  refused({"g", {{user(0), {}, {}, {{item(1), item(1), 1}}}}});
  refused({"g", {{user(0), {}, {}, {{item(1), item(5), 1}}}}});
  refused({"g", {{user(0), {}, {}, {{item(1), item(2), 0}}}}});
  refused({"g", {{user(0), {}, {}, {{item(1), item(2), std::numeric_limits<float>::quiet_NaN()}}}}});
  refused({"g", {{user(1), {item(1)}, {}, {}}, {user(1), {item(1)}, {}, {}}}});
  auto dataset = small();
  dataset.tags.push_back({user(0), item(9), "x", 0});
  EXPECT_THROW(tag_attributes(dataset), Error);
  EXPECT_THROW(tag_attributes(small(), {.min_users = 0}), Error);
}

}  // namespace
}  // namespace attune::people
