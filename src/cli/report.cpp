// attune report: one HTML file with pictures of what was learned or measured.
#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "eval/report/claims_report.h"

namespace attune::cli {
namespace {

struct ReportOptions {
  std::string reproduce;
  std::string out = "report";

  void describe(OptionList& list) {
    list.add("reproduce", reproduce, "Folder that attune reproduce --output wrote: claims against their bounds, curves, the table.");
    list.add("out", out, "Folder for report.html and the pictures as SVG files.").alias("-o");
  }
};

int report(const CommandContext& context, const ReportOptions& options) {
  check(!options.reproduce.empty(), ErrorCode::kInvalidArgument, "[report] nothing to report: give --reproduce FOLDER");
  const Path folder = options.out;
  eval::ReportPage page("Attune report");
  const eval::ClaimRun run = eval::read_claim_run(options.reproduce);
  std::filesystem::create_directories(folder);
  eval::add_claims(page, run, folder);
  write_file_atomic(folder / "report.html", page.html());
  context.print((folder / "report.html").string());
  return 0;
}

}  // namespace

void register_report(CommandSet& commands) {
  commands.add("report", "Pictures of what was measured, in one HTML file (needs gnuplot).", [](CommandSpec& spec) {
    auto& options = spec.options<ReportOptions>();
    spec.example("attune report --reproduce runs/soft-attributes -o runs/soft-attributes/report");
    return [&options](const CommandContext& context) { return report(context, options); };
  });
}

}  // namespace attune::cli
