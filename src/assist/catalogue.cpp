#include <algorithm>

#include "assist/catalogue_internal.h"
#include "core/error.h"
#include "data/title.h"
#include "text/fold.h"
#include "text/utf8.h"

namespace attune::assist {
namespace {

constexpr int kFirstYear = 1870;
constexpr int kLastYear = 2100;
constexpr size_t kMaxGenresOfItem = 32;

void check_text(std::string_view text, size_t max_bytes, std::string_view what) {
  check(!text.empty() && text.size() <= max_bytes, ErrorCode::kInvalidArgument, "[item] ", what, " has ", text.size(),
        " bytes, expected 1 to ", max_bytes);
  check(text::is_valid_utf8(text), ErrorCode::kInvalidArgument, "[item] ", what, " is no valid UTF-8");
  const bool control = std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  check(!control, ErrorCode::kInvalidArgument, "[item] ", what, " holds a control character");
}

std::vector<std::string> words_of(const std::string& folded) {
  std::vector<std::string> out;
  for (size_t at = 0; at < folded.size();) {
    const size_t end = std::min(folded.find(' ', at), folded.size());
    if (end > at) out.push_back(folded.substr(at, end - at));
    at = end + 1;
  }
  return out;
}

bool holds_all(const std::string& folded, const std::vector<std::string>& words) {
  return std::all_of(words.begin(), words.end(), [&](const std::string& word) { return folded.find(word) != std::string::npos; });
}

/// What a search looks at: the display title and the other titles.
std::string search_text(const std::string& catalogue_title) {
  const data::ParsedTitle parsed = data::parse_title(catalogue_title);
  std::string out = text::fold_alphanumeric(parsed.display_title);
  for (const std::string& other : parsed.alternates) out += " " + text::fold_alphanumeric(other);
  return out;
}

}  // namespace

void check_entry(const CatalogueEntry& entry) {
  check_text(entry.id, store::kMaxIdBytes, "id");
  check_text(entry.catalogue_title.empty() ? entry.title : entry.catalogue_title, store::kMaxTitleBytes, "title");
  check(!entry.year || (*entry.year >= kFirstYear && *entry.year <= kLastYear), ErrorCode::kInvalidArgument, "[item] year is ",
        entry.year.value_or(0), ", expected ", kFirstYear, " to ", kLastYear);
  check(entry.genres.size() <= kMaxGenresOfItem, ErrorCode::kInvalidArgument, "[item] there are ", entry.genres.size(),
        " genres, expected at most ", kMaxGenresOfItem);
  for (const std::string& genre : entry.genres) check_text(genre, store::kMaxIdBytes, "a genre");
}

Catalogue::Catalogue(std::shared_ptr<const people::Recommender> recommender, std::shared_ptr<store::EventStore> store)
    : recommender_(std::move(recommender)), store_(std::move(store)) {
  for (int32_t i = 0; i < recommender_->items().size(); ++i)
    folded_titles_.push_back(search_text(recommender_->item(people::ItemIndex(i)).title));
  if (store_ == nullptr) return;
  for (const store::CatalogueItem& item : store_->items()) remember(item);
}

void Catalogue::remember(const store::CatalogueItem& item) {
  const std::unique_lock lock(mutex_);
  rows_[item.id] = {item, item.deleted ? std::string() : search_text(item.title)};
  titles_ = nullptr;
}

CatalogueEntry Catalogue::learned_entry(people::ItemIndex index) const {
  const data::ItemInfo& info = recommender_->item(index);
  CatalogueEntry out;
  out.id = recommender_->items().key(index);
  out.title = info.display_title.empty() ? data::parse_title(info.title).display_title : info.display_title;
  out.catalogue_title = info.title;
  out.year = info.year;
  out.genres = info.genres;
  out.learned = true;
  out.popularity = recommender_->popularity(index);
  return out;
}

CatalogueEntry Catalogue::stored_entry(const store::CatalogueItem& item) const {
  CatalogueEntry out;
  out.id = item.id;
  out.title = data::parse_title(item.title).display_title;
  out.catalogue_title = item.title;
  out.year = item.year;
  out.genres = item.genres;
  out.extra = item.extra;
  out.overridden = true;
  const auto index = recommender_->items().find(item.id);
  out.learned = index.has_value();
  out.popularity = index ? recommender_->popularity(*index) : 0;
  return out;
}

std::optional<CatalogueEntry> Catalogue::find_locked(std::string_view id) const {
  if (const auto row = rows_.find(id); row != rows_.end()) {
    if (row->second.item.deleted) return std::nullopt;
    return stored_entry(row->second.item);
  }
  const auto index = recommender_->items().find(id);
  if (!index) return std::nullopt;
  return learned_entry(*index);
}

std::optional<CatalogueEntry> Catalogue::find(std::string_view id) const {
  const std::shared_lock lock(mutex_);
  return find_locked(id);
}

bool Catalogue::is_deleted(std::string_view id) const {
  const std::shared_lock lock(mutex_);
  const auto row = rows_.find(id);
  return row != rows_.end() && row->second.item.deleted;
}

bool Catalogue::put(const CatalogueEntry& entry) {
  check_entry(entry);
  check(store_ != nullptr, ErrorCode::kFailedPrecondition, "[put item] there is no store to write to");
  store::CatalogueItem item;
  item.id = entry.id;
  item.title = entry.catalogue_title.empty() ? entry.title : entry.catalogue_title;
  item.year = entry.year;
  item.genres = entry.genres;
  item.extra = entry.extra;
  const std::lock_guard write(write_mutex_);
  const bool is_new = !find(entry.id).has_value();
  store_->put_item(item);
  remember(item);
  return is_new;
}

bool Catalogue::remove(std::string_view id) {
  check(store_ != nullptr, ErrorCode::kFailedPrecondition, "[delete item] there is no store to write to");
  const std::lock_guard write(write_mutex_);
  if (!find(id)) return false;
  store_->delete_item(id);
  store::CatalogueItem mark;
  mark.id = std::string(id);
  mark.deleted = true;
  remember(mark);
  return true;
}

std::vector<CatalogueEntry> Catalogue::search(std::string_view query, int limit) const {
  check(limit >= 1 && limit <= 1000, ErrorCode::kInvalidArgument, "[search items] limit is ", limit, ", expected 1 to 1000");
  const std::vector<std::string> words = words_of(text::fold_alphanumeric(query));
  const std::string typed = text::fold_alphanumeric(query);
  if (words.empty() && !text::trim(query).empty()) return {};  // nothing of it can stand in a title
  struct Hit {
    bool starts;  ///< the title begins with what was typed
    int64_t popularity;
    std::string id;
  };
  std::vector<Hit> hits;
  const std::shared_lock lock(mutex_);
  for (int32_t i = 0; i < recommender_->items().size(); ++i) {
    const people::ItemIndex index(i);
    const std::string& id = recommender_->items().key(index);
    const std::string& folded = folded_titles_[static_cast<size_t>(i)];
    if (rows_.contains(id) || !holds_all(folded, words)) continue;
    hits.push_back({folded.starts_with(typed), recommender_->popularity(index), id});
  }
  for (const auto& [id, row] : rows_) {
    if (row.item.deleted || !holds_all(row.folded, words)) continue;
    const auto index = recommender_->items().find(id);
    hits.push_back({row.folded.starts_with(typed), index ? recommender_->popularity(*index) : 0, id});
  }
  const auto better = [&](const Hit& a, const Hit& b) {
    if (!words.empty() && a.starts != b.starts) return a.starts;
    return a.popularity != b.popularity ? a.popularity > b.popularity : a.id < b.id;
  };
  const auto end = hits.begin() + std::min<std::ptrdiff_t>(limit, static_cast<std::ptrdiff_t>(hits.size()));
  std::partial_sort(hits.begin(), end, hits.end(), better);
  std::vector<CatalogueEntry> out;
  for (auto hit = hits.begin(); hit != end; ++hit) out.push_back(*find_locked(hit->id));
  return out;
}

int64_t Catalogue::size() const {
  const std::shared_lock lock(mutex_);
  int64_t total = recommender_->items().size();
  for (const auto& [id, row] : rows_) {
    const bool learned = recommender_->items().find(id).has_value();
    total += row.item.deleted ? (learned ? -1 : 0) : (learned ? 0 : 1);
  }
  return total;
}

std::vector<CatalogueEntry> Catalogue::added() const {
  const std::shared_lock lock(mutex_);
  std::vector<CatalogueEntry> out;
  for (const auto& [id, row] : rows_) {
    if (!row.item.deleted && !recommender_->items().find(id)) out.push_back(stored_entry(row.item));
  }
  return out;
}

std::shared_ptr<const TitleIndex> Catalogue::titles() const {
  {
    const std::shared_lock lock(mutex_);
    if (titles_) return titles_;
  }
  const std::unique_lock lock(mutex_);
  if (titles_) return titles_;
  std::vector<std::string> titles;
  for (int32_t i = 0; i < recommender_->items().size(); ++i) {
    const people::ItemIndex index(i);
    if (!rows_.contains(recommender_->items().key(index))) titles.push_back(recommender_->item(index).title);
  }
  for (const auto& [id, row] : rows_) {
    if (!row.item.deleted) titles.push_back(row.item.title);
  }
  titles_ = std::make_shared<const TitleIndex>(titles, true);
  return titles_;
}

}  // namespace attune::assist
