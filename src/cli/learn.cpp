// attune learn ratings: from a file of ratings to a recommender, with an honest table of what it is worth.
#include <nlohmann/json.hpp>

#include "cli/commands.h"
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
  std::string out;
  std::string store;
  std::string npy;
  int32_t threads = 0;
  bool no_compare = false;

  void describe(OptionList& list) {
    ratings.describe(list);
    learn.describe(list);
    list.add("out", out, "Folder of the learned model (default: models/recommender).").alias("-o");
    list.add("store", store, "Event store whose ratings and catalogue are laid over the data; users erased there are left out.");
    list.add("npy", npy, "Folder for the factors and biases as .npy files beside the model.");
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
    list.add("no_compare", no_compare, "Only fit: no split, no comparison, no table.");
  }
};

void add_events(const CommandContext& context, const std::string& path, data::Dataset& dataset) {
  check(std::filesystem::exists(path), ErrorCode::kNotFound, "[learn ratings] no event store ", path);
  const auto merge = people::merge_events(dataset, *store::open_sqlite_store(path));
  context.note(cat(path, ": ", merge.num_ratings, " ratings added (", merge.num_passed_over, " about unknown items passed over), ",
                   merge.num_new_users, " new users, ", merge.num_new_items, " new items, ", merge.num_erased_users,
                   " erased users left out; now ", dataset.shape_line()));
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
  if (context.common.json) {
    context.print(nlohmann::ordered_json{{"saved", folder.string()},
                                         {"version", learned.recommender->version()},
                                         {"users", dataset.users.size()},
                                         {"items", dataset.items.size()},
                                         {"ratings", dataset.interactions.size()}}
                      .dump());
  } else {
    context.note(
        cat("fitted on all ratings and saved to ", folder.string(), "; next: attune recommend --user ", dataset.users.keys().front()));
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
