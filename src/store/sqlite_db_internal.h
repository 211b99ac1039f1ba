// Thin wrapper of one SQLite connection: prepared statements are kept, result codes become attune::Error. Not thread-safe.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace attune::store {

class SqliteDb;

/// A prepared statement in use; it is reset when this object dies. Parameters and columns are counted from 1 and 0, as in SQLite.
class Statement {
 public:
  Statement(SqliteDb& db, sqlite3_stmt* handle) : db_(db), handle_(handle) {}
  ~Statement();
  Statement(const Statement&) = delete;
  Statement& operator=(const Statement&) = delete;

  Statement& bind(int place, std::string_view text);
  Statement& bind(int place, int64_t value);
  Statement& bind(int place, std::optional<double> value);
  Statement& bind_blob(int place, std::string_view bytes);
  /// True if a row is there.
  bool step();
  /// Steps to the end.
  void run();

  std::string text(int column) const;
  int64_t integer(int column) const { return sqlite3_column_int64(handle_, column); }
  std::optional<double> real(int column) const;

 private:
  SqliteDb& db_;
  sqlite3_stmt* handle_;
};

class SqliteDb {
 public:
  SqliteDb(const Path& path, int busy_timeout_ms, bool may_create);
  ~SqliteDb();
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  /// `sql` must be a string literal: its address is the key of the cache.
  Statement prepare(const char* sql);
  /// Runs statements without results or parameters.
  void execute(const char* sql);
  /// First column of the first row of a query.
  std::string query_text(const char* sql);
  int64_t query_integer(const char* sql);
  int64_t changes() const { return sqlite3_changes64(handle_); }
  int64_t last_row() const { return sqlite3_last_insert_rowid(handle_); }

  /// Throws the Error that belongs to a result code.
  [[noreturn]] void fail_code(int code, std::string_view operation) const;
  bool in_transaction() const { return sqlite3_get_autocommit(handle_) == 0; }

 private:
  void close() noexcept;
  std::string name_;
  int busy_timeout_ms_;
  sqlite3* handle_ = nullptr;
  std::map<const char*, sqlite3_stmt*> statements_;
};

/// BEGIN IMMEDIATE now, COMMIT on `commit`, otherwise ROLLBACK.
class Transaction {
 public:
  explicit Transaction(SqliteDb& db) : db_(db) { db_.execute("BEGIN IMMEDIATE"); }
  ~Transaction();
  void commit();

 private:
  SqliteDb& db_;
  bool done_ = false;
};

/// Brings an opened database to kStoreSchemaVersion, or throws. `created`: the file was empty.
void migrate(SqliteDb& db, const Path& path);

}  // namespace attune::store
