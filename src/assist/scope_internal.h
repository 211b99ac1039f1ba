// Where words of a sentence reach: clauses, lists of genres, objects of taste words. What the passes of claims.cpp ask.
#pragma once

#include <initializer_list>
#include <optional>
#include <string_view>
#include <vector>

#include "assist/grounding_internal.h"

namespace attune::assist {

using Run = std::vector<size_t>;  ///< positions of genres

bool is_word(const Token& unit, std::initializer_list<std::string_view> list);

class Scope {
 public:
  explicit Scope(Tokens& units) : u_(units) {}

 protected:
  /// Of a unit; kPunct outside.
  WordKind kind(size_t i) const { return i < u_.size() ? u_[i].kind : WordKind::kPunct; }
  /// Whether a clause ends at `i`: a mark, "so", "because", "and you".
  bool is_boundary(size_t i) const;
  size_t segment_begin(size_t i) const;
  size_t segment_end(size_t i) const;
  /// Whether another unit of the clause satisfies `predicate(position)`.
  template <class Predicate>
  bool segment_has(size_t i, Predicate predicate) const {
    for (size_t j = segment_begin(i); j < segment_end(i); ++j) {
      if (j != i && predicate(j)) return true;
    }
    return false;
  }
  bool segment_has_kind(size_t i, WordKind wanted) const;
  /// "if", "in case" in the same clause.
  bool conditional(size_t i) const;
  /// "If you like crime, this is one for you": the condition reaches over the comma.
  bool whole_conditional(size_t i) const;

  /// The list of genres that begins, or ends, here: joined by "and", commas, articles.
  Run run_right(size_t first) const;
  Run run_left(size_t last, bool allow_articles) const;
  /// The object behind a taste word: "you like (both) horror".
  std::optional<size_t> object_right(size_t i, WordKind wanted) const;
  struct LeftObject {
    Run run;
    bool loose = false;  ///< across a comma
  };
  /// The genres before a taste word: "horror, which you like".
  std::optional<LeftObject> object_left(size_t i) const;

  bool you_before(size_t i) const;
  bool your_before(size_t i) const;

  Tokens& u_;

 private:
  bool leads_to_object(const Token& unit) const;
  bool names_labels(size_t verb) const;
};

}  // namespace attune::assist
