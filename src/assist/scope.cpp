#include "assist/scope_internal.h"

#include <algorithm>

namespace attune::assist {

bool is_word(const Token& unit, std::initializer_list<std::string_view> list) {
  return std::any_of(list.begin(), list.end(), [&](std::string_view word) { return unit.text == word; });
}

namespace {

bool is_article(const Token& unit) {
  return unit.kind == WordKind::kLight && is_word(unit, {"a", "an", "the", "some", "any", "a bit of", "lots of", "plenty of", "a lot of"});
}

}  // namespace

bool Scope::is_boundary(size_t i) const {
  if (i >= u_.size()) return true;
  const Token& unit = u_[i];
  if (unit.kind == WordKind::kPunct) return !is_word(unit, {"\"", "(", ")"});
  if (unit.kind == WordKind::kNeutral) return is_word(unit, {"so", "because", "since", "so that", "and so"});
  if (unit.kind == WordKind::kAnd) return kind(i + 1) == WordKind::kYou || kind(i + 1) == WordKind::kYour;
  return false;
}

size_t Scope::segment_begin(size_t i) const {
  while (i > 0 && !is_boundary(i - 1)) --i;
  return i;
}

size_t Scope::segment_end(size_t i) const {
  while (i < u_.size() && !is_boundary(i)) ++i;
  return i;
}

bool Scope::segment_has_kind(size_t i, WordKind wanted) const {
  return segment_has(i, [&](size_t j) { return u_[j].kind == wanted; });
}

bool Scope::conditional(size_t i) const {
  for (size_t j = segment_begin(i); j <= i; ++j) {
    if (u_[j].kind == WordKind::kCondition) return true;
  }
  return false;
}

/// "If you like crime, this is one for you": the condition reaches over the comma.
bool Scope::whole_conditional(size_t i) const {
  for (size_t j = i + 1; j > 0; --j) {
    if (u_[j - 1].kind == WordKind::kCondition) return true;
    if (u_[j - 1].kind == WordKind::kPunct && !is_word(u_[j - 1], {",", "\"", "(", ")"})) return false;
  }
  return false;
}

/// Whether what lies between two genres joins them to one list.
Run Scope::run_right(size_t first) const {
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

Run Scope::run_left(size_t last, bool allow_articles) const {
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
bool Scope::leads_to_object(const Token& unit) const {
  if (unit.kind == WordKind::kGenreNoun || unit.kind == WordKind::kLabelNoun || unit.kind == WordKind::kBoth) return true;
  if (is_article(unit)) return true;
  if (unit.kind == WordKind::kSoftNoun) return true;
  return unit.kind == WordKind::kLight &&
         is_word(unit, {"of",  "for",     "in",     "to",   "is", "are",  "was",  "such",  "really", "very much", "so much", "also",
                        "too", "towards", "toward", "lies", "as", "that", "this", "these", "those",  "good",      "into",    "being"});
}

std::optional<size_t> Scope::object_right(size_t i, WordKind wanted) const {
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
    if (u_[j].kind == WordKind::kLight && is_word(u_[j], {"as"})) return std::nullopt;
  }
  return std::nullopt;
}

/// "two genres you like": the verb's object is a noun before "you".
bool Scope::names_labels(size_t verb) const {
  for (size_t j = verb; j > 0 && j + 4 > verb; --j) {
    if (u_[j - 1].kind == WordKind::kLabelNoun) return true;
    if (u_[j - 1].kind != WordKind::kYou && u_[j - 1].kind != WordKind::kLight) return false;
  }
  return false;
}

std::optional<Scope::LeftObject> Scope::object_left(size_t i) const {
  bool loose = false;
  for (size_t j = i; j > 0 && j + 9 > i; --j) {
    const Token& unit = u_[j - 1];
    if (unit.kind == WordKind::kGenre) return LeftObject{run_left(j - 1, true), loose};
    const bool passable = unit.kind == WordKind::kLight || unit.kind == WordKind::kYou || unit.kind == WordKind::kYour ||
                          unit.kind == WordKind::kGenreNoun || unit.kind == WordKind::kLabelNoun || unit.kind == WordKind::kThem ||
                          unit.kind == WordKind::kYear || unit.kind == WordKind::kNeg || unit.kind == WordKind::kSoftNoun ||
                          unit.kind == WordKind::kCondition || unit.kind == WordKind::kLikeNoun ||
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

bool Scope::you_before(size_t i) const {
  for (size_t j = i; j > 0 && j + 6 > i; --j) {
    const Token& unit = u_[j - 1];
    if (unit.kind == WordKind::kYou || is_word(unit, {"who"}) || unit.kind == WordKind::kYour) return true;
    if (unit.kind != WordKind::kLight && unit.kind != WordKind::kNeg && unit.kind != WordKind::kBoth && unit.kind != WordKind::kNeutral)
      return false;
    if (unit.kind == WordKind::kNeutral && !is_word(unit, {"have", "has", "had"})) return false;
  }
  return false;
}

bool Scope::your_before(size_t i) const {
  if (i + 2 < u_.size() && is_word(u_[i + 1], {"of"}) && is_word(u_[i + 2], {"yours"})) return true;
  for (size_t j = i; j > 0 && j + 5 > i; --j) {
    const Token& unit = u_[j - 1];
    if (unit.kind == WordKind::kYour) return true;
    if (unit.kind != WordKind::kLight && unit.kind != WordKind::kCount && unit.kind != WordKind::kBoth &&
        unit.kind != WordKind::kLikeNoun && unit.kind != WordKind::kOnly && unit.kind != WordKind::kLabelNoun) {
      return false;
    }
    if (unit.kind == WordKind::kLight &&
        !is_word(unit, {"known", "well known", "clear", "stated", "declared", "evident", "obvious", "plain", "usual"}))
      return false;
  }
  return false;
}

}  // namespace attune::assist
