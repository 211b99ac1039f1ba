// attune recommend: the best items for a user of the learned model, with reasons if asked.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "assist/explain.h"
#include "assist/recommend.h"
#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "core/file.h"
#include "core/number.h"
#include "store/sqlite_store.h"

namespace attune::cli {
namespace {

constexpr int kBarWidth = 30;

struct RecommendVerbOptions {
  std::string user;
  int32_t k = 10;
  std::string recommender = (home_folder() / "models" / "recommender").string();
  std::string store = (home_folder() / "state" / "attune.db").string();
  std::string policy = "vector";
  bool mood = false;
  bool because = false;
  bool show_prompt = false;
  uint64_t seed = 0;
  ModelOptions model;
  assist::ExplainOptions explain;

  void describe(OptionList& list) {
    list.add("user", user, "Id of the user.").alias("-u").required();
    list.add("k", k, "Number of items; at most 50 with reasons.").alias("-k").range(1, 1000);
    list.add("recommender", recommender, "Folder of the learned model.");
    list.add("store", store, "SQLite file of later ratings; looked at if it is there.");
    list.add("policy", policy, "How the list is chosen: by the user's own vector, or by what the user is believed to be in the mood for.")
        .choices({"vector", "greedy", "latent_ts", "latent_ids", "latent_ucb", "latent_mmts"});
    list.add("mood", mood, "Print what the user is believed to be in the mood for, from all ratings and dismissals there are.");
    list.add("because", because, "Say why, in a sentence each, written by the language model and checked against the facts.");
    list.add("show_prompt", show_prompt, "Print the prompt of each reason and stop.");
    list.add("seed", seed, "Of the written reasons and of a latent policy's choice.");
    model.describe(list);
    explain.describe(list);
  }
};

nlohmann::ordered_json optional_text(const std::optional<std::string>& text) {
  return text ? nlohmann::ordered_json(*text) : nlohmann::ordered_json(nullptr);
}

nlohmann::ordered_json decision_fields(const assist::ListDecision& decision) {
  return {{"model", decision.model},
          {"propensity", decision.propensity ? nlohmann::ordered_json(*decision.propensity) : nlohmann::ordered_json(nullptr)},
          {"exact", decision.exact},
          {"num_lists", decision.num_lists},
          {"belief", decision.belief},
          {"event", decision.event_id}};
}

void print_decision(const CommandContext& context, const assist::RecommendReply& reply) {
  if (!reply.decision) return;
  const auto& decision = *reply.decision;
  context.note(cat("policy ", reply.policy, ": one of ", decision.num_lists, " lists, probability ",
                   decision.propensity ? fixed(*decision.propensity, 4) : std::string("not known"), decision.exact ? "" : " (estimate)",
                   decision.event_id.empty() ? "; not logged, there is no store" : ""));
}

/// The belief as bars, the likeliest state first.
void print_mood(const CommandContext& context, const assist::RecommendService& service, const std::string& user) {
  const auto moods = service.moods().moods;
  const auto mood = service.user_mood(user, 1);
  if (context.common.json) {
    nlohmann::ordered_json states = nlohmann::ordered_json::array();
    for (const auto& state : moods)
      states.push_back({{"state", state.state}, {"name", state.name}, {"probability", mood.belief[static_cast<size_t>(state.state)]}});
    context.print(nlohmann::ordered_json{{"user", user},
                                         {"model", mood.model},
                                         {"states", states},
                                         {"entropy", mood.entropy},
                                         {"steps", mood.num_steps},
                                         {"misfit_z", mood.misfit.z}}
                      .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  std::vector<size_t> order(moods.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return mood.belief[a] > mood.belief[b]; });
  context.print(cat("in the mood for, after ", mood.num_steps, " ratings and dismissals:"));
  for (const size_t z : order) {
    const double p = mood.belief[z];
    const auto width = static_cast<size_t>(std::lround(p * kBarWidth));
    context.print(cat("  ", fixed(p, 3), "  ", std::string(width, '#'), std::string(static_cast<size_t>(kBarWidth) - width, ' '), "  ",
                      moods[z].name));
  }
}

void print_list(const CommandContext& context, const assist::RecommendReply& reply) {
  if (context.common.json) {
    nlohmann::ordered_json items = nlohmann::ordered_json::array();
    for (const auto& item : reply.items) {
      const auto source = assist::because_source_name(item.because_source);
      items.push_back({{"item", item.item},
                       {"title", item.title},
                       {"score", item.score},
                       {"because", optional_text(item.because)},
                       {"because_source", source.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(source)}});
    }
    nlohmann::ordered_json line{{"user", reply.user}, {"policy", reply.policy}, {"items", items}};
    if (reply.decision) line["decision"] = decision_fields(*reply.decision);
    context.print(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
    return;
  }
  int rank = 0;
  for (const auto& item : reply.items) {
    char line[64];
    std::snprintf(line, sizeof(line), "%3d  %7.4f  ", ++rank, item.score);
    context.print(cat(line, item.title, "  [", item.item, "]"));
    if (item.because) context.print(cat("              ", *item.because, "  (", assist::because_source_name(item.because_source), ")"));
  }
}

void print_prompts(const CommandContext& context, const assist::RecommendReply& reply, const assist::UserProfile& profile) {
  for (const auto& item : reply.items) {
    assist::ReasonFacts facts;
    facts.title = item.catalogue_title;
    facts.year = item.year;
    facts.genres = item.genres;
    facts.user_likes = profile.likes;
    facts.user_dislikes = profile.dislikes;
    context.print(assist::Explainer::prompt(facts));
  }
}

int recommend(const CommandContext& context, const RecommendVerbOptions& options) {
  std::shared_ptr<store::EventStore> events;
  if (std::filesystem::exists(options.store)) events = store::open_sqlite_store(options.store);
  std::unique_ptr<lm::Engine> engine;
  std::shared_ptr<assist::Explainer> explainer;
  if (options.because && !options.show_prompt) {
    engine = load_engine(options.model);
    explainer = std::make_shared<assist::Explainer>(*engine, options.explain);
  }
  const auto service = assist::RecommendService::open(options.recommender, events, explainer);
  const Interrupt interrupt;
  assist::RecommendCall call;
  call.user = options.user;
  call.k = options.k;
  call.because = options.because && !options.show_prompt;
  call.seed = options.seed;
  call.policy = options.policy;
  call.draw_seed = options.seed;
  assist::RecommendCallbacks callbacks;
  int64_t written = 0;
  callbacks.on_because = [&](std::string_view, std::string_view, assist::BecauseSource) {
    context.progress.update("reasons", ++written, options.k);
  };
  const assist::RecommendReply reply = service->recommend(call, callbacks, interrupt.token());
  if (options.show_prompt) {
    print_prompts(context, reply, service->profile(options.user));
    return 0;
  }
  print_list(context, reply);
  print_decision(context, reply);
  if (options.mood) print_mood(context, *service, options.user);
  if (options.because)
    context.note(cat("reasons: ", reply.because_share.model, " by the model, ", reply.because_share.from_template, " by template"));
  return 0;
}

}  // namespace

void register_recommend(CommandSet& commands) {
  commands.add("recommend", "Rank items for a user and say why.", [](CommandSpec& spec) {
    auto& options = spec.options<RecommendVerbOptions>();
    spec.example("attune recommend --user 196 -k 10");
    spec.example("attune recommend --user 196 -k 5 --because --json");
    spec.example("attune recommend --user 196 --policy latent_ts --mood");
    return [&options](const CommandContext& context) { return recommend(context, options); };
  });
}

}  // namespace attune::cli
