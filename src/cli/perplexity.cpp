// attune perplexity: how well the model predicts a text.
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "lm/perplexity.h"

namespace attune::cli {
namespace {

struct PerplexityOptions {
  ModelOptions model;
  TextInput input;
  int64_t ctx_size = 0;

  void describe(OptionList& list) {
    model.describe(list);
    model.describe_lora(list);
    input.describe(list);
    list.add("ctx_size", ctx_size, "Tokens of the text used; 0 takes the model's context length.").alias("-c").range(0, 1 << 24);
  }
};

/// BOS once in front, one pass up to the context length; mean natural log over the tokens after BOS.
int perplexity(const CommandContext& context, const PerplexityOptions& options) {
  const auto engine = load_engine(options.model);
  auto ids = lm::tokenize_text(*engine->model().tokenizer(), options.input.read());
  const int64_t limit = options.ctx_size > 0 ? std::min<int64_t>(options.ctx_size, engine->model().config().context_length)
                                             : engine->model().config().context_length;
  if (static_cast<int64_t>(ids.size()) > limit) ids.resize(static_cast<size_t>(limit));
  const auto [total, nll] = lm::measure_perplexity(*engine, ids, context.progress);
  if (context.common.json) {
    context.print(nlohmann::ordered_json{{"tokens", total}, {"nll", nll}, {"perplexity", std::exp(nll)}}.dump());
  } else {
    context.print(cat("tokens ", total, "\nnll ", nll, "\nperplexity ", std::exp(nll)));
  }
  return 0;
}

}  // namespace

void register_perplexity(CommandSet& commands) {
  commands.add("perplexity", "Measure how well the model predicts a text.", [](CommandSpec& spec) {
    auto& options = spec.options<PerplexityOptions>();
    spec.example("attune perplexity -f book.txt --compute f32 --json");
    return [&options](const CommandContext& context) { return perplexity(context, options); };
  });
}

}  // namespace attune::cli
