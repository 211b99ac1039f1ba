// A user's vector after what they said about lists: the critiques of the event log replayed over the folded-in ratings.
//
// A "critique" event holds a CritiqueEvent as payload; an "undo" event ({"event": id}) takes one back. Critiques count in log order, each
// by the update that it was made with, over the vector of all ratings there are now. Without critiques the vector is the folded-in one, bit
// for bit. Where the update changes, the profile goes on from where it is: `pairwise` takes the mean so far as its start.
// Immutable; thread-safe. Cost of a replay: O(d) a heuristic, O(d^2) a Bayesian, O(m d) a pairwise critique; the uncertainty of the ratings
// O(ratings d^2 + d^3) once where one of the last two occurs.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "people/critique.h"
#include "people/soft_attributes.h"
#include "store/event_store.h"

namespace attune::people {

/// What a recommender's users are served with: chosen on held-out likes (docs/methods/soft_attributes.md, "In the product").
CritiqueOptions served_critique_options();

struct StoredCritique {
  std::string event_id;
  int64_t time_ms = 0;
  CritiqueEvent critique;
};

struct CritiqueLog {
  std::vector<StoredCritique> critiques;  ///< in force, in log order
  int64_t num_undone = 0;
  int64_t num_malformed = 0;  ///< "critique" events whose payload is none
};
/// Events of other kinds are passed over. O(events).
CritiqueLog critiques_in_force(std::span<const store::Event> events);

/// Payload of the event that takes `event_id` back.
std::string undo_json(std::string_view event_id);
/// The event that an "undo" event takes back; nullopt for a malformed payload.
std::optional<std::string> undone_event(const store::Event& event);

class CritiqueProfile {
 public:
  /// The options say how critiques without an update of their own count; `slate` and `max_steps` do not matter. Throws as Critiquer.
  CritiqueProfile(std::shared_ptr<const Recommender> recommender, std::shared_ptr<const LearnedAttributes> attributes,
                  CritiqueOptions options = served_critique_options());

  const LearnedAttributes& attributes() const noexcept { return *attributes_; }
  const std::string& default_update() const noexcept { return options_.update; }

  struct Result {
    UserVector vector;
    std::vector<double> covariance;  ///< [d, d] if a critique needed it, else empty
    int32_t num_applied = 0;
    int32_t num_skipped = 0;  ///< words that are not known (any more), pairs without a list
  };
  /// Called after each critique that counted: its place in the list, the word as this user means it, the vector now.
  using Visit = std::function<void(size_t place, const WordMeaning& meaning, const UserVector& vector)>;
  /// `folded` = Recommender::fold_in(ratings).
  Result replay(std::optional<UserIndex> user, std::span<const RatedItem> ratings, const UserVector& folded,
                std::span<const StoredCritique> critiques, const Visit& visit = {}) const;

  /// The word as this user means it after these critiques (a sense they named themselves goes before the learned one). Throws kNotFound.
  WordMeaning meaning(std::string_view word, std::optional<UserIndex> user, std::span<const StoredCritique> critiques) const;

  /// s^2 A^-1 of the ratings [d, d]; a multiple of the identity where A cannot be inverted.
  std::vector<double> covariance(std::span<const RatedItem> ratings) const;

 private:
  const Critiquer& critiquer(std::string_view update) const;

  std::shared_ptr<const Recommender> recommender_;
  std::shared_ptr<const LearnedAttributes> attributes_;
  CritiqueOptions options_;
  std::vector<Critiquer> critiquers_;  ///< heuristic, bayes, pairwise
};

}  // namespace attune::people
