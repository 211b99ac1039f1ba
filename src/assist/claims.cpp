// What the understood sentence claims about genres, taste and counts, and whether the facts agree.
//
// Every genre that is named must be one of the item's, unless the sentence says that it is absent or that the user avoids it. A taste word
// ("you like", "your thing", "fan") is tied to the genres beside it; if none stand there it speaks of all that was named before.
#include <algorithm>
#include <set>

#include "assist/grounding_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

using Run = std::vector<size_t>;  // positions of genres

bool is_word(const Token& unit, std::initializer_list<std::string_view> list) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view word) { return unit.text == word; });
}

bool is_article(const Token& unit) {
  return unit.kind == WordKind::kLight && is_word(unit, {"a", "an", "the", "some", "any", "a bit of", "lots of", "plenty of", "a lot of"});
}

class Judge {
 public:
  Judge(Tokens& units, const GenreTable& genres) : u_(units), genres_(genres) {}

  Verdict run() {
    find_contrast();
    for (auto pass : {&Judge::negations, &Judge::dislikes, &Judge::likes, &Judge::favourites, &Judge::item_genres, &Judge::counts, &Judge::exclusives,
                      &Judge::pairs}) {
      if (Verdict verdict = (this->*pass)(); !verdict.accepted()) return verdict;
    }
    return {};
  }

 private:
  // --- neighbourhood

  WordKind kind(size_t i) const { return i < u_.size() ? u_[i].kind : WordKind::kPunct; }

  bool is_boundary(size_t i) const {
    if (i >= u_.size()) return true;
    const Token& unit = u_[i];
    if (unit.kind == WordKind::kPunct) return !is_word(unit, {"\"", "(", ")"});
    if (unit.kind == WordKind::kNeutral) return is_word(unit, {"so", "because", "since", "so that", "and so"});
    if (unit.kind == WordKind::kAnd) return kind(i + 1) == WordKind::kYou || kind(i + 1) == WordKind::kYour;
    return false;
  }
  size_t segment_begin(size_t i) const {
    while (i > 0 && !is_boundary(i - 1)) --i;
    return i;
  }
  size_t segment_end(size_t i) const {
    while (i < u_.size() && !is_boundary(i)) ++i;
    return i;
  }
  template <class Predicate>
  bool segment_has(size_t i, Predicate predicate) const {
    for (size_t j = segment_begin(i); j < segment_end(i); ++j) {
      if (j != i && predicate(j)) return true;
    }
    return false;
  }
  bool segment_has_kind(size_t i, WordKind wanted) const {
    return segment_has(i, [&](size_t j) { return u_[j].kind == wanted; });
  }
  bool conditional(size_t i) const {
    for (size_t j = segment_begin(i); j <= i; ++j) {
      if (u_[j].kind == WordKind::kCondition) return true;
    }
    return false;
  }

  /// "If you like crime, this is one for you": the condition reaches over the comma.
  bool whole_conditional(size_t i) const {
    for (size_t j = i + 1; j > 0; --j) {
      if (u_[j - 1].kind == WordKind::kCondition) return true;
      if (u_[j - 1].kind == WordKind::kPunct && !is_word(u_[j - 1], {",", "\"", "(", ")"})) return false;
    }
    return false;
  }

  /// Whether what lies between two genres joins them to one list.
  Run run_right(size_t first) const {
    Run run{first};
    for (size_t at = first + 1; at < u_.size();) {
      bool comma = false;
      bool article = false;
      bool joined = false;
      size_t i = at;
      for (; i < u_.size(); ++i) {
        if (u_[i].kind == WordKind::kAnd || u_[i].kind == WordKind::kOr) {
          joined = true;
        } else if (is_punct(u_[i], ",")) {
          comma = true;
        } else if (is_article(u_[i])) {
          article = true;
        } else if (u_[i].kind != WordKind::kGenreNoun) {
          break;
        }
      }
      if (kind(i) != WordKind::kGenre || (comma && article && !joined) || (article && !comma && !joined)) break;
      run.push_back(i);
      at = i + 1;
    }
    return run;
  }
  Run run_left(size_t last, bool allow_articles) const {
    Run run{last};
    for (size_t at = last; at > 0;) {
      bool comma = false;
      bool joined = false;
      bool article = false;
      size_t i = at;
      for (; i > 0; --i) {
        const Token& unit = u_[i - 1];
        if (unit.kind == WordKind::kAnd || unit.kind == WordKind::kOr) {
          joined = true;
        } else if (is_punct(unit, ",")) {
          comma = true;
        } else if (is_article(unit)) {
          article = true;
        } else if (unit.kind != WordKind::kGenreNoun) {
          break;
        }
      }
      if (i == 0 || u_[i - 1].kind != WordKind::kGenre) break;
      if (article && (!allow_articles || !joined)) break;
      const bool list = i >= 3 && is_punct(u_[i - 2], ",") && u_[i - 3].kind == WordKind::kGenre;
      if (comma && joined && !list) break;  // ", and" begins a new clause unless a list came before
      const bool repeated = std::any_of(run.begin(), run.end(), [&](size_t j) { return u_[j].genre == u_[i - 1].genre; });
      if (repeated) break;
      run.push_back(i - 1);
      at = i - 1;
    }
    return run;
  }

  /// What may stand between a taste word and its object.
  bool leads_to_object(const Token& unit) const {
    if (unit.kind == WordKind::kGenreNoun || unit.kind == WordKind::kLabelNoun || unit.kind == WordKind::kBoth) return true;
    if (is_article(unit)) return true;
    if (unit.kind == WordKind::kSoftNoun) return true;
    return unit.kind == WordKind::kLight && is_word(unit, {"of", "for", "in", "to", "is", "are", "was", "such", "really", "very much", "so much", "also",
                                                           "too", "towards", "toward", "lies", "as", "that", "this", "these", "those", "good", "into", "being"});
  }
  std::optional<size_t> object_right(size_t i, WordKind wanted) const {
    bool comma = false;
    for (size_t j = i + 1; j < u_.size() && j <= i + 6; ++j) {
      if (u_[j].kind == wanted) return j;
      // "your pick of genres, adventure and war": the genres follow the noun that stands for them.
      const bool apposition = is_punct(u_[j], ",") && !comma && i > 0 &&
                              (u_[j - 1].kind == WordKind::kLabelNoun || (u_[i].kind == WordKind::kLikeVerb && names_labels(i)));
      if (apposition || (is_punct(u_[j], ":") && !comma)) {
        comma = true;
        continue;
      }
      if (!leads_to_object(u_[j])) return std::nullopt;
      if (u_[j].kind == WordKind::kLight && is_word(u_[j], {"as"}) ) return std::nullopt;
    }
    return std::nullopt;
  }
  /// "two genres you like": the verb's object is a noun before "you".
  bool names_labels(size_t verb) const {
    for (size_t j = verb; j > 0 && j + 4 > verb; --j) {
      if (u_[j - 1].kind == WordKind::kLabelNoun) return true;
      if (u_[j - 1].kind != WordKind::kYou && u_[j - 1].kind != WordKind::kLight) return false;
    }
    return false;
  }
  struct LeftObject {
    Run run;
    bool loose = false;  ///< across a comma
  };
  std::optional<LeftObject> object_left(size_t i) const {
    bool loose = false;
    for (size_t j = i; j > 0 && j + 9 > i; --j) {
      const Token& unit = u_[j - 1];
      if (unit.kind == WordKind::kGenre) return LeftObject{run_left(j - 1, true), loose};
      const bool passable = unit.kind == WordKind::kLight || unit.kind == WordKind::kYou || unit.kind == WordKind::kYour || unit.kind == WordKind::kGenreNoun ||
                            unit.kind == WordKind::kLabelNoun || unit.kind == WordKind::kThem || unit.kind == WordKind::kYear || unit.kind == WordKind::kNeg ||
                            unit.kind == WordKind::kSoftNoun || unit.kind == WordKind::kCondition || unit.kind == WordKind::kLikeNoun ||
                            (unit.kind == WordKind::kPunct && is_word(unit, {"(", ")", "\""}));
      if (is_punct(unit, ",")) {
        if (loose) return std::nullopt;
        loose = true;
      } else if (!passable) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  bool you_before(size_t i) const {
    for (size_t j = i; j > 0 && j + 6 > i; --j) {
      const Token& unit = u_[j - 1];
      if (unit.kind == WordKind::kYou || is_word(unit, {"who"}) || unit.kind == WordKind::kYour) return true;
      if (unit.kind != WordKind::kLight && unit.kind != WordKind::kNeg && unit.kind != WordKind::kBoth && unit.kind != WordKind::kNeutral) return false;
      if (unit.kind == WordKind::kNeutral && !is_word(unit, {"have", "has", "had"})) return false;
    }
    return false;
  }
  bool your_before(size_t i) const {
    for (size_t j = i; j > 0 && j + 5 > i; --j) {
      const Token& unit = u_[j - 1];
      if (unit.kind == WordKind::kYour) return true;
      if (unit.kind != WordKind::kLight && unit.kind != WordKind::kCount && unit.kind != WordKind::kBoth && unit.kind != WordKind::kLikeNoun &&
          unit.kind != WordKind::kOnly && unit.kind != WordKind::kLabelNoun) {
        return false;
      }
      if (unit.kind == WordKind::kLight && !is_word(unit, {"known", "well known", "clear", "stated", "declared", "evident", "obvious", "plain", "usual"})) return false;
    }
    return false;
  }
  /// Whether the unit claims that the user likes something.
  bool is_like_claim(size_t i) const {
    switch (u_[i].kind) {
      case WordKind::kLikeVerb: return you_before(i) || u_[i].sentence_start;
      case WordKind::kLikeNoun: return true;
      case WordKind::kSoftNoun: return your_before(i);
      case WordKind::kLabelNoun: return your_before(i);
      case WordKind::kLikeWhole: return true;
      case WordKind::kFan: return true;
      default: return false;
    }
  }

  // --- facts

  bool positive(size_t i) const { return u_[i].kind == WordKind::kGenre && !u_[i].negated && !u_[i].disliked; }
  std::set<int> mentioned() const {
    std::set<int> out;
    for (size_t i = 0; i < u_.size(); ++i) {
      if (positive(i)) out.insert(u_[i].genre);
    }
    return out;
  }
  void find_contrast() {
    after_contrast_.assign(u_.size(), false);
    for (size_t i = 0; i < u_.size(); ++i) {
      if (u_[i].kind != WordKind::kContrast) continue;
      contrast_ = true;
      // What the warning covers: up to the end of its clause, or of the list that it begins.
      for (size_t j = i; j < u_.size() && !(u_[j].kind == WordKind::kPunct && !is_word(u_[j], {"\"", "(", ")"})); ++j) after_contrast_[j] = true;
    }
  }
  Verdict taste_fault(size_t i, std::string_view why) const { return {ReasonFault::kContradictsTaste, cat("\"", u_[i].text, "\": ", why)}; }

  /// A claim without genres beside it: something named must be liked, and nothing of the item disliked unless the sentence says so.
  Verdict generic_claim(size_t i) const {
    const std::set<int> named = mentioned();
    const bool any = named.empty() ? genres_.num_liked() > 0
                                   : std::any_of(named.begin(), named.end(), [&](int g) { return genres_.liked(g); });
    if (!any) return taste_fault(i, "nothing that the item is named for is liked");
    int acknowledged = 0;
    std::set<int> seen;
    for (size_t j = 0; j < u_.size(); ++j) {
      if (positive(j) && genres_.disliked(u_[j].genre) && genres_.in_item(u_[j].genre) && after_contrast_[j] && seen.insert(u_[j].genre).second) ++acknowledged;
    }
    if (acknowledged < genres_.num_disliked()) return taste_fault(i, "the item has a genre that the user avoids");
    return {};
  }
  Verdict claim_liked(size_t i, const Run& run, bool any_suffices) const {
    const bool only_if = conditional(i);
    bool any = false;
    for (const size_t j : run) {
      const int genre = u_[j].genre;
      const std::string& name = genres_.name(genre);
      if (genres_.disliked(genre)) return taste_fault(i, cat(name, " is disliked"));
      any = any || genres_.liked(genre);
      if (!only_if && !any_suffices && !genres_.liked(genre)) return taste_fault(i, cat(name, " is not among the likes"));
    }
    if (!only_if && any_suffices && !any) return taste_fault(i, "none of the genres is among the likes");
    return {};
  }
  Verdict claim_disliked(size_t i, const Run& run, bool must_be_absent) {
    for (const size_t j : run) {
      const int genre = u_[j].genre;
      const std::string& name = genres_.name(genre);
      if (!genres_.disliked(genre)) return taste_fault(i, cat(name, " is not among the dislikes"));
      if (genres_.in_item(genre) && (must_be_absent || !contrast_)) return taste_fault(i, cat("the item has ", name));
    }
    return {};
  }

  // --- passes

  Verdict negations() {
    for (size_t i = 0; i < u_.size(); ++i) {
      if (u_[i].kind != WordKind::kNeg) continue;
      size_t j = i + 1;
      while (j < u_.size() && (kind(j) == WordKind::kLight || kind(j) == WordKind::kLabelNoun || kind(j) == WordKind::kGenreNoun ||
                               kind(j) == WordKind::kYou || kind(j) == WordKind::kYour || kind(j) == WordKind::kSoftNoun)) {
        ++j;
      }
      switch (kind(j)) {
        case WordKind::kGenre:
          for (const size_t k : run_right(j)) u_[k].negated = true;
          break;
        case WordKind::kLikeVerb: case WordKind::kLikeNoun: case WordKind::kFan:
        case WordKind::kDislikeVerb: case WordKind::kDislikeNoun:
          u_[j].negated = true;
          break;
        default: return {ReasonFault::kInventedPlot, cat("\"", u_[i].text, "\" denies something that is not understood")};
      }
    }
    return {};
  }

  Verdict dislikes() {
    for (size_t i = 0; i < u_.size(); ++i) {
      const WordKind k = u_[i].kind;
      const bool direct = k == WordKind::kDislikeVerb || k == WordKind::kDislikeNoun;
      const bool turned = u_[i].negated && (k == WordKind::kLikeVerb || k == WordKind::kLikeNoun || k == WordKind::kFan);
      if (!direct && !turned) continue;
      const bool spares = k == WordKind::kDislikeVerb && u_[i].count == 1;
      if (k == WordKind::kDislikeVerb && !spares && !you_before(i)) return taste_fault(i, "whose dislike");
      if ((k == WordKind::kDislikeNoun || k == WordKind::kLikeNoun) && !your_before(i) && !you_before(i)) return taste_fault(i, "whose dislike");
      const auto right = object_right(i, WordKind::kGenre);
      if (direct && u_[i].negated) {  // "nothing that you avoid"
        if (right || spares || !genres_.any_dislikes() || genres_.num_disliked() > 0) return taste_fault(i, "a denied dislike");
        continue;
      }
      Run run;
      if (right) {
        run = run_right(*right);
        for (const size_t j : run) u_[j].disliked = true;
      } else if (const auto left = object_left(i)) {
        run = left->run;
      } else {
        for (size_t j = 0; j < u_.size(); ++j) {
          if (u_[j].kind == WordKind::kGenre && u_[j].negated) run.push_back(j);
        }
      }
      if (run.empty()) return taste_fault(i, "a dislike without a genre");
      if (Verdict verdict = claim_disliked(i, run, spares); !verdict.accepted()) return verdict;
    }
    return {};
  }

  Verdict likes() {
    for (size_t i = 0; i < u_.size(); ++i) {
      const Token& unit = u_[i];
      if (unit.negated) continue;
      if (unit.kind == WordKind::kLikeVerb && !is_like_claim(i)) {
        const bool preposition = unit.text == "like" && (kind(i + 1) == WordKind::kYou || (i + 1 < u_.size() && is_word(u_[i + 1], {"this", "that", "it", "these"})));
        if (preposition || unit.count == 1) continue;
        return taste_fault(i, "not said of the user");
      }
      if (unit.kind == WordKind::kLikeNoun && !your_before(i) && !you_before(i)) return taste_fault(i, "not said of the user");
      if (!is_like_claim(i)) continue;
      if (Verdict verdict = like_claim(i); !verdict.accepted()) return verdict;
    }
    return {};
  }

  Verdict like_claim(size_t i) {
    const WordKind k = u_[i].kind;
    if (k == WordKind::kFan) return fan_claim(i);
    if (k == WordKind::kLikeVerb && likes_item_itself(i)) return taste_fault(i, "nobody knows that the user likes this item");
    if (k != WordKind::kLikeWhole) {
      if (object_right(i, WordKind::kFavourite)) return {};
      if (const auto right = object_right(i, WordKind::kGenre)) return one_sided(i, run_right(*right), false);
    }
    const auto all = std::find_if(u_.begin() + static_cast<std::ptrdiff_t>(segment_begin(i)), u_.begin() + static_cast<std::ptrdiff_t>(segment_end(i)),
                                  [](const Token& unit) { return unit.kind == WordKind::kBoth; });
    if (all != u_.begin() + static_cast<std::ptrdiff_t>(segment_end(i))) return all_claim(i, all->count);
    if (segment_has_kind(i, WordKind::kCount)) return {};  // counts() looks at it
    if (k != WordKind::kLikeWhole) {
      if (const auto left = object_left(i)) return one_sided(i, left->run, left->loose);
    }
    if (whole_conditional(i)) return {};
    return generic_claim(i);
  }

  /// "you like it": said of the item, unless it is a guess ("you may like it") or a condition.
  bool likes_item_itself(size_t i) const {
    if (conditional(i)) return false;
    if (i > 1 && u_[i - 1].kind == WordKind::kYou) {  // "the film that you like"
      size_t j = i - 1;
      while (j > 0 && is_word(u_[j - 1], {"that", "which"})) --j;
      const bool film = j > 1 && u_[j - 1].kind == WordKind::kGenreNoun && u_[j - 2].kind != WordKind::kGenre;
      if (film && is_word(u_[j - 2], {"the", "a", "this", "that"}) && j + 1 < i) return true;
    }
    const bool pronoun = i + 1 < u_.size() && (u_[i + 1].kind == WordKind::kTitle || (u_[i + 1].kind == WordKind::kLight && is_word(u_[i + 1], {"it", "this", "that"})));
    if (!pronoun) return false;
    for (size_t j = segment_begin(i); j < i; ++j) {
      if (is_word(u_[j], {"will", "may", "might", "could", "should", "would", "can", "you'll", "likely to", "sure to", "bound to", "certain to", "as", "how"})) return false;
    }
    return true;
  }

  /// Genres that the sentence denies the item turn a like into a dislike: "stays away from horror, as you wish".
  Verdict one_sided(size_t i, const Run& run, bool any_suffices) {
    const auto denied = std::count_if(run.begin(), run.end(), [&](size_t j) { return u_[j].negated || u_[j].disliked; });
    if (denied == 0) return claim_liked(i, run, any_suffices);
    if (denied != static_cast<std::ptrdiff_t>(run.size())) return taste_fault(i, "likes and dislikes in one list");
    return claim_disliked(i, run, true);
  }

  /// "both", "all three": everything named, or everything the item has if nothing is named.
  Verdict all_claim(size_t i, int count) const {
    const std::set<int> named = mentioned();
    if (named.empty() && (count == 0 || genres_.num_item() == count)) {
      return genres_.num_liked() == genres_.num_item() && genres_.num_liked() > 0 ? Verdict{} : taste_fault(i, "not all genres are liked");
    }
    if (count != 0 && static_cast<int>(named.size()) != count) return taste_fault(i, cat(named.size(), " genres are named"));
    for (const int genre : named) {
      if (!genres_.liked(genre)) return taste_fault(i, cat(genres_.name(genre), " is not among the likes"));
    }
    return {};
  }

  Verdict fan_claim(size_t i) const {
    size_t j = i;
    while (j > 0 && u_[j - 1].kind == WordKind::kGenreNoun) --j;
    if (j > 0 && u_[j - 1].kind == WordKind::kGenre) return claim_liked(i, run_left(j - 1, false), false);
    if (object_right(i, WordKind::kFavourite)) return {};
    if (const auto right = object_right(i, WordKind::kGenre)) return claim_liked(i, run_right(*right), false);
    return taste_fault(i, "a fan of nothing that is named");
  }

  /// A favourite may be named only as something that the user liked.
  Verdict favourites() {
    for (size_t i = 0; i < u_.size(); ++i) {
      if (u_[i].kind != WordKind::kFavourite) continue;
      size_t j = i;
      while (j > 0 && (kind(j - 1) == WordKind::kLight || kind(j - 1) == WordKind::kAnd || kind(j - 1) == WordKind::kFavourite ||
                       kind(j - 1) == WordKind::kGenreNoun || is_punct(u_[j - 1], ",") || is_punct(u_[j - 1], "\""))) {
        --j;
      }
      const bool said = j > 0 && !u_[j - 1].negated && !conditional(j - 1) &&
                        (u_[j - 1].kind == WordKind::kLikeVerb || u_[j - 1].kind == WordKind::kLikeNoun || u_[j - 1].kind == WordKind::kFan) && is_like_claim(j - 1);
      if (!said) return {ReasonFault::kOtherItem, "another item, not named as something that the user liked"};
    }
    return {};
  }

  Verdict item_genres() {
    for (const Token& unit : u_) {
      if (unit.kind != WordKind::kGenre || unit.disliked) continue;
      if (unit.negated == genres_.in_item(unit.genre)) {
        return {ReasonFault::kWrongGenre, cat(genres_.name(unit.genre), unit.negated ? " is denied, the item has it" : " is not a genre of the item")};
      }
    }
    return {};
  }

  bool like_in_segment(size_t i) const {
    return segment_has(i, [&](size_t j) { return is_like_claim(j) && !u_[j].negated; });
  }

  Verdict counts() {
    for (size_t i = 0; i < u_.size(); ++i) {
      const bool one = u_[i].kind == WordKind::kLight && u_[i].text == "one" && kind(i + 1) == WordKind::kLabelNoun;
      if (u_[i].kind != WordKind::kCount && !one) continue;
      const int count = one ? 1 : u_[i].count;
      const bool liked = like_in_segment(i);
      if (one && (liked ? genres_.num_liked() >= 1 : genres_.num_item() == 1)) continue;
      size_t j = i + 1;
      while (kind(j) == WordKind::kLight) ++j;
      const bool of_labels = kind(j) == WordKind::kLabelNoun || kind(j) == WordKind::kThem || kind(j) == WordKind::kLikeNoun || kind(j) == WordKind::kSoftNoun;
      const int actual = liked ? genres_.num_liked() : genres_.num_item();
      if ((liked || of_labels) && actual == count) continue;
      return {liked ? ReasonFault::kContradictsTaste : ReasonFault::kWrongGenre, cat("\"", u_[i].text, "\" where there are ", actual)};
    }
    return {};
  }

  /// "only", "nothing else": the genres named must be all that the item has.
  Verdict exclusives() {
    for (size_t i = 0; i < u_.size(); ++i) {
      if (u_[i].kind != WordKind::kOnly) continue;
      if (i + 1 < u_.size()) {
        if (u_[i].text == "just" && is_word(u_[i + 1], {"what", "as", "right", "the", "how", "that"})) continue;
        if (is_word(u_[i + 1], {"reason", "reasons"})) continue;
        if (is_word(u_[i], {"single", "sole"}) && (kind(i + 1) == WordKind::kGenreNoun || is_word(u_[i + 1], {"reason"}))) continue;
      }
      const bool near_taste = is_taste(i + 1) || is_taste(i + 2) || (i > 0 && is_taste(i - 1)) || (i > 1 && is_taste(i - 2));
      if (near_taste) return taste_fault(i, "an exclusive taste");
      const std::set<int> named = mentioned();
      if (named.empty() || static_cast<int>(named.size()) != genres_.num_item()) {
        return {ReasonFault::kWrongGenre, cat("\"", u_[i].text, "\" where the item has ", genres_.num_item(), " genres")};
      }
    }
    return {};
  }
  bool is_taste(size_t i) const { return kind(i) == WordKind::kLikeVerb || kind(i) == WordKind::kLikeNoun; }

  /// "both" away from taste: two genres must be there to be meant.
  Verdict pairs() {
    for (size_t i = 0; i < u_.size(); ++i) {
      if (u_[i].kind != WordKind::kBoth || like_in_segment(i)) continue;
      const auto named = static_cast<int>(mentioned().size());
      const int wanted = std::max(2, u_[i].count);
      if (named >= wanted || (named == 0 && genres_.num_item() == wanted)) continue;
      return {ReasonFault::kWrongGenre, cat("\"", u_[i].text, "\" where ", named, " genres are named")};
    }
    return {};
  }

  Tokens& u_;
  const GenreTable& genres_;
  bool contrast_ = false;
  std::vector<bool> after_contrast_;
};

}  // namespace

Verdict judge_claims(Tokens& tokens, const GenreTable& genres) { return Judge(tokens, genres).run(); }

}  // namespace attune::assist
