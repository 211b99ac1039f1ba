// A small recommender, for tests of what it says and of its files.
#pragma once

#include <memory>

#include "core/thread_pool.h"
#include "data/generated.h"
#include "people/als.h"
#include "people/recommender.h"

namespace attune::people {

inline constexpr int kUsers = 80;
inline constexpr int kItems = 120;

inline const data::Dataset& shared_data() {
  static const data::Dataset dataset =
      data::generate_dataset({.num_users = kUsers, .num_items = kItems, .num_ratings = 2400, .rank = 3}).dataset;
  return dataset;
}

inline std::unique_ptr<Recommender> make(const char* preset = "ranking", int rank = 8) {
  ThreadPool pool(1);
  AlsOptions o = als_preset(preset);
  o.rank = rank;
  o.sweeps = 5;
  TrainRecord record{"generated", 2400, "2026-01-02T03:04:05Z", {{"test ndcg@10", 0.25}}, "by a test"};
  return std::make_unique<Recommender>(shared_data(), fit_als(shared_data().interactions, kUsers, kItems, o, pool), record);
}

}  // namespace attune::people
