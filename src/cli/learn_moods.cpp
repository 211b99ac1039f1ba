// The moods of a recommender's users: what `attune learn bandit --recommender` and `attune learn ratings` do.
#include <nlohmann/json.hpp>

#include "cli/moods.h"
#include "cli/ratings.h"
#include "core/error.h"
#include "core/number.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownItems = 3;

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

void print_json(const CommandContext& context, const people::LearnedBandit& learned, const people::Recommender& recommender,
                const Path& folder) {
  for (const auto& one : learned.tried) {
    context.print(dump({{"tried", one.num_states},
                        {"noise_sd", one.noise_sd},
                        {"held_out", one.held_out},
                        {"behind", one.behind},
                        {"behind_error", one.behind_error}}));
  }
  const auto& bandit = *learned.bandit;
  for (size_t z = 0; z < bandit.states().size(); ++z) {
    const auto& state = bandit.states()[z];
    Json items = Json::array(), genres = Json::array();
    for (const auto& i : state.items) {
      items.push_back({{"item", recommender.items().key(i.item)}, {"title", recommender.item(i.item).display_title}, {"lift", i.lift}});
    }
    for (const auto& g : state.genres) genres.push_back({{"genre", g.genre}, {"lift", g.lift}});
    context.print(dump(
        {{"state", z}, {"name", state.name}, {"share", state.share}, {"users", state.num_users}, {"items", items}, {"genres", genres}}));
  }
  context.print(dump({{"saved", folder.string()},
                      {"model", bandit.version()},
                      {"recommender", recommender.version()},
                      {"states", bandit.num_states()},
                      {"rho", bandit.model().transition.rho()},
                      {"noise_sd", bandit.model().noise_sd}}));
}

void print_table(const CommandContext& context, const people::RecommenderBandit& bandit, const people::Recommender& recommender) {
  context.print("| mood | share | users | typical |");
  context.print("|---|---|---|---|");
  for (const auto& state : bandit.states()) {
    std::string items;
    for (size_t n = 0; n < std::min(kShownItems, state.items.size()); ++n) {
      items += (n > 0 ? "; " : "") + recommender.item(state.items[n].item).display_title;
    }
    context.print(cat("| ", state.name, " | ", fixed(state.share, 3), " | ", state.num_users, " | ", items, " |"));
  }
}

}  // namespace

people::LearnedBandit learn_and_save_moods(const CommandContext& context, const people::Recommender& recommender, const Path& folder,
                                           const people::RecommenderBanditOptions& options, ThreadPool& pool) {
  auto learned = people::learn_recommender_bandit(recommender, options, utc_now(), pool, context.progress);
  learned.bandit->save(folder, recommender);
  if (context.common.verbose) {
    for (const auto& one : learned.tried) {
      context.note(cat(one.num_states, " moods: log likelihood of a held-out rating ", fixed(one.held_out, 4), ", behind the best by ",
                       fixed(one.behind, 4), " +- ", fixed(one.behind_error, 4)));
    }
  }
  return learned;
}

int learn_moods(const CommandContext& context, const Path& folder, const people::RecommenderBanditOptions& options, ThreadPool& pool) {
  const auto recommender = people::Recommender::load(folder);
  const auto learned = learn_and_save_moods(context, *recommender, folder, options, pool);
  if (context.common.json) {
    print_json(context, learned, *recommender, folder);
    return 0;
  }
  print_table(context, *learned.bandit, *recommender);
  context.note(cat("saved to ", folder.string()));
  return 0;
}

}  // namespace attune::cli
