// Real tags and judgements (MovieLens latest-small, SoftAttributes), where they lie beside the checkout or ATTUNE_SHARED_DATA points to them.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "data/read.h"
#include "data/soft_attributes.h"
#include "people/als.h"
#include "people/attribute_eval.h"
#include "people/judged_attributes.h"

namespace attune::people {
namespace {

std::filesystem::path data_folder() {
  const char* given = std::getenv("ATTUNE_SHARED_DATA");
  return given != nullptr ? std::filesystem::path(given) : std::filesystem::path(ATTUNE_SOURCE_DIR) / ".." / "shared" / "data";
}

struct Films {
  data::Dataset dataset;
  ItemSpace space;
};

/// MovieLens latest-small and the item space of its ratings, once for all tests here.
const Films* films() {
  static const Films* const loaded = []() -> const Films* {
    const auto folder = data_folder() / "ml-latest-small";
    if (!std::filesystem::exists(folder / "ratings.csv")) return nullptr;
    auto dataset = data::read_dataset(folder);
    ThreadPool pool(2);
    AlsOptions options = als_preset("soft_attributes");
    options.rank = 32;
    options.sweeps = 8;
    const auto model = fit_als(dataset.interactions, dataset.users.size(), dataset.items.size(), options, pool);
    ItemSpace space({"items of latest-small", 1}, dataset.items, model.parameters().item_factors, 32);
    return new Films{std::move(dataset), std::move(space)};
  }();
  return loaded;
}

HoldOutOptions quick() {
  HoldOutOptions out;
  out.cav.cross_validate = false;
  out.cav.c = 1;
  return out;
}

TEST(SoftAttributesReal, GenresAreDecodableAndShuffledGenresAreNot) {
  if (films() == nullptr) GTEST_SKIP() << "not run: data absent";
  const auto& [dataset, space] = *films();
  for (const char* genre : {"Horror", "Children", "Action"}) {
    // One "user" a hundred items would be no user: here the flag itself is the tag of one judge, on items with at least 10 ratings.
    std::vector<int> count(static_cast<size_t>(space.size()));
    for (const auto& rating : dataset.interactions) ++count[static_cast<size_t>(rating.item.value)];
    UserTags judge{UserIndex(0), {}, {}, {}};
    for (int32_t i = 0; i < space.size(); ++i) {
      if (count[static_cast<size_t>(i)] < 10) continue;
      const auto& genres = dataset.item_info[static_cast<size_t>(i)].genres;
      const bool has = std::find(genres.begin(), genres.end(), genre) != genres.end();
      (has ? judge.tagged : judge.others).push_back(ItemIndex(i));
    }
    const AttributeData attribute{genre, {judge}};
    EXPECT_GE(held_out_auc(space, attribute, quick()).low, 0.6) << genre;
    const auto noise = held_out_auc(space, shuffled(attribute, "noise", 1), quick());
    EXPECT_NEAR(noise.mean, 0.5, 0.08) << genre;
  }
}

TEST(SoftAttributesReal, TagsAreFewAndCounted) {
  if (films() == nullptr) GTEST_SKIP() << "not run: data absent";
  const auto& dataset = films()->dataset;
  const auto set = tag_attributes(dataset, {.min_users = 3});
  EXPECT_EQ(set.num_events, 3683);
  EXPECT_EQ(set.num_events, set.num_kept + set.num_repeated + set.num_unrated + set.num_low_rated + set.num_empty);
  EXPECT_LT(set.attributes.size(), 100u);
  EXPECT_GT(set.skipped.size(), 1000u);
  for (const auto& attribute : set.attributes) check_attribute(attribute, dataset.items.size());
}

TEST(SoftAttributesReal, JudgementsOfOtherRatersAreForeseen) {
  const auto file = data_folder() / "soft-attributes" / "soft-attributes.csv";
  if (films() == nullptr || !std::filesystem::exists(file)) GTEST_SKIP() << "not run: data absent";
  const auto joined = data::join_soft_attributes(data::read_soft_attributes(file), films()->dataset);
  stats::GradedAgreement total;
  int attributes = 0;
  for (const auto& attribute : judged_attributes(joined)) {
    if (attribute.users.size() < 10 || ++attributes > 12) continue;
    total += held_out_accuracy(films()->space, attribute, quick()).agreement;
  }
  EXPECT_GT(total.gamma(), 0.1);
}

}  // namespace
}  // namespace attune::people
