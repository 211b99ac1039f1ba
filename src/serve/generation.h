// One request's generation: prompts times choices, running in the engine, read as events by the handler's thread.
//
// The engine's callbacks do the text assembly (so that a stop string ends the work at once) and put events into a queue; destroying the
// Generation cancels what still runs and waits (one engine step) until the last choice is done, then gives the place in the gate back.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "serve/choice_text.h"
#include "serve/gate.h"
#include "serve/metrics.h"
#include "serve/text_engine.h"

namespace attune::serve {

struct GenerationOptions {
  std::vector<std::vector<int32_t>> prompts;  ///< ids with BOS
  lm::WeightsId weights = lm::kCurrentWeights;
  lm::SamplerOptions sampler;
  uint64_t seed = 0;
  int32_t num_choices = 1;                    ///< of each prompt
  int64_t max_new = 1;                        ///< cut to what the context leaves
  bool keep_tokens = false;
  int32_t num_top = 0;
  std::shared_ptr<const text::Grammar> grammar;  ///< what every answer must fit; null: anything
  ChoiceText::Options text;
};

/// Something new of one choice. `choice` = prompt index * num_choices + choice.
struct GenerationEvent {
  int choice = 0;
  ChoicePiece piece;
  bool done = false;
  lm::Finish finish = lm::Finish::kNone;      ///< when done
};

struct GenerationUsage {
  int64_t prompt_tokens = 0;                  ///< of all prompts
  int64_t cached_tokens = 0;
  int64_t completion_tokens = 0;
  double prompt_ms = 0;                       ///< until the first token
  double predicted_ms = 0;                    ///< from the first token to the last
};

class Generation {
 public:
  /// Waits for a place and starts. Throws ApiError 400 (context_length_exceeded) and what Gate and TextEngine throw.
  Generation(TextEngine& engine, Gate& gate, Metrics& metrics, GenerationOptions options, std::stop_token stop);
  ~Generation();
  Generation(const Generation&) = delete;
  Generation& operator=(const Generation&) = delete;

  /// Waits for the next event; nothing when every choice is done. Throws the engine's error.
  std::optional<GenerationEvent> next();
  int num_choices() const noexcept;
  /// Complete after next() returned nothing.
  GenerationUsage usage() const;

 private:
  void cancel_and_wait();

  struct State;
  std::chrono::steady_clock::time_point arrival_ = std::chrono::steady_clock::now();  // before the wait for a place
  Gate::Pass pass_;
  std::shared_ptr<State> state_;
};

}  // namespace attune::serve
