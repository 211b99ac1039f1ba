// Does a sentence claim only what the facts say? The check that every written reason passes before anyone sees it.
//
// A sentence is accepted only if every claim in it follows from the item's title, year and genres and from the user's taste. The check is
// a whitelist: a word that is not understood is refused, so names, plots, prizes and other films fall out without being listed
// (docs/methods/reasons.md has the rules and what was measured). English only. Pure functions on plain data; thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attune::assist {

/// All that a reason may lean on.
struct ReasonFacts {
  std::string title;                        ///< catalogue spelling: "Third Man, The", other titles in parentheses
  std::optional<int> year;
  std::vector<std::string> genres;
  std::vector<std::string> user_likes;      ///< genres
  std::vector<std::string> user_dislikes;   ///< genres
  std::vector<std::string> user_favourites; ///< catalogue titles the user liked; may be named as such
};

/// What a refused sentence got wrong, as well as the check can tell. The names are those of the evaluation set.
enum class ReasonFault {
  kNone,
  kWrongYear,
  kWrongGenre,
  kWrongTitle,        ///< the item is not named, or not by its name
  kInventedPerson,
  kInventedPlot,      ///< any word that is not understood
  kInventedAward,
  kContradictsTaste,
  kOtherItem,
  kForm,              ///< empty, too long, or not plain text
};
/// "wrong_year", ...; "none" for kNone.
std::string_view reason_fault_name(ReasonFault fault) noexcept;

struct Verdict {
  ReasonFault fault = ReasonFault::kNone;
  std::string detail;  ///< what was met, for a log or a test: "unknown word \"sheriff\""
  bool accepted() const noexcept { return fault == ReasonFault::kNone; }
};

/// Longest sentence that is looked at, bytes.
inline constexpr size_t kMaxReasonBytes = 400;

/// The titles of a catalogue, to notice when a sentence names another item. Immutable; thread-safe.
class TitleIndex {
 public:
  /// Catalogue spellings. `complete`: no other title exists, so that a title without its subtitle may stand for an item if no other title
  /// begins like that ("Free Willy 2"). O(total length).
  explicit TitleIndex(const std::vector<std::string>& titles, bool complete = false);
  ~TitleIndex();
  TitleIndex(TitleIndex&&) noexcept;
  TitleIndex& operator=(TitleIndex&&) noexcept;

  struct State;
  const State& state() const noexcept { return *state_; }

 private:
  std::unique_ptr<const State> state_;
};

/// Judges one sentence. `other_titles` may be null and may hold the item itself. Never throws for what the text holds.
/// O(sentence length * phrase length): some ten microseconds.
Verdict check_reason(const ReasonFacts& facts, std::string_view sentence, const TitleIndex* other_titles = nullptr);

}  // namespace attune::assist
