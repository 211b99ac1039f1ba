// The catalogue as people see it: the learned items overlaid with the store's rows.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <vector>

#include "assist/grounding.h"
#include "assist/recommend.h"
#include "people/recommender.h"
#include "store/event_store.h"

namespace attune::assist {

/// Thread-safe. Writers go to the store first, one at a time; readers wait for no disk.
class Catalogue {
 public:
  Catalogue(std::shared_ptr<const people::Recommender> recommender, std::shared_ptr<store::EventStore> store);

  std::optional<CatalogueEntry> find(std::string_view id) const;
  bool put(const CatalogueEntry& entry);
  bool remove(std::string_view id);
  std::vector<CatalogueEntry> search(std::string_view query, int limit) const;
  int64_t size() const;

  bool is_deleted(std::string_view id) const;
  /// Items of the store that were not learned, with their ids.
  std::vector<CatalogueEntry> added() const;
  /// All catalogue titles as they are now; rebuilt after a change.
  std::shared_ptr<const TitleIndex> titles() const;

 private:
  struct Row {
    store::CatalogueItem item;
    std::string folded;
  };
  std::optional<CatalogueEntry> find_locked(std::string_view id) const;
  CatalogueEntry learned_entry(people::ItemIndex index) const;
  CatalogueEntry stored_entry(const store::CatalogueItem& item) const;
  void remember(const store::CatalogueItem& item);

  std::shared_ptr<const people::Recommender> recommender_;
  std::shared_ptr<store::EventStore> store_;
  std::vector<std::string> folded_titles_;                ///< [items], learned
  std::mutex write_mutex_;
  mutable std::shared_mutex mutex_;                       ///< of the two below
  std::map<std::string, Row, std::less<>> rows_;
  mutable std::shared_ptr<const TitleIndex> titles_;
};

/// Throws kInvalidArgument naming the field unless the entry may be stored.
void check_entry(const CatalogueEntry& entry);

}  // namespace attune::assist
