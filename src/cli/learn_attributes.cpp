// attune learn attributes: the words that people use, as directions of a learned recommender.
#include <nlohmann/json.hpp>

#include "cli/attributes.h"
#include "cli/commands.h"
#include "cli/ratings.h"
#include "core/error.h"
#include "core/number.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownSkipped = 10;

struct LearnAttributesVerbOptions {
  std::string path;
  std::string recommender = (home_folder() / "models" / "recommender").string();
  data::ReadOptions read;
  AttributeSourceOptions sources;
  people::LearnAttributesOptions learn;
  int32_t threads = 0;
  bool no_genres = false;
  bool no_senses = false;

  void describe(OptionList& list) {
    list.add("path", path,
             "Folder or file that the recommender was learned from, for its tags (default: the name it keeps, below datasets/).")
        .positional();
    list.add("recommender", recommender, "Folder of the learned recommender; the attributes are saved in it.");
    sources.describe(list);
    learn.describe(list);
    list.add("seed", learn.seed, "Of every random choice.");
    list.add("no_genres", no_genres, "Learn no genres in the place of tags.");
    list.add("no_senses", no_senses, "One sense for every word.");
    list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
    read.describe(list);
  }
};

std::string locate(const std::string& path) {
  if (std::filesystem::exists(path)) return path;
  return (home_folder() / "datasets" / path).string();
}

/// The data set that the recommender was learned from, if it can be found.
std::optional<data::Dataset> own_data(const CommandContext& context, const LearnAttributesVerbOptions& options,
                                      const people::Recommender& recommender) {
  std::string path = options.path;
  if (path.empty()) {
    const std::string& name = recommender.record().dataset;
    if (name.empty() || name.find('/') != std::string::npos || !std::filesystem::exists(home_folder() / "datasets" / name)) {
      context.note(cat("the ratings learned from (", name.empty() ? "unnamed" : name,
                       ") are not below datasets/; to learn from their tags, name them: ", "attune learn attributes FOLDER --recommender ",
                       options.recommender));
      return {};
    }
    path = (home_folder() / "datasets" / name).string();
  }
  RatingsOptions ratings;
  ratings.path = path;
  ratings.read = options.read;
  return open_ratings(context, ratings);
}

std::string share(const std::optional<double>& value) { return value ? fixed(*value, 3) : "-"; }

Json number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

void print_json(const CommandContext& context, const people::LearnedAttributes& learned, const Path& folder) {
  for (const auto& a : learned.attributes()) {
    Json senses = Json::array();
    for (const auto& sense : a.senses)
      senses.push_back({{"name", sense.direction.name}, {"share", sense.share}, {"users", sense.num_users}});
    const Json line = {{"attribute", a.name},        {"kind", a.kind},
                       {"source", a.source},         {"users", a.num_users},
                       {"examples", a.num_examples}, {"accuracy", number(a.accuracy)},
                       {"auc", number(a.auc)},       {"senses", senses}};
    context.print(line.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  for (const auto& word : learned.skipped()) {
    context.print(Json{{"skipped", word.name}, {"reason", word.reason}}.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  context.print(Json{{"saved", folder.string()},
                     {"recommender", learned.record().recommender},
                     {"attributes", learned.attributes().size()},
                     {"num_skipped", learned.record().num_skipped}}
                    .dump());
}

void print_table(const CommandContext& context, const people::LearnedAttributes& learned) {
  context.print("| attribute | kind | source | users | examples | accuracy | AUC | senses |");
  context.print("|---|---|---|---|---|---|---|---|");
  for (const auto& a : learned.attributes()) {
    context.print(cat("| ", a.name, " | ", a.kind, " | ", a.source, " | ", a.num_users, " | ", a.num_examples, " | ", share(a.accuracy),
                      " | ", share(a.auc), " | ", a.senses.size(), " |"));
  }
}

int learn_attributes(const CommandContext& context, LearnAttributesVerbOptions options) {
  const auto recommender = people::Recommender::load(options.recommender);
  options.learn.genres = !options.no_genres;
  options.learn.senses = !options.no_senses;
  ThreadPool pool(options.threads);
  auto own = own_data(context, options, *recommender);
  const auto learned =
      learn_and_save_attributes(context, *recommender, options.recommender, std::move(own), options.sources, options.learn, pool);
  if (context.common.json) {
    print_json(context, learned, options.recommender);
    return 0;
  }
  print_table(context, learned);
  context.note(cat("saved to ", options.recommender, "; next: attune critique --user ", recommender->users().keys().front()));
  return 0;
}

void note_skipped(const CommandContext& context, const people::LearnedAttributes& learned) {
  if (learned.record().num_skipped == 0) return;
  const size_t shown = context.common.verbose ? learned.skipped().size() : std::min(kShownSkipped, learned.skipped().size());
  context.note(
      cat(learned.record().num_skipped, " words were skipped", shown < learned.skipped().size() ? ", the most used of them" : "", ":"));
  for (size_t k = 0; k < shown; ++k) context.note(cat("  ", learned.skipped()[k].name, ": ", learned.skipped()[k].reason));
  if (shown < learned.skipped().size()) context.note("  (--verbose or --json lists the others)");
}

}  // namespace

void AttributeSourceOptions::describe(OptionList& list) {
  list.add("tags", tags,
           "Another data set whose tags are taken over, items joined by title and year (a folder, or a name below datasets/).");
  list.add("judgements", judgements, "CSV of judged pairs in the form of SoftAttributes (rater_id, reference_title, soft_attribute, ...).");
}

people::LearnedAttributes learn_and_save_attributes(const CommandContext& context, const people::Recommender& recommender,
                                                    const Path& folder, std::optional<data::Dataset> own,
                                                    const AttributeSourceOptions& sources, const people::LearnAttributesOptions& options,
                                                    ThreadPool& pool) {
  people::AttributeSources given;
  if (own && !own->tags.empty()) given.tags = std::move(own);
  if (!sources.tags.empty()) {
    given.joined = data::read_dataset(locate(sources.tags), {}, context.progress);
    check(!given.joined->tags.empty(), ErrorCode::kFailedPrecondition, "[learn attributes] --tags ", sources.tags, " holds no tags");
  }
  if (!sources.judgements.empty()) given.judgements = data::read_soft_attributes(sources.judgements);
  auto learned = people::learn_attributes(recommender, given, options, utc_now(), pool, context.progress);
  learned.save(folder);
  for (const auto& line : learned.record().sources) context.note(line);
  note_skipped(context, learned);
  return learned;
}

void register_learn_attributes(CommandSet& commands) {
  commands.add("learn attributes", "Learn what people mean by their words, for critiques of a learned recommender.", [](CommandSpec& spec) {
    auto& options = spec.options<LearnAttributesVerbOptions>();
    spec.example("attune learn attributes");
    spec.example("attune learn attributes datasets/ml-25m --recommender models/ml-25m");
    spec.example("attune learn attributes --tags datasets/ml-latest-small --judgements soft-attributes.csv");
    return [&options](const CommandContext& context) { return learn_attributes(context, options); };
  });
}

}  // namespace attune::cli
