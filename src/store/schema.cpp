// Schema versions of the store and the way from each to the next (docs/formats/store.md). A version that was released never changes.
#include <array>

#include "store/sqlite_db_internal.h"
#include "store/sqlite_store.h"

namespace attune::store {
namespace {

constexpr int64_t kApplicationId = 0x4154544e;  // "ATTN"

constexpr const char* kCreateV1 =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('schema_version', 1);"
    "CREATE TABLE events(sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, kind TEXT NOT NULL,"
    " item TEXT NOT NULL, value REAL, time_ms INTEGER NOT NULL, payload TEXT NOT NULL);"
    "CREATE INDEX events_by_user ON events(user, sequence);";

/// Catalogue overlay, and marks of erased users (salted hash; the salt is made here).
constexpr const char* kV1ToV2 =
    "CREATE TABLE items(id TEXT PRIMARY KEY, title TEXT NOT NULL, year INTEGER, genres TEXT NOT NULL, extra TEXT NOT NULL,"
    " time_ms INTEGER NOT NULL, deleted INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE erased(user_hash BLOB PRIMARY KEY) WITHOUT ROWID;"
    "INSERT INTO meta VALUES('salt', randomblob(32));"
    "UPDATE meta SET value = 2 WHERE key = 'schema_version';";

constexpr std::array<const char*, 2> kSteps = {kCreateV1, kV1ToV2};  // step n leads from version n to n + 1
static_assert(kSteps.size() == kStoreSchemaVersion);

int64_t version_of(SqliteDb& db, const Path& path) {
  const int64_t tables = db.query_integer("SELECT count(*) FROM sqlite_master");
  if (tables == 0) return 0;
  const int64_t id = db.query_integer("PRAGMA application_id");
  check(id == kApplicationId, ErrorCode::kUnsupported, "[store] ", path.filename().string(),
        " is a database of another program: application id ", id, ", expected ", kApplicationId);
  const int64_t version = db.query_integer("SELECT value FROM meta WHERE key = 'schema_version'");
  check(version >= 1, ErrorCode::kCorruptData, "[store] ", path.filename().string(), " has schema version ", version,
        ", expected at least 1");
  return version;
}

}  // namespace

void migrate(SqliteDb& db, const Path& path) {
  if (version_of(db, path) == kStoreSchemaVersion) return;  // the usual case: no lock is taken
  Transaction transaction(db);
  const int64_t version = version_of(db, path);  // another process may have been faster
  check(version <= kStoreSchemaVersion, ErrorCode::kUnsupported, "[store] ", path.filename().string(), " has schema version ", version,
        ", this program knows versions up to ", kStoreSchemaVersion, ": use a newer Attune");
  if (version == 0) db.execute("PRAGMA application_id = 1096045646");  // kApplicationId
  for (int64_t step = version; step < kStoreSchemaVersion; ++step) db.execute(kSteps[static_cast<size_t>(step)]);
  transaction.commit();
}

}  // namespace attune::store
