// The transcript format: how a base model, which knows no chat format, is talked to (docs/methods/gemma3_text.md, "Transcript format").
//
//   {intro}\n\nUser: {text}\nAssistant: {text}\n...User: {text}\nAssistant:
//
// The prompt ends without a space, because " word" is one piece; the answer's leading space is the caller's to trim. Generation stops where
// the speaker would change: at "\nUser:" or "\nAssistant:".
//
// No message can forge a turn: inside a text, a line that would read as a speaker label gets "> " in front (a quotation). What counts as a
// label is decided on the folded line (text/fold.h: case, full-width forms, invisible characters, white space in front), and every kind of
// line break counts as one. So the rendered text holds exactly the turns that were given. Pure functions, thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/chat.h"
#include "text/tokenizer.h"

namespace attune::text {

struct TranscriptOptions {
  std::string intro = "The following is a conversation between a user and a helpful assistant.";  ///< may be empty
  std::string user_label = "User";  ///< 1 to 32 bytes, one line, no ':'
  std::string assistant_label = "Assistant";  ///< the same, and another one after folding
  std::vector<ChatMessage> examples;  ///< few-shot turns in front of the conversation: alternating, user first, assistant last
  ChatOptions chat;  ///< role rules; the generation prompt is "\nAssistant:"
};

struct Transcript {
  std::string text;  ///< without BOS
  std::vector<int32_t> ids;  ///< one BOS in front if the vocabulary has one; filled by render_transcript only
  std::vector<std::string> stops;  ///< for StopMatcher
};

/// Renders messages by the role rules of text/chat.h; system texts follow the intro. Throws kInvalidArgument as arrange_chat does, or for
/// labels or examples outside their range.
Transcript transcript_text(std::span<const ChatMessage> messages, const TranscriptOptions& options = {});

/// The same with ids. The text is encoded with control pieces off.
Transcript render_transcript(const Tokenizer& tokenizer, std::span<const ChatMessage> messages, const TranscriptOptions& options = {});

/// What to append, as text, to a cached transcript whose last answer was generated up to a stop (the stop string itself not in the cache):
/// "\nUser: {text}\nAssistant:" for the new messages.
std::string transcript_continuation(std::span<const ChatMessage> messages, const TranscriptOptions& options = {});

/// `text` with speaker labels quoted and line breaks made "\n", as it would stand after "User: ". Trimmed.
std::string neutralize_labels(std::string_view text, const TranscriptOptions& options = {});

}  // namespace attune::text
