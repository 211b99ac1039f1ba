// C6: attributes that have nothing to do with ratings are at chance, genres and real tags are not; shuffled tags; planted senses.
#include <algorithm>
#include <memory>
#include <set>

#include "core/error.h"
#include "core/rng.h"
#include "data/read.h"
#include "data/soft_attributes.h"
#include "data/tag_planting.h"
#include "eval/soft_attributes/claims.h"
#include "eval/soft_attributes/real_data_internal.h"
#include "eval/soft_attributes/worlds_internal.h"
#include "people/attribute_eval.h"
#include "people/attribute_kind.h"
#include "stats/agreement.h"

namespace attune::eval {
namespace {

/// Directions without cross-validation: quick, and chance is chance with any C.
people::HoldOutOptions hold_out(std::string by, uint64_t seed) {
  people::HoldOutOptions out;
  out.by = std::move(by);
  out.seed = seed;
  out.cav.cross_validate = false;
  out.cav.max_pairs = kMaxPairs;
  out.cav.seed = seed;
  return out;
}

std::vector<uint8_t> coin_flags(int32_t count, uint64_t seed) {
  Rng rng(seed, "coin flags");
  std::vector<uint8_t> out;
  for (int32_t i = 0; i < count; ++i) out.push_back(rng.uniform() < 0.5 ? 1 : 0);
  return out;
}

/// The genre words planted with this seed that enough items carry.
people::AttributeSet genre_words(const data::Dataset& dataset, uint64_t seed) {
  data::Dataset tagged = dataset;
  data::TagPlantOptions options;
  options.seed = seed;
  tagged.tags = data::plant_genre_tags(dataset, options);
  return people::tag_attributes(tagged, {.min_rating = 0, .min_items = 20});
}

/// Rated items of every user as the items of an artificial word, at most `most` each.
people::AttributeData rated_items(const data::Dataset& dataset, size_t most, uint64_t seed) {
  std::vector<std::vector<data::ItemIndex>> items(static_cast<size_t>(dataset.users.size()));
  for (const auto& rating : dataset.interactions) items[static_cast<size_t>(rating.user.value)].push_back(rating.item);
  people::AttributeData out{"rated", {}};
  for (size_t u = 0; u < items.size(); ++u) {
    Rng rng(seed, cat("rated items ", u));
    shuffle(items[u], rng);
    items[u].resize(std::min(items[u].size(), most));
    std::sort(items[u].begin(), items[u].end());
    items[u].erase(std::unique(items[u].begin(), items[u].end()), items[u].end());
    out.users.push_back({data::UserIndex(static_cast<int32_t>(u)), items[u], {}, {}});
  }
  return out;
}

double by_item_accuracy(const people::ItemSpace& space, const people::AttributeData& attribute, uint64_t seed) {
  return people::held_out_accuracy(space, attribute, hold_out("item", seed)).mean();
}

Measured chance_in_world(const ClaimContext& context, uint64_t seed) {
  const LearnedWorld learned = learn_world(claim_world(context, seed), context.pool);
  const auto rated = rated_items(learned.world.dataset, 60, seed);
  std::vector<double> accuracy;
  for (uint64_t k = 0; k < 5; ++k) {
    const auto word = people::relabelled(rated, cat("coin ", k), coin_flags(learned.space.size(), seed * 100 + k));
    accuracy.push_back(by_item_accuracy(learned.space, word, seed));
  }
  return {{{mean_of(accuracy)}}, {}, {}};
}

/// Area under the ROC curve of the number of ratings for "carries the word" against the other films of the pool: what popularity alone does.
double popularity_auc(const data::Dataset& dataset, const people::AttributeData& attribute, std::span<const data::ItemIndex> pool) {
  std::vector<int> count(static_cast<size_t>(dataset.items.size()), 0);
  for (const auto& rating : dataset.interactions) ++count[static_cast<size_t>(rating.item.value)];
  std::set<data::ItemIndex> tagged;
  for (const auto& user : attribute.users) tagged.insert(user.tagged.begin(), user.tagged.end());
  std::vector<int> others;
  for (const data::ItemIndex item : pool) {
    if (!tagged.contains(item)) others.push_back(count[static_cast<size_t>(item.value)]);
  }
  if (tagged.empty() || others.empty()) return 0.5;
  std::sort(others.begin(), others.end());
  double wins = 0;
  for (const data::ItemIndex item : tagged) {
    const auto [low, high] = std::equal_range(others.begin(), others.end(), count[static_cast<size_t>(item.value)]);
    wins += 0.5 * static_cast<double>((low - others.begin()) + (high - others.begin()));
  }
  return wins / (static_cast<double>(tagged.size()) * static_cast<double>(others.size()));
}

/// As many films of the pool as carry the word, drawn at random, as the word of one user.
people::AttributeData dealt_films(const people::AttributeData& attribute, std::span<const data::ItemIndex> pool, uint64_t seed) {
  std::set<data::ItemIndex> tagged;
  for (const auto& user : attribute.users) tagged.insert(user.tagged.begin(), user.tagged.end());
  people::UserTags all{data::UserIndex(0), {tagged.begin(), tagged.end()}, {}, {}};
  for (const data::ItemIndex item : pool) {
    if (!tagged.contains(item)) all.others.push_back(item);
  }
  return people::shuffled({attribute.name, {all}}, cat(attribute.name, " dealt"), seed);
}

Measured shuffled_words(const Films& films, const ClaimContext& context, uint64_t seed) {
  const auto space = films.space(32, seed, context.pool);
  const auto set = genre_words(films.dataset, seed);
  std::vector<double> objective, irrelevant, auc, accuracy, pooled, popular;
  for (const auto& attribute : set.attributes) {
    const auto word = people::shuffled(with_pairs(attribute, 6), cat(attribute.name, " shuffled"), seed);
    if (word.users.size() < 20) continue;
    auc.push_back(people::held_out_auc(space, dealt_films(attribute, set.tagged_items, seed), hold_out("item", seed)).mean);
    accuracy.push_back(people::held_out_accuracy(space, word, hold_out("user", seed)).mean());
    pooled.push_back(people::held_out_auc(space, word, hold_out("item", seed), set.tagged_items).mean);
    popular.push_back(popularity_auc(films.dataset, word, set.tagged_items));
    const people::RelevanceOptions relevance{.hold_out = hold_out("user", seed), .shuffles = 3};
    irrelevant.push_back(people::preference_relevance(space, word, {}, relevance, context.pool).relevant ? 0 : 1);
    people::SenseOptions senses;
    senses.permutations = context.quick ? 20 : 100;
    senses.max_test_pairs = kMaxPairs;
    senses.cav = hold_out("user", seed).cav;
    senses.seed = seed;
    people::KindOptions kind;
    kind.hold_out = hold_out("user", seed);
    kind.permutations = senses.permutations;
    const auto found = people::find_senses(space, word, senses, context.pool);
    const auto test = people::attribute_kind(space, word, found, kind, context.pool, set.tagged_items);
    objective.push_back(test.kind == people::AttributeKind::kObjective ? 1 : 0);
  }
  return {{{mean_of(objective)}, {mean_of(irrelevant)}, {mean_of(auc)}, {mean_of(accuracy)}},
          {{"words a seed", static_cast<double>(auc.size())},
           {"AUC over films, tags dealt inside users", mean_of(pooled)},
           {"of these, AUC of the number of ratings alone", mean_of(popular)}},
          {}};
}

struct Planted {
  double count = 0;
  double rand = 0;
  double users = 0;
};

/// One word with three meanings among users of whom `none_share` never tag.
Planted find_planted(const Films& films, const people::ItemSpace& space, const std::vector<std::vector<std::string>>& meanings,
                     double none_share, const ClaimContext& context, uint64_t seed) {
  data::TagPlantOptions plant;
  plant.none_share = none_share;
  plant.seed = seed;
  const auto planted = data::plant_senses(films.dataset, "planted", meanings, plant);
  data::Dataset tagged = films.dataset;
  tagged.tags = planted.tags;
  const auto attribute = with_pairs(people::tag_attributes(tagged, {.min_rating = 0}).at("planted"), 6);
  people::SenseOptions options;
  options.permutations = context.quick ? 50 : 200;
  options.cav.max_pairs = 2 * kMaxPairs;
  options.max_test_pairs = 2 * kMaxPairs;
  options.cav.seed = options.seed = seed;
  const auto senses = people::find_senses(space, attribute, options, context.pool);
  std::vector<int32_t> found, truth;
  for (size_t k = 0; k < senses.users.size(); ++k) {
    if (num_pairs(attribute.users[k]) < 10) continue;
    found.push_back(senses.sense[k]);
    truth.push_back(planted.sense[static_cast<size_t>(senses.users[k].value)]);
  }
  return {static_cast<double>(senses.count()), stats::adjusted_rand_index(found, truth), static_cast<double>(attribute.users.size())};
}

Measured find_planted_triples(const Films& films, const ClaimContext& context, uint64_t seed) {
  const auto space = films.ranking_space(seed, context.pool);
  const auto other_space = films.space(32, seed, context.pool);
  Measured out;
  std::vector<double> three, rand, users, other_three, other_rand;
  for (const auto& [third, name] : {std::pair(std::vector<std::string>{"Sci-Fi", "Action"}, "third is science fiction or action"),
                                    std::pair(std::vector<std::string>{"War", "Western"}, "third is war or western"),
                                    std::pair(std::vector<std::string>{"Romance", "Musical"}, "third is romance or musical")}) {
    const std::vector<std::vector<std::string>> meanings = {{"Animation", "Children's"}, {"Horror", "Thriller"}, third};
    const auto found = find_planted(films, space, meanings, 0.5, context, seed);
    three.push_back(found.count == 3 ? 1 : 0);
    rand.push_back(found.rand);
    users.push_back(found.users);
    out.extras.emplace_back(cat("three found, ", name), three.back());
    const auto other = find_planted(films, other_space, meanings, 0.5, context, seed);
    other_three.push_back(other.count == 3 ? 1 : 0);
    other_rand.push_back(other.rand);
  }
  out.values = {{mean_of(three)}, {mean_of(rand)}};
  out.extras.emplace_back("users", mean_of(users));
  out.extras.emplace_back("three found in the space of the other claims", mean_of(other_three));
  out.extras.emplace_back("index there", mean_of(other_rand));
  return out;
}

/// What the few tags of latest-small are good for.
Measured real_tags(const Films& films, const std::vector<people::AttributeData>& judged, const ClaimContext& context, uint64_t seed) {
  const auto space = films.space(32, seed, context.pool);
  const auto set = people::tag_attributes(films.dataset, {.min_users = 3, .min_items = 10});
  Measured out;
  out.values.resize(2);
  std::vector<double> from_tags, from_judges, popular;
  int64_t one_user = 0;
  for (const auto& skipped : set.skipped) one_user += skipped.num_users == 1 ? 1 : 0;
  for (const auto& attribute : set.attributes) {
    out.values[0].push_back(people::held_out_auc(space, attribute, hold_out("item", seed), set.tagged_items).mean);
    popular.push_back(popularity_auc(films.dataset, attribute, set.tagged_items));
  }
  const auto all = people::tag_attributes(films.dataset, {.min_rating = 0, .min_items = 3});
  for (const auto& word : judged) {
    const auto tag = std::find_if(all.attributes.begin(), all.attributes.end(), [&](const auto& a) { return a.name == word.name; });
    if (tag == all.attributes.end()) continue;
    auto binary = hold_out("user", seed).cav;
    binary.mode = "binary";
    const auto cav = people::train_cav(space, *tag, binary, all.tagged_items);
    const auto degree = people::degrees(space, cav.direction.unit.v);
    stats::GradedAgreement agreement;
    for (const auto& rater : word.users) agreement += people::graded_agreement(degree, rater.pairs);
    from_tags.push_back(agreement.gamma());
    from_judges.push_back(people::held_out_accuracy(space, word, hold_out("user", seed)).agreement.gamma());
  }
  const auto rated = rated_items(films.dataset, 60, seed);
  out.values[1] = {by_item_accuracy(space, people::relabelled(rated, "odd title", people::title_length_parity(films.dataset)), seed)};
  out.extras = {{"tag events", static_cast<double>(set.num_events)},
                {"on films the user rated 4 or more", static_cast<double>(set.num_kept)},
                {"words with 3 users and 10 films", static_cast<double>(set.attributes.size())},
                {"words too rare", static_cast<double>(set.skipped.size())},
                {"of these by one user", static_cast<double>(one_user)},
                {"AUC of the number of ratings alone", mean_of(popular)},
                {"judged attributes", static_cast<double>(judged.size())},
                {"of these tagged on 3 films", static_cast<double>(from_tags.size())},
                {"G' of directions from their tags", mean_of(from_tags)},
                {"from other raters", mean_of(from_judges)}};
  return out;
}

}  // namespace

Claim chance_claim() {
  Claim out{"C6a", "words that have nothing to do with ratings, generated world", {}, "", {}};
  out.parts = {{"C6a", "held-out accuracy on held-out items, words by a coin a film", Bound::kInside, 0.47, 0.53}};
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    return [context](uint64_t seed) { return chance_in_world(context, seed); };
  };
  return out;
}

Claim genre_claim() {
  Claim out{"C6b", "genre words, MovieLens 100K", {}, "", {}};
  out.parts = {{"C6b", "AUC on held-out films, mean over genres", Bound::kLowAtLeast, 0.65}};
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    const auto films = load_films(context.datasets / "ml-100k");
    return [context, films](uint64_t seed) {
      const auto space = films->space(32, seed, context.pool);
      const auto set = genre_words(films->dataset, seed);
      std::vector<double> auc;
      for (const auto& attribute : set.attributes) {
        auc.push_back(people::held_out_auc(space, attribute, hold_out("item", seed), set.tagged_items).mean);
      }
      return Measured{
          {{mean_of(auc)}}, {{"genres", static_cast<double>(auc.size())}, {"lowest genre", *std::min_element(auc.begin(), auc.end())}}, {}};
    };
  };
  return out;
}

Claim real_tag_claim() {
  Claim out{"C6c", "tags of MovieLens latest-small", {}, "", {}};
  out.parts = {{"C6c", "AUC on held-out films, words with 3 users and 10 films", Bound::kLowAbove, 0.5},
               {"C6d", "held-out accuracy on held-out films, odd title length", Bound::kInside, 0.47, 0.53}};
  out.note =
      "so few tags cost most of the signal: their AUC is little above that of the number of ratings, and directions from tags foresee raters "
      "far worse than directions from other raters";
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    const auto films = load_films(context.real_data / "ml-latest-small");
    const auto judged = std::make_shared<std::vector<people::AttributeData>>(load_judgements(context.real_data, *films));
    return [context, films, judged](uint64_t seed) { return real_tags(*films, *judged, context, seed); };
  };
  return out;
}

Claim planted_senses_claim() {
  Claim out{"P1", "three senses planted in MovieLens 100K", {}, "", {}};
  out.parts = {{"P1a", "share of three planted words in which three senses are found", Bound::kLowAtLeast, 0.8},
               {"P1b", "adjusted Rand index of users with at least 10 pairs", Bound::kLowAtLeast, 0.6}};
  out.note =
      "animation or children's, horror or thriller, and a third that is more or less easily read from the space; half of the users tag; the "
      "space is the one that lists are made with";
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    const auto films = load_films(context.datasets / "ml-100k");
    return [context, films](uint64_t seed) { return find_planted_triples(*films, context, seed); };
  };
  return out;
}

Claim shuffled_tags_claim() {
  Claim out{"P2", "shuffled genre tags, MovieLens 100K", {}, "", {}};
  out.parts = {
      {"P2a", "share of words called objective", Bound::kLowAtLeast, 0.8},
      {"P2b", "share of words called irrelevant", Bound::kLowAtLeast, 0.8},
      {"P2c", "AUC on held-out films, words dealt anew among films", Bound::kInside, 0.45, 0.55},
      {"P2d", "accuracy on pairs of held-out users (AUC inside a user), tags dealt anew inside users", Bound::kInside, 0.45, 0.55}};
  out.note =
      "over films of many users, tags dealt inside users are not at chance: films with many ratings get more of any word, and how often a "
      "film is rated can be read from the space";
  out.prepare = [](const ClaimContext& context) -> MeasureSeed {
    const auto films = load_films(context.datasets / "ml-100k");
    return [context, films](uint64_t seed) { return shuffled_words(*films, context, seed); };
  };
  return out;
}

}  // namespace attune::eval
