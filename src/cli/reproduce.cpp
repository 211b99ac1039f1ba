// attune reproduce: published claims run again, with bounds, seeds and intervals.
#include <cstdlib>

#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "core/thread_pool.h"
#include "eval/claim_sets.h"

namespace attune::cli {
namespace {

struct ReproduceOptions {
  std::string set;
  eval::ClaimOptions claims;
  bool markdown = false;
  std::string output;
  std::string real_data;
  int32_t threads = 0;

  void describe(OptionList& list) {
    list.add("set", set, "Set of claims.").positional().required().choices(eval::claim_set_names());
    claims.describe(list);
    list.add("markdown", markdown, "Print the table as the method's page holds it.");
    list.add("output", output, "Folder for results.jsonl, curves.jsonl, cells.jsonl and table.md, which attune report draws.").alias("-o");
    list.add("real-data", real_data,
             "Folder with ml-latest-small and soft-attributes (default: $ATTUNE_SHARED_DATA, else shared/data beside the home folder).");
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
  }
};

Path real_data_folder(const std::string& given) {
  if (!given.empty()) return given;
  const char* named = std::getenv("ATTUNE_SHARED_DATA");
  return named != nullptr ? Path(named) : home_folder() / ".." / "shared" / "data";
}

void write_output(const Path& folder, const eval::ClaimSet& set, const eval::ClaimRun& run) {
  std::filesystem::create_directories(folder);
  std::string results, curves, cells;
  for (const auto& result : run.results) results += eval::claim_json(result, run.quick) + "\n";
  for (const auto& curve : run.curves) curves += eval::curve_json(curve) + "\n";
  for (const auto& cell : run.cells) cells += eval::cell_json(cell) + "\n";
  write_file_atomic(folder / "results.jsonl", results);
  write_file_atomic(folder / "curves.jsonl", curves);
  write_file_atomic(folder / "cells.jsonl", cells);
  write_file_atomic(folder / "table.md", eval::claims_markdown(set, run));
}

void print_for_people(const CommandContext& context, const eval::ClaimRun& run) {
  if (run.quick) context.note("Quick run: small worlds and few seeds; the bounds are meant for full runs.");
  for (const auto& result : run.results) {
    const std::string verdict = !result.holds ? (result.failed ? "FAILED" : "not run") : *result.holds ? "holds" : "DOES NOT HOLD";
    std::string line = cat(result.part.id, "  ", verdict, "  ", result.part.what);
    if (result.holds) {
      line += cat(": ", fixed(result.interval.mean, 4), " [", fixed(result.interval.low, 4), ", ", fixed(result.interval.high, 4), "], ",
                  eval::bound_text(result.part), ", ", result.seeds, " seeds");
    }
    context.print(line);
    if (!result.note.empty()) context.print(cat("      ", result.note));
  }
}

int reproduce(const CommandContext& context, const ReproduceOptions& options) {
  const eval::ClaimSet set = eval::claim_set(options.set);
  ThreadPool pool(options.threads);
  const eval::ClaimContext where{options.claims.quick, real_data_folder(options.real_data), home_folder() / "datasets", pool};
  const eval::ClaimRun run = eval::run_claims(set, where, options.claims, context.progress);
  if (!options.output.empty()) write_output(options.output, set, run);
  if (context.common.json) {
    for (const auto& result : run.results) context.print(eval::claim_json(result, run.quick));
  } else if (options.markdown) {
    context.print(eval::claims_markdown(set, run));
  } else {
    print_for_people(context, run);
  }
  for (const auto& [id, seconds] : run.seconds) context.note(cat(id, ": ", format_duration(seconds)));
  bool failed = false;
  for (const auto& result : run.results) failed = failed || result.failed;
  return failed ? 1 : 0;
}

}  // namespace

void register_reproduce(CommandSet& commands) {
  commands.add("reproduce", "Run published claims again: value, interval, and whether the bound holds.", [](CommandSpec& spec) {
    auto& options = spec.options<ReproduceOptions>();
    spec.example("attune reproduce soft-attributes --quick");
    spec.example("attune reproduce soft-attributes --only C1 --only C8 --json");
    spec.example("attune reproduce soft-attributes --output runs/soft-attributes");
    spec.example("attune reproduce latent-bandits --only R1 --only R3");
    return [&options](const CommandContext& context) { return reproduce(context, options); };
  });
}

}  // namespace attune::cli
