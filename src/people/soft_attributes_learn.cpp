#include "people/soft_attributes_learn.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "core/error.h"
#include "data/tag_planting.h"
#include "people/attribute_eval.h"
#include "people/attribute_kind.h"
#include "people/critique.h"
#include "people/judged_attributes.h"
#include "people/senses.h"
#include "text/fold.h"

namespace attune::people {
namespace {

constexpr double kRelevantShare = 0.8;  // of the largest rating: what "liked" means to the learned models
constexpr size_t kMaxListedSkipped = 1000;
constexpr int64_t kLeastRelevanceUsers = 20;  // with fewer an interval that holds 0 says nothing
constexpr int64_t kGenrePairs = 50;  // of a user: nearly everybody "uses" a genre, so few of each are plenty

/// A word with its examples, and what is known of it before learning.
struct Candidate {
  AttributeData data;
  std::string source;
  bool fixed = false;  ///< one meaning by construction
  std::shared_ptr<const std::vector<ItemIndex>> negatives;  ///< pool of mode binary
};

struct Gathered {
  std::vector<Candidate> words;
  std::vector<SkippedWord> skipped;  ///< the most used first
  int64_t num_skipped = 0;
  std::vector<std::string> sources;
};

int64_t distinct_items(const AttributeData& data) {
  std::set<ItemIndex> items;
  for (const auto& user : data.users) {
    items.insert(user.tagged.begin(), user.tagged.end());
    for (const auto& pair : user.pairs) {
      items.insert(pair.better);
      items.insert(pair.worse);
    }
  }
  return static_cast<int64_t>(items.size());
}

/// Users with both sides: others teach nothing by comparison.
int64_t comparing_users(const AttributeData& data) {
  return std::count_if(data.users.begin(), data.users.end(),
                       [](const UserTags& u) { return !u.pairs.empty() || (!u.tagged.empty() && !u.others.empty()); });
}

std::string counts_of(int64_t users, int64_t items) {
  return cat(users, users == 1 ? " user, " : " users, ", items, items == 1 ? " item" : " items");
}

class Gatherer {
 public:
  Gatherer(const Recommender& recommender, const LearnAttributesOptions& options)
      : options_(options), base_(dataset_of(recommender)), min_rating_(options.min_rating) {
    if (min_rating_ != 0) return;
    double largest = 0;
    for (const auto& r : base_.interactions) largest = std::max<double>(largest, r.rating);
    min_rating_ = kRelevantShare * largest;
  }

  Gathered gather(const AttributeSources& sources) {
    if (sources.tags || sources.joined) add_tags(sources);
    if (sources.judgements) add_judgements(*sources.judgements);
    keep_most_used();
    if (options_.genres) add_genres();
    std::stable_sort(out_.skipped.begin(), out_.skipped.end(),
                     [&](const auto& a, const auto& b) { return users_[a.name] > users_[b.name]; });
    out_.num_skipped = static_cast<int64_t>(out_.skipped.size());
    if (out_.skipped.size() > kMaxListedSkipped) out_.skipped.resize(kMaxListedSkipped);
    return std::move(out_);
  }

 private:
  void skip(const std::string& name, std::string reason, int64_t users) {
    const auto [place, is_new] = users_.emplace(name, users);
    if (is_new) out_.skipped.push_back({name, std::move(reason)});
  }

  /// The data set's tags put on the recommender's rows.
  data::Dataset own_tags(const data::Dataset& given) {
    data::Dataset out = base_;
    int64_t unknown = 0;
    for (const auto& tag : given.tags) {
      const auto item = out.items.find(given.items.key(tag.item));
      const auto user = out.users.find(given.users.key(tag.user));
      if (item && user) {
        out.tags.push_back({*user, *item, tag.text, tag.timestamp});
      } else {
        ++unknown;
      }
    }
    out_.sources.push_back(cat("tags of ", given.name, ": ", given.tags.size(), " events",
                               unknown == 0 ? "" : cat(", ", unknown, " of them by users or on items that the recommender does not know")));
    return out;
  }

  void add_tags(const AttributeSources& sources) {
    data::Dataset tagged = sources.tags ? own_tags(*sources.tags) : base_;
    if (sources.joined) {
      data::JoinOptions join;
      join.year_slack = options_.year_slack;
      auto joined = data::join_tags(tagged, *sources.joined, join);
      out_.sources.push_back(cat("joined tags of ", sources.joined->name, " by title and year: ", joined.num_tags, " events on ",
                                 joined.report.num_joined, " items, ", joined.num_dropped_tags, " events on unknown items left out"));
      tagged = std::move(joined.dataset);
    }
    TagOptions options;
    options.min_rating = std::max(0.0, min_rating_);
    options.min_items = 1;
    AttributeSet set = tag_attributes(tagged, options);
    const auto tagged_items = std::make_shared<const std::vector<ItemIndex>>(set.tagged_items);
    out_.sources.push_back(cat("of ", set.num_events, " tag events counted: ", set.num_kept, "; left out: ", set.num_repeated,
                               " repeated, ", set.num_unrated, " without a rating, ", set.num_low_rated, " rated below ",
                               options.min_rating, ", ", set.num_empty, " empty"));
    for (auto& data : set.attributes) {
      const bool own = std::any_of(data.users.begin(), data.users.end(), [&](const auto& u) { return u.user.value < base_.users.size(); });
      add_word({std::move(data), own ? "tags" : "joined tags", false, tagged_items});
    }
  }

  void add_judgements(const data::SoftSheets& sheets) {
    const auto joined = data::join_soft_attributes(sheets, base_, options_.year_slack);
    auto words = judged_attributes(joined);
    out_.sources.push_back(cat("judgements: ", words.size(), " words, ", joined.num_pairs[1] + joined.num_pairs[2], " pairs on ",
                               joined.report.num_joined, " joined titles, ", joined.num_dropped_pairs,
                               " pairs on unknown titles left out"));
    for (auto& data : words) {
      for (auto& user : data.users) user.user.value += base_.users.size();  // raters are no users of the recommender
      add_word({std::move(data), "judgements", false, std::make_shared<const std::vector<ItemIndex>>()});
    }
  }

  void add_word(Candidate word) {
    const std::string name = word.data.name;
    if (name.size() > 200 || name.find('#') != std::string::npos) return skip(name, "the name is too long or holds #", 0);
    if (names_.contains(text::fold(name))) return;  // learned from an earlier source
    const int64_t users = comparing_users(word.data);
    const int64_t items = distinct_items(word.data);
    if (users < options_.min_users || items < options_.min_items) {
      return skip(name,
                  cat("too few examples: ", counts_of(users, items), " to compare, expected at least ",
                      counts_of(options_.min_users, options_.min_items)),
                  users);
    }
    names_.insert(text::fold(name));
    out_.words.push_back(std::move(word));
  }

  void keep_most_used() {
    auto& words = out_.words;
    std::stable_sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.data.users.size() > b.data.users.size(); });
    while (words.size() > static_cast<size_t>(options_.max_attributes)) {
      const auto& last = words.back();
      skip(last.data.name, cat("only the ", options_.max_attributes, " most used words are learned"),
           static_cast<int64_t>(last.data.users.size()));
      names_.erase(text::fold(last.data.name));
      words.pop_back();
    }
    std::sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.data.name < b.data.name; });
  }

  void add_genres() {
    if (base_.genres().empty()) return;
    data::Dataset tagged = base_;
    data::TagPlantOptions plant;
    plant.none_share = 0;
    plant.low = plant.high = 1;
    plant.least_rating = min_rating_;
    plant.seed = options_.seed;
    tagged.tags = data::plant_genre_tags(base_, plant);
    TagOptions options;
    options.min_rating = 0;
    options.min_items = 1;
    auto set = tag_attributes(tagged, options);
    const size_t before = out_.words.size();
    const auto tagged_items = std::make_shared<const std::vector<ItemIndex>>(set.tagged_items);
    for (auto& data : set.attributes) add_word({std::move(data), "genres", true, tagged_items});
    if (out_.words.size() == before) return;
    out_.sources.push_back(cat("genres in the place of tags: ", out_.words.size() - before, " words, put by each user on what they rated ",
                               min_rating_, " or more"));
  }

  const LearnAttributesOptions& options_;
  data::Dataset base_;
  double min_rating_;
  std::set<std::string> names_;  ///< folded
  std::map<std::string, int64_t> users_;  ///< of skipped words
  Gathered out_;
};

/// Learns one word after another.
class Learner {
 public:
  Learner(const Recommender& recommender, const LearnAttributesOptions& options, ThreadPool& pool)
      : space_(recommender.item_space()), num_users_(recommender.users().size()), options_(options), pool_(pool) {}

  SoftAttribute learn(const Candidate& word) const {
    const Senses senses = senses_of(word);
    SoftAttribute out;
    out.name = word.data.name;
    out.source = word.source;
    out.num_users = static_cast<int64_t>(word.data.users.size());
    out.num_examples = word.data.num_judged() > 0 ? word.data.num_judged() : word.data.num_tagged();
    for (int32_t s = 0; s < senses.count(); ++s) {
      AttributeSense sense;
      sense.direction = senses.cavs[static_cast<size_t>(s)].direction;
      sense.share = senses.share[static_cast<size_t>(s)];
      sense.num_users = std::count(senses.sense.begin(), senses.sense.end(), s);
      out.senses.push_back(std::move(sense));
    }
    if (senses.count() > 1) {
      for (size_t u = 0; u < senses.users.size(); ++u) {
        if (senses.sense[u] >= 0 && senses.users[u].value < num_users_) out.users.push_back({senses.users[u], senses.sense[u]});
      }
    }
    judge(word, senses, out);
    return out;
  }

 private:
  CavOptions cav_options(const Candidate& word) const {
    CavOptions out;
    out.max_pairs = word.fixed ? std::min(kGenrePairs, options_.max_pairs) : options_.max_pairs;
    out.group_folds = true;
    out.seed = options_.seed;
    return out;
  }

  Senses senses_of(const Candidate& word) const {
    SenseOptions options;
    options.cav = cav_options(word);
    options.permutations = options_.permutations;
    options.seed = options_.seed;
    if (options_.senses && !word.fixed) return find_senses(space_, word.data, options, pool_);
    Senses out;
    out.attribute = word.data.name;
    out.cavs.push_back(train_cav(space_, word.data, options.cav));
    for (const auto& user : word.data.users) out.users.push_back(user.user);
    out.sense.assign(out.users.size(), 0);
    out.share = {1};
    return out;
  }

  /// Fills kind, accuracy and AUC, each where there is enough to tell.
  void judge(const Candidate& word, const Senses& senses, SoftAttribute& out) const {
    HoldOutOptions hold_out;
    hold_out.seed = options_.seed;
    hold_out.cav = cav_options(word);
    hold_out.cav.cross_validate = false;
    hold_out.cav.c = senses.cavs[0].record.c;
    if_enough([&] { out.auc = held_out_auc(space_, word.data, hold_out, *word.negatives).mean; });
    if (word.fixed) {
      out.kind = "objective";
      hold_out.by = "item";  // a flag can be memorised item by item when the held-out users rated the same items
      if_enough([&] { out.accuracy = held_out_accuracy(space_, word.data, hold_out).mean(); });
      return;
    }
    if_enough([&] {
      KindOptions options;
      options.hold_out = hold_out;
      options.permutations = options_.permutations;
      const KindTest test = attribute_kind(space_, word.data, senses, options, pool_, *word.negatives);
      out.accuracy = test.ranking.mean;
      out.kind = kind_name(test.kind);
    });
    if_enough([&] {
      RelevanceOptions options;
      options.hold_out = hold_out;
      if (preference_relevance(space_, word.data, {}, options, pool_).relevant || senses.count() > 1) return;
      out.kind = comparing_users(word.data) >= kLeastRelevanceUsers ? "irrelevant" : "unknown";
    });
  }

  template <class Body>
  static void if_enough(const Body& body) {
    try {
      body();
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kFailedPrecondition) throw;
    }
  }

  ItemSpace space_;
  int32_t num_users_;
  const LearnAttributesOptions& options_;
  ThreadPool& pool_;
};

}  // namespace

void LearnAttributesOptions::describe(OptionList& list) {
  list.add(
          "tag_min_rating", min_rating,
          "A tag counts where the same user rated the item at least this; 0 = 0.8 times the largest rating, below 0 = no rating asked for.")
      .range(-1, 1e6);
  list.add("tag_min_users", min_users, "Words of fewer users are skipped and listed.").range(1, 1'000'000);
  list.add("tag_min_items", min_items, "Words on fewer items are skipped and listed.").range(1, 1'000'000);
  list.add("max_attributes", max_attributes, "Most words of people to learn; the most used count.").range(1, 10'000);
  list.add("genres", genres, "Learn genres that are no word yet, as substitutes of tags.");
  list.add("senses", senses, "Look for several senses of a word.");
  list.add("permutations", permutations, "Permutations in the tests of senses and kinds.").range(20, 10'000);
  list.add("max_pairs", max_pairs, "Comparisons of a user and word at most.").range(1, 1'000'000);
  list.add("year_slack", year_slack, "Years that may differ when titles are joined.").range(0, 5);
}

data::Dataset dataset_of(const Recommender& recommender) {
  data::Dataset out;
  out.name = recommender.record().dataset;
  out.users = recommender.users();
  out.items = recommender.items();
  for (int32_t i = 0; i < out.items.size(); ++i) out.item_info.push_back(recommender.item(ItemIndex(i)));
  for (int32_t u = 0; u < out.users.size(); ++u) {
    for (const auto& r : recommender.training_ratings(UserIndex(u))) out.interactions.push_back({UserIndex(u), r.item, r.rating, 0});
  }
  return out;
}

LearnedAttributes learn_attributes(const Recommender& recommender, const AttributeSources& sources, const LearnAttributesOptions& options,
                                   const std::string& created, ThreadPool& pool, ProgressSink& progress) {
  check(options.min_users >= 1 && options.min_items >= 1 && options.max_attributes >= 1 && options.max_pairs >= 1 &&
            options.permutations >= 20,
        ErrorCode::kInvalidArgument, "[learn attributes] min_users ", options.min_users, ", min_items ", options.min_items,
        ", max_attributes ", options.max_attributes, ", max_pairs ", options.max_pairs, ", permutations ", options.permutations,
        ": expected at least 1, 1, 1, 1 and 20");
  Gathered gathered = Gatherer(recommender, options).gather(sources);
  const Learner learner(recommender, options, pool);
  const auto total = static_cast<int64_t>(gathered.words.size());
  std::vector<std::optional<SoftAttribute>> results(gathered.words.size());
  std::vector<std::string> reasons(gathered.words.size());
  std::mutex mutex;
  int64_t done = 0;
  progress.update("attributes", 0, total);
  pool.run(static_cast<int>(total), [&](int chunk) {
    const auto k = static_cast<size_t>(chunk);
    try {
      results[k] = learner.learn(gathered.words[k]);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::kFailedPrecondition) throw;
      reasons[k] = error.message();
    }
    const std::lock_guard lock(mutex);
    progress.update("attributes", ++done, total);
  });
  std::vector<SoftAttribute> learned;
  for (size_t k = 0; k < results.size(); ++k) {
    if (results[k]) {
      learned.push_back(std::move(*results[k]));
    } else {
      gathered.skipped.push_back({gathered.words[k].data.name, reasons[k]});
      ++gathered.num_skipped;
    }
  }
  check(!learned.empty(), ErrorCode::kFailedPrecondition, "[learn attributes] nothing to learn from: ", gathered.num_skipped,
        " words skipped for too few examples", options.genres ? ", and the items have no genres" : "",
        "; give a data set with tags, or --tags with another one");
  const double variance = residual_variance(recommender.model(), dataset_of(recommender).interactions);
  return LearnedAttributes(recommender, std::move(learned),
                           {recommender.version(), created, gathered.sources, gathered.num_skipped, variance}, std::move(gathered.skipped));
}

}  // namespace attune::people
