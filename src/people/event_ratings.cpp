#include "people/event_ratings.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/title.h"

namespace attune::people {
namespace {

using data::ItemIndex;
using data::UserIndex;

/// The data set without the users that the store has erased; user rows are renumbered in order.
int64_t drop_erased(data::Dataset& dataset, const store::EventStore& store) {
  std::vector<std::optional<UserIndex>> kept(static_cast<size_t>(dataset.users.size()));
  data::UserIds users;
  std::vector<std::map<std::string, std::string>> user_info;
  for (int32_t u = 0; u < dataset.users.size(); ++u) {
    const std::string& key = dataset.users.key(UserIndex(u));
    if (store.is_erased(key)) continue;
    kept[u] = users.add(key);
    if (!dataset.user_info.empty()) user_info.push_back(std::move(dataset.user_info[u]));
  }
  const int64_t dropped = dataset.users.size() - users.size();
  const auto gone = [&](const auto& row) { return !kept[row.user.value].has_value(); };
  std::erase_if(dataset.interactions, gone);
  std::erase_if(dataset.tags, gone);
  for (auto& r : dataset.interactions) r.user = *kept[r.user.value];
  for (auto& tag : dataset.tags) tag.user = *kept[tag.user.value];
  dataset.users = std::move(users);
  dataset.user_info = std::move(user_info);
  return dropped;
}

int64_t overlay_items(data::Dataset& dataset, const store::EventStore& store) {
  int64_t added = 0;
  for (const auto& item : store.items()) {
    if (item.deleted) continue;
    const ItemIndex row = dataset.items.add(item.id);
    if (static_cast<size_t>(row.value) == dataset.item_info.size()) {
      dataset.item_info.emplace_back();
      ++added;
    }
    data::ItemInfo& info = dataset.item_info[row.value];
    data::ParsedTitle parsed = data::parse_title(item.title);
    info.title = parsed.title.empty() ? item.id : std::move(parsed.title);
    info.display_title = parsed.display_title.empty() ? info.title : std::move(parsed.display_title);
    info.alternates = std::move(parsed.alternates);
    info.year = item.year ? item.year : parsed.year;
    info.genres = item.genres;
  }
  return added;
}

}  // namespace

EventMerge merge_events(data::Dataset& dataset, const store::EventStore& store) {
  EventMerge out;
  out.num_erased_users = drop_erased(dataset, store);
  out.num_new_items = overlay_items(dataset, store);
  const int32_t users_before = dataset.users.size();
  store.for_each_event(0, [&](const store::Event& event) {
    if (event.kind != store::kRating || !event.value) return true;
    const auto item = dataset.items.find(event.item);
    if (!item) {
      ++out.num_passed_over;
      return true;
    }
    dataset.interactions.push_back({dataset.users.add(event.user), *item, static_cast<float>(*event.value), event.time_ms / 1000});
    ++out.num_ratings;
    return true;
  });
  out.num_new_users = dataset.users.size() - users_before;
  if (!dataset.user_info.empty()) dataset.user_info.resize(static_cast<size_t>(dataset.users.size()));
  data::deduplicate(dataset);
  return out;
}

}  // namespace attune::people
