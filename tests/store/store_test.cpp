// The event store: what was written comes back, limits, migrations, damage, full disks, several threads and processes.
#include "store/sqlite_store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cmath>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include "core/error.h"
#include "core/rng.h"
#include "tests/temp_folder.h"

namespace attune::store {
namespace {

class StoreTest : public ::testing::Test {
 protected:
  Path path() const { return folder_ / "attune.db"; }

  void raw(const char* sql) const {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path().c_str(), &db), SQLITE_OK);
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, &message), SQLITE_OK) << (message != nullptr ? message : "");
    sqlite3_close(db);
  }
  const test::TempFolder temp_{"store"};
  const Path folder_ = temp_.path();
};

Event rating(std::string user, std::string item, double value, std::string id = {}) {
  Event out;
  out.event_id = std::move(id);
  out.user = std::move(user);
  out.kind = kRating;
  out.item = std::move(item);
  out.value = value;
  return out;
}

/// The code of the Error that `body` throws.
template <class Body>
std::optional<ErrorCode> code_of(Body body, std::string* message = nullptr) {
  try {
    body();
  } catch (const Error& error) {
    if (message != nullptr) *message = error.what();
    return error.code();
  }
  return std::nullopt;
}

TEST_F(StoreTest, EventsComeBackInOrder) {
  auto store = open_sqlite_store(path());
  Event critique = rating("ann", "7", 1);
  critique.kind = kCritique;
  critique.value.reset();
  critique.payload = R"({"attribute":"gory","sign":-1})";
  critique.time_ms = 1700000000123;
  const auto a = store->append(rating("ann", "5", 4.5));
  const auto b = store->append(critique);
  store->append(rating("bob", "5", 2));
  EXPECT_FALSE(a.duplicate);
  EXPECT_EQ(a.event_id.size(), 32u);
  EXPECT_LT(a.sequence, b.sequence);

  const auto events = store->user_events("ann");
  ASSERT_EQ(events.size(), 2u);
  EXPECT_EQ(events[0].item, "5");
  EXPECT_EQ(events[0].value, 4.5);
  EXPECT_GT(events[0].time_ms, 1600000000000);
  EXPECT_EQ(events[1].payload, critique.payload);
  EXPECT_EQ(events[1].value, std::nullopt);
  EXPECT_EQ(events[1].time_ms, 1700000000123);
  EXPECT_EQ(store->user_events("ann", {.kind = "rating"}).size(), 1u);
  EXPECT_EQ(store->user_events("ann", {.limit = 1, .newest_first = true})[0].kind, "critique");
  EXPECT_TRUE(store->user_events("nobody").empty());
  EXPECT_TRUE(store->has_user("bob"));
  EXPECT_FALSE(store->has_user("nobody"));
  EXPECT_EQ(store->num_events(), 3);
  EXPECT_EQ(store->users(), (std::vector<std::string>{"ann", "bob"}));
  EXPECT_EQ(store->users({.contains = "o"}), (std::vector<std::string>{"bob"}));
  store->check_integrity();
}

TEST_F(StoreTest, SurvivesReopening) {
  open_sqlite_store(path())->append(rating("ann", "5", 4));
  auto store = open_sqlite_store(path());
  EXPECT_EQ(store->user_events("ann").size(), 1u);
}

TEST_F(StoreTest, SameEventIdIsWrittenOnce) {
  auto store = open_sqlite_store(path());
  const auto first = store->append(rating("ann", "5", 4, "e1"));
  const auto again = store->append(rating("ann", "5", 4, "e1"));
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(again.sequence, first.sequence);
  EXPECT_EQ(store->num_events(), 1);
  EXPECT_EQ(code_of([&] { store->append(rating("bob", "5", 4, "e1")); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(store->num_events(), 1);
}

TEST_F(StoreTest, AListIsAllOrNothing) {
  auto store = open_sqlite_store(path());
  store->append(rating("ann", "5", 4, "taken"));
  EXPECT_EQ(code_of([&] { store->append_all({rating("bob", "1", 1, "x"), rating("bob", "2", 1, "taken")}); }), ErrorCode::kInvalidArgument);
  EXPECT_FALSE(store->has_user("bob"));
  EXPECT_EQ(store->append_all({rating("bob", "1", 1, "x"), rating("bob", "2", 1, "y")}).size(), 2u);
  EXPECT_TRUE(store->append_all({}).empty());
}

TEST_F(StoreTest, HostileTextIsKeptAsIs) {
  auto store = open_sqlite_store(path());
  const std::string user = "x'; DROP TABLE events; --\"%_é";
  store->append(rating(user, "'); DELETE FROM events", 1));
  EXPECT_EQ(store->user_events(user).size(), 1u);
  EXPECT_EQ(store->users({.contains = "%_"}), (std::vector<std::string>{user}));
  EXPECT_TRUE(store->users({.contains = "_%"}).empty());  // no pattern matching
}

TEST_F(StoreTest, BadEventsAreRefusedByField) {
  auto store = open_sqlite_store(path());
  struct Case {
    const char* field;
    Event event;
  };
  std::vector<Case> cases;
  const auto with = [&](const char* field, auto change) {
    Event event = rating("ann", "5", 4);
    change(event);
    cases.push_back({field, event});
  };
  with("user", [](Event& e) { e.user = ""; });
  with("user", [](Event& e) { e.user = std::string(257, 'a'); });
  with("user", [](Event& e) { e.user = std::string("a\0b", 3); });
  with("user", [](Event& e) { e.user = "a\nb"; });
  with("user", [](Event& e) { e.user = "\xff"; });
  with("kind", [](Event& e) { e.kind = ""; });
  with("kind", [](Event& e) { e.kind = std::string(65, 'a'); });
  with("item", [](Event& e) { e.item = std::string(257, 'a'); });
  with("event_id", [](Event& e) { e.event_id = std::string(257, 'a'); });
  with("value", [](Event& e) { e.value = NAN; });
  with("value", [](Event& e) { e.value = INFINITY; });
  with("time_ms", [](Event& e) { e.time_ms = -1; });
  with("payload", [](Event& e) { e.payload = "[1]"; });
  with("payload", [](Event& e) { e.payload = "{"; });
  with("payload", [](Event& e) { e.payload = "{} {}"; });
  with("payload", [](Event& e) { e.payload = std::string((1 << 20) + 1, ' '); });
  with("payload", [](Event& e) { e.payload = "{\"a\":\"\xff\"}"; });
  for (const auto& c : cases) {
    std::string message;
    EXPECT_EQ(code_of([&] { store->append(c.event); }, &message), ErrorCode::kInvalidArgument) << c.field;
    EXPECT_NE(message.find(c.field), std::string::npos) << message;
  }
  EXPECT_EQ(store->num_events(), 0);
  EXPECT_EQ(code_of([&] { store->users({.limit = 0}); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { store->users({.limit = 10001}); }), ErrorCode::kInvalidArgument);
}

TEST_F(StoreTest, PagesThroughTheLog) {
  auto store = open_sqlite_store(path());
  std::vector<Event> events;
  for (int n = 0; n < 2500; ++n) events.push_back(rating(cat("u", n % 7), cat(n), 3));
  store->append_all(events);
  int64_t count = 0;
  int64_t last = 0;
  store->for_each_event(0, [&](const Event& event) {
    EXPECT_GT(event.sequence, last);
    last = event.sequence;
    return ++count < 2100;
  });
  EXPECT_EQ(count, 2100);
  count = 0;
  store->for_each_event(last, [&](const Event&) { return ++count > 0; });
  EXPECT_EQ(count, 400);
}

TEST_F(StoreTest, CatalogueOverlay) {
  auto store = open_sqlite_store(path());
  CatalogueItem item;
  item.id = "x1";
  item.title = "Third Man, The";
  item.year = 1949;
  item.genres = {"Film-Noir", "Mystery"};
  item.extra = {{"country", "GB"}};
  EXPECT_TRUE(store->put_item(item));
  item.year = 1950;
  EXPECT_FALSE(store->put_item(item));
  const auto back = store->get_item("x1");
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->title, item.title);
  EXPECT_EQ(back->year, 1950);
  EXPECT_EQ(back->genres, item.genres);
  EXPECT_EQ(back->extra, item.extra);
  EXPECT_FALSE(back->deleted);
  EXPECT_TRUE(store->delete_item("x1"));
  EXPECT_FALSE(store->delete_item("x1"));
  EXPECT_TRUE(store->get_item("x1")->deleted);
  EXPECT_TRUE(store->get_item("x1")->title.empty());
  EXPECT_TRUE(store->delete_item("learned"));  // hides an item of the learned catalogue
  EXPECT_EQ(store->items().size(), 2u);
  EXPECT_TRUE(store->put_item(item));
  EXPECT_EQ(store->get_item("none"), std::nullopt);

  item.title = "";
  EXPECT_EQ(code_of([&] { store->put_item(item); }), ErrorCode::kInvalidArgument);
  item.title = std::string(1025, 'a');
  EXPECT_EQ(code_of([&] { store->put_item(item); }), ErrorCode::kInvalidArgument);
  item.title = "t";
  item.year = 10000;
  EXPECT_EQ(code_of([&] { store->put_item(item); }), ErrorCode::kInvalidArgument);
  item.year = 2000;
  item.genres.assign(65, "g");
  EXPECT_EQ(code_of([&] { store->put_item(item); }), ErrorCode::kInvalidArgument);
  item.genres = {"a\nb"};
  EXPECT_EQ(code_of([&] { store->put_item(item); }), ErrorCode::kInvalidArgument);
  item.genres.clear();
  item.id = "";
  EXPECT_EQ(code_of([&] { store->put_item(item); }), ErrorCode::kInvalidArgument);
  EXPECT_EQ(code_of([&] { store->delete_item(""); }), ErrorCode::kInvalidArgument);
}

std::string all_bytes(const Path& folder) {
  std::string out;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) out += read_file(entry.path());
  return out;
}

TEST_F(StoreTest, ErasedMeansNoByteIsLeft) {
  auto store = open_sqlite_store(path());
  const std::string secret = "zebra-quartz-7731";
  std::vector<Event> events;
  for (int n = 0; n < 400; ++n) {
    Event event = rating(n % 2 == 0 ? cat("user-", secret) : "other", cat(n), 3);
    event.event_id = cat(event.user, "-", n);
    if (n % 2 == 0) event.payload = cat("{\"note\":\"", secret, "-note-", std::string(200, 'x'), "\"}");
    events.push_back(event);
  }
  store->append_all(events);
  ASSERT_NE(all_bytes(folder_).find(secret), std::string::npos);
  ASSERT_NE(store->export_user("user-" + secret).find("-note-"), std::string::npos);
  EXPECT_FALSE(store->is_erased("user-" + secret));
  EXPECT_EQ(store->erase_user("user-" + secret), 200);
  EXPECT_EQ(all_bytes(folder_).find(secret), std::string::npos);  // while open: database, log and index
  EXPECT_TRUE(store->is_erased("user-" + secret));
  EXPECT_FALSE(store->is_erased("other"));
  EXPECT_EQ(store->export_user("user-" + secret), "");
  EXPECT_EQ(store->user_events("other").size(), 200u);
  EXPECT_EQ(store->erase_user("user-" + secret), 0);
  store->check_integrity();
  store.reset();
  EXPECT_EQ(all_bytes(folder_).find(secret), std::string::npos);
  store = open_sqlite_store(path());
  EXPECT_TRUE(store->is_erased("user-" + secret));
  store->append(rating("user-" + secret, "1", 2));  // the person may come back; what was learned before stays excluded
  EXPECT_TRUE(store->has_user("user-" + secret));
  EXPECT_TRUE(store->is_erased("user-" + secret));
}

TEST_F(StoreTest, ExportIsJsonLines) {
  auto store = open_sqlite_store(path());
  Event event = rating("ann", "5", 4, "e1");
  event.payload = R"({"a":[1,"ü"]})";
  event.time_ms = 12;
  store->append(event);
  event.event_id = "e2";
  event.kind = "chat";
  event.item = "";
  event.value.reset();
  event.payload = "";
  store->append(event);
  EXPECT_EQ(
      store->export_user("ann"),
      "{\"event_id\":\"e1\",\"user\":\"ann\",\"kind\":\"rating\",\"item\":\"5\",\"value\":4.0,\"time_ms\":12,"
      "\"payload\":{\"a\":[1,\"ü\"]},\"sequence\":1}\n"
      "{\"event_id\":\"e2\",\"user\":\"ann\",\"kind\":\"chat\",\"item\":null,\"value\":null,\"time_ms\":12,\"payload\":null,\"sequence\":2}\n");
}

// The file as version 1 wrote it, by its own SQL.
TEST_F(StoreTest, FirstSchemaIsMigrated) {
  raw("PRAGMA application_id=1096045646;"
      "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID; INSERT INTO meta VALUES('schema_version', 1);"
      "CREATE TABLE events(sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL UNIQUE, user TEXT NOT NULL, kind TEXT NOT NULL,"
      " item TEXT NOT NULL, value REAL, time_ms INTEGER NOT NULL, payload TEXT NOT NULL);"
      "CREATE INDEX events_by_user ON events(user, sequence);"
      "INSERT INTO events(event_id, user, kind, item, value, time_ms, payload) VALUES('old', 'ann', 'rating', '5', 4, 99, '');");
  {
    auto store = open_sqlite_store(path());
    const auto events = store->user_events("ann");
    ASSERT_EQ(events.size(), 1u);
    EXPECT_EQ(events[0].event_id, "old");
    CatalogueItem item;
    item.id = item.title = "x";
    store->put_item(item);
    store->erase_user("nobody");
    EXPECT_TRUE(store->is_erased("nobody"));
  }
  auto store = open_sqlite_store(path());
  EXPECT_EQ(store->items().size(), 1u);
  EXPECT_TRUE(store->is_erased("nobody"));
}

TEST_F(StoreTest, NewerSchemaIsRefusedByNameAndLeftAlone) {
  open_sqlite_store(path())->append(rating("ann", "5", 4));
  raw("UPDATE meta SET value = 3 WHERE key = 'schema_version'");
  std::string message;
  EXPECT_EQ(code_of([&] { open_sqlite_store(path()); }, &message), ErrorCode::kUnsupported);
  EXPECT_NE(message.find("schema version 3"), std::string::npos) << message;
  EXPECT_NE(message.find("up to 2"), std::string::npos) << message;
  raw("UPDATE meta SET value = 2 WHERE key = 'schema_version'");
  EXPECT_EQ(open_sqlite_store(path())->user_events("ann").size(), 1u);
}

TEST_F(StoreTest, OtherFilesAreRefused) {
  raw("CREATE TABLE notes(x)");
  EXPECT_EQ(code_of([&] { open_sqlite_store(path()); }), ErrorCode::kUnsupported);
  std::filesystem::remove(path());
  std::ofstream(path()) << std::string(5000, 'n');
  EXPECT_EQ(code_of([&] { open_sqlite_store(path()); }), ErrorCode::kCorruptData);
  std::filesystem::remove(path());
  std::filesystem::create_directory(path());
  EXPECT_EQ(code_of([&] { open_sqlite_store(path()); }), ErrorCode::kIo);
  EXPECT_EQ(code_of([&] { open_sqlite_store("/dev/null/x/attune.db"); }), ErrorCode::kIo);
}

TEST_F(StoreTest, DamageIsNamed) {
  {
    auto store = open_sqlite_store(path());
    std::vector<Event> events;
    for (int n = 0; n < 2000; ++n) events.push_back(rating(cat("user", n), cat(n), 3));
    store->append_all(events);
  }
  open_sqlite_store(path())->check_integrity();
  std::fstream file(path(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(5 * 4096);
  file << std::string(3 * 4096, '\x5a');
  file.close();
  std::string message;
  const auto code = code_of([&] { open_sqlite_store(path())->check_integrity(); }, &message);
  EXPECT_EQ(code, ErrorCode::kCorruptData) << message;
}

TEST_F(StoreTest, SizeLimitIsAResourceErrorAndReadingGoesOn) {
  auto store = open_sqlite_store(path(), {.max_bytes = 200 << 10});
  int64_t written = 0;
  std::string message;
  const auto code = code_of(
      [&] {
        for (int n = 0; n < 10000; ++n) {
          Event event = rating("ann", cat(n), 3);
          event.payload = cat("{\"x\":\"", std::string(500, 'y'), "\"}");
          store->append(event);
          ++written;
        }
      },
      &message);
  EXPECT_EQ(code, ErrorCode::kResource) << message;
  EXPECT_GT(written, 10);
  EXPECT_EQ(store->num_events(), written);  // the refused one left nothing
  store->check_integrity();
  EXPECT_EQ(static_cast<int64_t>(store->user_events("ann").size()), written);
}

// Writes beyond a file-size limit of the operating system fail (as on a full disk); afterwards the store works again.
TEST_F(StoreTest, FailingDiskIsNamedAndRecovers) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    int verdict = 1;
    try {
      auto store = open_sqlite_store(path());
      store->append(rating("ann", "0", 3));
      const rlimit tight{64 << 10, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &tight);
      int64_t written = 1;
      std::optional<ErrorCode> code;
      for (int n = 1; n < 2000 && !code; ++n) {
        Event event = rating("ann", cat(n), 3);
        event.payload = cat("{\"x\":\"", std::string(1000, 'y'), "\"}");
        code = code_of([&] { store->append(event); });
        written += code ? 0 : 1;
      }
      const rlimit wide{RLIM_INFINITY, RLIM_INFINITY};
      ::setrlimit(RLIMIT_FSIZE, &wide);
      const bool named = code == ErrorCode::kIo || code == ErrorCode::kResource;
      const bool kept = store->num_events() == written;
      store->append(rating("ann", "after", 3));
      store->check_integrity();
      verdict = !named ? 2 : !kept ? 3 : store->num_events() == written + 1 ? 0 : 4;
    } catch (const Error&) {
      verdict = 5;
    }
    ::_exit(verdict);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST_F(StoreTest, LockedByAnotherProcess) {
  auto store = open_sqlite_store(path(), {.busy_timeout_ms = 50});
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  std::string message;
  EXPECT_EQ(code_of([&] { store->append(rating("ann", "5", 4)); }, &message), ErrorCode::kResource);
  EXPECT_NE(message.find("50 ms"), std::string::npos) << message;
  EXPECT_EQ(store->num_events(), 0);  // reading goes on
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  store->append(rating("ann", "5", 4));
  EXPECT_EQ(store->num_events(), 1);
}

TEST_F(StoreTest, ManyThreads) {
  auto store = open_sqlite_store(path());
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 40; ++n) {
        store->append(rating(cat("user", t), cat(n), 3, cat(t, "-", n)));
        store->append(rating(cat("user", t), cat(n), 3, cat(t, "-", n)));  // again
        (void)store->user_events(cat("user", t));
        (void)store->users();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(store->num_events(), 320);
  for (int t = 0; t < 8; ++t) EXPECT_EQ(store->user_events(cat("user", t)).size(), 40u);
}

/// Writes events from four threads and reports each acknowledged id through the pipe until it is killed.
[[noreturn]] void write_until_killed(const Path& path, int pipe, int round) {
  try {
    auto store = open_sqlite_store(path);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int n = 0;; ++n) {
          char line[32] = {};
          std::snprintf(line, sizeof(line), "%d-%d-%d", round, t, n);
          store->append(rating(cat("user", t), cat(n), 3, line));
          if (::write(pipe, line, sizeof(line)) != sizeof(line)) ::_exit(3);  // a write of 32 bytes to a pipe is atomic
        }
      });
    }
    for (auto& thread : threads) thread.join();
  } catch (...) {
  }
  ::_exit(2);
}

TEST_F(StoreTest, AcknowledgedEventsSurviveKill) {
  Rng rng(1, "kill");
  std::set<std::string> acknowledged;
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      write_until_killed(path(), ends[1], round);
    }
    ::close(ends[1]);
    std::thread killer([&] {
      ::usleep(static_cast<useconds_t>(20000 + rng.below(80000)));
      ::kill(child, SIGKILL);
    });
    char line[32];
    while (::read(ends[0], line, sizeof(line)) == sizeof(line)) acknowledged.insert(line);
    killer.join();
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;

    auto store = open_sqlite_store(path());
    store->check_integrity();
    std::multiset<std::string> found;
    store->for_each_event(0, [&](const Event& event) {
      found.insert(event.event_id);
      return true;
    });
    for (const auto& id : acknowledged) ASSERT_EQ(found.count(id), 1u) << id;
  }
  EXPECT_GT(acknowledged.size(), 20u);
}

}  // namespace
}  // namespace attune::store
