// attune recommend: the best items for a user of the learned model.
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "core/error.h"
#include "core/file.h"
#include "people/recommendation.h"

namespace attune::cli {
namespace {

struct RecommendVerbOptions {
  std::string user;
  int32_t k = 10;
  std::string recommender;

  void describe(OptionList& list) {
    list.add("user", user, "Id of the user.").alias("-u").required();
    list.add("k", k, "Number of items.").alias("-k").range(1, 1000);
    list.add("recommender", recommender, "Folder of the learned model (default: models/recommender).");
  }
};

void print_list(const CommandContext& context, const people::RecommendationList& list) {
  if (context.common.json) {
    nlohmann::ordered_json items = nlohmann::ordered_json::array();
    for (const auto& item : list.items) {
      items.push_back({{"item", item.item}, {"title", item.title}, {"score", item.score}, {"because", nullptr}, {"because_source", nullptr}});
    }
    context.print(nlohmann::ordered_json{{"user", list.user}, {"items", items}}.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  int rank = 0;
  for (const auto& item : list.items) {
    char line[64];
    std::snprintf(line, sizeof(line), "%3d  %7.4f  ", ++rank, item.score);
    context.print(cat(line, item.title, "  [", item.item, "]"));
  }
}

int recommend(const CommandContext& context, const RecommendVerbOptions& options) {
  const Path folder = options.recommender.empty() ? home_folder() / "models" / "recommender" : Path(options.recommender);
  const auto recommender = people::Recommender::load(folder);
  print_list(context, people::recommend_for(*recommender, options.user, options.k));
  return 0;
}

}  // namespace

void register_recommend(CommandSet& commands) {
  commands.add("recommend", "Rank items for a user.", [](CommandSpec& spec) {
    auto& options = spec.options<RecommendVerbOptions>();
    spec.example("attune recommend --user 196 -k 10");
    return [&options](const CommandContext& context) { return recommend(context, options); };
  });
}

}  // namespace attune::cli
