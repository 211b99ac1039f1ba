// attune report: one HTML file with pictures of what was learned or measured.
#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "eval/report/attributes_report.h"
#include "eval/report/claims_report.h"

namespace attune::cli {
namespace {

struct ReportOptions {
  std::string reproduce;
  std::string recommender;
  eval::AttributesReportOptions attributes;
  std::string out = "report";

  void describe(OptionList& list) {
    list.add("reproduce", reproduce, "Folder that attune reproduce --output wrote: claims against their bounds, curves, the table.");
    list.add("recommender", recommender, "Folder of a learned model with attributes: spectra, senses, a profile, trajectories.");
    list.add("item", attributes.items, "Ids of items whose spectra are drawn (default: the most rated ones).");
    list.add("user", attributes.user, "Id of the user whose profile is drawn (default: the one with most ratings).").alias("-u");
    list.add("attribute", attributes.attribute, "Word whose senses and trajectories are drawn (default: the one with most senses).");
    list.add("out", out, "Folder for report.html and the pictures as SVG files.").alias("-o");
  }
};

int report(const CommandContext& context, const ReportOptions& options) {
  check(!options.reproduce.empty() || !options.recommender.empty(), ErrorCode::kInvalidArgument,
        "[report] nothing to report: give --recommender FOLDER, --reproduce FOLDER or both");
  const Path folder = options.out;
  std::filesystem::create_directories(folder);
  eval::ReportPage page("Attune report");
  if (!options.recommender.empty()) {
    const auto recommender = people::Recommender::load(options.recommender);
    const auto attributes = people::LearnedAttributes::load(options.recommender, *recommender);
    eval::add_attributes(page, recommender, attributes, options.attributes, folder);
  }
  if (!options.reproduce.empty()) eval::add_claims(page, eval::read_claim_run(options.reproduce), folder);
  write_file_atomic(folder / "report.html", page.html());
  context.print((folder / "report.html").string());
  return 0;
}

}  // namespace

void register_report(CommandSet& commands) {
  commands.add("report", "Pictures of what was learned and measured, in one HTML file (needs gnuplot).", [](CommandSpec& spec) {
    auto& options = spec.options<ReportOptions>();
    spec.example("attune report --recommender models/recommender --user 196");
    spec.example("attune report --reproduce runs/soft-attributes -o runs/soft-attributes/report");
    return [&options](const CommandContext& context) { return report(context, options); };
  });
}

}  // namespace attune::cli
