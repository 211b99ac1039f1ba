// Reasons in a language model's own words: one sentence an item, written by a base model from a few-shot prompt, checked before use.
//
// The prompt is a shared prefix (instruction and examples, computed once per engine and forked) and a short block an item: title, year,
// genres, and those of the genres that the user likes. A few sentences are drawn per item; each is cut at its first end and must pass
// check_reason (assist/grounding.h). The best accepted one is taken; if none passes after `max_samples`, a template writes the sentence and
// is marked so. Text from the catalogue enters as plain text of bounded length on one line: it can neither end the block nor become control
// tokens. docs/methods/reasons.md has the prompt, the ranking and what was measured.
//
// Same engine, options, seed, items in the same order: same sentences, whatever else the engine does. Thread-safe; a call drives the
// engine's steps itself and works beside an EngineLoop.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "assist/because.h"
#include "assist/grounding.h"
#include "core/options.h"
#include "lm/engine.h"

namespace attune::assist {

struct ExplainOptions {
  double temperature = 0.7;
  double top_p = 0.9;
  int32_t top_k = 40;
  int32_t first_samples = 2;  ///< sentences drawn per item at once
  int32_t max_samples = 8;  ///< before the template speaks
  int32_t max_tokens = 48;  ///< of one sentence
  int32_t max_in_flight = 32;  ///< sentences of one call in the engine at a time

  void describe(OptionList& list);
};

/// An item to be explained.
struct ReasonRequest {
  std::string item;  ///< opaque id, handed back
  ReasonFacts facts;
};

struct Reason {
  std::string item;
  std::string text;
  BecauseSource source = BecauseSource::kNone;
  int samples = 0;  ///< sentences drawn
  int accepted = 0;  ///< of them passed the check
  double mean_logprob = 0;  ///< of the chosen one, natural log a token; 0 for a template
};

/// Called on the thread that called explain.
struct ExplainCallbacks {
  std::function<void(std::string_view item, std::string_view text)> on_delta;  ///< more of the first candidate, provisional
  std::function<void(const Reason& reason)> on_final;  ///< in the order of the requests
  /// Every sentence drawn, with the check's verdict and whether it reads well; for tuning.
  std::function<void(std::string_view item, std::string_view sentence, const Verdict& verdict, bool reads_well)> on_candidate;
};

class Explainer {
 public:
  /// `engine` must outlive this. A model without a tokenizer writes nothing: every reason is a template's.
  Explainer(lm::Engine& engine, ExplainOptions options = {});
  ~Explainer();

  /// One reason for every request, in order. `other_titles` (may be null) is for the check. kCancelled if `stop` fires; other errors of the
  /// engine make the reasons they hit templates. Cost: the prefix once (about 500 tokens), then 40 tokens a block and 30 a sentence.
  std::vector<Reason> explain(std::span<const ReasonRequest> requests, uint64_t seed, const TitleIndex* other_titles = nullptr,
                              const ExplainCallbacks& callbacks = {}, std::stop_token stop = {});

  /// The whole prompt of an item as text.
  static std::string prompt(const ReasonFacts& facts);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// A sentence that says no more than the facts, without any model. `variant` picks the wording. Passes check_reason for every item whose
/// title can be read.
std::string template_reason(const ReasonFacts& facts, uint64_t variant);

}  // namespace attune::assist
