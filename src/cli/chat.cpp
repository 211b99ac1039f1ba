// attune chat: talk to the model in the terminal.
#include <unistd.h>

#include <cstdio>
#include <iostream>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "lm/text_stream.h"
#include "text/chat.h"
#include "text/transcript.h"

namespace attune::cli {
namespace {

struct ChatVerbOptions {
  ModelOptions model;
  lm::SamplerOptions sampler;
  std::string system;
  int64_t predict = 512;
  uint64_t seed = 0;

  void describe(OptionList& list) {
    model.describe(list);
    model.describe_lora(list);
    sampler.describe(list);
    list.add("system", system, "System text in front of the conversation.");
    list.add("predict", predict, "Tokens of one answer at most.").alias("-n").range(1, 1 << 20);
    list.add("seed", seed, "Seed of the random stream.").alias("-s");
  }
};

constexpr const char* kHelp =
    "/help   this text\n/clear  start a new conversation\n/bye    leave\n\"\"\"     begin and end a text of several lines\nCtrl-C  stop the answer";

/// One conversation on one cached sequence: only new tokens are computed each turn.
class Conversation {
 public:
  Conversation(lm::Engine& engine, const ChatVerbOptions& options) : engine_(engine), options_(options) { clear(); }

  void clear() {
    sequence_ = engine_.start({.sampler = options_.sampler, .seed = options_.seed, .stream = turns_});
    first_ = true;
  }

  /// Whether an answer that failed took the sequence with it.
  bool lost() const { return !sequence_.valid(); }

  /// Answers and prints as the text arrives.
  void answer(const std::string& user) {
    append_user(user);
    const int64_t prompt_length = sequence_.length();
    const auto& tokenizer = *engine_.model().tokenizer();
    std::vector<std::string> stops;
    if (!chat_format()) stops = stops_;
    lm::TextStream stream(tokenizer, stops);
    std::string text;
    const auto show = [&](std::string chunk) {
      if (text.empty()) chunk.erase(0, chunk.find_first_not_of(" \n"));
      text += chunk;
      std::fwrite(chunk.data(), 1, chunk.size(), stdout);
      std::fflush(stdout);
    };
    const Interrupt interrupt;
    auto result = engine_.generate(std::move(sequence_), options_.predict, text::chat_stop_ids(tokenizer), [&](const lm::Event& event) {
      show(stream.add(event.token));
      return !stream.stopped();
    }, interrupt.token());
    show(stream.finish());
    std::fputs(result.finish == lm::Finish::kContext ? "\n[the context is full: /clear starts anew]\n" : "\n", stdout);
    sequence_ = std::move(result.sequence);
    if (!chat_format()) cut_to_answer(prompt_length, text);
    ++turns_;
  }

 private:
  bool chat_format() const { return engine_.model().is_instruction_tuned() && text::has_chat_pieces(*engine_.model().tokenizer()); }

  void append_user(const std::string& user) {
    const auto& tokenizer = *engine_.model().tokenizer();
    std::vector<text::ChatMessage> messages;
    if (first_ && !options_.system.empty()) messages.push_back({"system", options_.system});
    messages.push_back({"user", user});
    if (chat_format()) {
      sequence_.append(first_ ? text::render_chat(tokenizer, messages) : text::continue_chat(tokenizer, sequence_.ids().back(), messages));
    } else if (first_) {
      const auto transcript = text::render_transcript(tokenizer, messages);
      stops_ = transcript.stops;
      sequence_.append(transcript.ids);
    } else {
      sequence_.append(tokenizer.encode(text::transcript_continuation(messages)));
    }
    first_ = false;
  }

  /// Takes the tokens of a stop string (and whatever followed it in the last token) out of the cache again.
  void cut_to_answer(int64_t prompt_length, const std::string& answer) {
    const auto& tokenizer = *engine_.model().tokenizer();
    const auto& ids = sequence_.ids();
    std::string kept;
    int64_t length = prompt_length;
    while (length < sequence_.length()) {
      const std::string next = kept + tokenizer.piece_bytes(ids[static_cast<size_t>(length)]);
      const size_t lead = std::min(next.find_first_not_of(" \n"), next.size());
      if (next.size() - lead > answer.size()) break;
      kept = next;
      ++length;
    }
    const size_t lead = std::min(kept.find_first_not_of(" \n"), kept.size());
    const std::string rest = answer.substr(std::min(answer.size(), kept.size() - lead));
    if (!sequence_.rewind(length)) return clear();
    if (!rest.empty()) sequence_.append(tokenizer.encode(rest));
  }

  lm::Engine& engine_;
  const ChatVerbOptions& options_;
  lm::Sequence sequence_;
  std::vector<std::string> stops_;
  bool first_ = true;
  uint64_t turns_ = 0;
};

/// A line, or everything between two lines of three quotes. False at the end of input.
bool read_message(bool terminal, std::string& out) {
  out.clear();
  if (terminal) std::fputs("> ", stderr);
  std::string line;
  if (!std::getline(std::cin, line)) return false;
  if (line.rfind("\"\"\"", 0) != 0) {
    out = line;
    return true;
  }
  line.erase(0, 3);
  for (;;) {
    if (line.size() >= 3 && line.compare(line.size() - 3, 3, "\"\"\"") == 0) {
      out += line.substr(0, line.size() - 3);
      return true;
    }
    if (!line.empty() || !out.empty()) out += line + "\n";
    if (terminal) std::fputs("... ", stderr);
    if (!std::getline(std::cin, line)) return true;
  }
}

int chat(const CommandContext& context, const ChatVerbOptions& options) {
  const auto engine = load_engine(options.model);
  const bool terminal = ::isatty(STDIN_FILENO) == 1;
  if (!engine->model().is_instruction_tuned()) context.note(cat(engine->model().name(), " is a base model: the chat runs as a transcript."));
  if (terminal) context.note("Type a message, /help for help.");
  Conversation conversation(*engine, options);
  std::string message;
  while (read_message(terminal, message)) {
    if (message == "/bye" || message == "/exit") break;
    if (message == "/help") {
      context.note(kHelp);
    } else if (message == "/clear") {
      conversation.clear();
    } else if (message.rfind('/', 0) == 0) {
      context.note("Unknown command; /help lists them.");
    } else if (message.find_first_not_of(" \t\n") != std::string::npos) {
      try {
        conversation.answer(message);
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kResource) throw;
        context.note(cat(error.message(), conversation.lost() ? "; a new conversation starts." : "; /clear starts anew."));
        if (conversation.lost()) conversation.clear();
      }
    }
  }
  return 0;
}

}  // namespace

void register_chat(CommandSet& commands) {
  commands.add("chat", "Talk to the model.", [](CommandSpec& spec) {
    auto& options = spec.options<ChatVerbOptions>();
    spec.example("attune chat");
    spec.example("echo \"Name three rivers.\" | attune chat --temp 0.7 --seed 3");
    return [&options](const CommandContext& context) { return chat(context, options); };
  });
}

}  // namespace attune::cli
