// Gemma's chat format, in code (docs/methods/gemma3_text.md, "Chat format"). No template is ever read from a model or a request.
//
//   <bos><start_of_turn>user\n{system}\n\n{user}<end_of_turn>\n<start_of_turn>model\n{assistant}<end_of_turn>\n<start_of_turn>model\n
//
// Message texts are encoded with control and image pieces off, so "<end_of_turn>" typed by a user is plain text and cannot end a turn.
// The ids equal the tokenisation of the whole rendered string wherever no message holds such text. Pure functions, thread-safe.
//
// Rules (errors are kInvalidArgument "[chat] message INDEX: ...", INDEX from 0):
// - roles: "system" or "developer", "user", "assistant" or "model". Every other one is refused, "tool" and "function" included.
// - system messages stand before the first user message; several are joined by "\n\n" and put before its text. A later one, or one without
//   a user message after it, is refused: the format has no place for it.
// - the first turn is a user's. An assistant message before it is refused.
// - neighbours of the same role are joined by "\n\n", or refused with `join_same_role` off.
// - texts are trimmed (text/utf8.h); an empty text makes an empty turn; a null content is refused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer.h"

namespace attune::text {

struct ChatMessage {
  std::string role;
  std::optional<std::string> content;  ///< UTF-8; null where a request had null
};

struct ChatOptions {
  bool join_same_role = true;         ///< false: neighbours of one role are an error
  bool add_generation_prompt = true;  ///< end with "<start_of_turn>model\n"
  /// The last message is an assistant's whose turn stays open, so that the model goes on with it (then no generation prompt follows).
  bool continue_last_assistant = false;
};

enum class TurnRole { kUser, kAssistant };

/// One turn after the rules above: texts trimmed and joined.
struct ChatTurn {
  TurnRole role = TurnRole::kUser;
  std::string text;
  size_t first_message = 0;  ///< index of the first message that went into it
};

struct Conversation {
  std::string system;           ///< system texts, trimmed and joined; "" if there is none
  std::vector<ChatTurn> turns;  ///< at least one, alternating, a user's first
};

/// Applies the rules above. Throws kInvalidArgument.
Conversation arrange_chat(std::span<const ChatMessage> messages, const ChatOptions& options = {});

/// True if the vocabulary has the pieces that the format needs.
bool has_chat_pieces(const Tokenizer& tokenizer) noexcept;

/// The whole conversation as ids, one BOS in front. Throws kInvalidArgument by the rules above, kFailedPrecondition if the vocabulary lacks
/// BOS, <start_of_turn> or <end_of_turn>.
std::vector<int32_t> render_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages, const ChatOptions& options = {});

/// The same as text, control pieces written out, for logs and tests. Not to be encoded again: typed control text would become control ids.
std::string chat_text(std::span<const ChatMessage> messages, const ChatOptions& options = {});

/// What to append to a cached conversation whose last model turn was generated. `last_id` is the last id in the cache: after
/// <end_of_turn> only "\n" is missing, otherwise (length limit, stop string, <eos>) "<end_of_turn>\n". Then follow the new messages, the
/// first of which must be a user's (system messages are refused), and the generation prompt. Throws as render_chat does.
std::vector<int32_t> continue_chat(const Tokenizer& tokenizer, int32_t last_id, std::span<const ChatMessage> messages,
                                   const ChatOptions& options = {});

/// Ids that end a model turn: EOS and <end_of_turn>, as far as the vocabulary has them.
std::vector<int32_t> chat_stop_ids(const Tokenizer& tokenizer);

}  // namespace attune::text
