// A recommender of users who belong to one of four groups, each with items of its own; for tests of moods.
#pragma once

#include <memory>
#include <string>

#include "core/rng.h"
#include "core/thread_pool.h"
#include "people/als.h"
#include "people/bandits/recommender_bandit.h"
#include "people/recommender.h"

namespace attune::people {

inline constexpr int32_t kGroups = 4;
inline constexpr int32_t kGroupItems = 20;
inline constexpr int32_t kGroupUsers = 30;

/// Item i belongs to group i / kGroupItems and has the genre "genre G"; user u to group u / kGroupUsers. Each rates 14 items of the group with 4 or
/// 5 and 3 of every other with 1 or 2, one a minute, in mixed order.
inline data::Dataset planted_moods() {
  data::Dataset out;
  out.name = "planted";
  for (int32_t i = 0; i < kGroups * kGroupItems; ++i) {
    out.items.add("i" + std::to_string(i));
    data::ItemInfo info;
    info.title = info.display_title = "Title " + std::to_string(i);
    info.genres = {"genre " + std::to_string(i / kGroupItems)};
    out.item_info.push_back(std::move(info));
  }
  Rng rng(7);
  for (int32_t u = 0; u < kGroups * kGroupUsers; ++u) {
    const auto user = out.users.add("u" + std::to_string(u));
    std::vector<data::Interaction> mine;
    for (int32_t g = 0; g < kGroups; ++g) {
      const bool own = g == u / kGroupUsers;
      std::vector<int32_t> items;
      for (int32_t i = 0; i < kGroupItems; ++i) items.push_back(g * kGroupItems + i);
      shuffle(items, rng);
      for (int32_t n = 0; n < (own ? 14 : 3); ++n) {
        mine.push_back({user, data::ItemIndex(items[static_cast<size_t>(n)]), static_cast<float>((own ? 4 : 1) + rng.below(2)), 0});
      }
    }
    shuffle(mine, rng);
    for (size_t n = 0; n < mine.size(); ++n) mine[n].timestamp = 1'000'000 + static_cast<int64_t>(60 * n);
    out.interactions.insert(out.interactions.end(), mine.begin(), mine.end());
  }
  return out;
}

inline std::shared_ptr<const Recommender> planted_recommender(const char* preset = "ranking") {
  ThreadPool pool(1);
  const data::Dataset data = planted_moods();
  AlsOptions o = als_preset(preset);
  o.rank = 6;
  auto model = fit_als(data.interactions, data.users.size(), data.items.size(), o, pool);
  return std::make_shared<const Recommender>(data, std::move(model), TrainRecord{"planted", 0, "2026-01-02T03:04:05Z", {}, ""});
}

inline std::shared_ptr<const RecommenderBandit> planted_bandit(const Recommender& recommender, int32_t num_states = kGroups) {
  ThreadPool pool(1);
  RecommenderBanditOptions o;
  o.num_states = num_states;
  return learn_recommender_bandit(recommender, o, "2026-01-02T03:04:05Z", pool, no_progress()).bandit;
}

}  // namespace attune::people
