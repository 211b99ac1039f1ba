#include "store/sqlite_db_internal.h"

#include <climits>

namespace attune::store {
namespace {

ErrorCode code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_FULL: return ErrorCode::kResource;
    case SQLITE_NOMEM: return ErrorCode::kOutOfMemory;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return ErrorCode::kCorruptData;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_PROTOCOL: return ErrorCode::kIo;
    case SQLITE_TOOBIG: return ErrorCode::kInvalidArgument;
    default: return ErrorCode::kInternal;
  }
}

int checked_length(std::string_view text) {
  check(text.size() <= size_t{INT_MAX}, ErrorCode::kInvalidArgument, "[store] a text of ", text.size(), " bytes is too long");
  return static_cast<int>(text.size());
}

}  // namespace

Statement::~Statement() {
  sqlite3_reset(handle_);
  sqlite3_clear_bindings(handle_);
}

Statement& Statement::bind(int place, std::string_view text) {
  const char* data = text.data() != nullptr ? text.data() : "";
  const int result = sqlite3_bind_text(handle_, place, data, checked_length(text), SQLITE_TRANSIENT);
  if (result != SQLITE_OK) db_.fail_code(result, "bind");
  return *this;
}

Statement& Statement::bind(int place, int64_t value) {
  if (const int result = sqlite3_bind_int64(handle_, place, value); result != SQLITE_OK) db_.fail_code(result, "bind");
  return *this;
}

Statement& Statement::bind(int place, std::optional<double> value) {
  const int result = value ? sqlite3_bind_double(handle_, place, *value) : sqlite3_bind_null(handle_, place);
  if (result != SQLITE_OK) db_.fail_code(result, "bind");
  return *this;
}

Statement& Statement::bind_blob(int place, std::string_view bytes) {
  const int result = sqlite3_bind_blob(handle_, place, bytes.data(), checked_length(bytes), SQLITE_TRANSIENT);
  if (result != SQLITE_OK) db_.fail_code(result, "bind");
  return *this;
}

bool Statement::step() {
  const int result = sqlite3_step(handle_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) db_.fail_code(result, "step");
  return false;
}

void Statement::run() {
  while (step()) {
  }
}

std::string Statement::text(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(handle_, column));
  const int size = sqlite3_column_bytes(handle_, column);
  return data != nullptr ? std::string(data, static_cast<size_t>(size)) : std::string();
}

std::optional<double> Statement::real(int column) const {
  if (sqlite3_column_type(handle_, column) == SQLITE_NULL) return std::nullopt;
  return sqlite3_column_double(handle_, column);
}

SqliteDb::SqliteDb(const Path& path, int busy_timeout_ms, bool may_create)
    : name_(path.filename().string()), busy_timeout_ms_(busy_timeout_ms) {
  const int flags = SQLITE_OPEN_READWRITE | (may_create ? SQLITE_OPEN_CREATE : 0) | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path.c_str(), &handle_, flags, nullptr);
  try {
    if (result != SQLITE_OK) fail_code(result, "open");
    sqlite3_busy_timeout(handle_, busy_timeout_ms);
    execute("PRAGMA trusted_schema=OFF");
    execute("PRAGMA temp_store=MEMORY");  // no copy of people's data in a temporary file
    execute("PRAGMA secure_delete=ON");
  } catch (...) {
    close();
    throw;
  }
}

SqliteDb::~SqliteDb() { close(); }

void SqliteDb::close() noexcept {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  statements_.clear();
  sqlite3_close_v2(handle_);
  handle_ = nullptr;
}

Statement SqliteDb::prepare(const char* sql) {
  sqlite3_stmt*& statement = statements_[sql];
  if (statement == nullptr) {
    const int result = sqlite3_prepare_v3(handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (result != SQLITE_OK) fail_code(result, "prepare");
  }
  return Statement(*this, statement);
}

void SqliteDb::execute(const char* sql) {
  if (const int result = sqlite3_exec(handle_, sql, nullptr, nullptr, nullptr); result != SQLITE_OK) fail_code(result, "execute");
}

std::string SqliteDb::query_text(const char* sql) {
  Statement statement = prepare(sql);
  return statement.step() ? statement.text(0) : std::string();
}

int64_t SqliteDb::query_integer(const char* sql) {
  Statement statement = prepare(sql);
  return statement.step() ? statement.integer(0) : 0;
}

void SqliteDb::fail_code(int code, std::string_view operation) const {
  std::string detail = handle_ != nullptr ? sqlite3_errmsg(handle_) : sqlite3_errstr(code);
  const int primary = code & 0xff;
  if (primary == SQLITE_BUSY || primary == SQLITE_LOCKED)
    detail = cat("another process has held the lock for more than ", busy_timeout_ms_, " ms");
  if (primary == SQLITE_FULL) detail = "the disk is full or the size limit of the database is reached";
  fail(code_of(code), "[store] ", name_, ": ", operation, ": ", detail, " (SQLite code ", code, ")");
}

Transaction::~Transaction() {
  if (done_ || !db_.in_transaction()) return;  // an input or output error has rolled back already
  try {
    db_.execute("ROLLBACK");
  } catch (...) {  // the connection rolls back when it is next used
  }
}

void Transaction::commit() {
  db_.execute("COMMIT");
  done_ = true;
}

}  // namespace attune::store
