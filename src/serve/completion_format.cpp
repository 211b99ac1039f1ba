#include "serve/completion_format.h"

#include <chrono>
#include <mutex>
#include <random>

#include "text/utf8.h"

namespace attune::serve {
namespace {

OrderedJson head_json(const AnswerHead& head, bool is_chunk) {
  OrderedJson out = {{"id", head.id},
                     {"object", head.is_chat ? (is_chunk ? "chat.completion.chunk" : "chat.completion") : "text_completion"},
                     {"created", head.created},
                     {"model", head.model},
                     {"system_fingerprint", "attune"}};
  if (head.is_chat) out["attune"] = {{"mode", head.transcript ? "transcript" : "chat"}};
  return out;
}

OrderedJson chunk_json(const AnswerHead& head, OrderedJson choice) {
  OrderedJson out = head_json(head, true);
  out["choices"] = OrderedJson::array({std::move(choice)});
  if (head.include_usage) out["usage"] = nullptr;
  return out;
}

OrderedJson bytes_json(const std::string& bytes) {
  OrderedJson out = OrderedJson::array();
  for (const char byte : bytes) out.push_back(static_cast<unsigned char>(byte));
  return out;
}

/// JSON has no infinity; OpenAI writes -9999 for a probability of zero.
double finite(float logprob) { return std::isfinite(logprob) ? logprob : -9999.0; }

OrderedJson chat_logprobs(const std::vector<TokenOut>& tokens) {
  OrderedJson content = OrderedJson::array();
  for (const TokenOut& token : tokens) {
    OrderedJson top = OrderedJson::array();
    for (const TopToken& entry : token.top) {
      top.push_back({{"token", text::sanitize_utf8(entry.bytes)}, {"logprob", finite(entry.logprob)}, {"bytes", bytes_json(entry.bytes)}});
    }
    content.push_back({{"token", text::sanitize_utf8(token.bytes)},
                       {"logprob", finite(token.logprob)},
                       {"bytes", bytes_json(token.bytes)},
                       {"top_logprobs", std::move(top)}});
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

OrderedJson text_logprobs(const std::vector<TokenOut>& tokens, size_t& text_offset) {
  OrderedJson texts = OrderedJson::array(), values = OrderedJson::array(), tops = OrderedJson::array(), offsets = OrderedJson::array();
  for (const TokenOut& token : tokens) {
    OrderedJson top = OrderedJson::object();
    for (const TopToken& entry : token.top) top[text::sanitize_utf8(entry.bytes)] = finite(entry.logprob);
    texts.push_back(text::sanitize_utf8(token.bytes));
    values.push_back(finite(token.logprob));
    tops.push_back(std::move(top));
    offsets.push_back(text_offset);
    text_offset += token.bytes.size();
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

}  // namespace

OrderedJson finish_reason(lm::Finish finish) {
  switch (finish) {
    case lm::Finish::kStop: return "stop";
    case lm::Finish::kLength:
    case lm::Finish::kContext: return "length";
    default: return nullptr;
  }
}

OrderedJson logprobs_json(const std::vector<TokenOut>& tokens, bool is_chat, size_t& text_offset) {
  return is_chat ? chat_logprobs(tokens) : text_logprobs(tokens, text_offset);
}

OrderedJson usage_json(const GenerationUsage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.completion_tokens},
          {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.cached_tokens}}}};
}

OrderedJson timings_json(const GenerationUsage& usage) {
  const auto rate = [](double count, double ms) { return ms > 0 ? count * 1000 / ms : 0.0; };
  const auto computed = static_cast<double>(usage.prompt_tokens - usage.cached_tokens);
  return {{"cache_n", usage.cached_tokens},
          {"prompt_n", usage.prompt_tokens - usage.cached_tokens},
          {"prompt_ms", usage.prompt_ms},
          {"prompt_per_second", rate(computed, usage.prompt_ms)},
          {"predicted_n", usage.completion_tokens},
          {"predicted_ms", usage.predicted_ms},
          {"predicted_per_second", rate(static_cast<double>(std::max<int64_t>(usage.completion_tokens - 1, 0)), usage.predicted_ms)}};
}

OrderedJson whole_answer(const AnswerHead& head, const std::vector<WholeChoice>& choices, const GenerationUsage& usage) {
  OrderedJson list = OrderedJson::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    const WholeChoice& choice = choices[i];
    size_t offset = 0;
    OrderedJson entry = {{"index", i}};
    if (head.is_chat) {
      entry["message"] = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
    } else {
      entry["text"] = choice.text;
    }
    entry["logprobs"] = head.logprobs ? logprobs_json(choice.tokens, head.is_chat, offset) : OrderedJson(nullptr);
    entry["finish_reason"] = finish_reason(choice.finish);
    list.push_back(std::move(entry));
  }
  OrderedJson out = head_json(head, false);
  out["choices"] = std::move(list);
  out["usage"] = usage_json(usage);
  out["timings"] = timings_json(usage);
  return out;
}

OrderedJson role_chunk(const AnswerHead& head, int choice) {
  return chunk_json(head, {{"index", choice},
                           {"delta", {{"role", "assistant"}, {"content", ""}, {"refusal", nullptr}}},
                           {"logprobs", nullptr},
                           {"finish_reason", nullptr}});
}

OrderedJson piece_chunk(const AnswerHead& head, int choice, const ChoicePiece& piece, size_t& text_offset) {
  OrderedJson entry = {{"index", choice}};
  if (head.is_chat) {
    entry["delta"] = {{"content", piece.text}};
  } else {
    entry["text"] = piece.text;
  }
  entry["logprobs"] = head.logprobs ? logprobs_json(piece.tokens, head.is_chat, text_offset) : OrderedJson(nullptr);
  entry["finish_reason"] = nullptr;
  return chunk_json(head, std::move(entry));
}

OrderedJson finish_chunk(const AnswerHead& head, int choice, lm::Finish finish) {
  OrderedJson entry = {{"index", choice}};
  if (head.is_chat) {
    entry["delta"] = OrderedJson::object();
  } else {
    entry["text"] = "";
  }
  entry["logprobs"] = nullptr;
  entry["finish_reason"] = finish_reason(finish);
  return chunk_json(head, std::move(entry));
}

OrderedJson usage_chunk(const AnswerHead& head, const GenerationUsage& usage) {
  OrderedJson out = head_json(head, true);
  out["choices"] = OrderedJson::array();
  out["usage"] = usage_json(usage);
  out["timings"] = timings_json(usage);
  return out;
}

std::string new_answer_id(bool is_chat) {
  static constexpr char kLetters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  static std::mutex mutex;
  static std::mt19937_64 random{std::random_device{}()};
  std::string out = is_chat ? "chatcmpl-" : "cmpl-";
  std::lock_guard lock(mutex);
  for (int i = 0; i < 24; ++i) out.push_back(kLetters[random() % 62]);
  return out;
}

int64_t unix_seconds() {
  return std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace attune::serve
