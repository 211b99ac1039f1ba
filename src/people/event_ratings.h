// Learning again from what happened since: the event log laid over a data set.
#pragma once

#include <cstdint>

#include "data/dataset.h"
#include "store/event_store.h"

namespace attune::people {

struct EventMerge {
  int64_t num_ratings = 0;        ///< rating events that were taken over
  int64_t num_passed_over = 0;    ///< rating events about items that neither the data nor the catalogue of the store knows
  int64_t num_new_users = 0;
  int64_t num_new_items = 0;      ///< items of the store's catalogue that the data lacks
  int64_t num_erased_users = 0;   ///< users of the data who were erased: their ratings, tags and ids are gone from the result
};

/// Changes `dataset`: leaves out erased users (what they did after the erasure counts again), puts the store's catalogue over the items
/// (title, year, genres; deleted items stay, as others have rated them), adds the rating events in log order. A later rating of a pair replaces the
/// earlier one. O(events + ratings log ratings).
EventMerge merge_events(data::Dataset& dataset, const store::EventStore& store);

}  // namespace attune::people
