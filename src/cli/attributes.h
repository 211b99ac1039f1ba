// What the verbs that learn attributes share.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/command.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "people/soft_attributes_learn.h"

namespace attune::cli {

/// Where words come from besides the data set itself.
struct AttributeSourceOptions {
  std::string tags;  ///< another data set with tags
  std::string judgements;  ///< SoftAttributes CSV

  void describe(OptionList& list);
};

/// Learns the attributes of a recommender, saves them in its folder and notes what was counted and skipped. `own`: the data set that the
/// recommender was learned from, or nullopt.
people::LearnedAttributes learn_and_save_attributes(const CommandContext& context, const people::Recommender& recommender,
                                                    const Path& folder, std::optional<data::Dataset> own,
                                                    const AttributeSourceOptions& sources, const people::LearnAttributesOptions& options,
                                                    ThreadPool& pool);

}  // namespace attune::cli
