// What the routes need of a language model, as an interface: the real engine behind it (lm_text_engine.h), a scripted one in tests.
//
// All functions may be called from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.h"
#include "lm/engine.h"
#include "text/chat.h"
#include "text/grammar.h"

namespace attune::serve {

/// An adapter that requests may name.
struct AdapterInfo {
  std::string name;
  lm::WeightsId weights = lm::kBaseWeights;
};

/// Facts that /v1/models and the checks of requests need.
struct EngineInfo {
  std::string model;             ///< name in the API
  std::vector<AdapterInfo> adapters;
  bool instruction_tuned = false;
  int64_t context_length = 0;
  int64_t vocab_size = 0;
  int64_t num_parameters = 0;
  int64_t hidden_size = 0;       ///< width of embeddings
  int64_t created = 0;           ///< Unix seconds
};

struct TopToken {
  int32_t id = 0;
  float logprob = 0;
  std::string bytes;
};

/// A generated token; stop ids are not reported.
struct TokenOut {
  int32_t id = 0;
  float logprob = 0;             ///< of the model at temperature 1; NaN unless asked for
  std::string bytes;
  std::vector<TopToken> top;
};

struct GenerateCall {
  lm::WeightsId weights = lm::kCurrentWeights;
  std::vector<int32_t> prompt;   ///< with BOS
  lm::SamplerOptions sampler;
  uint64_t seed = 0;
  int32_t num_choices = 1;       ///< choice i draws from random stream i; all share the computed prompt
  int64_t max_new = 1;
  int32_t num_top = 0;
  bool want_logprob = false;     ///< TokenOut::logprob is wanted (it costs time)
  std::shared_ptr<const text::Grammar> grammar;  ///< what the text must fit; null: anything
  std::stop_token stop;
  /// False ends the choice (kStop). Runs on the engine's thread: keep it short.
  std::function<bool(int choice, TokenOut token)> on_token;
  /// Once, before on_done of choice 0, if the prompt was begun: how many of its positions earlier requests had computed. May be null.
  std::function<void(int64_t positions)> on_cached;
  /// Exactly once a choice, after its last token, unless generate throws.
  std::function<void(int choice, lm::Finish finish, const Error* error)> on_done;
};

struct EmbedCall {
  lm::WeightsId weights = lm::kCurrentWeights;
  std::vector<std::vector<int32_t>> prompts;
  lm::Pooling pooling = lm::Pooling::kMean;
  bool normalise = true;
  std::stop_token stop;
};

class TextEngine {
 public:
  virtual ~TextEngine() = default;
  virtual const EngineInfo& info() const = 0;
  /// Ids with BOS exactly once in front. Text never becomes control ids.
  virtual std::vector<int32_t> tokenize(std::string_view text) const = 0;
  /// A conversation up to the place where the assistant answers: chat format, or transcript of a base model.
  /// Throws kInvalidArgument naming the index of a message that cannot be rendered.
  virtual std::vector<int32_t> render_chat(std::span<const text::ChatMessage> messages) const = 0;
  /// Texts that end the assistant's turn besides stop ids (a transcript's next speaker).
  virtual std::vector<std::string> chat_stops() const = 0;
  /// Bytes of a token; "" for control tokens.
  virtual std::string piece(int32_t id) const = 0;
  /// Queues the generation and returns; callbacks follow on another thread.
  /// Throws kResource or kOutOfMemory when the machine is full (then no callback follows).
  virtual void generate(GenerateCall call) = 0;
  /// One vector a prompt, computed together beside what else runs; waits for them. Throws what lm::Engine::embed throws.
  virtual std::vector<std::vector<float>> embed(const EmbedCall& call) = 0;
  virtual lm::EngineStats stats() const = 0;
};

}  // namespace attune::serve
