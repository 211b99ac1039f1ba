#include "data/title_join.h"

#include <set>

#include "core/error.h"
#include "data/title.h"
#include "text/fold.h"

namespace attune::data {
namespace {

constexpr int kMaxYearSlack = 5;

std::string key_of(std::string_view title, std::optional<int> year) {
  const std::string folded = text::fold_alphanumeric(move_article_to_front(title));
  return folded.empty() ? std::string() : cat(folded, '\n', year.value_or(0));
}

/// The forms under which a title may be known, best first.
std::vector<std::string> forms_of(const std::string& title, const std::string& display_title, const std::vector<std::string>& alternates) {
  std::vector<std::string> out{title, display_title};
  out.insert(out.end(), alternates.begin(), alternates.end());
  return out;
}

/// 0, -1, 1, -2, 2, ...
std::vector<int> offsets(int slack) {
  std::vector<int> out{0};
  for (int n = 1; n <= slack; ++n) out.insert(out.end(), {-n, n});
  return out;
}

}  // namespace

void TitleIndex::add(const std::string& key, ItemIndex item, int64_t num_ratings) {
  if (key.empty()) return;
  const auto [place, fresh] = entries_.try_emplace(key, Entry{item, num_ratings, false});
  if (fresh || place->second.item == item) return;
  place->second.ambiguous = true;
  if (num_ratings > place->second.num_ratings) {
    place->second.item = item;
    place->second.num_ratings = num_ratings;
  }
}

TitleIndex::TitleIndex(const Dataset& catalogue) {
  std::vector<int64_t> count(static_cast<size_t>(catalogue.items.size()), 0);
  for (const auto& rating : catalogue.interactions) ++count[static_cast<size_t>(rating.item.value)];
  // Whole titles first: an item found by its own title is not made ambiguous by another's second title.
  std::unordered_map<std::string, bool> own;
  for (const bool second : {false, true}) {
    for (int32_t row = 0; row < catalogue.items.size(); ++row) {
      const ItemInfo& info = catalogue.item_info[static_cast<size_t>(row)];
      const auto forms = forms_of(info.title, info.display_title, info.alternates);
      for (size_t n = 0; n < forms.size(); ++n) {
        if ((n >= 2) != second) continue;
        const std::string key = key_of(forms[n], info.year);
        if (!second) own[key] = true;
        if (second && own.count(key) != 0) continue;
        add(key, ItemIndex(row), count[static_cast<size_t>(row)]);
      }
    }
  }
}

std::optional<TitleIndex::Match> TitleIndex::find(const ItemInfo& info, int year_slack) const {
  check(year_slack >= 0 && year_slack <= kMaxYearSlack, ErrorCode::kInvalidArgument, "[title join] year_slack ", year_slack,
        ", expected 0 to ", kMaxYearSlack);
  const auto forms = forms_of(info.title, info.display_title, info.alternates);
  for (const int offset : offsets(info.year ? year_slack : 0)) {
    for (const auto& form : forms) {
      const auto found = entries_.find(key_of(form, info.year ? std::optional<int>(*info.year + offset) : std::nullopt));
      if (found != entries_.end()) return Match{found->second.item, found->second.ambiguous};
    }
  }
  return std::nullopt;
}

std::optional<TitleIndex::Match> TitleIndex::find(std::string_view title_with_year, int year_slack) const {
  ParsedTitle parsed = parse_title(title_with_year);
  ItemInfo info;
  info.title = std::move(parsed.title);
  info.display_title = std::move(parsed.display_title);
  info.alternates = std::move(parsed.alternates);
  info.year = parsed.year;
  return find(info, year_slack);
}

namespace {

/// Where each item of `other` went; the report counts items that carry a tag.
std::vector<std::optional<ItemIndex>> join_items(const Dataset& base, const Dataset& other, int year_slack, JoinReport& report) {
  const TitleIndex index(base);
  std::vector<char> tagged(static_cast<size_t>(other.items.size()), 0);
  for (const auto& tag : other.tags) tagged[static_cast<size_t>(tag.item.value)] = 1;
  std::vector<std::optional<ItemIndex>> out(tagged.size());
  std::set<std::string> missing;
  for (size_t row = 0; row < out.size(); ++row) {
    const ItemInfo& info = other.item_info[row];
    const auto match = index.find(info, year_slack);
    if (match) out[row] = match->item;
    if (!tagged[row]) continue;
    if (match) {
      ++report.num_joined;
      report.num_ambiguous += match->ambiguous ? 1 : 0;
    } else {
      missing.insert(info.year ? cat(info.title, " (", *info.year, ")") : info.title);
    }
  }
  report.unjoined.assign(missing.begin(), missing.end());
  return out;
}

}  // namespace

JoinedDataset join_tags(const Dataset& base, const Dataset& other, const JoinOptions& options) {
  JoinedDataset out;
  out.dataset = base;
  out.dataset.name = cat(base.name, "+", other.name);
  const auto items = join_items(base, other, options.year_slack, out.report);
  const auto user_of = [&](UserIndex user) {
    const std::string key = cat(options.prefix, other.users.key(user));
    check(!base.users.find(key), ErrorCode::kInvalidArgument, "[join tags] user \"", key.substr(0, 100),
          "\" is in both data sets, expected a prefix that tells them apart");
    return out.dataset.users.add(key);
  };
  for (const auto& tag : other.tags) {
    const auto item = items[static_cast<size_t>(tag.item.value)];
    ++(item ? out.num_tags : out.num_dropped_tags);
    if (item) out.dataset.tags.push_back({user_of(tag.user), *item, tag.text, tag.timestamp});
  }
  if (options.ratings) {
    for (const auto& rating : other.interactions) {
      const auto item = items[static_cast<size_t>(rating.item.value)];
      if (item) out.dataset.interactions.push_back({user_of(rating.user), *item, rating.rating, rating.timestamp});
    }
    out.num_ratings = static_cast<int64_t>(out.dataset.interactions.size() - base.interactions.size()) - deduplicate(out.dataset);
  }
  if (!out.dataset.user_info.empty()) out.dataset.user_info.resize(static_cast<size_t>(out.dataset.users.size()));
  return out;
}

}  // namespace attune::data
