// The event log and the catalogue overlay behind one interface: SQLite embedded (sqlite_store.h); a server database can implement the same.
//
// One log holds everything that people did: ratings, dismissals, critiques, choices, chats. Everything learned online can be rebuilt
// from it.
// Acknowledged means durable: a call that returned has reached the disk (it survives kill -9 and power loss). A call that threw has left
// nothing behind. An event has a unique id, so a client may send it again safely. All functions are thread-safe.
// Errors: kInvalidArgument (a field outside its limits, named), kNotFound, kResource (disk full, or locked by another process for too
// long: trying again may succeed), kIo (the operating system refused), kCorruptData (the database is damaged), kUnsupported (written by a
// newer version). Format: docs/formats/store.md.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::store {

/// Limits of what is stored, checked by every implementation. Bytes.
inline constexpr size_t kMaxIdBytes = 256;
inline constexpr size_t kMaxKindBytes = 64;
inline constexpr size_t kMaxPayloadBytes = size_t{1} << 20;
inline constexpr size_t kMaxTitleBytes = 1024;
inline constexpr size_t kMaxGenres = 64;

/// Kinds that the system itself reads. Any other kind is stored and exported as it is.
inline constexpr std::string_view kRating = "rating";  ///< value = rating
inline constexpr std::string_view kDismiss = "dismiss";  ///< "not for me"; no value
inline constexpr std::string_view kCritique = "critique";  ///< payload says which attribute and sign
inline constexpr std::string_view kUndo = "undo";  ///< payload {"event": id}: that critique of the same user no longer counts
inline constexpr std::string_view kDecision = "decision";  ///< payload: a list that a latent policy showed (people/bandits/decision_event.h)
inline constexpr std::string_view kChoice = "choice";
inline constexpr std::string_view kChat = "chat";

struct Event {
  std::string event_id;  ///< unique in the log; empty on append: the store makes one
  std::string user;  ///< opaque, not empty
  std::string kind;  ///< not empty
  std::string item;  ///< opaque; empty if the event is about no item
  std::optional<double> value;  ///< finite
  int64_t time_ms = 0;  ///< Unix time; 0 on append: the store takes the clock
  std::string payload;  ///< one JSON object, or empty
  int64_t sequence = 0;  ///< place in the log, rising; set by the store
};

struct AppendResult {
  std::string event_id;
  int64_t sequence = 0;
  bool duplicate = false;  ///< this id was there already with the same user, kind and item; nothing was written
};

/// An item put over the learned catalogue, or the mark that one was taken away.
struct CatalogueItem {
  std::string id;
  std::string title;
  std::optional<int> year;
  std::vector<std::string> genres;
  std::map<std::string, std::string> extra;  ///< other fields, as text
  int64_t time_ms = 0;  ///< last change; set by the store
  bool deleted = false;  ///< hides a learned item of this id
};

struct UserQuery {
  std::string contains;  ///< part of the id, case-sensitive; empty = all
  int limit = 50;  ///< 1 to 10,000
};

struct EventQuery {
  std::string kind;  ///< empty = all kinds
  int64_t limit = std::numeric_limits<int64_t>::max();
  bool newest_first = false;
};

class EventStore {
 public:
  virtual ~EventStore() = default;

  /// Durable when it returns. An event_id that exists with another user, kind or item is kInvalidArgument.
  virtual AppendResult append(const Event& event) = 0;
  /// All or none, one disk synchronisation for the whole list.
  virtual std::vector<AppendResult> append_all(const std::vector<Event>& events) = 0;

  /// Events of one user in log order (or newest first). No such user: empty.
  virtual std::vector<Event> user_events(std::string_view user, const EventQuery& query = {}) const = 0;
  /// Calls `visit` for every event with sequence > `after`, in log order, until it returns false. Reads in pages: writers are not held up.
  virtual void for_each_event(int64_t after, const std::function<bool(const Event&)>& visit) const = 0;
  virtual int64_t num_events() const = 0;
  virtual bool has_user(std::string_view user) const = 0;
  /// Ids that have events, sorted.
  virtual std::vector<std::string> users(const UserQuery& query = {}) const = 0;

  /// Everything that is kept about a user: JSON lines, one event each, in log order. Empty if there is none.
  virtual std::string export_user(std::string_view user) const = 0;
  /// Removes the user's events so that no byte of them is left in the database files, and remembers that the id was erased by a salted
  /// hash only (`is_erased`). Returns the number of events removed. Costs a rewrite of the database file.
  virtual int64_t erase_user(std::string_view user) = 0;
  /// Whether `erase_user` was called for this id: what was learned from the user before must not be used any more.
  virtual bool is_erased(std::string_view user) const = 0;

  /// Inserts or replaces; clears a deletion mark. Returns true if the id was not there (or was deleted).
  virtual bool put_item(const CatalogueItem& item) = 0;
  /// Leaves a deletion mark. Returns false if the mark was there already.
  virtual bool delete_item(std::string_view id) = 0;
  /// nullopt if the store has no row of this id. A deletion mark is returned with `deleted` set.
  virtual std::optional<CatalogueItem> get_item(std::string_view id) const = 0;
  /// All rows, deletion marks included, sorted by id.
  virtual std::vector<CatalogueItem> items() const = 0;

  /// Throws kCorruptData naming the first defect. Reads the whole database.
  virtual void check_integrity() const = 0;
};

/// Throws kInvalidArgument naming the field unless the event keeps the limits above.
void validate(const Event& event);
void validate(const CatalogueItem& item);

}  // namespace attune::store
