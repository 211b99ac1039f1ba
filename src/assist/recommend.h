// The use cases of recommendation without HTTP: lists with reasons, feedback, the catalogue, users and their taste.
//
// A RecommendService joins a learned recommender (people/), the event store (store/) and, if given, an Explainer that lets a language model
// write the reasons (assist/explain.h). Without one every reason comes from a template. Users and items have opaque string ids.
//
// What a user is made of: the ratings learned from (unless the user was erased) overlaid with the rating events of the store; dismissed
// items are never recommended. The folded-in vector is cached per user and dropped by feedback and erasure.
// The catalogue is the learned one overlaid with the store's rows: a row replaces title, year, genres; a deletion mark hides an item; a row
// of an unknown id adds an item. An added item has no factors: it is ranked by its cold-start score (docs/methods/reasons.md, "Added
// items"): the mean score of the learned items weighted by how many genres they share with it; without any shared genre the mean over all.
//
// Errors: kNotFound (user or item), kInvalidArgument (a field outside its limits, named), and the store's own. All functions are
// thread-safe; none holds a lock while a model or the disk works, so readers are not held up by writers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "assist/because.h"
#include "assist/critique.h"
#include "assist/moods.h"
#include "core/file.h"
#include "store/event_store.h"

namespace attune::people {
class LearnedAttributes;
class Recommender;
class RecommenderBandit;
}  // namespace attune::people

namespace attune::assist {

class Explainer;

struct RecommendReply {
  std::string user;
  std::string model;  ///< version of the learned recommender
  std::vector<RecommendedItem> items;
  BecauseShare because_share;
  std::string policy;  ///< that chose the list
  std::optional<ListDecision> decision;  ///< of a latent policy
};

struct RecommendCall {
  std::string user;
  int k = 10;  ///< 1 to 1,000 (with reasons: 1 to 50)
  bool because = false;
  bool exclude_seen = true;  ///< leave out what the user rated
  uint64_t seed = 0;  ///< of the written reasons: same seed, model and user give the same sentences
  std::string policy =
      "vector";  ///< vector = the user's own vector; greedy, latent_ts, latent_ids, latent_ucb (people/bandits/list_policy.h),
      ///< latent_mmts = a draw of state and personal vector together
  std::optional<uint64_t> draw_seed;  ///< of a latent policy's choice; nullopt: a fresh one
};

/// Called on the thread that works (the caller of recommend), never two at a time.
struct RecommendCallbacks {
  std::function<void(const RecommendReply& reply)> on_items;  ///< once, before any reason
  std::function<void(std::string_view item, std::string_view text)> on_delta;  ///< more text of a provisional reason
  std::function<void(std::string_view item, std::string_view because, BecauseSource)> on_because;  ///< once an item, final
};

struct Feedback {
  std::string user;
  std::string item;
  std::string kind;  ///< "rating" or "dismiss"
  std::optional<double> value;  ///< rating: 1 to 5; dismiss: none
  std::string event_id;  ///< empty: the store makes one
  int64_t time_ms = 0;  ///< Unix time; 0: now
};

struct FeedbackReply {
  std::string event_id;
  bool duplicate = false;  ///< this event was there already; nothing was written
};

/// A catalogue item as it is now.
struct CatalogueEntry {
  std::string id;
  std::string title;  ///< as people write it
  std::string catalogue_title;
  std::optional<int> year;
  std::vector<std::string> genres;
  std::map<std::string, std::string> extra;
  bool learned = false;  ///< has learned factors
  bool overridden = false;  ///< the store has a row for it
  int64_t popularity = 0;  ///< ratings it was learned from
};

struct RatingRecord {
  std::string item;
  std::string title;
  double value = 0;
  int64_t time_ms = 0;  ///< 0: learned from, time not kept
};

struct UserProfile {
  std::string user;
  int64_t num_ratings = 0;
  std::vector<RatingRecord> ratings;  ///< newest first, at most 50: those of the store, then those learned from
  std::vector<std::string> likes;  ///< genres
  std::vector<std::string> dislikes;  ///< genres
  std::vector<std::string> favourites;  ///< titles as people write them
};

class RecommendService {
 public:
  /// `recommender` must be given. Without a `store` nothing is remembered: only the learned users and items are there, and functions that
  /// write throw kFailedPrecondition. `explainer` may be null.
  RecommendService(std::shared_ptr<const people::Recommender> recommender, std::shared_ptr<store::EventStore> store,
                   std::shared_ptr<Explainer> explainer = nullptr, std::shared_ptr<const people::LearnedAttributes> attributes = nullptr,
                   std::shared_ptr<const people::RecommenderBandit> bandit = nullptr);
  /// Loads the learned recommender from its folder, and its attributes and moods if they can be used (`attributes_problem` and `moods_problem`
  /// say why not). Throws
  /// kNotFound, kCorruptData, kUnsupported.
  static std::unique_ptr<RecommendService> open(const Path& recommender_folder, std::shared_ptr<store::EventStore> store,
                                                std::shared_ptr<Explainer> explainer = nullptr);
  ~RecommendService();

  /// The k best items, with reasons if asked. A latent policy's decision is in the log, durable, before it is returned; such a policy without
  /// moods is kFailedPrecondition. kNotFound for a user who is neither learned nor in the store. `stop` ends the writing of
  /// reasons early with kCancelled. Cost: one fold-in (cached) and a score an item; reasons take seconds.
  RecommendReply recommend(const RecommendCall& call, const RecommendCallbacks& callbacks = {}, std::stop_token stop = {});

  /// Durable when it returns. kNotFound for an unknown item, kInvalidArgument for kind, value or ids outside their limits.
  FeedbackReply feedback(const Feedback& feedback);

  /// nullopt: no such item, or deleted.
  std::optional<CatalogueEntry> item(std::string_view id) const;
  /// Inserts or replaces, durable. Returns true if the item is new. kInvalidArgument naming the field: empty title, year outside
  /// [1870, 2100], more than 32 genres, text with control characters or longer than the limits in store/event_store.h.
  bool put_item(const CatalogueEntry& item);
  /// False: no such item.
  bool delete_item(std::string_view id);
  /// Items whose title contains every word of `query` (case and accents folded), most popular first; all for an empty query.
  /// limit 1 to 1,000. O(catalogue).
  std::vector<CatalogueEntry> search_items(std::string_view query, int limit) const;
  int64_t num_items() const;

  bool has_user(std::string_view user) const;
  /// Ids that contain `query`, learned users (in numeric or alphabetic order) and store users together. limit 1 to 1,000.
  std::vector<std::string> users(std::string_view query, int limit) const;
  /// kNotFound.
  UserProfile profile(std::string_view user) const;
  /// Removes the user's events for good and excludes the id from the learned users. False: no such user.
  bool erase_user(std::string_view user);
  /// Everything kept about a user, JSON lines. kNotFound.
  std::string export_user(std::string_view user) const;

  // ---- what people mean by their words (assist/critique.h) ----

  /// Why there are no attributes; empty if there are. Without them the functions below throw kFailedPrecondition with this text, and lists do
  /// not know of critiques.
  std::string attributes_problem() const;
  /// All attributes, the strongest items of each sense. `user` (may be empty): says which sense is theirs.
  AttributeList attributes(std::string_view user = {}) const;
  /// One with longer lists and histograms. kNotFound naming close names.
  AttributeInfo attribute(std::string_view name) const;
  /// Degrees of an item, strongest first; empty for an item without factors. kNotFound. `user` as above.
  ItemAttributes item_attributes(std::string_view item, std::string_view user = {}) const;
  /// What the user's profile wants more or less of than the average user, and what they said. kNotFound (user).
  UserAttributes user_attributes(std::string_view user) const;
  /// Stores the critique, durable when it returns, and ranks anew. Somebody new becomes a user by it. kNotFound (attribute, item),
  /// kInvalidArgument (a field outside its limits). `stop` ends the writing of reasons; the critique stays.
  CritiqueReply critique(const CritiqueCall& call, std::stop_token stop = {});
  /// The user's list now, with the degrees of a word; as `critique` would show it before. kNotFound (user, attribute).
  CritiqueList critique_list(std::string_view user, std::string_view attribute, int k) const;
  /// Takes a critique back, durable when it returns. kNotFound: no such critique of this user.
  UndoReply undo_critique(std::string_view user, std::string_view event_id);

  // ---- what people are in the mood for (assist/moods.h) ----

  /// Why there are no moods; empty if there are. Without them the functions below throw kFailedPrecondition with this text.
  std::string moods_problem() const;
  /// All states with their typical items and genres.
  MoodList moods() const;
  /// P(state) now [Z]: a replay of what the user did (people/bandits/user_mood.h). Somebody unknown is believed to be anybody.
  std::vector<double> belief(std::string_view user) const;
  /// The same, how it came about (the last `limit` steps, 0 to 1,000), and how well the model fits. kNotFound (user).
  UserMood user_mood(std::string_view user, int limit) const;

  /// Version of the learned recommender.
  const std::string& model_version() const noexcept;
  /// Since the start, for metrics.
  BecauseShare because_totals() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::assist
