// Requests of /v1/chat/completions and /v1/completions as checked plain data (docs/http_api.md).
//
// Scalar fields are one list of options (names, ranges, help): the parser, the documentation and the generated tests come from it.
// Unknown fields are ignored; fields that OpenAI defines and this server does not implement are refused with 400. null counts as absent.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "lm/sampler.h"
#include "text/chat.h"
#include "text/grammar.h"

namespace attune::serve {

/// Limits of one request.
struct RequestLimits {
  int32_t max_messages = 1024;
  int32_t max_prompts = 64;
  int64_t max_prompt_bytes = 4 * 1024 * 1024;
  int32_t max_logit_bias = 1024;
  int32_t default_max_tokens = 512;

  void describe(OptionList& list);
};

/// Scalar fields that both routes share.
struct CompletionFields {
  std::string model;
  lm::SamplerOptions sampler;
  int32_t n = 1;                ///< 1 to 16
  int64_t max_tokens = 0;       ///< 0: not given
  int64_t max_completion_tokens = 0;
  bool stream = false;
  std::string user;

  void describe(OptionList& list);
};

struct CompletionRequest {
  CompletionFields fields;
  bool is_chat = false;
  std::vector<text::ChatMessage> messages;                ///< chat
  std::vector<std::string> text_prompts;                  ///< completions: texts,
  std::vector<std::vector<int32_t>> id_prompts;           ///< or ids
  std::vector<std::string> stops;
  std::shared_ptr<const text::Grammar> grammar;           ///< what the answer must fit; null: anything
  uint64_t seed = 0;
  bool has_seed = false;
  bool include_usage = false;
  bool logprobs = false;
  int32_t num_top = 0;                                    ///< alternatives a token, 0 to 20

  int64_t num_prompts() const noexcept;
  /// Tokens to generate: max_completion_tokens, else max_tokens, else the default.
  int64_t max_new(const RequestLimits& limits) const noexcept;
};

/// Parse and check everything that does not need the model. Throw ApiError 400 naming the field.
CompletionRequest parse_chat_request(std::string_view body, const RequestLimits& limits);
CompletionRequest parse_completion_request(std::string_view body, const RequestLimits& limits);

/// Fields known from OpenAI's API that are refused unless they have a value without effect.
std::vector<std::string> unsupported_fields(bool is_chat);

}  // namespace attune::serve
