// What the verbs that learn moods share.
#pragma once

#include "cli/command.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "people/bandits/recommender_bandit.h"

namespace attune::cli {

/// Learns the latent bandit of a recommender, saves it in its folder and notes how the number of moods was chosen.
people::LearnedBandit learn_and_save_moods(const CommandContext& context, const people::Recommender& recommender, const Path& folder,
                                           const people::RecommenderBanditOptions& options, ThreadPool& pool);

/// The verb `learn bandit` for a recommender: learns, saves, prints the moods (a table, or one JSON object each and a summary).
int learn_moods(const CommandContext& context, const Path& folder, const people::RecommenderBanditOptions& options, ThreadPool& pool);

}  // namespace attune::cli
