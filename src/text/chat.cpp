#include "text/chat.h"

#include <utility>

#include "core/error.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

constexpr std::string_view kStartOfTurn = "<start_of_turn>";
constexpr std::string_view kEndOfTurn = "<end_of_turn>";
constexpr std::string_view kJoin = "\n\n";

enum class MessageRole { kSystem, kUser, kAssistant };

template <class... Parts>
[[noreturn]] void refuse(size_t index, const Parts&... parts) {
  fail(ErrorCode::kInvalidArgument, "[chat] message ", index, ": ", parts...);
}

MessageRole message_role(const ChatMessage& message, size_t index) {
  if (message.role == "system" || message.role == "developer") return MessageRole::kSystem;
  if (message.role == "user") return MessageRole::kUser;
  if (message.role == "assistant" || message.role == "model") return MessageRole::kAssistant;
  refuse(index, "role is \"", excerpt(message.role), "\", expected system, user or assistant (Gemma's format has no other)");
}

/// Collects turns, message by message.
class ChatArranger {
 public:
  explicit ChatArranger(const ChatOptions& options) : options_(options) {}

  void add(const ChatMessage& message, size_t index) {
    const MessageRole role = message_role(message, index);
    if (!message.content) refuse(index, "content is null, expected text");
    const std::string_view text = trim(*message.content);
    if (role == MessageRole::kSystem) {
      add_system(text, index);
    } else {
      add_turn(role == MessageRole::kUser ? TurnRole::kUser : TurnRole::kAssistant, text, index);
    }
  }

  Conversation finish() {
    if (turns_.empty()) refuse(system_index_, "system text needs a user message after it");
    if (options_.continue_last_assistant && turns_.back().role != TurnRole::kAssistant) {
      refuse(turns_.back().first_message, "the last message is the user's, expected the assistant's to continue");
    }
    return {std::move(system_), std::move(turns_)};
  }

 private:
  void add_system(std::string_view text, size_t index) {
    if (!turns_.empty()) refuse(index, "system message after the first turn, expected all system messages in front");
    if (has_system_ && !options_.join_same_role) refuse(index, "second system message, expected one (joining is off)");
    if (!has_system_) system_index_ = index;
    if (has_system_ && !system_.empty() && !text.empty()) system_ += kJoin;
    has_system_ = true;
    system_ += text;
  }

  void add_turn(TurnRole role, std::string_view text, size_t index) {
    if (turns_.empty()) {
      if (role == TurnRole::kAssistant) refuse(index, "assistant message before the first user message, expected user");
    }
    if (turns_.empty() || turns_.back().role != role) {
      turns_.push_back({role, std::string(text), index});
      return;
    }
    ChatTurn& last = turns_.back();
    if (!options_.join_same_role) refuse(index, "same role as the message before, expected user and assistant in turn (joining is off)");
    if (!last.text.empty() && !text.empty()) last.text += kJoin;
    last.text += text;
  }

  const ChatOptions& options_;
  std::vector<ChatTurn> turns_;
  std::string system_;
  bool has_system_ = false;
  size_t system_index_ = 0;
};

/// The turns of Gemma's format: the system text stands in front of the first user text.
std::vector<ChatTurn> gemma_turns(std::span<const ChatMessage> messages, const ChatOptions& options) {
  Conversation conversation = arrange_chat(messages, options);
  if (!conversation.system.empty()) {
    std::string& first = conversation.turns.front().text;
    first = std::string(trim(cat(conversation.system, kJoin, first)));
  }
  return std::move(conversation.turns);
}

std::string_view role_name(TurnRole role) noexcept { return role == TurnRole::kUser ? "user" : "model"; }

/// The ids of the format's own pieces.
struct Marks {
  explicit Marks(const Tokenizer& t) : tokenizer(t) {
    const auto start = t.find(kStartOfTurn);
    const auto end = t.find(kEndOfTurn);
    check(start && end && t.vocab().bos_id >= 0, ErrorCode::kFailedPrecondition,
          "[chat] the vocabulary lacks BOS, <start_of_turn> or <end_of_turn>; use the transcript format for such a model");
    start_of_turn = *start;
    end_of_turn = *end;
  }

  void append_text(std::string_view text, std::vector<int32_t>& ids) const {
    const std::vector<int32_t> more = tokenizer.encode(text);
    ids.insert(ids.end(), more.begin(), more.end());
  }

  void append_turns(const std::vector<ChatTurn>& turns, const ChatOptions& options, std::vector<int32_t>& ids) const {
    for (size_t i = 0; i < turns.size(); ++i) {
      ids.push_back(start_of_turn);
      append_text(cat(role_name(turns[i].role), '\n', turns[i].text), ids);
      if (options.continue_last_assistant && i + 1 == turns.size()) return;
      ids.push_back(end_of_turn);
      append_text("\n", ids);
    }
    if (!options.add_generation_prompt) return;
    ids.push_back(start_of_turn);
    append_text(cat(role_name(TurnRole::kAssistant), '\n'), ids);
  }

  const Tokenizer& tokenizer;
  int32_t start_of_turn = -1;
  int32_t end_of_turn = -1;
};

}  // namespace

Conversation arrange_chat(std::span<const ChatMessage> messages, const ChatOptions& options) {
  check(!messages.empty(), ErrorCode::kInvalidArgument, "[chat] the list of messages is empty, expected at least one");
  ChatArranger arranger(options);
  for (size_t i = 0; i < messages.size(); ++i) arranger.add(messages[i], i);
  return arranger.finish();
}

bool has_chat_pieces(const Tokenizer& tokenizer) noexcept {
  return tokenizer.vocab().bos_id >= 0 && tokenizer.find(kStartOfTurn) && tokenizer.find(kEndOfTurn);
}

std::vector<int32_t> render_chat(const Tokenizer& tokenizer, std::span<const ChatMessage> messages, const ChatOptions& options) {
  const std::vector<ChatTurn> turns = gemma_turns(messages, options);
  const Marks marks(tokenizer);
  std::vector<int32_t> ids = {tokenizer.vocab().bos_id};
  marks.append_turns(turns, options, ids);
  return ids;
}

std::string chat_text(std::span<const ChatMessage> messages, const ChatOptions& options) {
  std::string out = "<bos>";
  const std::vector<ChatTurn> turns = gemma_turns(messages, options);
  for (size_t i = 0; i < turns.size(); ++i) {
    out += cat(kStartOfTurn, role_name(turns[i].role), '\n', turns[i].text);
    if (options.continue_last_assistant && i + 1 == turns.size()) return out;
    out += cat(kEndOfTurn, '\n');
  }
  if (options.add_generation_prompt) out += cat(kStartOfTurn, role_name(TurnRole::kAssistant), '\n');
  return out;
}

std::vector<int32_t> continue_chat(const Tokenizer& tokenizer, int32_t last_id, std::span<const ChatMessage> messages,
                                   const ChatOptions& options) {
  for (size_t i = 0; i < messages.size(); ++i) {
    if (message_role(messages[i], i) == MessageRole::kSystem) refuse(i, "system message in a running conversation, expected user");
  }
  const std::vector<ChatTurn> turns = gemma_turns(messages, options);
  const Marks marks(tokenizer);
  std::vector<int32_t> ids;
  if (last_id != marks.end_of_turn) ids.push_back(marks.end_of_turn);
  marks.append_text("\n", ids);
  marks.append_turns(turns, options, ids);
  return ids;
}

std::vector<int32_t> chat_stop_ids(const Tokenizer& tokenizer) {
  std::vector<int32_t> ids;
  if (tokenizer.vocab().eos_id >= 0) ids.push_back(tokenizer.vocab().eos_id);
  if (const auto end = tokenizer.find(kEndOfTurn); end && (ids.empty() || ids.front() != *end)) ids.push_back(*end);
  return ids;
}

}  // namespace attune::text
