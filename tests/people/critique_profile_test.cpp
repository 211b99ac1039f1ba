// Critiques of the event log over a learned recommender: what counts, how it moves lists, and what it must not cost.
#include "people/critique_profile.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "data/generated.h"
#include "data/read.h"
#include "data/tag_planting.h"
#include "people/als.h"
#include "people/soft_attributes_learn.h"
#include "tests/expect_error.h"

namespace attune::people {
namespace {

using attune::test::expect_error;

/// A recommender of the likes that were kept, its genres as attributes, and the likes held out.
struct World {
  std::shared_ptr<const Recommender> recommender;
  std::shared_ptr<const LearnedAttributes> attributes;
  std::vector<std::set<int32_t>> held_out;  ///< [users]

  World(data::Dataset dataset, const AlsOptions& als) {
    held_out.resize(static_cast<size_t>(dataset.users.size()));
    std::vector<data::Interaction> kept;
    Rng rng(5, "held-out likes");
    for (const auto& r : dataset.interactions) {
      if (r.rating >= 4 && rng.uniform() < 0.25) {
        held_out[static_cast<size_t>(r.user.value)].insert(r.item.value);
      } else {
        kept.push_back(r);
      }
    }
    dataset.interactions = kept;
    ThreadPool pool(2);
    auto model = fit_als(kept, dataset.users.size(), dataset.items.size(), als, pool);
    recommender = std::make_shared<const Recommender>(dataset, std::move(model), TrainRecord{});
    attributes = std::make_shared<const LearnedAttributes>(learn_attributes(*recommender, {}, {}, "now", pool, no_progress()));
  }
};

AlsOptions small_als() {
  AlsOptions out = als_preset("ranking");
  out.rank = 12;
  out.sweeps = 8;
  return out;
}

const World& world() {
  static const World out(data::generate_dataset({.num_users = 400, .num_items = 400, .num_ratings = 24000, .rank = 4}).dataset,
                         small_als());
  return out;
}
const CritiqueProfile& profile() {
  static const CritiqueProfile out(world().recommender, world().attributes);
  return out;
}

store::Event event_of(const std::string& id, const std::string& attribute, int sign, const std::string& update = "") {
  store::Event out;
  out.event_id = id;
  out.user = "u";
  out.kind = store::kCritique;
  CritiqueEvent said;
  said.attribute = attribute;
  said.sign = sign;
  said.update = update;
  for (int32_t i = 0; i < 5; ++i) said.slate.push_back(world().recommender->items().key(ItemIndex(i)));
  out.payload = critique_event_json(said);
  return out;
}
store::Event undo_of(const std::string& id) {
  store::Event out;
  out.user = "u";
  out.kind = store::kUndo;
  out.payload = undo_json(id);
  return out;
}

/// `user` after these critiques.
CritiqueProfile::Result after(UserIndex user, const std::vector<store::Event>& events, const CritiqueProfile::Visit& visit = {}) {
  const auto ratings = world().recommender->training_ratings(user);
  const auto log = critiques_in_force(events);
  return profile().replay(user, ratings, world().recommender->fold_in(ratings), log.critiques, visit);
}

double mean_degree(const World& w, const WordMeaning& word, const std::vector<ScoredItem>& list) {
  double out = 0;
  for (const auto& hit : list) out += w.attributes->degree(word, hit.item) / static_cast<double>(list.size());
  return out;
}

double ndcg(const std::set<int32_t>& relevant, const std::vector<ScoredItem>& list) {
  double gain = 0, best = 0;
  for (size_t k = 0; k < list.size(); ++k) gain += relevant.contains(list[k].item.value) ? 1 / std::log2(2.0 + static_cast<double>(k)) : 0;
  for (size_t k = 0; k < std::min(list.size(), relevant.size()); ++k) best += 1 / std::log2(2.0 + static_cast<double>(k));
  return gain / best;
}

/// "Less horror" for 20 users: the word goes down in their lists, the likes stay, and it is no filter.
void expect_less_without_loss(const World& w, const std::string& genre) {
  const CritiqueProfile critic(w.recommender, w.attributes);
  const auto word = w.attributes->meaning(genre);
  StoredCritique said{"e", 0, {}};
  said.critique.attribute = genre;
  said.critique.sign = -1;
  const auto has_genre = [&](const ScoredItem& hit) {
    const auto& genres = w.recommender->item(hit.item).genres;
    return std::find(genres.begin(), genres.end(), genre) != genres.end();
  };
  double degree_before = 0, degree_after = 0, ndcg_before = 0, ndcg_after = 0;
  int64_t lowered = 0, raised = 0, users = 0, filtered_before = 0, filtered_after = 0;
  for (int32_t u = 0; u < w.recommender->users().size() && users < 20; ++u) {
    if (w.held_out[static_cast<size_t>(u)].size() < 8) continue;
    ++users;
    const auto ratings = w.recommender->training_ratings(UserIndex(u));
    const auto folded = w.recommender->fold_in(ratings);
    const auto before = w.recommender->recommend(folded, ratings);
    const auto moved = critic.replay(UserIndex(u), ratings, folded, std::span(&said, 1));
    const auto list = w.recommender->recommend(moved.vector, ratings);
    degree_before += mean_degree(w, word, before);
    degree_after += mean_degree(w, word, list);
    const double change = mean_degree(w, word, list) - mean_degree(w, word, before);
    lowered += change < -1e-9 ? 1 : 0;  // the same items in another order differ by rounding
    raised += change > 1e-9 ? 1 : 0;
    ndcg_before += ndcg(w.held_out[static_cast<size_t>(u)], before);
    ndcg_after += ndcg(w.held_out[static_cast<size_t>(u)], list);
    filtered_before += std::count_if(before.begin(), before.end(), has_genre);
    filtered_after += std::count_if(list.begin(), list.end(), has_genre);
  }
  ASSERT_EQ(users, 20);
  EXPECT_LT(degree_after, degree_before - 20 * 0.15);
  EXPECT_GE(lowered, 16);  // a list that has little of the word may keep its items
  EXPECT_EQ(raised, 0);
  EXPECT_GT(ndcg_after, 0.9 * ndcg_before);
  EXPECT_LE(filtered_after, filtered_before);
  if (filtered_before >= 15) {
    EXPECT_GT(filtered_after, 0);  // items of the genre that a user likes stay
  }
  ::testing::Test::RecordProperty("ndcg_ratio", std::to_string(ndcg_after / ndcg_before));
  ::testing::Test::RecordProperty(
      "degree", cat(degree_before / 20, " -> ", degree_after / 20, ", of the genre ", filtered_before, " -> ", filtered_after));
}

TEST(CritiqueProfile, LessHorrorLowersListsAndKeepsLikes) { expect_less_without_loss(world(), "Horror"); }

TEST(CritiqueProfile, LessHorrorOnMovieLens) {
  const Path folder = Path(ATTUNE_SOURCE_DIR) / "datasets" / "ml-100k";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "MovieLens 100K is absent: run scripts/bootstrap.sh";
  AlsOptions als = als_preset("ranking");
  als.rank = 32;
  als.sweeps = 8;
  const World w(data::read_dataset(folder), als);
  expect_less_without_loss(w, "Horror");
}

TEST(CritiqueProfile, WithoutCritiquesNothingChanges) {
  const auto folded = world().recommender->fold_in(world().recommender->training_ratings(UserIndex(3)));
  EXPECT_EQ(after(UserIndex(3), {}).vector.p, folded.p);
  const std::vector<store::Event> undone = {event_of("a", "horror", 1), event_of("b", "comedy", -1), undo_of("b"), undo_of("a"),
                                            undo_of("a")};
  EXPECT_EQ(after(UserIndex(3), undone).vector.p, folded.p);
}

TEST(CritiqueProfile, EveryUpdateMovesTheSaidWay) {
  const auto word = world().attributes->meaning("horror");
  for (const char* update : {"heuristic", "bayes", "pairwise"}) {
    for (const int sign : {1, -1}) {
      double moved = 0;
      for (int32_t u = 0; u < 10; ++u) {
        const auto ratings = world().recommender->training_ratings(UserIndex(u));
        const double before = world().attributes->taste(word, world().recommender->fold_in(ratings).p);
        const auto result = after(UserIndex(u), {event_of("a", "horror", sign, update)});
        EXPECT_EQ(result.num_applied, 1);
        EXPECT_EQ(result.covariance.empty(), std::string_view(update) == "heuristic");
        moved += sign * (world().attributes->taste(word, result.vector.p) - before);
      }
      EXPECT_GT(moved, 0) << update << " " << sign;
    }
  }
}

TEST(CritiqueProfile, UpdatesMixInTheOrderSaid) {
  const std::vector<store::Event> all = {event_of("a", "horror", 1, "heuristic"), event_of("b", "comedy", -1, "pairwise"),
                                         event_of("c", "horror", -1, "bayes"), event_of("d", "drama", 1, "pairwise"),
                                         event_of("e", "drama", 1)};
  std::vector<std::vector<float>> seen;
  const auto whole = after(UserIndex(5), all, [&](size_t, const WordMeaning&, const UserVector& vector) { seen.push_back(vector.p); });
  EXPECT_EQ(whole.num_applied, 5);
  ASSERT_EQ(seen.size(), 5u);
  for (size_t n = 1; n <= 5; ++n) {  // every prefix is a state on the way
    EXPECT_EQ(after(UserIndex(5), {all.begin(), all.begin() + static_cast<std::ptrdiff_t>(n)}).vector.p, seen[n - 1]) << n;
  }
  for (const auto& p : seen) {
    for (const float x : p) ASSERT_TRUE(std::isfinite(x));
  }
}

TEST(CritiqueProfile, SomebodyUnknownMovesToo) {
  const auto folded = world().recommender->fold_in({});
  const auto log = critiques_in_force(std::vector<store::Event>{event_of("a", "horror", 1)});
  for (const char* update : {"heuristic", "bayes", "pairwise"}) {
    auto critiques = log.critiques;
    critiques[0].critique.update = update;
    const auto moved = profile().replay(std::nullopt, {}, folded, critiques);
    EXPECT_GT(world().attributes->taste(world().attributes->meaning("horror"), moved.vector.p),
              world().attributes->taste(world().attributes->meaning("horror"), folded.p))
        << update;
    EXPECT_EQ(moved.vector.num_ratings, 0);
  }
}

TEST(CritiqueProfile, UnknownWordsAndBrokenEventsArePassedOverAndCounted) {
  std::vector<store::Event> events = {event_of("a", "horror", 1), event_of("b", "no such word", 1), event_of("c", "horror#7", 1)};
  auto broken = event_of("d", "horror", 1);
  for (const char* payload :
       {"", "{", "[]", "{\"attribute\":\"horror\"}", "{\"attribute\":\"horror\",\"sign\":0}",
        "{\"attribute\":\"horror\",\"sign\":1,\"update\":\"newton\"}", "{\"attribute\":\"horror\",\"sign\":1,\"strength\":1e9}"}) {
    broken.payload = payload;
    events.push_back(broken);
  }
  store::Event undo = undo_of("a");
  for (const char* payload : {"", "{", "[]", "{\"event\":5}", "{}"}) {
    undo.payload = payload;
    events.push_back(undo);
  }
  store::Event rating;
  rating.kind = store::kRating;
  events.push_back(rating);
  const auto log = critiques_in_force(events);
  EXPECT_EQ(log.critiques.size(), 3u);
  EXPECT_EQ(log.num_malformed, 7);
  EXPECT_EQ(log.num_undone, 0);
  const auto result = after(UserIndex(2), events);
  EXPECT_EQ(result.num_applied, 1);
  EXPECT_EQ(result.num_skipped, 2);
  EXPECT_EQ(result.vector.p, after(UserIndex(2), {events[0]}).vector.p);
  auto no_list = event_of("e", "horror", 1, "pairwise");
  no_list.payload = R"({"attribute":"horror","sign":1,"update":"pairwise","slate":["gone"]})";
  EXPECT_EQ(after(UserIndex(2), {no_list}).num_skipped, 1);
}

TEST(CritiqueProfile, ManyCritiquesStayFinite) {
  std::vector<store::Event> events;
  for (int n = 0; n < 300; ++n)
    events.push_back(event_of(cat("e", n), n % 3 == 0 ? "comedy" : "horror", n % 7 == 0 ? -1 : 1, n % 2 == 0 ? "bayes" : ""));
  const auto result = after(UserIndex(1), events);
  EXPECT_EQ(result.num_applied, 300);
  for (const float x : result.vector.p) ASSERT_TRUE(std::isfinite(x));
}

TEST(CritiqueProfile, RefusesAttributesOfAnotherRecommender) {
  const World other(data::generate_dataset({.num_users = 60, .num_items = 80, .num_ratings = 1800, .rank = 3}).dataset, small_als());
  expect_error(ErrorCode::kFailedPrecondition, "another recommender", [&] { CritiqueProfile(world().recommender, other.attributes); });
  expect_error(ErrorCode::kInvalidArgument, "no recommender", [&] { CritiqueProfile(nullptr, other.attributes); });
}

}  // namespace
}  // namespace attune::people
