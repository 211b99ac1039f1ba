// Planted tags keep the truth they report; tags of another data set joined by title; tags of both MovieLens formats.
#include "data/tag_planting.h"

#include <cmath>
#include <map>
#include <set>

#include "data/generated.h"
#include "data/read.h"
#include "data/title_join.h"
#include "tests/data/temp_folder.h"

namespace attune::data {
namespace {

class TagPlantingTest : public TempFolderTest {
 protected:
  static const Dataset& dataset() {
    static const Dataset made = generate_dataset({.num_users = 300, .num_items = 400, .num_ratings = 15000}).dataset;
    return made;
  }
  static bool has(ItemIndex item, const std::string& genre) {
    for (const auto& g : dataset().item_info[static_cast<size_t>(item.value)].genres) {
      if (g == genre) return true;
    }
    return false;
  }
  static std::map<std::pair<int, int>, float> ratings() {
    std::map<std::pair<int, int>, float> out;
    for (const auto& r : dataset().interactions) out[{r.user.value, r.item.value}] = r.rating;
    return out;
  }
};

TEST_F(TagPlantingTest, GenreTagsAreTrueAndOnLikedItems) {
  const auto tags = plant_genre_tags(dataset());
  ASSERT_GT(tags.size(), 500u);
  const auto rated = ratings();
  std::set<int> taggers;
  for (const auto& tag : tags) {
    const auto found = rated.find({tag.user.value, tag.item.value});
    ASSERT_NE(found, rated.end());
    EXPECT_GE(found->second, 4);
    taggers.insert(tag.user.value);
    bool named = false;
    for (const auto& genre : dataset().item_info[static_cast<size_t>(tag.item.value)].genres) {
      std::string small = genre;
      for (char& c : small) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      named = named || small == tag.text;
    }
    EXPECT_TRUE(named) << tag.text;
  }
  EXPECT_NEAR(static_cast<double>(taggers.size()), 150, 30);  // none_share 0.5 of 300
  EXPECT_EQ(plant_genre_tags(dataset()).size(), tags.size());
  EXPECT_NE(plant_genre_tags(dataset(), {.seed = 1}).size(), tags.size());
  EXPECT_TRUE(plant_genre_tags(dataset(), {.none_share = 1}).empty());
}

TEST_F(TagPlantingTest, SensesHoldForTheirUsersOnly) {
  const std::vector<std::vector<std::string>> senses = {{"Children's", "Animation"}, {"Horror", "Thriller"}, {"War"}};
  const auto planted = plant_senses(dataset(), "odd", senses, {.none_share = 0, .low = 1, .high = 1, .least_rating = 1});
  std::map<int, int> users;
  for (const int s : planted.sense) ++users[s];
  EXPECT_EQ(users[0], 100);
  EXPECT_EQ(users[1], 100);
  EXPECT_EQ(users[2], 100);
  std::set<std::pair<int, int>> said;
  for (const auto& tag : planted.tags) {
    if (tag.text == "odd") said.insert({tag.user.value, tag.item.value});
  }
  for (const auto& r : dataset().interactions) {  // everybody tags everything here
    bool means = false;
    for (const auto& genre : senses[static_cast<size_t>(planted.sense[static_cast<size_t>(r.user.value)])])
      means = means || has(r.item, genre);
    EXPECT_EQ(said.count({r.user.value, r.item.value}) > 0, means);
  }
}

TEST_F(TagPlantingTest, DegreeIsAboveThePersonalThreshold) {
  const auto planted =
      plant_degree(dataset(), "great drama", "Drama", {0.3, 0.7}, {.none_share = 0, .low = 1, .high = 1, .least_rating = 1});
  std::set<float> thresholds(planted.threshold.begin(), planted.threshold.end());
  EXPECT_EQ(thresholds.size(), 2u);
  std::set<std::pair<int, int>> said;
  for (const auto& tag : planted.tags) {
    if (tag.text == "great drama") said.insert({tag.user.value, tag.item.value});
  }
  EXPECT_GT(said.size(), 100u);
  for (const auto& r : dataset().interactions) {
    const float degree = planted.degree[static_cast<size_t>(r.item.value)];
    EXPECT_EQ(std::isnan(degree), !has(r.item, "Drama"));
    EXPECT_EQ(said.count({r.user.value, r.item.value}) > 0, degree > planted.threshold[static_cast<size_t>(r.user.value)]);
  }
}

TEST_F(TagPlantingTest, BadOptions) {
  const auto refuse = [&](const std::string& part, auto body) { expect_error(ErrorCode::kInvalidArgument, part, body); };
  refuse("none_share", [&] { plant_genre_tags(dataset(), {.none_share = 1.5}); });
  refuse("low", [&] { plant_genre_tags(dataset(), {.low = 0.6, .high = 0.5}); });
  refuse("high", [&] { plant_genre_tags(dataset(), {.high = 1.1}); });
  refuse("no genres", [&] { plant_genre_tags(Dataset{}); });
  refuse("at least 2", [&] { plant_senses(dataset(), "w", {{"War"}}); });
  refuse("without genres", [&] { plant_senses(dataset(), "w", {{"War"}, {}}); });
  refuse("unknown genre \"Nope\"", [&] { plant_senses(dataset(), "w", {{"War"}, {"Nope"}}); });
  refuse("is empty", [&] { plant_senses(dataset(), "", {{"War"}, {"Horror"}}); });
  refuse("also a genre", [&] { plant_senses(dataset(), "war", {{"War"}, {"Horror"}}); });
  refuse("quantile 1", [&] { plant_degree(dataset(), "w", "War", {1.0}); });
  refuse("no quantiles", [&] { plant_degree(dataset(), "w", "War", {}); });
}

TEST_F(TagPlantingTest, TagsFollowTitlesToAnotherDataset) {
  put("movies.csv",
      "movieId,title,genres\n1,\"Third Man, The (1949)\",Mystery\n2,Emma (1996),Comedy\n3,Lost (1999),Drama\n"
      "4,Seven (a.k.a. Se7en) (1995),Crime\n");
  put("ratings.csv", "userId,movieId,rating,timestamp\n1,1,4.5,10\n1,3,4,10\n2,2,3,10\n2,4,5,11\n");
  put("tags.csv", "userId,movieId,tag,timestamp\n1,1,noir,10\n1,3,sad,10\n2,4,\"dark, grim\",12\n1,1,zither,11\n");
  const Dataset other = read_dataset(folder_);
  EXPECT_EQ(other.tags.size(), 4u);
  EXPECT_EQ(other.tags[2].text, "dark, grim");

  Dataset base;
  for (const auto& [key, title, year] :
       {std::tuple("a", "The Third Man", 1949), std::tuple("b", "Se7en", 1995), std::tuple("c", "Emma", 1995)}) {
    base.items.add(key);
    ItemInfo info;
    info.title = info.display_title = title;
    info.year = year;
    base.item_info.push_back(info);
  }
  base.interactions.push_back({base.users.add("1"), ItemIndex(0), 5, 0});
  const auto joined = join_tags(base, other);
  EXPECT_EQ(joined.num_tags, 3);
  EXPECT_EQ(joined.num_dropped_tags, 1);
  EXPECT_EQ(joined.report.num_joined, 2);
  EXPECT_EQ(joined.report.unjoined, (std::vector<std::string>{"Lost (1999)"}));
  EXPECT_EQ(joined.num_ratings, 2);
  EXPECT_EQ(joined.dataset.users.size(), 3);
  EXPECT_EQ(joined.dataset.users.key(joined.dataset.tags[0].user), "other:1");
  EXPECT_EQ(joined.dataset.tags[1].item, ItemIndex(1));
  EXPECT_EQ(join_tags(base, other, {.year_slack = 1}).num_ratings, 3);  // Emma 1996 and 1995
  EXPECT_EQ(join_tags(base, other, {.ratings = false}).dataset.interactions.size(), 1u);
  expect_error(ErrorCode::kInvalidArgument, "both data sets", [&] { join_tags(base, other, {.prefix = ""}); });
  expect_error(ErrorCode::kInvalidArgument, "year_slack", [&] { join_tags(base, other, {.year_slack = 9}); });
}

TEST_F(TagPlantingTest, AmbiguousTitlesGoToTheMoreRated) {
  Dataset base;
  for (const char* key : {"a", "b"}) {
    base.items.add(key);
    ItemInfo info;
    info.title = info.display_title = "Emma";
    info.year = 1996;
    base.item_info.push_back(info);
  }
  base.interactions.push_back({base.users.add("1"), ItemIndex(1), 5, 0});
  const TitleIndex index(base);
  const auto match = index.find("Emma (1996)");
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->item, ItemIndex(1));
  EXPECT_TRUE(match->ambiguous);
  EXPECT_FALSE(index.find("Emma").has_value());
  EXPECT_FALSE(index.find("").has_value());
}

TEST_F(TagPlantingTest, BadTagRowsAreCounted) {
  std::string ratings = "userId,movieId,rating,timestamp\n";
  std::string tags = "userId,movieId,tag,timestamp\n";
  for (int n = 0; n < 200; ++n) {
    ratings += cat(n, ",1,4,10\n");
    tags += cat(n, ",1,t", n, ",10\n");
  }
  put("movies.csv", "movieId,title,genres\n1,Up (2009),Comedy\n");
  put("ratings.csv", ratings);
  put("tags.csv", tags + "1,1, ,10\n1,1,late,soon\n");
  const auto dataset = read_dataset(folder_);
  EXPECT_EQ(dataset.tags.size(), 200u);
  EXPECT_EQ(dataset.report.num_bad_rows, 2);
  put("tags.csv", tags + "1,1, ,10\n1,1,late,soon\n,1,x,10\n1,1\n");
  expect_error(ErrorCode::kCorruptData, "tags.csv", [&] { read_dataset(folder_); });
}

TEST_F(TagPlantingTest, RealJoinOfMovieLens100k) {
  const Path small = real_data("ml-latest-small");
  const Path old = Path(ATTUNE_SOURCE_DIR) / "datasets" / "ml-100k";
  if (small.empty() || !std::filesystem::exists(old)) GTEST_SKIP() << "not run: data absent";
  const auto joined = join_tags(read_dataset(old), read_dataset(small));
  RecordProperty("tags", static_cast<int>(joined.num_tags));
  RecordProperty("dropped", static_cast<int>(joined.num_dropped_tags));
  RecordProperty("joined", static_cast<int>(joined.report.num_joined));
  EXPECT_GT(joined.num_tags, 300);
  EXPECT_GT(joined.report.num_joined, 150);
}

}  // namespace
}  // namespace attune::data
