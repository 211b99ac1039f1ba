// attune eval recommender: the table of `attune learn ratings` alone; nothing is saved.
#include "cli/commands.h"
#include "cli/ratings.h"
#include "core/error.h"
#include "core/thread_pool.h"

namespace attune::cli {
namespace {

struct EvalRecommenderOptions {
  RatingsOptions ratings;
  people::LearnOptions learn;
  int32_t threads = 0;

  void describe(OptionList& list) {
    ratings.describe(list);
    learn.describe(list);
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
  }
};

int eval_recommender(const CommandContext& context, const EvalRecommenderOptions& options) {
  const data::Dataset dataset = open_ratings(context, options.ratings);
  ThreadPool pool(options.threads);
  const auto learned = people::learn_recommender(dataset, options.learn, false, utc_now(), pool, context.progress);
  if (context.common.verbose) {
    for (const auto& line : learned.report.candidates) context.note(cat("validation NDCG@", options.learn.k, ": ", line));
  }
  print_report(context, learned.report, options.learn.k);
  return 0;
}

}  // namespace

void register_eval_recommender(CommandSet& commands) {
  commands.add("eval recommender", "Compare weighted ALS with item-kNN and popularity on held-out ratings.", [](CommandSpec& spec) {
    auto& options = spec.options<EvalRecommenderOptions>();
    spec.example("attune eval recommender --json");
    spec.example("attune eval recommender generated --seed 3");
    return [&options](const CommandContext& context) { return eval_recommender(context, options); };
  });
}

}  // namespace attune::cli
