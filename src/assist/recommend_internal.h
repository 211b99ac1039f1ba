// What a RecommendService holds, shared by its source files.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <unordered_map>

#include "assist/catalogue_internal.h"
#include "assist/recommend.h"
#include "people/bandits/uncertain_model.h"
#include "people/bandits/user_mood.h"
#include "people/critique_profile.h"
#include "people/recommender.h"
#include "people/taste.h"

namespace attune::assist {

/// A user as recommendations need one. Immutable once made.
struct UserState {
  std::optional<people::UserIndex> learned;  ///< not for erased users
  std::vector<people::RatedItem> ratings;  ///< learned items only
  people::UserVector folded;  ///< from the ratings alone
  people::UserVector vector;  ///< after the critiques
  std::vector<people::StoredCritique> critiques;  ///< in force
  std::vector<people::ItemIndex> dismissed;
  std::set<std::string, std::less<>> rated_added;  ///< rated items without factors
  std::set<std::string, std::less<>> dismissed_added;
  people::Taste taste;
  people::MoodBelief mood;  ///< empty without moods
  int64_t last_event = 0;  ///< sequence of the newest event it was made from; 0 = none
};

struct RecommendService::State {
  std::shared_ptr<const people::Recommender> recommender;
  std::shared_ptr<store::EventStore> store;
  std::shared_ptr<Explainer> explainer;
  std::unique_ptr<const people::CritiqueProfile> profile;  ///< null: no attributes
  std::string no_attributes;  ///< why
  std::shared_ptr<const people::RecommenderBandit> bandit;  ///< null: no moods
  std::shared_ptr<const people::UncertainModel> uncertain;  ///< the bandit's model and prior
  std::string no_moods;  ///< why
  Catalogue catalogue;

  std::mutex cache_mutex;
  std::unordered_map<std::string, std::shared_ptr<const UserState>> cache;
  uint64_t generation = 0;  ///< rises with every change of a user; what was read before a change is not kept

  std::atomic<int64_t> from_model{0};
  std::atomic<int64_t> from_template{0};

  State(std::shared_ptr<const people::Recommender> r, std::shared_ptr<store::EventStore> s, std::shared_ptr<Explainer> e,
        std::shared_ptr<const people::LearnedAttributes> attributes, std::shared_ptr<const people::RecommenderBandit> moods);

  std::optional<people::UserIndex> learned_user(std::string_view user) const;
  /// kNotFound for a user of whom nothing is known, unless `may_be_new`. Another process may have written to the store meanwhile: a state that
  /// lacks the user's newest event is made again.
  std::shared_ptr<const UserState> user(const std::string& user, bool may_be_new = false);
  std::vector<store::Event> events_of(std::string_view user, const store::EventQuery& query = {}) const;
  store::EventStore& writable() const;
  void forget(const std::string& user);
  std::shared_ptr<const UserState> make_user(const std::string& user, bool may_be_new) const;
  int64_t newest_event(std::string_view user) const;

  struct Ranked {
    std::string item;
    double score = 0;
  };
  std::vector<Ranked> rank(const UserState& user, int k, bool exclude_seen) const { return rank(user, user.vector, k, exclude_seen); }
  /// With another vector than the user's own.
  std::vector<Ranked> rank(const UserState& user, const people::UserVector& vector, int k, bool exclude_seen) const;
  std::vector<Ranked> rank_added(const UserState& user, const people::UserVector& vector, bool exclude_seen) const;
  /// Ranked items with what the catalogue says; deleted ones are left out.
  std::vector<RecommendedItem> described(const std::vector<Ranked>& ranked) const;
  void explain(RecommendReply& reply, const RecommendCall& call, const UserState& user, const RecommendCallbacks& callbacks,
               std::stop_token stop);

  /// Mean degree of the user's list after each critique of the word's attribute, with all else as it is now.
  std::vector<TrajectoryStep> trajectory(const UserState& user, const people::WordMeaning& word, int k) const;

  /// kFailedPrecondition saying what to run.
  const people::RecommenderBandit& moods() const;
  /// The list of a latent policy, its decision appended to the log.
  std::vector<Ranked> decide(const RecommendCall& call, const UserState& user, ListDecision& decision) const;
  struct Lists;
  Lists latent_lists(const UserState& user, std::span<const double> p, int k, bool exclude_seen) const;
  std::vector<double> list_means(const std::vector<Ranked>& list) const;
  std::vector<Ranked> personal_list(const UserState& user, int k, bool exclude_seen, double rounds, ListDecision& decision) const;

  /// kFailedPrecondition saying what to run.
  const people::CritiqueProfile& critic() const;
};

}  // namespace attune::assist
