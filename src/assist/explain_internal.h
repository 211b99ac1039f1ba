// The text of a reason's prompt and what comes back from it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "assist/grounding.h"

namespace attune::assist {

/// Instruction and examples; ends behind a blank line. Two of them: for items with something that the user likes, and for the others.
std::string_view prompt_prefix(bool with_taste);
/// Whether the item has a genre that the user likes.
bool has_liked_genre(const ReasonFacts& facts);
/// The item's block; ends with "Sentence:" so that the model goes on with a space.
std::string prompt_block(const ReasonFacts& facts);

/// One line of plain text: control characters become spaces, ill-formed UTF-8 the replacement character, at most `max_bytes`.
std::string plain_line(std::string_view text, size_t max_bytes);

/// Item genres among the likes (or dislikes), in the item's order and spelling.
std::vector<std::string> shared_genres(const std::vector<std::string>& genres, const std::vector<std::string>& taste);

/// The first sentence of what was generated, outer blanks removed; `complete` if its end was seen. The marks inside `title` end nothing.
struct FirstSentence {
  std::string text;
  bool complete = false;
};
FirstSentence first_sentence(std::string_view generated, std::string_view title);

/// What is left of a sentence when title, numbers and genres are taken out: two sentences of the same shape read alike.
std::string sentence_shape(std::string_view sentence, std::string_view title, const std::vector<std::string>& genres);

/// Up to three genres as one noun, `preferred` (a part of them) first: "an action and sci-fi adventure". Empty if there is none to speak of.
std::string genre_phrase(const std::vector<std::string>& genres, const std::vector<std::string>& preferred);
/// Each genre as a kind of films: "war films", "comedies".
std::vector<std::string> genre_plurals(const std::vector<std::string>& genres);

/// Whether a grounded sentence also reads well: one title, one year, no genre twice over, no "a war" without its noun, a mark at the end.
bool reads_well(std::string_view sentence, std::string_view title);

/// "comedy, drama and romance".
std::string join_words(const std::vector<std::string>& words);

}  // namespace attune::assist
