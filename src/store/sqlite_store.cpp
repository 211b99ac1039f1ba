#include "store/sqlite_store.h"

#include <openssl/evp.h>
#include <unistd.h>

#include <chrono>
#include <mutex>

#include "core/error.h"
#include "store/codec_internal.h"
#include "store/sqlite_db_internal.h"

namespace attune::store {
namespace {

constexpr int64_t kPageEvents = 1000;
constexpr int kMaxUsers = 10000;

#define ATTUNE_EVENT_COLUMNS "event_id, user, kind, item, value, time_ms, payload, sequence"

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string hex(const unsigned char* bytes, size_t size) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < size; ++i) {
    out.push_back(kDigits[bytes[i] >> 4]);
    out.push_back(kDigits[bytes[i] & 15]);
  }
  return out;
}

/// 128 random bits from the operating system.
std::string new_event_id() {
  unsigned char bytes[16];
  check(::getentropy(bytes, sizeof(bytes)) == 0, ErrorCode::kIo, "[store] the operating system gives no random bytes");
  return hex(bytes, sizeof(bytes));
}

std::string sha256(std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  check(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr) == 1, ErrorCode::kInternal, "[store] SHA-256 failed");
  return std::string(reinterpret_cast<const char*>(digest), size);
}

Event event_of(const Statement& row) {
  return {row.text(0), row.text(1), row.text(2), row.text(3), row.real(4), row.integer(5), row.text(6), row.integer(7)};
}

CatalogueItem item_of(const Statement& row) {
  CatalogueItem out;
  out.id = row.text(0);
  out.title = row.text(1);
  if (const auto year = row.real(2)) out.year = static_cast<int>(*year);
  out.genres = decode_list(row.text(3), "genres of a stored item");
  out.extra = decode_map(row.text(4), "extra fields of a stored item");
  out.time_ms = row.integer(5);
  out.deleted = row.integer(6) != 0;
  return out;
}

class SqliteStore final : public EventStore {
 public:
  SqliteStore(const Path& path, const SqliteOptions& options)
      : writer_(path, options.busy_timeout_ms, true), salt_(prepare_file(path, options)), reader_(path, options.busy_timeout_ms, false) {
    reader_.execute("PRAGMA query_only=ON");
  }

  AppendResult append(const Event& event) override { return append_all({event}).front(); }
  std::vector<AppendResult> append_all(const std::vector<Event>& events) override;
  std::vector<Event> user_events(std::string_view user, const EventQuery& query) const override;
  void for_each_event(int64_t after, const std::function<bool(const Event&)>& visit) const override;
  int64_t num_events() const override;
  bool has_user(std::string_view user) const override;
  std::vector<std::string> users(const UserQuery& query) const override;
  std::string export_user(std::string_view user) const override;
  int64_t erase_user(std::string_view user) override;
  bool is_erased(std::string_view user) const override;
  bool put_item(const CatalogueItem& item) override;
  bool delete_item(std::string_view id) override;
  std::optional<CatalogueItem> get_item(std::string_view id) const override;
  std::vector<CatalogueItem> items() const override;
  void check_integrity() const override;

 private:
  std::string prepare_file(const Path& path, const SqliteOptions& options);
  AppendResult insert(const Event& event);
  std::string hash_of(std::string_view user) const { return sha256(salt_ + std::string(user)); }
  void rewrite_file();

  mutable std::mutex write_mutex_;
  mutable std::mutex read_mutex_;  // taken after write_mutex_ where both are needed
  SqliteDb writer_;
  std::string salt_;
  mutable SqliteDb reader_;
};

/// Journal mode, migration, and the salt. A log that an earlier process left is moved into the database and emptied.
std::string SqliteStore::prepare_file(const Path& path, const SqliteOptions& options) {
  check(writer_.query_text("PRAGMA journal_mode=WAL") == "wal", ErrorCode::kIo, "[store] ", path.filename().string(),
        ": the file system does not support a write-ahead log");
  writer_.execute("PRAGMA synchronous=FULL");
  migrate(writer_, path);
  if (options.max_bytes > 0) {
    const int64_t page = writer_.query_integer("PRAGMA page_size");
    const std::string sql = cat("PRAGMA max_page_count=", std::max<int64_t>(1, options.max_bytes / page));
    writer_.execute(sql.c_str());
  }
  writer_.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  return writer_.query_text("SELECT value FROM meta WHERE key = 'salt'");
}

AppendResult SqliteStore::insert(const Event& event) {
  AppendResult out{event.event_id.empty() ? new_event_id() : event.event_id, 0, false};
  {
    Statement insert = writer_.prepare(
        "INSERT INTO events(event_id, user, kind, item, value, time_ms, payload) VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(event_id) DO NOTHING");
    insert.bind(1, out.event_id).bind(2, event.user).bind(3, event.kind).bind(4, event.item).bind(5, event.value);
    insert.bind(6, event.time_ms != 0 ? event.time_ms : now_ms()).bind(7, event.payload);
    insert.run();
  }
  if (writer_.changes() == 1) {
    out.sequence = writer_.last_row();
    return out;
  }
  Statement known = writer_.prepare("SELECT sequence, user, kind, item FROM events WHERE event_id = ?");
  known.bind(1, out.event_id);
  check(known.step(), ErrorCode::kInternal, "[store] event ", out.event_id, " was neither written nor there before");
  check(known.text(1) == event.user && known.text(2) == event.kind && known.text(3) == event.item, ErrorCode::kInvalidArgument,
        "[store] event_id ", out.event_id, " is taken by another event");
  out.sequence = known.integer(0);
  out.duplicate = true;
  return out;
}

std::vector<AppendResult> SqliteStore::append_all(const std::vector<Event>& events) {
  for (const auto& event : events) validate(event);
  std::vector<AppendResult> out;
  if (events.empty()) return out;
  const std::lock_guard lock(write_mutex_);
  Transaction transaction(writer_);
  for (const auto& event : events) out.push_back(insert(event));
  transaction.commit();
  return out;
}

std::vector<Event> SqliteStore::user_events(std::string_view user, const EventQuery& query) const {
  const std::lock_guard lock(read_mutex_);
  Statement select = query.newest_first
                         ? reader_.prepare("SELECT " ATTUNE_EVENT_COLUMNS
                                           " FROM events WHERE user = ?1 AND (?2 = '' OR kind = ?2) ORDER BY sequence DESC LIMIT ?3")
                         : reader_.prepare("SELECT " ATTUNE_EVENT_COLUMNS
                                           " FROM events WHERE user = ?1 AND (?2 = '' OR kind = ?2) ORDER BY sequence LIMIT ?3");
  select.bind(1, user).bind(2, std::string_view(query.kind)).bind(3, query.limit);
  std::vector<Event> out;
  while (select.step()) out.push_back(event_of(select));
  return out;
}

void SqliteStore::for_each_event(int64_t after, const std::function<bool(const Event&)>& visit) const {
  for (bool more = true; more;) {
    std::vector<Event> page;
    {
      const std::lock_guard lock(read_mutex_);
      Statement select = reader_.prepare("SELECT " ATTUNE_EVENT_COLUMNS " FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?");
      select.bind(1, after).bind(2, kPageEvents);
      while (select.step()) page.push_back(event_of(select));
    }
    for (const auto& event : page) {
      if (!visit(event)) return;
      after = event.sequence;
    }
    more = static_cast<int64_t>(page.size()) == kPageEvents;
  }
}

int64_t SqliteStore::num_events() const {
  const std::lock_guard lock(read_mutex_);
  return reader_.query_integer("SELECT count(*) FROM events");
}

bool SqliteStore::has_user(std::string_view user) const {
  const std::lock_guard lock(read_mutex_);
  Statement select = reader_.prepare("SELECT 1 FROM events WHERE user = ? LIMIT 1");
  return select.bind(1, user).step();
}

std::vector<std::string> SqliteStore::users(const UserQuery& query) const {
  check(query.limit >= 1 && query.limit <= kMaxUsers, ErrorCode::kInvalidArgument, "[store] limit is ", query.limit, ", expected 1 to ",
        kMaxUsers);
  const std::lock_guard lock(read_mutex_);
  Statement select = reader_.prepare("SELECT DISTINCT user FROM events WHERE ?1 = '' OR instr(user, ?1) > 0 ORDER BY user LIMIT ?2");
  select.bind(1, std::string_view(query.contains)).bind(2, static_cast<int64_t>(query.limit));
  std::vector<std::string> out;
  while (select.step()) out.push_back(select.text(0));
  return out;
}

std::string SqliteStore::export_user(std::string_view user) const {
  std::string out;
  for (const auto& event : user_events(user, {})) out.append(encode_event(event)).push_back('\n');
  return out;
}

int64_t SqliteStore::erase_user(std::string_view user) {
  const std::scoped_lock lock(write_mutex_, read_mutex_);
  int64_t removed = 0;
  {
    Transaction transaction(writer_);
    writer_.prepare("DELETE FROM events WHERE user = ?").bind(1, user).run();
    removed = writer_.changes();
    writer_.prepare("INSERT OR IGNORE INTO erased VALUES(?)").bind_blob(1, hash_of(user)).run();
    transaction.commit();
  }
  rewrite_file();
  return removed;
}

/// Leaves no old page behind: neither in free space of the file nor in the write-ahead log.
void SqliteStore::rewrite_file() {
  writer_.execute("VACUUM");
  Statement checkpoint = writer_.prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  check(checkpoint.step() && checkpoint.integer(0) == 0, ErrorCode::kResource,
        "[store] the user is erased, but another process still reads the old log: erase again to clear it");
}

bool SqliteStore::is_erased(std::string_view user) const {
  const std::string hash = hash_of(user);
  const std::lock_guard lock(read_mutex_);
  Statement select = reader_.prepare("SELECT 1 FROM erased WHERE user_hash = ?");
  return select.bind_blob(1, hash).step();
}

bool SqliteStore::put_item(const CatalogueItem& item) {
  validate(item);
  const std::lock_guard lock(write_mutex_);
  Transaction transaction(writer_);
  bool fresh = false;
  {
    Statement known = writer_.prepare("SELECT 1 FROM items WHERE id = ? AND deleted = 0");
    fresh = !known.bind(1, std::string_view(item.id)).step();
  }
  Statement put =
      writer_.prepare("INSERT OR REPLACE INTO items(id, title, year, genres, extra, time_ms, deleted) VALUES(?, ?, ?, ?, ?, ?, 0)");
  put.bind(1, std::string_view(item.id)).bind(2, std::string_view(item.title));
  put.bind(3, item.year ? std::optional<double>(*item.year) : std::nullopt);
  put.bind(4, encode_list(item.genres)).bind(5, encode_map(item.extra)).bind(6, now_ms());
  put.run();
  transaction.commit();
  return fresh;
}

bool SqliteStore::delete_item(std::string_view id) {
  check(!id.empty() && id.size() <= kMaxIdBytes, ErrorCode::kInvalidArgument, "[store] item id has ", id.size(), " bytes, expected 1 to ",
        kMaxIdBytes);
  const std::lock_guard lock(write_mutex_);
  Transaction transaction(writer_);
  bool marked = false;
  {
    Statement known = writer_.prepare("SELECT 1 FROM items WHERE id = ? AND deleted = 1");
    marked = known.bind(1, id).step();
  }
  Statement put = writer_.prepare(
      "INSERT OR REPLACE INTO items(id, title, year, genres, extra, time_ms, deleted) VALUES(?, '', NULL, '[]', '{}', ?, 1)");
  put.bind(1, id).bind(2, now_ms()).run();
  transaction.commit();
  return !marked;
}

std::optional<CatalogueItem> SqliteStore::get_item(std::string_view id) const {
  const std::lock_guard lock(read_mutex_);
  Statement select = reader_.prepare("SELECT id, title, year, genres, extra, time_ms, deleted FROM items WHERE id = ?");
  if (!select.bind(1, id).step()) return std::nullopt;
  return item_of(select);
}

std::vector<CatalogueItem> SqliteStore::items() const {
  const std::lock_guard lock(read_mutex_);
  Statement select = reader_.prepare("SELECT id, title, year, genres, extra, time_ms, deleted FROM items ORDER BY id");
  std::vector<CatalogueItem> out;
  while (select.step()) out.push_back(item_of(select));
  return out;
}

void SqliteStore::check_integrity() const {
  const std::lock_guard lock(read_mutex_);
  const std::string result = reader_.query_text("PRAGMA integrity_check(1)");
  check(result == "ok", ErrorCode::kCorruptData, "[store] integrity check: ", result);
}

}  // namespace

std::unique_ptr<EventStore> open_sqlite_store(const Path& path, const SqliteOptions& options) {
  return with_context([&] { return cat("opening store ", path.string()); },
                      [&]() -> std::unique_ptr<EventStore> {
                        const Path folder = path.has_parent_path() ? path.parent_path() : Path(".");
                        std::error_code error;
                        std::filesystem::create_directories(folder, error);
                        check(std::filesystem::is_directory(folder), ErrorCode::kIo, "[store] cannot create folder ", folder.string(), ": ",
                              error.message());
                        auto out = std::make_unique<SqliteStore>(path, options);
                        sync_folder(folder);  // the file's name survives power loss too
                        return out;
                      });
}

}  // namespace attune::store
