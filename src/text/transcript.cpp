#include "text/transcript.h"

#include <algorithm>

#include "core/error.h"
#include "text/fold.h"
#include "text/utf8.h"

namespace attune::text {
namespace {

constexpr size_t kMaxLabelBytes = 32;
constexpr std::string_view kQuote = "> ";

bool is_line_break(char32_t c) noexcept {
  return (c >= 0x0A && c <= 0x0D) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

/// Colons and what looks like one (fullwidth and small colon are ':' after folding).
bool is_colon(char32_t c) noexcept { return c == ':' || c == 0x02D0 || c == 0x0589 || c == 0x05C3 || c == 0x2236 || c == 0xA789; }

/// Lines of a text, whatever its line breaks. "\r\n" is one break.
std::vector<std::string_view> split_lines(std::string_view text) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const Utf8Char c = decode_utf8(text, at);
    const size_t end = at;
    at += c.size;
    if (!c.valid || !is_line_break(c.code)) continue;
    if (c.code == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, end - start));
    start = at;
  }
  lines.push_back(text.substr(start));
  return lines;
}

/// Renders one transcript: labels checked and folded once.
class Writer {
 public:
  explicit Writer(const TranscriptOptions& options)
      : options_(options), folded_user_(checked_label(options.user_label)), folded_assistant_(checked_label(options.assistant_label)) {
    check(folded_user_ != folded_assistant_, ErrorCode::kInvalidArgument, "[transcript] both labels are \"", folded_user_,
          "\" after folding, expected two different ones");
  }

  /// `text` with labels quoted; the first line too if it starts a line of the transcript.
  std::string neutralize(std::string_view text, bool starts_line) const {
    std::string out;
    const std::string clean = sanitize_utf8(trim(text));
    bool first = true;
    for (const std::string_view line : split_lines(clean)) {
      if (!first) out += '\n';
      if ((starts_line || !first) && reads_as_label(line)) out += kQuote;
      out += line;
      first = false;
    }
    return out;
  }

  /// Intro and system text, one paragraph each.
  std::string head(std::string_view system) const {
    std::string out;
    for (const std::string_view part : {std::string_view(options_.intro), system}) {
      if (trim(part).empty()) continue;
      out += neutralize(part, true);
      out += "\n\n";
    }
    return out;
  }

  /// "User: text" and so on, one line break between turns.
  void append(const std::vector<ChatTurn>& turns, std::string& out) const {
    for (const ChatTurn& turn : turns) {
      if (!out.empty() && out.back() != '\n') out += '\n';
      out += cat(turn.role == TurnRole::kUser ? options_.user_label : options_.assistant_label, ':');
      const std::string text = neutralize(turn.text, false);
      if (!text.empty()) out += cat(' ', text);
    }
  }

  /// The label of the answer to come, unless the last turn stays open.
  void append_prompt(std::string& out) const {
    if (options_.chat.add_generation_prompt && !options_.chat.continue_last_assistant) out += cat('\n', options_.assistant_label, ':');
  }

 private:
  static std::string checked_label(const std::string& label) {
    const bool plain = !label.empty() && label.size() <= kMaxLabelBytes && is_valid_utf8(label) && trim(label) == label &&
                       split_lines(label).size() == 1 && label.find(':') == std::string::npos;
    std::string folded = plain ? fold(label) : std::string();
    check(!folded.empty(), ErrorCode::kInvalidArgument, "[transcript] label is \"", excerpt(label), "\", expected 1 to ", kMaxLabelBytes,
          " bytes of one line without ':'");
    return folded;
  }

  bool reads_as_label(std::string_view line) const {
    const std::string folded = fold(line);
    for (const std::string& label : {folded_user_, folded_assistant_}) {
      if (!folded.starts_with(label)) continue;
      size_t at = label.size();
      while (at < folded.size() && folded[at] == ' ') ++at;
      if (at < folded.size() && is_colon(decode_utf8(folded, at).code)) return true;
    }
    return false;
  }

  const TranscriptOptions& options_;
  std::string folded_user_;
  std::string folded_assistant_;
};

std::vector<ChatTurn> example_turns(const TranscriptOptions& options) {
  if (options.examples.empty()) return {};
  return with_context("few-shot examples", [&] {
    Conversation examples = arrange_chat(options.examples, {.join_same_role = false});
    check(examples.system.empty() && examples.turns.back().role == TurnRole::kAssistant, ErrorCode::kInvalidArgument,
          "[transcript] examples must hold no system message and end with the assistant's");
    return std::move(examples.turns);
  });
}

}  // namespace

Transcript transcript_text(std::span<const ChatMessage> messages, const TranscriptOptions& options) {
  const Writer writer(options);
  const Conversation conversation = arrange_chat(messages, options.chat);
  Transcript out;
  out.text = writer.head(conversation.system);
  writer.append(example_turns(options), out.text);
  writer.append(conversation.turns, out.text);
  writer.append_prompt(out.text);
  out.stops = {cat('\n', options.user_label, ':'), cat('\n', options.assistant_label, ':')};
  return out;
}

Transcript render_transcript(const Tokenizer& tokenizer, std::span<const ChatMessage> messages, const TranscriptOptions& options) {
  Transcript out = transcript_text(messages, options);
  out.ids = tokenizer.encode(out.text, {.add_bos = tokenizer.vocab().bos_id >= 0});
  return out;
}

std::string transcript_continuation(std::span<const ChatMessage> messages, const TranscriptOptions& options) {
  const Writer writer(options);
  const Conversation conversation = arrange_chat(messages, options.chat);
  check(conversation.system.empty(), ErrorCode::kInvalidArgument, "[transcript] system message in a running conversation, expected user");
  std::string turns;
  writer.append(conversation.turns, turns);
  writer.append_prompt(turns);
  return cat('\n', turns);
}

std::string neutralize_labels(std::string_view text, const TranscriptOptions& options) { return Writer(options).neutralize(text, false); }

}  // namespace attune::text
