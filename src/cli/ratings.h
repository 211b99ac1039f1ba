// What the verbs on ratings share: finding and reading the data, the table of results.
#pragma once

#include <string>

#include "cli/command.h"
#include "data/read.h"
#include "people/learn.h"

namespace attune::cli {

struct RatingsOptions {
  std::string path;  ///< a folder or file, or the name of a folder of datasets/; "generated" = the made-up data set
  data::ReadOptions read;

  void describe(OptionList& list);
};

/// Reads the data and notes its shape, its notices and its bad rows on stderr. The default is datasets/ml-100k of the home folder.
data::Dataset open_ratings(const CommandContext& context, const RatingsOptions& options);

/// The table (Markdown), or one JSON object a row with --json.
void print_report(const CommandContext& context, const people::LearnReport& report, int k);

/// The table as CSV: one line a model, every metric with the ends of its interval.
void print_csv(const CommandContext& context, const people::LearnReport& report);

/// Now, as "2026-11-25T01:02:03Z".
std::string utc_now();

}  // namespace attune::cli
