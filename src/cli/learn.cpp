// attune learn ratings: from a file of ratings to a recommender, with an honest table of what it is worth.
#include <nlohmann/json.hpp>

#include "cli/attributes.h"
#include "cli/commands.h"
#include "cli/moods.h"
#include "cli/ratings.h"
#include "core/error.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "people/event_ratings.h"
#include "store/sqlite_store.h"

namespace attune::cli {
namespace {

struct LearnRatingsOptions {
  RatingsOptions ratings;
  people::LearnOptions learn;
  AttributeSourceOptions sources;
  std::string out;
  std::string store;
  std::string npy;
  int32_t threads = 0;
  bool no_compare = false;
  bool no_attributes = false;
  bool no_moods = false;

  void describe(OptionList& list) {
    ratings.describe(list);
    learn.describe(list);
    list.add("out", out, "Folder of the learned model (default: models/recommender).").alias("-o");
    list.add("store", store, "Event store whose ratings and catalogue are laid over the data; users erased there are left out.");
    list.add("npy", npy, "Folder for the factors and biases as .npy files beside the model.");
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
    list.add("no_compare", no_compare, "Only fit: no split, no comparison, no table.");
    list.add("no_attributes", no_attributes,
             "Do not learn the attributes that critiques speak of (attune learn attributes does it later).");
    sources.describe(list);
    list.add("no_moods", no_moods, "Do not learn the moods that users move between (attune learn bandit does it later).");
  }
};

void add_events(const CommandContext& context, const std::string& path, data::Dataset& dataset) {
  check(std::filesystem::exists(path), ErrorCode::kNotFound, "[learn ratings] no event store ", path);
  const auto merge = people::merge_events(dataset, *store::open_sqlite_store(path));
  context.note(cat(path, ": ", merge.num_ratings, " ratings added (", merge.num_passed_over, " about unknown items passed over), ",
                   merge.num_new_users, " new users, ", merge.num_new_items, " new items, ", merge.num_erased_users,
                   " erased users left out; now ", dataset.shape_line()));
}

/// Number of attributes learned beside the recommender; data without words or genres has none, which is no failure.
size_t add_attributes(const CommandContext& context, const people::Recommender& recommender, const Path& folder, data::Dataset dataset,
                      const LearnRatingsOptions& options, ThreadPool& pool) {
  people::LearnAttributesOptions learn;
  learn.seed = options.learn.seed;
  learn.min_rating = options.learn.relevant_rating;  // 0: both take 0.8 times the largest rating
  try {
    const auto learned = learn_and_save_attributes(context, recommender, folder, std::move(dataset), options.sources, learn, pool);
    context.note(cat(learned.attributes().size(), " attributes learned (attune learn attributes lists them)"));
    return learned.attributes().size();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kFailedPrecondition) throw;
    context.note(cat("no attributes: ", error.what()));
    return 0;
  }
}

/// Number of moods learned beside the recommender; too few users have none, which is no failure.
int32_t add_moods(const CommandContext& context, const people::Recommender& recommender, const Path& folder, uint64_t seed,
                  ThreadPool& pool) {
  people::RecommenderBanditOptions options;
  options.seed = seed;
  try {
    const int32_t found = learn_and_save_moods(context, recommender, folder, options, pool).bandit->num_states();
    context.note(cat(found, " moods of users learned"));
    return found;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kFailedPrecondition) throw;
    context.note(cat("no moods: ", error.what()));
    return 0;
  }
}

int learn_ratings(const CommandContext& context, LearnRatingsOptions options) {
  data::Dataset dataset = open_ratings(context, options.ratings);
  if (!options.store.empty()) add_events(context, options.store, dataset);
  ThreadPool pool(options.threads);
  options.learn.compare = !options.no_compare;
  const auto learned = people::learn_recommender(dataset, options.learn, true, utc_now(), pool, context.progress);
  const Path folder = options.out.empty() ? home_folder() / "models" / "recommender" : Path(options.out);
  learned.recommender->save(folder);
  if (!options.npy.empty()) learned.recommender->export_npy(options.npy);
  if (context.common.verbose) {
    for (const auto& line : learned.report.candidates) context.note(cat("validation NDCG@", options.learn.k, ": ", line));
  }
  print_report(context, learned.report, options.learn.k);
  const auto num_users = dataset.users.size(), num_items = dataset.items.size();
  const auto num_ratings = dataset.interactions.size();
  const size_t num_attributes =
      options.no_attributes ? 0 : add_attributes(context, *learned.recommender, folder, std::move(dataset), options, pool);
  const int32_t num_moods = options.no_moods ? 0 : add_moods(context, *learned.recommender, folder, options.learn.seed, pool);
  if (context.common.json) {
    context.print(nlohmann::ordered_json{
        {"saved", folder.string()},
        {"version", learned.recommender->version()},
        {"users", num_users},
        {"items", num_items},
        {"ratings", num_ratings},
        {"attributes", num_attributes},
        {"moods",
         num_moods}}.dump());
  } else {
    context.note(cat("fitted on all ratings and saved to ", folder.string(), "; next: attune recommend --user ",
                     learned.recommender->users().keys().front()));
  }
  return 0;
}

}  // namespace

void register_learn(CommandSet& commands) {
  commands.add("learn ratings", "Learn a recommender from ratings and compare it with simple ones.", [](CommandSpec& spec) {
    auto& options = spec.options<LearnRatingsOptions>();
    spec.example("attune learn ratings");
    spec.example("attune learn ratings datasets/ml-25m --out models/ml-25m");
    spec.example("attune learn ratings --store state/attune.db");
    spec.example("attune learn ratings ratings.csv --user-column customer --item-column product --rating-column stars");
    return [&options](const CommandContext& context) { return learn_ratings(context, options); };
  });
}

}  // namespace attune::cli
