// Inner parts of the grounding check: tokens, word kinds, and the passes over them in order
//   read_tokens -> mark_titles -> mark_years -> mark_words -> judge (genres, taste, counts).
// Each pass gives the tokens it understands a kind; what is left kUnknown at the end is a claim that nobody can vouch for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "assist/grounding.h"

namespace attune::assist {

enum class WordKind : uint8_t {
  kUnknown,
  kPunct,        ///< . , ; : ( ) ? ! - "
  kTitle,        ///< the item's name
  kFavourite,    ///< a title the user liked
  kYear,         ///< a year or decade that agrees with the facts
  kNeutral,      ///< says nothing about the film or the user
  kLight,        ///< neutral, and may stand between a taste word and its genres: articles, prepositions, is, that
  kAnd,
  kOr,
  kYou,
  kYour,
  kGenre,
  kGenreNoun,    ///< film, movie: after a genre
  kLabelNoun,    ///< genre, label: what counts count
  kLikeVerb,     ///< like, enjoy: a claim with "you" in front
  kLikeNoun,     ///< taste, liking: a claim, always with "your" or "you"
  kSoftNoun,     ///< thing, kind, list: a claim only with "your"
  kLikeWhole,    ///< a whole claim that something pleases the user: "right up your street"
  kDislikeVerb,  ///< avoid, dislike, spare
  kDislikeNoun,  ///< aversion
  kFan,          ///< fan, lover: of a genre
  kNeg,
  kOnly,
  kBoth,
  kThem,
  kCount,
  kOrdinal,      ///< "the first", "the latter": of the genres named
  kContrast,     ///< but, though
  kCondition,    ///< if, in case: no claim about the taste
  kAward,        ///< known to be refused, and why
  kPerson,
  kRefused,
};

struct Token {
  std::string text;            ///< lower case, accents kept
  bool capital = false;        ///< written with an upper-case first letter
  bool sentence_start = false;
  bool after_hyphen = false;   ///< joined to the token before: "sci-fi"
  WordKind kind = WordKind::kUnknown;
  int genre = -1;              ///< kGenre: index into the check's genre list
  int count = 0;               ///< kCount; kOrdinal (9: the last)
  bool negated = false;        ///< kGenre: said to be absent
  bool disliked = false;       ///< kGenre: named as something the user avoids
  bool taste_only = false;     ///< kGenre: named as the user's taste, not as the item's genre
};
using Tokens = std::vector<Token>;

inline bool is_punct(const Token& token, std::string_view text) { return token.kind == WordKind::kPunct && token.text == text; }

/// Cuts text into words and marks; curly quotes and dashes become plain ones. Nothing for text with characters no sentence needs, unless
/// they are among `tolerated` (those of a title: "M*A*S*H"), which part words.
std::optional<Tokens> read_tokens(std::string_view text, std::string_view tolerated = {});

// --- titles (titles.cpp)

/// A word of a title; a sentence must write it with a capital if the catalogue does (small words aside).
struct TitleWord {
  std::string text;  ///< lower case
  bool capital = false;
  friend bool operator==(const TitleWord& a, const TitleWord& b) { return a.text == b.text; }
};
using TitleWords = std::vector<TitleWord>;

/// The ways a title may be written.
struct TitleForms {
  std::vector<TitleWords> forms;
  std::vector<TitleWords> short_forms;  ///< before a colon: only if no other item could be meant
};
TitleForms title_forms(std::string_view catalogue_title);

/// Marks the item's name (kTitle) and favourites (kFavourite). A fault if the item is not named, or an article that is not its own stands
/// in front, or another title of the index is named.
Verdict mark_titles(Tokens& tokens, const ReasonFacts& facts, const TitleIndex* other_titles);

// --- years (years.cpp)

/// Marks years and decades that agree with `year`; a fault for any that does not.
Verdict mark_years(Tokens& tokens, std::optional<int> year);

// --- words (lexicon.cpp, genre_words.cpp)

struct PhraseEntry {
  WordKind kind = WordKind::kUnknown;
  int count = 0;                 ///< kCount
  std::string_view genre;        ///< kGenre: name in the catalogue's spelling
};
struct PhraseMatch {
  size_t length = 0;             ///< tokens; 0: none
  PhraseEntry entry;
};
/// Longest phrase of the general lexicon that starts at `at`.
PhraseMatch match_phrase(const Tokens& tokens, size_t at);
/// Longest genre word ("science fiction", "funny") that starts at `at`.
PhraseMatch match_genre_word(const Tokens& tokens, size_t at);
/// Key under which two spellings of a genre are the same: lower case, "children" = "children's".
std::string genre_key(std::string_view name);

/// Matches `words` at tokens[at], punctuation not skipped. Helper of the two above.
bool starts_with_words(const Tokens& tokens, size_t at, const std::vector<std::string>& words);

// --- claims (claims.cpp)

/// Genres of the check: those of item and user and those of the lexicon, by key.
class GenreTable {
 public:
  explicit GenreTable(const ReasonFacts& facts);
  int find(std::string_view name);  ///< adds it if new
  /// Longest name of a catalogue genre outside the lexicon that starts at `at`: (index, tokens), or (-1, 0).
  std::pair<int, size_t> match_own_name(const Tokens& tokens, size_t at) const;
  bool in_item(int genre) const { return flag(genre, 1); }
  bool liked(int genre) const { return flag(genre, 2); }
  bool disliked(int genre) const { return flag(genre, 4); }
  int num_item() const;
  /// Item genres the user likes, dislikes.
  int num_liked() const;
  int num_disliked() const;
  bool any_dislikes() const;
  const std::string& name(int genre) const { return names_[static_cast<size_t>(genre)]; }

 private:
  bool flag(int genre, uint8_t bit) const { return (flags_[static_cast<size_t>(genre)] & bit) != 0; }
  int count(uint8_t bits) const;
  void add(const std::vector<std::string>& list, uint8_t bit);
  std::vector<std::string> names_;
  std::vector<std::string> keys_;
  std::vector<uint8_t> flags_;
  std::vector<std::pair<int, std::vector<std::string>>> own_names_;
};

/// Gives every remaining token its kind. A fault for the first word that is not understood.
Verdict mark_words(Tokens& tokens, GenreTable& genres);
/// Judges what the understood sentence claims.
Verdict judge_claims(Tokens& tokens, const GenreTable& genres);

}  // namespace attune::assist
