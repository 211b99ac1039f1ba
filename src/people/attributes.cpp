#include "people/attributes.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <unordered_map>

#include "core/error.h"
#include "text/fold.h"

namespace attune::people {
namespace {

int64_t pair_key(UserIndex user, ItemIndex item) { return (int64_t{user.value} << 32) | static_cast<uint32_t>(item.value); }

std::string lower(std::string_view word) {
  const auto begin = word.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return {};
  std::string out(word.substr(begin, word.find_last_not_of(" \t\r\n") - begin + 1));
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

/// `count` of `items` without replacement, in rising order.
std::vector<ItemIndex> draw(std::vector<ItemIndex> items, size_t count, Rng& rng) {
  if (count >= items.size()) return items;
  for (size_t i = 0; i < count; ++i) std::swap(items[i], items[i + rng.below(items.size() - i)]);
  items.resize(count);
  std::sort(items.begin(), items.end());
  return items;
}

bool rising(const std::vector<ItemIndex>& items) {
  return std::adjacent_find(items.begin(), items.end(), [](ItemIndex a, ItemIndex b) { return a >= b; }) == items.end();
}

using WordItems = std::map<std::string, std::set<ItemIndex>>;

/// The counted events: user -> word -> items.
std::map<UserIndex, WordItems> kept_events(const data::Dataset& dataset, const TagOptions& options, AttributeSet& report) {
  std::unordered_map<int64_t, float> ratings;
  for (const auto& rating : dataset.interactions) ratings[pair_key(rating.user, rating.item)] = rating.rating;
  std::map<UserIndex, WordItems> out;
  for (const auto& event : dataset.tags) {
    check(event.user.value >= 0 && event.user.value < dataset.users.size() && event.item.value >= 0 &&
              event.item.value < dataset.items.size(),
          ErrorCode::kInvalidArgument, "[tag attributes] event of user row ", event.user.value, " on item row ", event.item.value,
          ", expected below ", dataset.users.size(), " and ", dataset.items.size());
    ++report.num_events;
    if (options.min_rating > 0) {
      const auto found = ratings.find(pair_key(event.user, event.item));
      if (found == ratings.end() || !(found->second >= options.min_rating)) {
        ++(found == ratings.end() ? report.num_unrated : report.num_low_rated);
        continue;
      }
    }
    const std::string word = options.fold ? text::fold(event.text) : lower(event.text);
    if (word.empty()) {
      ++report.num_empty;
      continue;
    }
    ++(out[event.user][word].insert(event.item).second ? report.num_kept : report.num_repeated);
  }
  return out;
}

UserTags tags_of(UserIndex user, const std::set<ItemIndex>& tagged, const std::set<ItemIndex>& all) {
  UserTags out{user, {tagged.begin(), tagged.end()}, {}, {}};
  std::set_difference(all.begin(), all.end(), tagged.begin(), tagged.end(), std::back_inserter(out.others));
  return out;
}

}  // namespace

int64_t AttributeData::num_tagged() const noexcept {
  int64_t out = 0;
  for (const auto& user : users) out += static_cast<int64_t>(user.tagged.size());
  return out;
}

int64_t AttributeData::num_judged() const noexcept {
  int64_t out = 0;
  for (const auto& user : users) out += static_cast<int64_t>(user.pairs.size());
  return out;
}

void check_attribute(const AttributeData& attribute, int32_t num_items) {
  const auto bad = [&](const UserTags& user, std::string_view what) {
    fail(ErrorCode::kInvalidArgument, "[attribute ", attribute.name, "] user row ", user.user.value, ": ", what);
  };
  check(!attribute.users.empty(), ErrorCode::kInvalidArgument, "[attribute ", attribute.name, "] no user");
  const auto inside = [&](ItemIndex item) { return item.value >= 0 && item.value < num_items; };
  for (size_t k = 0; k < attribute.users.size(); ++k) {
    const auto& user = attribute.users[k];
    if (user.user.value < 0) bad(user, "expected a row of at least 0");
    if (k > 0 && attribute.users[k - 1].user >= user.user) bad(user, "users are not in rising order, or one stands twice");
    for (const auto* items : {&user.tagged, &user.others}) {
      if (!std::all_of(items->begin(), items->end(), inside)) bad(user, cat("an item row outside 0 to ", num_items - 1));
      if (!rising(*items)) bad(user, "items are not in rising order, or one stands twice");
    }
    std::vector<ItemIndex> both;
    std::set_intersection(user.tagged.begin(), user.tagged.end(), user.others.begin(), user.others.end(), std::back_inserter(both));
    if (!both.empty()) bad(user, cat("item row ", both[0].value, " is both tagged and other"));
    for (const auto& pair : user.pairs) {
      if (!inside(pair.better) || !inside(pair.worse)) bad(user, cat("a pair has an item row outside 0 to ", num_items - 1));
      if (pair.better == pair.worse) bad(user, cat("item row ", pair.better.value, " is compared with itself"));
      if (!(std::isfinite(pair.strength) && pair.strength > 0)) bad(user, cat("a pair has strength ", pair.strength, ", expected above 0"));
    }
  }
}

void TagOptions::describe(OptionList& list) {
  list.add("min-rating", min_rating, "Tags count only where the same user rated the item at least this; 0 asks for no rating.")
      .range(0, 1e6);
  list.add("fold", fold, "Compare words without case, accents and extra spaces (off: ASCII lower case only).");
  list.add("min-users", min_users, "Words used by fewer users are left out and listed.").at_least(1);
  list.add("min-items", min_items, "Words on fewer distinct items are left out and listed.").at_least(1);
}

const AttributeData& AttributeSet::at(std::string_view name) const {
  for (const auto& attribute : attributes) {
    if (attribute.name == name) return attribute;
  }
  for (const auto& other : skipped) {
    check(other.name != name, ErrorCode::kNotFound, "[attribute ", name, "] too few examples: used by ", other.num_users, " users on ",
          other.num_items, " items");
  }
  fail(ErrorCode::kNotFound, "[attribute ", name.substr(0, 100), "] unknown; ", attributes.size(), " attributes are known");
}

AttributeSet tag_attributes(const data::Dataset& dataset, const TagOptions& options) {
  check(options.min_rating >= 0 && options.min_users >= 1 && options.min_items >= 1, ErrorCode::kInvalidArgument,
        "[tag attributes] min_rating ", options.min_rating, ", min_users ", options.min_users, ", min_items ", options.min_items,
        ", expected at least 0, 1, 1");
  AttributeSet out;
  std::map<std::string, AttributeData> by_word;
  std::map<std::string, std::set<ItemIndex>> items_of;
  std::set<ItemIndex> carrying;
  for (const auto& [user, words] : kept_events(dataset, options, out)) {
    std::set<ItemIndex> all;
    for (const auto& [word, items] : words) all.insert(items.begin(), items.end());
    carrying.insert(all.begin(), all.end());
    for (const auto& [word, items] : words) {
      by_word[word].users.push_back(tags_of(user, items, all));
      items_of[word].insert(items.begin(), items.end());
    }
  }
  out.tagged_items.assign(carrying.begin(), carrying.end());
  for (auto& [word, attribute] : by_word) {
    const auto num_users = static_cast<int64_t>(attribute.users.size());
    const auto num_items = static_cast<int64_t>(items_of[word].size());
    if (num_users < options.min_users || num_items < options.min_items) {
      out.skipped.push_back({word, num_users, num_items});
      continue;
    }
    attribute.name = word;
    out.attributes.push_back(std::move(attribute));
  }
  return out;
}

std::vector<PairExample> user_pairs(const UserTags& user, const PairOptions& options, Rng& rng) {
  check(options.max_per_side >= 1 && options.max_pairs >= 0, ErrorCode::kInvalidArgument, "[pairs] max_per_side ", options.max_per_side,
        ", max_pairs ", options.max_pairs, ", expected at least 1 and 0");
  if (!user.pairs.empty()) return user.pairs;
  const auto most = static_cast<size_t>(options.max_per_side);
  const auto better = draw(user.tagged, most, rng);
  const auto worse = draw(user.others, options.equal_sides ? std::min(most, better.size()) : most, rng);
  std::vector<PairExample> out;
  out.reserve(better.size() * worse.size());
  for (const ItemIndex i : better) {
    for (const ItemIndex j : worse) out.push_back({i, j, 1});
  }
  if (const auto limit = static_cast<size_t>(options.max_pairs); limit > 0 && out.size() > limit) {
    for (size_t i = 0; i < limit; ++i) std::swap(out[i], out[i + rng.below(out.size() - i)]);
    out.resize(limit);
  }
  return out;
}

std::vector<std::vector<PairExample>> attribute_pairs(const AttributeData& attribute, const PairOptions& options, uint64_t seed) {
  std::vector<std::vector<PairExample>> out;
  out.reserve(attribute.users.size());
  for (const auto& user : attribute.users) {
    Rng rng(seed, cat("pairs ", attribute.name, " ", user.user.value));
    out.push_back(user_pairs(user, options, rng));
  }
  return out;
}

AttributeData relabelled(const AttributeData& attribute, std::string name, std::span<const uint8_t> flags) {
  check_attribute(attribute, static_cast<int32_t>(std::min<size_t>(flags.size(), INT32_MAX)));
  const auto flag = [&](ItemIndex item) { return flags[static_cast<size_t>(item.value)] != 0; };
  AttributeData out{std::move(name), {}};
  for (const auto& user : attribute.users) {
    UserTags now{user.user, {}, {}, {}};
    std::vector<ItemIndex> all;
    std::merge(user.tagged.begin(), user.tagged.end(), user.others.begin(), user.others.end(), std::back_inserter(all));
    for (const ItemIndex item : all) (flag(item) ? now.tagged : now.others).push_back(item);
    for (const auto& pair : user.pairs) {
      if (flag(pair.better) == flag(pair.worse)) continue;
      now.pairs.push_back(flag(pair.better) ? pair : PairExample{pair.worse, pair.better, pair.strength});
    }
    if (!now.pairs.empty() || (!now.tagged.empty() && !now.others.empty())) out.users.push_back(std::move(now));
  }
  return out;
}

AttributeData shuffled(const AttributeData& attribute, std::string name, uint64_t seed) {
  AttributeData out{std::move(name), {}};
  for (const auto& user : attribute.users) {
    Rng rng(seed, cat("shuffled ", attribute.name, " ", user.user.value));
    std::vector<ItemIndex> all;
    std::merge(user.tagged.begin(), user.tagged.end(), user.others.begin(), user.others.end(), std::back_inserter(all));
    UserTags now{user.user, draw(all, user.tagged.size(), rng), {}, user.pairs};
    std::set_difference(all.begin(), all.end(), now.tagged.begin(), now.tagged.end(), std::back_inserter(now.others));
    for (auto& pair : now.pairs) {
      if (rng.below(2) == 1) std::swap(pair.better, pair.worse);
    }
    out.users.push_back(std::move(now));
  }
  return out;
}

}  // namespace attune::people
