// EventStore in one SQLite file: write-ahead log, synchronous=FULL, secure_delete.
//
// One connection behind a mutex writes; reads take a second connection of their own, so that a slow write does not hold them up. Several
// processes may open one file: a writer waits for the lock up to `busy_timeout_ms`. A file of an older schema is migrated in one
// transaction at opening; a newer one is refused by name. Thread-safe.
#pragma once

#include <memory>

#include "core/file.h"
#include "store/event_store.h"

namespace attune::store {

struct SqliteOptions {
  int busy_timeout_ms = 5000;  ///< how long a call waits for another process's lock
  int64_t max_bytes = 0;       ///< largest database size, 0 = no limit; reaching it is kResource
};

/// Newest schema that this program writes.
inline constexpr int kStoreSchemaVersion = 2;

/// Opens or creates. Creates the folder too. Throws kIo, kCorruptData (no database, or damaged), kUnsupported (newer schema, or a database
/// of another program).
std::unique_ptr<EventStore> open_sqlite_store(const Path& path, const SqliteOptions& options = {});

}  // namespace attune::store
