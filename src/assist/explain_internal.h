// The text of a reason's prompt and what comes back from it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "assist/grounding.h"

namespace attune::assist {

/// Instruction and examples; ends behind a blank line.
std::string_view prompt_prefix();
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

/// "comedy, drama and romance".
std::string join_words(const std::vector<std::string>& words);

}  // namespace attune::assist
