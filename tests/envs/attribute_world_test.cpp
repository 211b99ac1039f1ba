// The generated world: utility by hand, choice and count frequencies against enumeration, tags that follow from the hidden truth, options.
#include "envs/attribute_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "core/error.h"

namespace attune::envs {
namespace {

using data::ItemIndex;
using data::UserIndex;

TEST(AttributeWorld, UtilityByHand) {
  const std::vector<float> w = {1, 0.5f}, v = {0.8f, 0.4f}, p = {0.6f, 1};
  EXPECT_NEAR(single_peaked_utility(w, v, p), 0.6, 1e-6);  // 0.6 - |0.8 - 0.6| + 1 - |0.2 - 1|
  const std::vector<float> high = {1, 1};
  EXPECT_NEAR(single_peaked_utility(w, v, high), 0.8 + 0.2, 1e-6);  // below the peaks it is w . v
  EXPECT_THROW(single_peaked_utility(w, v, std::vector<float>{1}), Error);
}

TEST(AttributeWorld, ChoicesAgainstEnumeration) {
  const std::vector<double> logits = {0.3, -1, 1.2, 0, 0.7};
  std::map<std::pair<int, int>, double> expected;
  double total = 0;
  for (const double x : logits) total += std::exp(x);
  for (int a = 0; a < 5; ++a) {
    for (int b = 0; b < 5; ++b) {
      if (a != b) expected[{a, b}] = std::exp(logits[a]) / total * std::exp(logits[b]) / (total - std::exp(logits[a]));
    }
  }
  const int draws = 200000;
  std::map<std::pair<int, int>, int> found;
  Rng rng(3, "choices");
  for (int n = 0; n < draws; ++n) {
    const auto chosen = choose_without_replacement(logits, 2, rng);
    ++found[{chosen[0], chosen[1]}];
  }
  double chi = 0;  // 20 cells, 19 degrees of freedom: 99.9% point 43.8
  for (const auto& [pair, probability] : expected) chi += std::pow(found[pair] - draws * probability, 2) / (draws * probability);
  EXPECT_LT(chi, 43.8);
  for (int item = 0; item < 5; ++item) {  // inclusion: both places together
    double probability = 0;
    int count = 0;
    for (const auto& [pair, p] : expected) {
      if (pair.first == item || pair.second == item) probability += p, count += found[pair];
    }
    EXPECT_NEAR(count / static_cast<double>(draws), probability, 4 * std::sqrt(probability * (1 - probability) / draws));
  }
  EXPECT_THROW(choose_without_replacement(logits, 6, rng), Error);
  EXPECT_THROW(choose_without_replacement(std::vector<double>{0, NAN}, 1, rng), Error);
  EXPECT_EQ(choose_without_replacement(logits, 5, rng).size(), 5u);
}

TEST(AttributeWorld, CountsFollowThePowerLaw) {
  for (const double power : {1.35, 2.5}) {
    double zeta = 0;  // with an Euler-Maclaurin tail
    const int terms = 100000;
    for (int k = 1; k < terms; ++k) zeta += std::pow(k, -power);
    zeta += std::pow(terms, 1 - power) / (power - 1) + 0.5 * std::pow(terms, -power);
    Rng rng(4, "zipf");
    const int draws = 100000;
    std::map<int64_t, int> found;
    for (int n = 0; n < draws; ++n) ++found[draw_zipf(power, 50, rng)];
    double below = 0;
    for (int k = 1; k <= 8; ++k) {
      const double p = std::pow(k, -power) / zeta;
      below += p;
      EXPECT_NEAR(found[k] / static_cast<double>(draws), p, 4.5 * std::sqrt(p / draws)) << power << " " << k;
    }
    double capped = 1;
    for (int k = 1; k < 50; ++k) capped -= std::pow(k, -power) / zeta;
    EXPECT_NEAR(found[50] / static_cast<double>(draws), capped, 4.5 * std::sqrt(capped / draws));
    EXPECT_EQ(found.rbegin()->first, 50);
  }
  Rng rng(4, "zipf");
  EXPECT_THROW(draw_zipf(1, 5, rng), Error);
}

/// What every world must keep, whatever its options.
void expect_consistent(const AttributeWorld& world) {
  const AttributeWorldOptions& o = world.options;
  const auto d = static_cast<size_t>(o.num_attributes);
  ASSERT_EQ(world.items.size(), static_cast<size_t>(o.num_items) * d);
  ASSERT_EQ(world.users.size(), static_cast<size_t>(o.num_users) * d);
  EXPECT_TRUE(std::all_of(world.items.begin(), world.items.end(), [](float v) { return v >= 0 && v <= 1; }));
  EXPECT_TRUE(std::all_of(world.peaks.begin(), world.peaks.end(), [&](float p) { return p >= o.peak_low - 1e-6 && p <= 1; }));
  for (int32_t u = 0; u < o.num_users; ++u) {
    for (int32_t a = 0; a < o.num_attributes; ++a) {
      const size_t cell = static_cast<size_t>(u) * d + static_cast<size_t>(a);
      const int32_t group = a < o.num_groups * o.group_size ? a / o.group_size : -1;
      const bool kept = group < 0 || world.sense[static_cast<size_t>(u * o.num_groups + group)] == a % o.group_size;
      EXPECT_EQ(world.masks[cell] != 0, kept);
      EXPECT_TRUE(kept || world.users[cell] == 0);
      EXPECT_LE(world.users[cell], 1);
    }
  }
  std::map<int, std::set<int>> rated;
  for (const auto& r : world.dataset.interactions) {
    EXPECT_TRUE(rated[r.user.value].insert(r.item.value).second);
    EXPECT_TRUE(r.rating >= 1 && r.rating <= 5 && r.rating == std::floor(r.rating));
  }
  for (int32_t u = 0; u < o.num_users; ++u) {
    EXPECT_GE(rated[u].size(), 1u);
    EXPECT_LE(rated[u].size(), static_cast<size_t>(o.max_ratings));
  }
  std::map<std::string, size_t> word_of;
  for (size_t n = 0; n < world.words.size(); ++n) word_of[world.words[n].name] = n;
  for (const auto& tag : world.dataset.tags) {
    EXPECT_TRUE(rated[tag.user.value].count(tag.item.value));
    EXPECT_GT(world.tag_probability[static_cast<size_t>(tag.user.value)], 0);
    if (o.threshold_owner == "event") continue;
    const size_t word = word_of.at(tag.text);
    const int32_t a = world.attribute_of(word, tag.user);
    EXPECT_GT(world.degree(word, tag.user, tag.item), world.thresholds[static_cast<size_t>(tag.user.value * o.num_taggable + a)]);
  }
}

TEST(AttributeWorld, UnitExample) {
  const auto world = make_attribute_world(attribute_world_preset("unit"));
  EXPECT_EQ(world.options.num_attributes, 7);
  ASSERT_EQ(world.words.size(), 3u);  // one word of three senses, two objective ones
  EXPECT_EQ(world.words[0].senses, (std::vector<int32_t>{0, 1, 2}));
  EXPECT_EQ(world.words[2].senses, (std::vector<int32_t>{4}));
  expect_consistent(world);
}

TEST(AttributeWorld, CiSizeIsConsistentAndLinear) {
  AttributeWorldOptions o = attribute_world_preset("ci");
  o.none_share = 0.3;
  const auto world = make_attribute_world(o);
  expect_consistent(world);
  EXPECT_GT(world.dataset.tags.size(), 300u);
  for (int32_t u = 0; u < 5; ++u) {
    for (int32_t i = 0; i < 5; ++i) {
      double dot = 0;
      for (int32_t a = 0; a < 12; ++a) dot += world.users[static_cast<size_t>(u * 12 + a)] * world.items[static_cast<size_t>(i * 12 + a)];
      EXPECT_NEAR(world.utility(UserIndex(u), ItemIndex(i)), dot, 1e-5);
    }
  }
  const auto again = make_attribute_world(o);
  EXPECT_EQ(again.items, world.items);
  EXPECT_EQ(again.dataset.interactions.size(), world.dataset.interactions.size());
  EXPECT_EQ(again.dataset.tags.size(), world.dataset.tags.size());
  o.seed = 1;
  EXPECT_NE(make_attribute_world(o).items, world.items);
}

TEST(AttributeWorld, RatedItemsSuitTheirUsers) {
  AttributeWorldOptions o = attribute_world_preset("ci");
  o.theta = 6;
  const auto world = make_attribute_world(o);
  double chosen = 0, all = 0;
  for (const auto& r : world.dataset.interactions) chosen += world.utility(r.user, r.item);
  for (int32_t u = 0; u < o.num_users; ++u) {
    for (int32_t i = 0; i < o.num_items; ++i) all += world.utility(UserIndex(u), ItemIndex(i));
  }
  chosen /= static_cast<double>(world.dataset.interactions.size());
  all /= static_cast<double>(o.num_users) * o.num_items;
  EXPECT_GT(chosen, all + 0.2);
}

TEST(AttributeWorld, DegreeSubjectiveThresholdsBelongToUserAndWord) {
  AttributeWorldOptions o = attribute_world_preset("ci");
  o.thresholds = {0.3, 0.7};
  o.threshold_sd = 0;
  const auto world = make_attribute_world(o);
  std::map<float, int> found;
  for (const float t : world.thresholds) ++found[t];
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(found.begin()->second, 1200, 120);  // half of 400 x 6
  expect_consistent(world);
}

TEST(AttributeWorld, PublishedThresholdsChangeWithEveryItem) {
  AttributeWorldOptions o = attribute_world_preset("ci");
  o.thresholds = {0.3, 0.7};
  o.none_share = 0;
  o.tag_low = o.tag_high = 1;
  for (const char* owner : {"event", "user_tag"}) {
    o.threshold_owner = owner;
    const auto world = make_attribute_world(o);
    // A user is inconsistent if a tagged item has less of the attribute than an untagged rated one.
    std::set<std::tuple<int, int, std::string>> tags;
    for (const auto& tag : world.dataset.tags) tags.insert({tag.user.value, tag.item.value, tag.text});
    int inconsistent = 0;
    for (size_t word = 1; word < world.words.size(); ++word) {
      std::map<int, std::pair<float, float>> edges;  // least tagged, greatest untagged
      for (const auto& r : world.dataset.interactions) {
        auto& edge = edges.try_emplace(r.user.value, 2.0f, -1.0f).first->second;
        const float degree = world.degree(word, r.user, r.item);
        if (tags.count({r.user.value, r.item.value, world.words[word].name})) {
          edge.first = std::min(edge.first, degree);
        } else {
          edge.second = std::max(edge.second, degree);
        }
      }
      for (const auto& [user, edge] : edges) inconsistent += edge.first < edge.second ? 1 : 0;
    }
    if (o.threshold_owner == "event") {
      EXPECT_GT(inconsistent, 200);
    } else {
      EXPECT_EQ(inconsistent, 0);
    }
  }
}

TEST(AttributeWorld, SensesSharedOrPerGroup) {
  AttributeWorldOptions o = attribute_world_preset("ci");
  o.num_groups = 3;
  for (const char* owner : {"user", "group"}) {
    o.sense_owner = owner;
    const auto world = make_attribute_world(o);
    int mixed = 0;
    for (int32_t u = 0; u < o.num_users; ++u) {
      const int32_t* s = world.sense.data() + u * 3;
      mixed += s[0] != s[1] || s[1] != s[2] ? 1 : 0;
    }
    if (o.sense_owner == "user") {
      EXPECT_EQ(mixed, 0);
    } else {
      EXPECT_NEAR(mixed, 300, 45);  // 3 / 4 of 400
    }
  }
}

TEST(AttributeWorld, BadOptions) {
  const auto refused = [](const std::string& part, auto change) {
    AttributeWorldOptions o = attribute_world_preset("ci");
    change(o);
    try {
      make_attribute_world(o);
      ADD_FAILURE() << "no error, expected " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::kInvalidArgument);
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  };
  refused("num_users", [](auto& o) { o.num_users = 0; });
  refused("num_taggable", [](auto& o) { o.num_taggable = 12; });
  refused("group_size", [](auto& o) { o.group_size = 1; });
  refused("groups of", [](auto& o) { o.num_groups = 4; });
  refused("max_ratings", [](auto& o) { o.max_ratings = 301; });
  refused("too large", [](auto& o) { o.num_users = 2000000000; });
  refused("topic_sd", [](auto& o) { o.topic_sd = NAN; });
  refused("peak_low", [](auto& o) { o.peak_low = 1.5; });
  refused("theta", [](auto& o) { o.theta = INFINITY; });
  refused("zipf", [](auto& o) { o.zipf = 1; });
  refused("score_sd", [](auto& o) { o.score_sd = -1; });
  refused("none_share", [](auto& o) { o.none_share = NAN; });
  refused("tag_low", [](auto& o) { o.tag_low = 0.6; });
  refused("thresholds", [](auto& o) { o.thresholds.clear(); });
  refused("thresholds", [](auto& o) { o.thresholds = {NAN}; });
  refused("threshold_owner", [](auto& o) { o.threshold_owner = "x"; });
  refused("sense_owner", [](auto& o) { o.sense_owner = "x"; });
  refused("rating_range", [](auto& o) { o.rating_range = "x"; });
  EXPECT_THROW(attribute_world_preset("huge"), Error);
  const auto world = make_attribute_world(attribute_world_preset("unit"));
  EXPECT_THROW(world.utility(UserIndex(100), ItemIndex(0)), Error);
  EXPECT_THROW(world.degree(3, UserIndex(0), ItemIndex(0)), Error);
  EXPECT_THROW(world.axis(7), Error);
}

}  // namespace
}  // namespace attune::envs
