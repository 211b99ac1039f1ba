// attune eval recommender: the table of `attune learn ratings` alone; nothing is saved.
#include "cli/commands.h"
#include "cli/ratings.h"
#include "core/error.h"
#include "core/thread_pool.h"
#include "data/split.h"

namespace attune::cli {
namespace {

struct EvalRecommenderOptions {
  RatingsOptions ratings;
  people::LearnOptions learn;
  int32_t user_core = 0;
  int32_t item_core = 0;
  std::string table = "markdown";
  int32_t threads = 0;

  void describe(OptionList& list) {
    ratings.describe(list);
    learn.describe(list);
    list.add("user_core", user_core, "Users with fewer ratings are left out first; with item_core until none is left to drop.")
        .range(0, 1000000);
    list.add("item_core", item_core, "Items with fewer ratings are left out first.").range(0, 1000000);
    list.add("table", table, "Form of the table on stdout (--json: one object a row instead).").choices({"markdown", "csv"});
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
  }
};

int eval_recommender(const CommandContext& context, const EvalRecommenderOptions& options) {
  data::Dataset dataset = open_ratings(context, options.ratings);
  if (options.user_core > 0 || options.item_core > 0) {
    dataset = data::k_core(dataset, options.user_core, options.item_core);
    context.note(cat("after filtering: ", dataset.shape_line()));
  }
  ThreadPool pool(options.threads);
  const auto learned = people::learn_recommender(dataset, options.learn, false, utc_now(), pool, context.progress);
  if (context.common.verbose) {
    for (const auto& line : learned.report.candidates) context.note(cat("validation NDCG@", options.learn.k, ": ", line));
  }
  if (options.table == "csv" && !context.common.json) {
    print_csv(context, learned.report);
  } else {
    print_report(context, learned.report, options.learn.k);
  }
  return 0;
}

}  // namespace

void register_eval_recommender(CommandSet& commands) {
  commands.add("eval recommender", "Compare weighted ALS, BPR, item-kNN and popularity on held-out ratings.", [](CommandSpec& spec) {
    auto& options = spec.options<EvalRecommenderOptions>();
    spec.example("attune eval recommender --json");
    spec.example("attune eval recommender generated --seed 3");
    spec.example("attune eval recommender --split user_temporal --user-core 20 --table csv");
    return [&options](const CommandContext& context) { return eval_recommender(context, options); };
  });
}

}  // namespace attune::cli
