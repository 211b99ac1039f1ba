// Answers of /v1/chat/completions and /v1/completions as JSON, whole and in chunks. (Includes the heavy JSON header.)
#pragma once

#include <string>
#include <vector>

#include "serve/generation.h"
#include "serve/json.h"

namespace attune::serve {

/// What every answer and chunk of one request repeats.
struct AnswerHead {
  bool is_chat = true;
  bool logprobs = false;
  bool include_usage = false;   ///< chunks then carry "usage": null
  std::string id;
  std::string model;
  int64_t created = 0;
  bool transcript = false;      ///< a base model served as a transcript: said in "attune"
};

/// "stop", "length", or null for a generation that did not end by itself.
OrderedJson finish_reason(lm::Finish finish);
/// Log-probabilities of tokens: OpenAI's two forms. `text_offset` (bytes before the first token) counts on for completions.
OrderedJson logprobs_json(const std::vector<TokenOut>& tokens, bool is_chat, size_t& text_offset);
OrderedJson usage_json(const GenerationUsage& usage);
OrderedJson timings_json(const GenerationUsage& usage);

/// One whole answer.
struct WholeChoice {
  std::string text;
  std::vector<TokenOut> tokens;
  lm::Finish finish = lm::Finish::kNone;
};
OrderedJson whole_answer(const AnswerHead& head, const std::vector<WholeChoice>& choices, const GenerationUsage& usage);

/// Chunks of a stream.
OrderedJson role_chunk(const AnswerHead& head, int choice);
OrderedJson piece_chunk(const AnswerHead& head, int choice, const ChoicePiece& piece, size_t& text_offset);
OrderedJson finish_chunk(const AnswerHead& head, int choice, lm::Finish finish);
/// choices: [].
OrderedJson usage_chunk(const AnswerHead& head, const GenerationUsage& usage);

/// "chatcmpl-" or "cmpl-" and 24 random letters.
std::string new_answer_id(bool is_chat);
int64_t unix_seconds();

}  // namespace attune::serve
