// What the understood sentence claims about genres, taste and counts, and whether the facts agree.
//
// Every genre that is named must be one of the item's, unless the sentence says that it is absent or that the user avoids it. A taste word
// ("you like", "your thing", "fan") is tied to the genres beside it; if none stand there it speaks of all that was named before.
#include <algorithm>
#include <set>

#include "assist/scope_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

class Judge : Scope {
 public:
  Judge(Tokens& units, const GenreTable& genres) : Scope(units), genres_(genres) {}

  Verdict run() {
    find_contrast();
    for (auto pass : {&Judge::habits, &Judge::negations, &Judge::dislikes, &Judge::likes, &Judge::favourites, &Judge::item_genres,
                      &Judge::counts, &Judge::exclusives, &Judge::pairs}) {
      if (Verdict verdict = (this->*pass)(); !verdict.accepted()) return verdict;
    }
    return {};
  }

 private:
  /// Whether the unit claims that the user likes something.
  bool is_like_claim(size_t i) const {
    switch (u_[i].kind) {
      case WordKind::kLikeVerb: return you_before(i) || u_[i].sentence_start || u_[i].text.ends_with(" you");
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
      for (size_t j = i; j < u_.size() && !(u_[j].kind == WordKind::kPunct && !is_word(u_[j], {"\"", "(", ")"})); ++j)
        after_contrast_[j] = true;
    }
  }
  Verdict taste_fault(size_t i, std::string_view why) const { return {ReasonFault::kContradictsTaste, cat("\"", u_[i].text, "\": ", why)}; }

  /// A claim without genres beside it: something named must be liked, and nothing of the item disliked unless the sentence says so.
  Verdict generic_claim(size_t i) const {
    const std::set<int> named = mentioned();
    const bool any =
        named.empty() ? genres_.num_liked() > 0 : std::any_of(named.begin(), named.end(), [&](int g) { return genres_.liked(g); });
    if (!any) return taste_fault(i, "nothing that the item is named for is liked");
    int acknowledged = 0;
    std::set<int> seen;
    for (size_t j = 0; j < u_.size(); ++j) {
      if (positive(j) && genres_.disliked(u_[j].genre) && genres_.in_item(u_[j].genre) && after_contrast_[j] &&
          seen.insert(u_[j].genre).second)
        ++acknowledged;
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
      if (u_[i].count == 1 && you_before(i)) {  // "you stay away from horror"
        u_[i].kind = WordKind::kDislikeVerb;
        u_[i].count = 0;
        continue;
      }
      if (u_[i].count == 2) {  // "horror is nowhere to be found"
        const auto denied = object_left(i);
        if (!denied || denied->loose) return {ReasonFault::kInventedPlot, cat("\"", u_[i].text, "\" of what")};
        for (const size_t j : denied->run) u_[j].negated = true;
        continue;
      }
      if (is_word(u_[i], {"none", "none of"}) && refers_back(i)) {
        if (Verdict verdict = none_of_it(i); !verdict.accepted()) return verdict;
        continue;
      }
      size_t j = i + 1;
      while (j < u_.size() && (kind(j) == WordKind::kLight || kind(j) == WordKind::kLabelNoun || kind(j) == WordKind::kGenreNoun ||
                               kind(j) == WordKind::kYou || kind(j) == WordKind::kYour || kind(j) == WordKind::kSoftNoun)) {
        ++j;
      }
      switch (kind(j)) {
        case WordKind::kGenre:
          for (const size_t k : run_right(j)) u_[k].negated = true;
          break;
        case WordKind::kLikeVerb:
        case WordKind::kLikeNoun:
        case WordKind::kFan:
        case WordKind::kDislikeVerb:
        case WordKind::kDislikeNoun: u_[j].negated = true; break;
        default: return {ReasonFault::kInventedPlot, cat("\"", u_[i].text, "\" denies something that is not understood")};
      }
    }
    return {};
  }

  /// "you like sci-fi but avoid horror": the verb has the subject of the one before.
  bool shares_subject(size_t i) const {
    if (i == 0 || (u_[i - 1].kind != WordKind::kContrast && u_[i - 1].kind != WordKind::kAnd)) return false;
    for (size_t j = i - 1; j > 0 && u_[j - 1].kind != WordKind::kPunct; --j) {
      if (u_[j - 1].kind == WordKind::kLikeVerb) return you_before(j - 1);
    }
    return false;
  }

  /// "... and it has none", "none of it".
  bool refers_back(size_t i) const {
    return is_boundary(i + 1) || (is_word(u_[i + 1], {"it", "that", "of it", "of that"}) && is_boundary(i + 2)) ||
           (kind(i + 1) == WordKind::kThem && is_boundary(i + 2));
  }
  Verdict none_of_it(size_t i) const {
    for (size_t j = i; j > 0; --j) {
      if (u_[j - 1].kind != WordKind::kGenre) continue;
      const int genre = u_[j - 1].genre;
      if (!genres_.in_item(genre)) return {};
      return {ReasonFault::kWrongGenre, cat("the item has ", genres_.name(genre))};
    }
    return {ReasonFault::kInventedPlot, "\"none\" of what"};
  }

  /// "you often watch westerns" is said of the taste, "you can watch" is not.
  Verdict habits() {
    for (size_t i = 1; i < u_.size(); ++i) {
      if (u_[i].kind != WordKind::kNeutral || !is_word(u_[i], {"watch", "see", "choose", "take", "pick", "chose", "picked"})) continue;
      size_t j = i;
      while (j > 0 && is_word(u_[j - 1], {"often", "usually", "always", "generally", "also", "really", "tend to", "seem to"})) --j;
      if (j > 0 && is_word(u_[j - 1], {"you"})) u_[i].kind = WordKind::kLikeVerb;
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
      if (k == WordKind::kDislikeVerb && !spares && !you_before(i) && !shares_subject(i)) return taste_fault(i, "whose dislike");
      if ((k == WordKind::kDislikeNoun || k == WordKind::kLikeNoun) && !your_before(i) && !you_before(i))
        return taste_fault(i, "whose dislike");
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
        const bool object_first = kind(*std::max_element(run.begin(), run.end()) + 1) == WordKind::kYou &&
                                  segment_begin(i) == *std::min_element(run.begin(), run.end());
        for (const size_t j : run) u_[j].disliked = u_[j].disliked || object_first;  // "comedy you avoid"
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
      if (unit.kind == WordKind::kYour && kind(i + 1) == WordKind::kGenre) {  // "your horror shelf"
        if (Verdict verdict = claim_liked(i, run_right(i + 1), false); !verdict.accepted()) return verdict;
      }
      if (unit.negated) continue;
      if (unit.kind == WordKind::kLikeVerb && !is_like_claim(i)) {
        const bool preposition = unit.text == "like" && (kind(i + 1) == WordKind::kYou ||
                                                         (i + 1 < u_.size() && is_word(u_[i + 1], {"this", "that", "it", "these"})));
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
    if (k == WordKind::kLikeVerb && is_ordinal_object(i)) return ordinal_claim(i);
    if (i + 1 < u_.size() && is_word(u_[i + 1], {"pair", "pairing", "combination", "mix", "mixture", "blend"}))
      return all_claim(i, 0);  // "your favourite pair"
    const auto all =
        std::find_if(u_.begin() + static_cast<std::ptrdiff_t>(segment_begin(i)), u_.begin() + static_cast<std::ptrdiff_t>(segment_end(i)),
                     [](const Token& unit) { return unit.kind == WordKind::kBoth; });
    if (all != u_.begin() + static_cast<std::ptrdiff_t>(segment_end(i))) return all_claim(i, all->count);
    if (segment_has_kind(i, WordKind::kCount)) return {};  // counts() looks at it
    if (k != WordKind::kLikeWhole) {
      if (const auto left = object_left(i)) return one_sided(i, left->run, left->loose && kind(i + 1) != WordKind::kThem);
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
      if (film && is_word(u_[j - 2], {"the", "a", "this", "that"})) return true;
    }
    const bool pronoun = i + 1 < u_.size() && (u_[i + 1].kind == WordKind::kTitle ||
                                               (u_[i + 1].kind == WordKind::kLight && is_word(u_[i + 1], {"it", "this", "that"})));
    const WordKind next = kind(i + 2);  // "you like that genre" speaks of the genre
    if (!pronoun || next == WordKind::kLabelNoun || next == WordKind::kGenreNoun || next == WordKind::kGenre || next == WordKind::kSoftNoun)
      return false;
    for (size_t j = segment_begin(i); j < i; ++j) {
      if (is_word(u_[j], {"will", "may", "might", "could", "should", "would", "can", "you'll", "likely to", "sure to", "bound to",
                          "certain to", "as", "how"}))
        return false;
    }
    return true;
  }

  /// "you like the first", "the first and the last".
  bool is_ordinal_object(size_t i) const { return i + 2 < u_.size() && is_word(u_[i + 1], {"the"}) && kind(i + 2) == WordKind::kOrdinal; }
  Verdict ordinal_claim(size_t i) {
    Run named;  // first mentions, in order
    for (size_t j = 0; j < i; ++j) {
      if (positive(j) && std::none_of(named.begin(), named.end(), [&](size_t n) { return u_[n].genre == u_[j].genre; })) named.push_back(j);
    }
    for (size_t j = i + 1; j + 1 < u_.size() && is_word(u_[j], {"the"}) && kind(j + 1) == WordKind::kOrdinal; j += 3) {
      Token& ordinal = u_[j + 1];
      const size_t place = ordinal.count == 9 ? named.size() : static_cast<size_t>(ordinal.count);
      if (place < 1 || place > named.size()) return taste_fault(i, cat("\"", ordinal.text, "\" of ", named.size(), " genres"));
      if (Verdict verdict = claim_liked(i, {named[place - 1]}, false); !verdict.accepted()) return verdict;
      ordinal.kind = WordKind::kNeutral;  // understood
      if (kind(j + 2) != WordKind::kAnd) break;
    }
    return {};
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
    const bool of = i + 1 < u_.size() && is_word(u_[i + 1], {"of"});
    if (of && object_right(i, WordKind::kFavourite)) return {};
    if (const auto right = object_right(i, WordKind::kGenre); of && right) return claim_liked(i, run_right(*right), false);
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
      const bool said =
          j > 0 && !u_[j - 1].negated && !conditional(j - 1) &&
          (u_[j - 1].kind == WordKind::kLikeVerb || u_[j - 1].kind == WordKind::kLikeNoun || u_[j - 1].kind == WordKind::kFan) &&
          is_like_claim(j - 1);
      if (!said) return {ReasonFault::kOtherItem, "another item, not named as something that the user liked"};
    }
    return {};
  }

  Verdict item_genres() {
    for (const Token& unit : u_) {
      if (unit.kind != WordKind::kGenre || unit.disliked) continue;
      if (unit.negated == genres_.in_item(unit.genre)) {
        return {ReasonFault::kWrongGenre,
                cat(genres_.name(unit.genre), unit.negated ? " is denied, the item has it" : " is not a genre of the item")};
      }
    }
    return {};
  }

  bool like_in_segment(size_t i) const {
    return segment_has(i, [&](size_t j) { return is_like_claim(j) && !u_[j].negated; });
  }

  Verdict counts() {
    for (size_t i = 0; i < u_.size(); ++i) {
      if (u_[i].kind == WordKind::kOrdinal) return {ReasonFault::kInventedPlot, cat("\"", u_[i].text, "\" of what")};
      const bool one = u_[i].kind == WordKind::kLight && u_[i].text == "one" && kind(i + 1) == WordKind::kLabelNoun;
      if (u_[i].kind != WordKind::kCount && !one) continue;
      const int count = one ? 1 : u_[i].count;
      const bool total = !one && i > 1 && is_out_of_total(i);  // the second of "two of its three genres"
      const bool liked = !total && like_in_segment(i);
      if (one && (liked ? genres_.num_liked() >= 1 : genres_.num_item() == 1)) continue;
      size_t j = i + 1;
      while (kind(j) == WordKind::kLight || (j < u_.size() && is_word(u_[j], {"out"}))) ++j;
      const bool of_labels =
          kind(j) == WordKind::kLabelNoun || kind(j) == WordKind::kThem || kind(j) == WordKind::kLikeNoun || kind(j) == WordKind::kSoftNoun;
      const int actual = liked ? genres_.num_liked() : genres_.num_item();
      if ((liked || of_labels) && actual == count) continue;
      return {liked ? ReasonFault::kContradictsTaste : ReasonFault::kWrongGenre, cat("\"", u_[i].text, "\" where there are ", actual)};
    }
    return {};
  }

  bool is_out_of_total(size_t i) const {
    size_t j = i;
    while (j > 0 && is_word(u_[j - 1], {"of", "its", "the", "out"})) --j;
    return j < i && j > 0 && u_[j - 1].kind == WordKind::kCount;
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

  const GenreTable& genres_;
  bool contrast_ = false;
  std::vector<bool> after_contrast_;
};

}  // namespace

Verdict judge_claims(Tokens& tokens, const GenreTable& genres) { return Judge(tokens, genres).run(); }

}  // namespace attune::assist
