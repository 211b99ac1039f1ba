#include "serve/completion_request.h"

#include <algorithm>
#include <charconv>

#include "serve/api_error.h"
#include "serve/inputs.h"
#include "serve/json.h"
#include "serve/response_format.h"
#include "text/stop.h"

namespace attune::serve {
namespace {

constexpr int32_t kMaxTopLogprobs = 20;
constexpr int32_t kMaxChoices = 16;

ApiError invalid(std::string_view param, std::string message, std::string code = "invalid_value") {
  return {400, std::move(message), std::string(param), std::move(code)};
}

/// A field that is known and not implemented: which values have no effect and are let through.
struct Unsupported {
  const char* name;
  bool (*harmless)(const Json& value);
  bool chat;
  bool completions;
};

bool is_empty(const Json& value) { return (value.is_array() || value.is_object() || value.is_string()) && value.empty(); }
bool is_false(const Json& value) { return value.is_boolean() && !value.get<bool>(); }
bool is_no_tool(const Json& value) { return value == "none" || value == "auto"; }
bool is_text_only(const Json& value) { return value.is_array() && value == Json::array({"text"}); }
bool is_one(const Json& value) { return value.is_number() && value.get<double>() == 1; }
bool never(const Json&) { return false; }

constexpr Unsupported kUnsupported[] = {
    {"tools", is_empty, true, true},
    {"tool_choice", is_no_tool, true, true},
    {"functions", is_empty, true, true},
    {"function_call", is_no_tool, true, true},
    {"grammar", is_empty, true, true},
    {"json_schema", is_empty, true, true},
    {"modalities", is_text_only, true, false},
    {"audio", never, true, false},
    {"prediction", never, true, false},
    {"web_search_options", never, true, false},
    {"echo", is_false, false, true},
    {"suffix", is_empty, false, true},
    {"best_of", is_one, true, true},
};

void refuse_unsupported(const Json& body, bool is_chat) {
  for (const Unsupported& field : kUnsupported) {
    const Json* value = (is_chat ? field.chat : field.completions) ? find_member(body, field.name) : nullptr;
    if (value == nullptr || field.harmless(*value)) continue;
    throw invalid(field.name, cat("'", field.name, "' is not supported by this server"), "unsupported_parameter");
  }
}

void read_stops(const Json& body, CompletionRequest& request) {
  const Json* stop = find_member(body, "stop");
  if (stop == nullptr) return;
  if (stop->is_string()) {
    request.stops = {stop->get<std::string>()};
  } else if (stop->is_array()) {
    for (const Json& entry : *stop) {
      if (!entry.is_string()) throw invalid("stop", cat("'stop' must hold strings, found ", json_kind(entry)), "invalid_type");
      request.stops.push_back(entry.get<std::string>());
    }
  } else {
    throw invalid("stop", cat("'stop' must be a string or a list of strings, found ", json_kind(*stop)), "invalid_type");
  }
  try {
    text::check_stops(request.stops);
  } catch (const Error& error) {
    throw invalid("stop", error.message());
  }
}

void read_seed(const Json& body, CompletionRequest& request) {
  const Json* seed = find_member(body, "seed");
  if (seed == nullptr) return;
  if (!seed->is_number_integer())
    throw invalid("seed", cat("'seed' must be a whole number of 64 bits, found ", seed->dump()), "invalid_type");
  request.seed = seed->is_number_unsigned() ? seed->get<uint64_t>() : static_cast<uint64_t>(seed->get<int64_t>());
  request.has_seed = true;
}

void read_stream_options(const Json& body, CompletionRequest& request) {
  const Json* options = find_member(body, "stream_options");
  if (options == nullptr) return;
  if (!options->is_object()) throw invalid("stream_options", "'stream_options' must be an object", "invalid_type");
  if (!request.fields.stream) throw invalid("stream_options", "'stream_options' needs 'stream': true");
  OptionList list;
  list.add("include_usage", request.include_usage, "A last chunk with the token counts.");
  read_fields(*options, list);
}

void read_logit_bias(const Json& body, const RequestLimits& limits, CompletionRequest& request) {
  const Json* bias = find_member(body, "logit_bias");
  if (bias == nullptr) return;
  if (!bias->is_object()) throw invalid("logit_bias", cat("'logit_bias' must be an object, found ", json_kind(*bias)), "invalid_type");
  if (bias->size() > static_cast<size_t>(limits.max_logit_bias)) {
    throw invalid("logit_bias", cat("'logit_bias' has ", bias->size(), " entries, expected at most ", limits.max_logit_bias));
  }
  for (const auto& [key, value] : bias->items()) {
    int32_t id = 0;
    const auto parsed = std::from_chars(key.data(), key.data() + key.size(), id);
    if (parsed.ec != std::errc{} || parsed.ptr != key.data() + key.size() || id < 0) {
      throw invalid("logit_bias", cat("'logit_bias' has the key '", key.substr(0, 32), "', expected a token id"));
    }
    if (!value.is_number() || value.get<double>() < -100 || value.get<double>() > 100) {
      throw invalid("logit_bias", cat("'logit_bias' of token ", id, " must be -100 to 100, found ", value.dump()));
    }
    request.fields.sampler.logit_bias[id] = value.get<float>();
  }
}

/// Chat: a switch and a number. Completions: one number.
void read_logprobs(const Json& body, CompletionRequest& request) {
  OptionList list;
  if (request.is_chat) {
    list.add("logprobs", request.logprobs, "Return log-probabilities.");
    list.add("top_logprobs", request.num_top, "Alternatives a token.").range(0, kMaxTopLogprobs);
    read_fields(body, list);
    if (find_member(body, "top_logprobs") != nullptr && !request.logprobs)
      throw invalid("top_logprobs", "'top_logprobs' needs 'logprobs': true");
    return;
  }
  const Json* value = find_member(body, "logprobs");
  if (value == nullptr || is_false(*value)) return;
  list.add("logprobs", request.num_top, "Alternatives a token.").range(0, kMaxTopLogprobs);
  read_fields(body, list);
  request.logprobs = true;
}

CompletionRequest read_common(const Json& body, bool is_chat, const RequestLimits& limits) {
  CompletionRequest request;
  request.is_chat = is_chat;
  OptionList list;
  request.fields.describe(list);
  read_fields(body, list);
  refuse_unsupported(body, is_chat);
  read_stops(body, request);
  read_seed(body, request);
  read_stream_options(body, request);
  read_logit_bias(body, limits, request);
  read_logprobs(body, request);
  return request;
}

/// A message's content: text, null, or parts of which only text is understood.
std::optional<std::string> read_content(const Json& message, size_t index) {
  const auto found = message.find("content");
  const std::string param = cat("messages[", index, "].content");
  if (found == message.end() || found->is_null()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array())
    throw invalid(param, cat("'", param, "' must be a string or a list of parts, found ", json_kind(*found)), "invalid_type");
  std::string out;
  for (const Json& part : *found) {
    if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) {
      throw invalid(param, cat("a part of '", param, "' must be an object with 'type'"), "invalid_type");
    }
    const auto& type = part["type"].get_ref<const std::string&>();
    if (type != "text") {
      throw invalid(param, cat("a part of type '", type.substr(0, 32), "' is not supported by this server, expected 'text'"),
                    "unsupported_content");
    }
    const Json* text = find_member(part, "text");
    if (text == nullptr || !text->is_string())
      throw invalid(param, cat("a text part of '", param, "' must have a string 'text'"), "invalid_type");
    out += text->get_ref<const std::string&>();
  }
  return out;
}

void read_messages(const Json& body, const RequestLimits& limits, CompletionRequest& request) {
  const Json* messages = find_member(body, "messages");
  if (messages == nullptr) throw invalid("messages", "'messages' is required", "missing_required_parameter");
  if (!messages->is_array()) throw invalid("messages", cat("'messages' must be a list, found ", json_kind(*messages)), "invalid_type");
  if (messages->empty() || messages->size() > static_cast<size_t>(limits.max_messages)) {
    throw invalid("messages", cat("'messages' must have 1 to ", limits.max_messages, " entries, found ", messages->size()));
  }
  int64_t bytes = 0;
  for (size_t i = 0; i < messages->size(); ++i) {
    const Json& message = (*messages)[i];
    const std::string param = cat("messages[", i, "]");
    if (!message.is_object()) throw invalid(param, cat("'", param, "' must be an object, found ", json_kind(message)), "invalid_type");
    const Json* role = find_member(message, "role");
    if (role == nullptr || !role->is_string()) throw invalid(param + ".role", cat("'", param, ".role' must be a string"), "invalid_type");
    request.messages.push_back({role->get<std::string>(), read_content(message, i)});
    bytes += static_cast<int64_t>(request.messages.back().content.value_or("").size());
  }
  if (bytes > limits.max_prompt_bytes) {
    throw invalid("messages", cat("'messages' hold ", bytes, " bytes of text, expected at most ", limits.max_prompt_bytes),
                  "prompt_too_long");
  }
}

void read_prompt(const Json& body, const RequestLimits& limits, CompletionRequest& request) {
  Inputs inputs = read_inputs(body, "prompt", limits.max_prompts, limits.max_prompt_bytes);
  request.text_prompts = std::move(inputs.texts);
  request.id_prompts = std::move(inputs.ids);
}

}  // namespace

void RequestLimits::describe(OptionList& list) {
  list.add("max_messages", max_messages, "Messages of a chat request.").range(1, 1 << 20);
  list.add("max_prompts", max_prompts, "Prompts of a completion request.").range(1, 4096);
  list.add("max_prompt_bytes", max_prompt_bytes, "Bytes of text of a request's prompts or messages.").range(1, 1 << 30).unit("bytes");
  list.add("max_logit_bias", max_logit_bias, "Entries of logit_bias.").range(0, 1 << 20);
  list.add("default_max_tokens", default_max_tokens, "Tokens generated when a request names no limit.").range(1, 1 << 20);
}

void CompletionFields::describe(OptionList& list) {
  list.add("model", model, "Name of the served model.");
  sampler.describe(list);
  list.add("n", n, "Answers to generate; they share the computed prompt.").range(1, kMaxChoices);
  list.add("max_tokens", max_tokens, "Tokens to generate at most, each answer.").range(1, 1 << 24);
  list.add("max_completion_tokens", max_completion_tokens, "The newer name of max_tokens; it wins.").range(1, 1 << 24);
  list.add("stream", stream, "Send the answer as server-sent events while it is generated.");
  list.add("user", user, "The caller's name for its user; not used.");
}

int64_t CompletionRequest::num_prompts() const noexcept {
  return is_chat ? 1 : static_cast<int64_t>(text_prompts.size() + id_prompts.size());
}

int64_t CompletionRequest::max_new(const RequestLimits& limits) const noexcept {
  if (fields.max_completion_tokens > 0) return fields.max_completion_tokens;
  return fields.max_tokens > 0 ? fields.max_tokens : limits.default_max_tokens;
}

CompletionRequest parse_chat_request(std::string_view body, const RequestLimits& limits) {
  const Json json = parse_json_object(body);
  CompletionRequest request = read_common(json, true, limits);
  request.grammar = read_response_format(json, body);
  read_messages(json, limits, request);
  return request;
}

CompletionRequest parse_completion_request(std::string_view body, const RequestLimits& limits) {
  const Json json = parse_json_object(body);
  CompletionRequest request = read_common(json, false, limits);
  request.grammar = read_response_format(json, body);
  read_prompt(json, limits, request);
  return request;
}

std::vector<std::string> unsupported_fields(bool is_chat) {
  std::vector<std::string> out;
  for (const Unsupported& field : kUnsupported) {
    if (is_chat ? field.chat : field.completions) out.emplace_back(field.name);
  }
  return out;
}

}  // namespace attune::serve
