// The TextEngine of a real model: one lm::Engine stepped by one thread, all requests in its batch.
//
// Chat: Gemma's chat format for instruction-tuned models, else a transcript (text/transcript.h).
// Each prompt is a fresh sequence: the engine's prefix cache makes the next turn of a chat cost only its new tokens (lm/engine.h).
#pragma once

#include <memory>

#include "serve/text_engine.h"

namespace attune::serve {

struct LmTextEngineOptions {
  std::vector<std::string> adapters;  ///< NAME=DIR: served as the model NAME
  int64_t ctx_size = 0;  ///< positions of a conversation at most; 0: the model's own limit

  void describe(OptionList& list);
};

class LmTextEngine final : public TextEngine {
 public:
  /// Publishes the adapters and starts the stepping thread. Throws kFailedPrecondition if the model has no tokenizer, kInvalidArgument for
  /// names other than 1 to 64 of A-Z a-z 0-9 . _ - given once, and what Engine::publish throws.
  LmTextEngine(std::shared_ptr<lm::Engine> engine, const LmTextEngineOptions& options);
  ~LmTextEngine() override;

  const EngineInfo& info() const override;
  std::vector<int32_t> tokenize(std::string_view text) const override;
  std::vector<int32_t> render_chat(std::span<const text::ChatMessage> messages) const override;
  std::vector<std::string> chat_stops() const override;
  std::string piece(int32_t id) const override;
  void generate(GenerateCall call) override;
  std::vector<std::vector<float>> embed(const EmbedCall& call) override;
  lm::EngineStats stats() const override;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace attune::serve
