// Attributes of a recommender: learned from tags or genres, saved, loaded as if hostile, asked for by words.
#include "people/soft_attributes.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "data/generated.h"
#include "data/tag_planting.h"
#include "people/als.h"
#include "people/soft_attributes_learn.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

namespace attune::people {
namespace {

using attune::test::expect_error;
using Json = nlohmann::ordered_json;

std::shared_ptr<const Recommender> make_recommender(uint64_t seed) {
  const auto dataset = data::generate_dataset({.num_users = 150, .num_items = 200, .num_ratings = 9000, .rank = 4, .seed = 2}).dataset;
  ThreadPool pool(1);
  AlsOptions options = als_preset("ranking");
  options.rank = 8;
  options.sweeps = 5;
  options.seed = seed;
  auto model = fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), options, pool);
  return std::make_shared<const Recommender>(dataset, std::move(model), TrainRecord{"generated", 9000, "now", {}, ""});
}
const Recommender& recommender() {
  static const auto out = make_recommender(1);
  return *out;
}

LearnAttributesOptions quick() {
  LearnAttributesOptions out;
  out.permutations = 20;
  out.max_pairs = 40;
  return out;
}

const LearnedAttributes& genres() {
  static const LearnedAttributes out = [] {
    ThreadPool pool(2);
    return learn_attributes(recommender(), {}, quick(), "now", pool, no_progress());
  }();
  return out;
}

/// Tags of the learned users: "shifty" means one pair of genres to some, another to the others; one word is too rare.
AttributeSources planted(std::vector<int32_t>* truth = nullptr) {
  AttributeSources out;
  out.tags = dataset_of(recommender());
  data::TagPlantOptions options;
  options.none_share = 0;
  options.low = options.high = 1;
  auto planted = data::plant_senses(*out.tags, "Shifty", {{"Children's", "Comedy"}, {"Horror", "Crime"}}, options);
  if (truth != nullptr) *truth = planted.sense;
  out.tags->tags = std::move(planted.tags);
  out.tags->tags.push_back({UserIndex(0), out.tags->interactions[0].item, "seldom", 0});
  return out;
}
const LearnedAttributes& with_senses() {
  static const LearnedAttributes out = [] {
    ThreadPool pool(2);
    return learn_attributes(recommender(), planted(), quick(), "now", pool, no_progress());
  }();
  return out;
}

class AttributeFiles : public ::testing::Test {
 protected:
  Path json() const { return folder_ / "attributes.json"; }
  Path tensors() const {
    Path found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
      if (entry.path().extension() == ".safetensors") {
        EXPECT_TRUE(found.empty()) << "two tensor files";
        found = entry.path();
      }
    }
    return found;
  }
  void load() const { LearnedAttributes::load(folder_, recommender()); }
  /// Saves, changes the JSON, and expects loading to fail.
  void refuse(ErrorCode code, std::string_view part, const std::function<void(Json&)>& change) const {
    with_senses().save(folder_);
    Json changed = Json::parse(read_file(json()));
    change(changed);
    write_file_atomic(json(), changed.dump());
    expect_error(code, part, [&] { load(); });
  }

  const test::TempFolder temp_{"attributes"};
  const Path folder_ = temp_.path();
};

TEST(SoftAttributes, GenresStandInForTags) {
  const auto& set = genres();
  ASSERT_GE(set.attributes().size(), 10u);
  EXPECT_EQ(set.record().recommender, recommender().version());
  ASSERT_EQ(set.record().sources.size(), 1u);
  EXPECT_NE(set.record().sources[0].find("genres in the place of tags"), std::string::npos);
  double accuracy = 0;
  for (const auto& attribute : set.attributes()) {
    EXPECT_EQ(attribute.source, "genres");
    EXPECT_EQ(attribute.kind, "objective");
    ASSERT_EQ(attribute.senses.size(), 1u);
    EXPECT_EQ(attribute.senses[0].direction.name, attribute.name);
    EXPECT_NE(attribute.senses[0].direction.record.find("\"mode\""), std::string::npos);
    double mean = 0, square = 0;
    for (const float x : attribute.senses[0].degree) mean += x / 200, square += x * x / 200;
    EXPECT_NEAR(mean, 0, 1e-4) << attribute.name;
    EXPECT_NEAR(square, 1, 1e-3) << attribute.name;
    accuracy += attribute.accuracy.value_or(0.5) / static_cast<double>(set.attributes().size());
  }
  EXPECT_GT(accuracy, 0.65);  // genres of the generated data are directions of the true factors; held-out items
}

TEST(SoftAttributes, HighItemsCarryTheGenre) {
  const auto& set = genres();
  const size_t place = set.at("Horror");
  const auto& degree = set.attributes()[place].senses[0].degree;
  double with = 0, without = 0, n_with = 0, n_without = 0;
  for (int32_t i = 0; i < recommender().items().size(); ++i) {
    const auto& own = recommender().item(ItemIndex(i)).genres;
    const bool horror = std::find(own.begin(), own.end(), "Horror") != own.end();
    (horror ? with : without) += degree[static_cast<size_t>(i)];
    ++(horror ? n_with : n_without);
  }
  EXPECT_GT(with / n_with, without / n_without + 0.7);
}

TEST(SoftAttributes, SameForAnyNumberOfThreads) {
  ThreadPool one(1);
  const auto again = learn_attributes(recommender(), planted(), quick(), "now", one, no_progress());
  ASSERT_EQ(again.attributes().size(), with_senses().attributes().size());
  for (size_t k = 0; k < again.attributes().size(); ++k) {
    const auto& a = again.attributes()[k];
    const auto& b = with_senses().attributes()[k];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.accuracy, b.accuracy);
    ASSERT_EQ(a.senses.size(), b.senses.size());
    for (size_t s = 0; s < a.senses.size(); ++s) EXPECT_EQ(a.senses[s].direction.unit.v, b.senses[s].direction.unit.v);
  }
}

TEST(SoftAttributes, PlantedSensesAreFoundAndRareWordsListed) {
  std::vector<int32_t> truth;
  planted(&truth);
  const auto& set = with_senses();
  const auto& word = set.attributes()[set.at("shifty")];
  EXPECT_EQ(word.source, "tags");
  EXPECT_EQ(word.kind, "sense-subjective");
  ASSERT_EQ(word.senses.size(), 2u);
  EXPECT_EQ(word.senses[1].direction.name, "shifty#2");
  EXPECT_NEAR(word.senses[0].share + word.senses[1].share, 1, 1e-9);
  ASSERT_GT(word.users.size(), 60u);
  int agree = 0;
  for (const auto& [user, sense] : word.users) agree += sense == truth[static_cast<size_t>(user.value)] ? 1 : 0;
  const double share = static_cast<double>(agree) / static_cast<double>(word.users.size());
  EXPECT_GT(std::max(share, 1 - share), 0.8);
  EXPECT_EQ(set.record().num_skipped, static_cast<int64_t>(set.skipped().size()));
  const auto rare = std::find_if(set.skipped().begin(), set.skipped().end(), [](const auto& w) { return w.name == "seldom"; });
  ASSERT_NE(rare, set.skipped().end());
  EXPECT_NE(rare->reason.find("too few examples"), std::string::npos);
  expect_error(ErrorCode::kNotFound, "too few examples", [&] { set.at("Seldom"); });
}

TEST(SoftAttributes, TagsDealtAtRandomAreIrrelevant) {
  AttributeSources sources = planted();
  Rng rng(7, "random tags");
  sources.tags->tags.clear();
  for (const auto& r : sources.tags->interactions) {
    if (r.rating < 4) continue;
    sources.tags->tags.push_back({r.user, r.item, rng.uniform() < 0.4 ? "noise" : "other noise", 0});
  }
  LearnAttributesOptions options = quick();
  options.genres = false;
  ThreadPool pool(2);
  const auto set = learn_attributes(recommender(), sources, options, "now", pool, no_progress());
  const auto& word = set.attributes()[set.at("noise")];
  EXPECT_EQ(word.kind, "irrelevant");
  EXPECT_EQ(word.senses.size(), 1u);
  EXPECT_NEAR(word.accuracy.value(), 0.5, 0.05);
  // No AUC here: mode binary asks whether anybody put the word on an item, which popular items pass whatever the word.
}

TEST(SoftAttributes, WordsAreFoundFoldedAndCloseNamesAreNamed) {
  const auto& set = genres();
  EXPECT_EQ(set.find("  HORROR "), set.find("horror"));
  EXPECT_EQ(set.find("nothing like it"), std::nullopt);
  expect_error(ErrorCode::kNotFound, "close to it: horror", [&] { set.at("horor"); });
  expect_error(ErrorCode::kNotFound, "comedy", [&] { set.at("comed"); });
  expect_error(ErrorCode::kNotFound, "are known", [&] { set.at("zzzzzzzzzz"); });
  expect_error(ErrorCode::kNotFound, "unknown attribute", [&] { set.at(""); });
  expect_error(ErrorCode::kNotFound, "unknown attribute", [&] { set.at(std::string(100000, 'x')); });
}

TEST(SoftAttributes, MeaningIsTheNamedTheOwnOrTheMixedSense) {
  const auto& set = with_senses();
  const size_t place = set.at("shifty");
  const auto& word = set.attributes()[place];
  EXPECT_EQ(set.meaning("shifty#2").sense, 1u);
  EXPECT_EQ(set.meaning("shifty#2").v, word.senses[1].direction.unit.v);
  for (const auto& [user, sense] : word.users) EXPECT_EQ(set.meaning("shifty", user).sense, static_cast<size_t>(sense));
  EXPECT_EQ(set.meaning("shifty", word.users[0].user, 1 - word.users[0].sense).sense, static_cast<size_t>(1 - word.users[0].sense));
  const auto mixed = set.meaning("shifty");
  EXPECT_EQ(mixed.sense, std::nullopt);
  EXPECT_EQ(mixed.name, "shifty");
  double mean = 0, square = 0;
  for (int32_t i = 0; i < 200; ++i) {
    const double z = set.degree(mixed, ItemIndex(i));
    mean += z / 200;
    square += z * z / 200;
  }
  EXPECT_NEAR(mean, 0, 1e-4);
  EXPECT_NEAR(square, 1, 1e-3);
  const auto one = set.meaning("shifty#1");
  EXPECT_NEAR(set.degree(one, ItemIndex(3)), word.senses[0].degree[3], 1e-4);
  for (const char* bad : {"shifty#0", "shifty#3", "shifty#", "shifty#x", "shifty#1x", "shifty#-1", "shifty#99999999999999999999"}) {
    expect_error(ErrorCode::kNotFound, "senses", [&] { set.meaning(bad); });
  }
  EXPECT_THROW(set.degree(one, ItemIndex(200)), Error);
  EXPECT_THROW(set.percentile(place, 2, ItemIndex(0)), Error);
}

TEST(SoftAttributes, TasteIsAZScoreOverUsers) {
  const auto& set = genres();
  const auto word = set.meaning("horror");
  double mean = 0, square = 0;
  for (int32_t u = 0; u < recommender().users().size(); ++u) {
    const double z = set.taste(word, recommender().model().user_row(UserIndex(u)));
    mean += z / recommender().users().size();
    square += z * z / recommender().users().size();
  }
  EXPECT_NEAR(mean, 0, 1e-4);
  EXPECT_NEAR(square, 1, 1e-3);
  EXPECT_GT(set.user_length(), 0);
  EXPECT_THROW(set.taste(word, std::vector<float>(3)), Error);
  EXPECT_THROW(set.taste_sd(word, std::vector<double>(3)), Error);
}

TEST(SoftAttributes, NothingToLearnFromIsAnError) {
  ThreadPool pool(1);
  LearnAttributesOptions options;
  options.genres = false;
  expect_error(ErrorCode::kFailedPrecondition, "nothing to learn from",
               [&] { learn_attributes(recommender(), {}, options, "now", pool, no_progress()); });
  options.min_users = 0;
  expect_error(ErrorCode::kInvalidArgument, "min_users 0",
               [&] { learn_attributes(recommender(), {}, options, "now", pool, no_progress()); });
}

TEST_F(AttributeFiles, AreReadAsWritten) {
  EXPECT_FALSE(LearnedAttributes::exist(folder_));
  expect_error(ErrorCode::kNotFound, "attune learn attributes", [&] { load(); });
  genres().save(folder_);
  with_senses().save(folder_);  // over another set: its tensors go
  EXPECT_TRUE(LearnedAttributes::exist(folder_));
  EXPECT_FALSE(tensors().empty());
  const auto read = LearnedAttributes::load(folder_, recommender());
  const auto& set = with_senses();
  EXPECT_EQ(read->record().sources, set.record().sources);
  EXPECT_EQ(read->record().residual_variance, set.record().residual_variance);
  EXPECT_GT(set.record().residual_variance, 0);
  EXPECT_EQ(read->skipped().size(), set.skipped().size());
  ASSERT_EQ(read->attributes().size(), set.attributes().size());
  for (size_t k = 0; k < set.attributes().size(); ++k) {
    const auto& a = read->attributes()[k];
    const auto& b = set.attributes()[k];
    EXPECT_EQ(a.name, b.name);
    EXPECT_EQ(a.kind, b.kind);
    EXPECT_EQ(a.source, b.source);
    EXPECT_EQ(a.num_users, b.num_users);
    EXPECT_EQ(a.num_examples, b.num_examples);
    EXPECT_EQ(a.accuracy, b.accuracy);
    EXPECT_EQ(a.auc, b.auc);
    ASSERT_EQ(a.senses.size(), b.senses.size());
    ASSERT_EQ(a.users.size(), b.users.size());
    for (size_t s = 0; s < a.senses.size(); ++s) {
      EXPECT_EQ(a.senses[s].direction.unit.v, b.senses[s].direction.unit.v);
      EXPECT_EQ(a.senses[s].degree, b.senses[s].degree);
      EXPECT_EQ(a.senses[s].share, b.senses[s].share);
      EXPECT_EQ(Json::parse(a.senses[s].direction.record), Json::parse(b.senses[s].direction.record));
    }
  }
}

TEST_F(AttributeFiles, AnotherRecommenderIsRefusedWithTheCommand) {
  genres().save(folder_);
  const auto other = make_recommender(2);
  expect_error(ErrorCode::kFailedPrecondition, "run `attune learn attributes` again", [&] { LearnedAttributes::load(folder_, *other); });
}

TEST_F(AttributeFiles, DamagedJsonIsRefused) {
  using enum ErrorCode;
  refuse(kUnsupported, "format is", [](Json& j) { j["format"] = "other"; });
  refuse(kUnsupported, "format_version is 2", [](Json& j) { j["format_version"] = 2; });
  refuse(kUnsupported, "format_version is 0", [](Json& j) { j["format_version"] = 0; });
  refuse(kCorruptData, "attributes is missing", [](Json& j) { j.erase("attributes"); });
  refuse(kCorruptData, "attributes, expected a list", [](Json& j) { j["attributes"] = 5; });
  refuse(kCorruptData, "expected a list of objects", [](Json& j) { j["attributes"][0] = 5; });
  refuse(kCorruptData, "unknown kind", [](Json& j) { j["attributes"][0]["kind"] = "funny"; });
  refuse(kCorruptData, "name", [](Json& j) { j["attributes"][0]["name"] = 7; });
  refuse(kCorruptData, "a name has", [](Json& j) { j["attributes"][0]["name"] = ""; });
  refuse(kCorruptData, "a name has", [](Json& j) { j["attributes"][0]["name"] = "a#1"; });
  refuse(kCorruptData, "a name has", [](Json& j) { j["attributes"][0]["name"] = std::string(300, 'x'); });
  refuse(kCorruptData, "is repeated", [](Json& j) { j["attributes"][0]["name"] = "SHIFTY"; });
  refuse(kCorruptData, "users, expected a count", [](Json& j) { j["attributes"][0]["users"] = -1; });
  refuse(kCorruptData, "users, expected a count", [](Json& j) { j["attributes"][0]["users"] = 1.5; });
  refuse(kCorruptData, "accuracy outside", [](Json& j) { j["attributes"][0]["accuracy"] = 1.5; });
  refuse(kCorruptData, "auc, expected a number", [](Json& j) { j["attributes"][0]["auc"] = "x"; });
  refuse(kCorruptData, "directions is", [](Json& j) { j["attributes"][0]["senses"].push_back(j["attributes"][0]["senses"][0]); });
  refuse(kCorruptData, "expected objects with a record", [](Json& j) { j["attributes"][0]["senses"][0]["record"] = 5; });
  refuse(kCorruptData, "share", [](Json& j) { j["attributes"][0]["senses"][0]["share"] = 2; });
  refuse(kCorruptData, "digest, expected 16", [](Json& j) { j["digest"] = "../../etc/passwd"; });
  refuse(kNotFound, "attributes-0000000000000000", [](Json& j) { j["digest"] = "0000000000000000"; });
  refuse(kCorruptData, "skipped", [](Json& j) { j["skipped"] = Json::array({5}); });
  refuse(kCorruptData, "sources", [](Json& j) { j["sources"] = Json::array({5}); });
  refuse(kCorruptData, "residual_variance", [](Json& j) { j["residual_variance"] = -1; });
  refuse(kCorruptData, "residual_variance", [](Json& j) { j.erase("residual_variance"); });
  with_senses().save(folder_);
  const std::string whole = read_file(json());
  write_file_atomic(json(), std::string_view(whole).substr(0, whole.size() / 2));
  expect_error(kCorruptData, "expected a JSON object", [&] { load(); });
}

TEST_F(AttributeFiles, DamagedTensorsAreRefused) {
  with_senses().save(folder_);
  const Path path = tensors();
  const std::string whole = read_file(path);
  for (size_t at = 0; at < whole.size(); at += 61) {  // any byte: the format, a check or the digest finds it
    std::string changed = whole;
    changed[at] = static_cast<char>(changed[at] ^ 0x15);
    write_file_atomic(path, changed);
    EXPECT_THROW(load(), Error) << "byte " << at;
  }
  write_file_atomic(path, std::string_view(whole).substr(0, whole.size() - 5));
  EXPECT_THROW(load(), Error);
  write_file_atomic(path, whole);
  EXPECT_NO_THROW(load());
}

TEST(SoftAttributes, BadPartsAreNamed) {
  const auto make = [](const std::function<void(SoftAttribute&)>& change) {
    SoftAttribute a = genres().attributes()[0];
    change(a);
    LearnedAttributes(recommender(), {a}, {recommender().version(), "now", {}, 0, 1});
  };
  EXPECT_NO_THROW(make([](SoftAttribute&) {}));
  const auto refuse = [&](std::string_view part, const std::function<void(SoftAttribute&)>& change) {
    expect_error(ErrorCode::kCorruptData, part, [&] { make(change); });
  };
  refuse("no sense", [](SoftAttribute& a) { a.senses.clear(); });
  refuse("direction [3]", [](SoftAttribute& a) { a.senses[0].direction.unit.v.resize(3); });
  refuse("a direction of length", [](SoftAttribute& a) { a.senses[0].direction.unit.v[0] += 1; });
  refuse("a direction of length", [](SoftAttribute& a) { a.senses[0].direction.unit.v[0] = NAN; });
  refuse("user row", [](SoftAttribute& a) { a.users = {{UserIndex(150), 0}}; });
  refuse("user row", [](SoftAttribute& a) { a.users = {{UserIndex(3), 0}, {UserIndex(3), 0}}; });
  refuse("sense 1 of a user", [](SoftAttribute& a) { a.users = {{UserIndex(3), 1}}; });
  expect_error(ErrorCode::kFailedPrecondition, "learned for recommender als-x",
               [] { LearnedAttributes(recommender(), genres().attributes(), {"als-x", "now", {}, 0, 1}); });
}

}  // namespace
}  // namespace attune::people
