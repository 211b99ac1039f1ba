#include "assist/grounding_internal.h"
#include "core/error.h"

namespace attune::assist {
namespace {

/// A word that may be written with a capital inside a sentence without being a name.
bool may_be_capital(const Token& token) { return token.sentence_start || token.text == "i" || token.text.starts_with("i'"); }

Verdict refuse(const Token& token) {
  switch (token.kind) {
    case WordKind::kAward: return {ReasonFault::kInventedAward, cat("\"", token.text, "\"")};
    case WordKind::kPerson: return {ReasonFault::kInventedPerson, cat("\"", token.text, "\"")};
    case WordKind::kRefused: return {ReasonFault::kWrongYear, cat("\"", token.text, "\"")};
    default: break;
  }
  if (token.capital && !token.sentence_start) return {ReasonFault::kInventedPerson, cat("unknown name \"", token.text, "\"")};
  return {ReasonFault::kInventedPlot, cat("unknown word \"", token.text, "\"")};
}

}  // namespace

Verdict mark_words(Tokens& tokens, GenreTable& genres) {
  Tokens units;
  for (size_t at = 0; at < tokens.size();) {
    Token unit = tokens[at];
    if (unit.kind != WordKind::kUnknown) {  // titles and years become one unit
      size_t end = at + 1;
      const bool whole = unit.kind == WordKind::kTitle || unit.kind == WordKind::kFavourite || unit.kind == WordKind::kYear;
      while (whole && end < tokens.size() && tokens[end].kind == unit.kind) ++end;
      units.push_back(std::move(unit));
      at = end;
      continue;
    }
    const auto [own_genre, own_length] = genres.match_own_name(tokens, at);
    const PhraseMatch genre = match_genre_word(tokens, at);
    const PhraseMatch phrase = match_phrase(tokens, at);
    size_t length = 1;
    if (own_length > 0 && own_length >= genre.length && own_length >= phrase.length) {
      unit.kind = WordKind::kGenre;
      unit.genre = own_genre;
      length = own_length;
    } else if (genre.length > 0 && genre.length >= phrase.length) {
      unit.kind = WordKind::kGenre;
      unit.genre = genres.find(genre.entry.genre);
      length = genre.length;
    } else if (phrase.length > 0) {
      unit.kind = phrase.entry.kind;
      unit.count = phrase.entry.count;
      length = phrase.length;
    }
    if (unit.kind >= WordKind::kAward || unit.kind == WordKind::kUnknown) return refuse(unit);
    for (size_t i = at; i < at + length; ++i) {
      if (i > at) unit.text += " " + tokens[i].text;
      if (tokens[i].capital && unit.kind != WordKind::kGenre && !may_be_capital(tokens[i])) {
        return {ReasonFault::kInventedPerson, cat("\"", tokens[i].text, "\" written as a name")};
      }
    }
    units.push_back(std::move(unit));
    at += length;
  }
  tokens = std::move(units);
  return {};
}

}  // namespace attune::assist
