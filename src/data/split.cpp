#include "data/split.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "core/error.h"
#include "core/rng.h"

namespace attune::data {
namespace {

using Places = std::vector<size_t>;  ///< indices into Dataset::interactions

std::vector<Places> by_user(const Dataset& dataset) {
  std::vector<Places> out(static_cast<size_t>(dataset.users.size()));
  for (size_t n = 0; n < dataset.interactions.size(); ++n) out[dataset.interactions[n].user.value].push_back(n);
  return out;
}

void sort_by_time(const Dataset& dataset, Places& places) {
  std::stable_sort(places.begin(), places.end(),
                   [&](size_t a, size_t b) { return dataset.interactions[a].timestamp < dataset.interactions[b].timestamp; });
}

/// Marks places: 0 train, 1 validation, 2 test. The last `test` share is test, the one before it validation.
void cut(std::span<const size_t> places, double valid, double test, std::vector<uint8_t>& part) {
  const auto n = static_cast<int64_t>(places.size());
  int64_t num_test = std::llround(static_cast<double>(n) * test);
  int64_t num_valid = std::llround(static_cast<double>(n) * valid);
  while (num_test + num_valid >= n && num_test + num_valid > 0) --(num_valid > num_test ? num_valid : num_test);
  for (int64_t i = n - num_test - num_valid; i < n; ++i) part[places[static_cast<size_t>(i)]] = i < n - num_test ? 1 : 2;
}

void leave_one_out(const Places& places, std::vector<uint8_t>& part) {
  if (places.size() < 3) return;
  part[places[places.size() - 1]] = 2;
  part[places[places.size() - 2]] = 1;
}

}  // namespace

void SplitOptions::describe(OptionList& list) {
  list.add("split", kind, "How ratings are split.").choices({"random", "leave_one_out", "temporal", "user_temporal"});
  list.add("order", order, "Which rating is left out.").choices({"time", "random"});
  list.add("valid_share", valid, "Share of ratings for validation.").range(0, 0.9);
  list.add("test_share", test, "Share of ratings for test.").range(0, 0.9);
}

Split split_ratings(const Dataset& dataset, const SplitOptions& options) {
  check(options.valid >= 0 && options.test >= 0 && options.valid + options.test < 1, ErrorCode::kInvalidArgument, "[split] shares ",
        options.valid, " and ", options.test, ", expected at least 0 and a sum below 1");
  std::vector<uint8_t> part(dataset.interactions.size(), 0);
  const auto shuffled = [&](Places& places, size_t user) {
    Rng rng(options.seed, fnv1a("split", user));
    shuffle(places, rng);
  };
  if (options.kind == "temporal") {
    Places all(dataset.interactions.size());
    for (size_t n = 0; n < all.size(); ++n) all[n] = n;
    sort_by_time(dataset, all);
    cut(all, options.valid, options.test, part);
  } else {
    const bool leave_out = options.kind == "leave_one_out";
    check(leave_out || options.kind == "random" || options.kind == "user_temporal", ErrorCode::kInvalidArgument, "[split] unknown kind ",
          options.kind, ", expected random, leave_one_out, temporal or user_temporal");
    const bool by_time = options.kind == "user_temporal" || (leave_out && options.order == "time");
    auto users = by_user(dataset);
    for (size_t u = 0; u < users.size(); ++u) {
      if (by_time) {
        sort_by_time(dataset, users[u]);
      } else {
        shuffled(users[u], u);
      }
      if (leave_out) {
        leave_one_out(users[u], part);
      } else {
        cut(users[u], options.valid, options.test, part);
      }
    }
  }
  Split out;
  for (size_t n = 0; n < part.size(); ++n) {
    (part[n] == 0 ? out.train : part[n] == 1 ? out.valid : out.test).push_back(dataset.interactions[n]);
  }
  return out;
}

Dataset k_core(const Dataset& dataset, int user_core, int item_core) {
  std::vector<int> user_count(static_cast<size_t>(dataset.users.size()), 0);
  std::vector<int> item_count(static_cast<size_t>(dataset.items.size()), 0);
  std::vector<Interaction> kept = dataset.interactions;
  for (bool changed = true; changed;) {
    std::fill(user_count.begin(), user_count.end(), 0);
    std::fill(item_count.begin(), item_count.end(), 0);
    for (const auto& r : kept) {
      ++user_count[r.user.value];
      ++item_count[r.item.value];
    }
    const auto drop = [&](const Interaction& r) { return user_count[r.user.value] < user_core || item_count[r.item.value] < item_core; };
    changed = std::erase_if(kept, drop) > 0;
  }
  check(!kept.empty(), ErrorCode::kInvalidArgument, "[k-core] no rating is left with at least ", user_core, " a user and ", item_core,
        " an item");

  Dataset out;
  out.name = dataset.name;
  out.report = dataset.report;
  for (int32_t u = 0; u < dataset.users.size(); ++u) {
    if (user_count[u] == 0) continue;
    out.users.add(dataset.users.key(UserIndex(u)));
    if (!dataset.user_info.empty()) out.user_info.push_back(dataset.user_info[u]);
  }
  for (int32_t i = 0; i < dataset.items.size(); ++i) {
    if (item_count[i] == 0) continue;
    out.items.add(dataset.items.key(ItemIndex(i)));
    out.item_info.push_back(dataset.item_info[i]);
  }
  for (const auto& r : kept) {
    out.interactions.push_back({out.users.at(dataset.users.key(r.user)), out.items.at(dataset.items.key(r.item)), r.rating, r.timestamp});
  }
  for (const auto& tag : dataset.tags) {
    const auto user = out.users.find(dataset.users.key(tag.user));
    const auto item = out.items.find(dataset.items.key(tag.item));
    if (user && item) out.tags.push_back({*user, *item, tag.text, tag.timestamp});
  }
  return out;
}

}  // namespace attune::data
