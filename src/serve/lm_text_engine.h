// The TextEngine of a real model: one lm::Engine stepped by one thread, all requests in its batch.
//
// Chat: Gemma's chat format for instruction-tuned models, else a transcript (text/transcript.h).
// Each prompt is a fresh sequence: the engine's prefix cache makes the next turn of a chat cost only its new tokens (lm/engine.h).
#pragma once

#include <memory>

#include "serve/text_engine.h"

namespace attune::serve {

struct LmTextEngineOptions {
  int64_t ctx_size = 0;  ///< positions of a conversation at most; 0: the model's own limit

  void describe(OptionList& list);
};

class LmTextEngine final : public TextEngine {
 public:
  /// Starts the stepping thread. Throws kFailedPrecondition if the model has no tokenizer.
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
