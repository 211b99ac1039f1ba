#include "cli/commands.h"

namespace attune::cli {

// One line a verb, in the order --help shows them.
void register_all(CommandSet& commands) {
  register_generate(commands);
  register_chat(commands);
  register_serve(commands);
  register_tokenize(commands);
  register_inspect(commands);
  register_perplexity(commands);
  register_convert(commands);
  register_quantize(commands);
  register_embed(commands);
  register_learn(commands);
  register_learn_attributes(commands);
  register_learn_bandit(commands);
  register_recommend(commands);
  register_critique(commands);
  register_eval_recommender(commands);
  register_eval_bandit(commands);
  register_eval_reasons(commands);
  register_reproduce(commands);
  register_report(commands);
  register_env(commands);
  register_docs(commands);
}

}  // namespace attune::cli
