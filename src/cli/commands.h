// One registration function a verb; each lives in the file of its name.
#pragma once

#include "cli/command.h"

namespace attune::cli {

void register_generate(CommandSet& commands);
void register_chat(CommandSet& commands);
void register_serve(CommandSet& commands);
void register_tokenize(CommandSet& commands);
void register_inspect(CommandSet& commands);
void register_perplexity(CommandSet& commands);
void register_convert(CommandSet& commands);
void register_quantize(CommandSet& commands);
void register_embed(CommandSet& commands);
void register_learn(CommandSet& commands);
void register_learn_attributes(CommandSet& commands);
void register_learn_bandit(CommandSet& commands);
void register_recommend(CommandSet& commands);
void register_critique(CommandSet& commands);
void register_eval_recommender(CommandSet& commands);
void register_eval_bandit(CommandSet& commands);
void register_eval_reasons(CommandSet& commands);
void register_reproduce(CommandSet& commands);
void register_report(CommandSet& commands);
void register_env(CommandSet& commands);
void register_docs(CommandSet& commands);

}  // namespace attune::cli
