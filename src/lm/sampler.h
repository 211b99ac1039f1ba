// Choosing the next token from logits: penalties, bias, vocabulary subset, temperature, top-k, top-p, min-p, one random stream a sequence.
//
// Order (docs/methods/gemma3.md, "Sampling"): subset and bias -> repetition, presence, frequency penalties -> log-probabilities of the model
// -> temperature -> top-k -> top-p -> min-p -> draw. Ties are broken by the smaller id, so the result is a function of (logits, options, u).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/options.h"

namespace attune::lm {

/// Allowed ids, ascending, unique. Sampling and scoring under it renormalise over the set.
struct VocabSet {
  std::vector<int32_t> ids;
};

/// Defaults are Gemma's own: 1.0 / 64 / 0.95.
struct SamplerOptions {
  double temperature = 1.0;  ///< 0 is greedy
  int32_t top_k = 64;  ///< 0 keeps all
  double top_p = 0.95;  ///< 1 keeps all
  double min_p = 0;  ///< drops tokens below min_p times the likeliest; 0 keeps all
  double repeat_penalty = 1;  ///< divides positive and multiplies negative logits of seen tokens
  double presence_penalty = 0;  ///< subtracted once from tokens already generated
  double frequency_penalty = 0;  ///< subtracted once per occurrence among generated tokens
  int32_t repeat_last_n = 64;  ///< window of repeat_penalty over prompt and output
  std::unordered_map<int32_t, float> logit_bias;

  /// All scalar fields, for command line and server.
  void describe(OptionList& list);
  bool greedy() const noexcept { return temperature == 0; }
};

struct TokenLogprob {
  int32_t id;
  float logprob;
};

struct Sampled {
  int32_t id = 0;
  float logp_policy = 0;  ///< log-probability under the distribution that was drawn from (after temperature and cuts)
  float logp_model = 0;  ///< log softmax of the logits at temperature 1 under the vocabulary subset, before penalties and bias
};

/// Tokens seen, for the penalties. One a sequence.
struct TokenHistory {
  std::span<const int32_t> ids;  ///< prompt and output; negative ids (soft rows) are skipped
  int64_t num_prompt = 0;  ///< the first of them are the prompt
};

struct Candidate {
  float logit;
  int32_t id;
};
/// Higher logit first, smaller id on ties.
constexpr bool better(const Candidate& a, const Candidate& b) noexcept { return a.logit != b.logit ? a.logit > b.logit : a.id < b.id; }

/// The k best tokens of the set (null: all) in order; k <= 0 or above the size: all. Logits of -inf are left out.
std::vector<Candidate> best_candidates(std::span<const float> logits, const VocabSet* vocab, int64_t k);

/// How many of the best tokens decide the draw (1 if greedy, else top_k), when nothing else of the logits does; 0: all logits are needed.
int64_t tokens_needed(const SamplerOptions& options) noexcept;

/// Draws from the best tokens, as `sample` draws from all logits; `best` holds tokens_needed(options) of them in order (or all there are).
/// logp_model is NaN. Throws kInternal if a logit is NaN.
Sampled sample_best(std::vector<Candidate> best, const SamplerOptions& options, double uniform);

/// Draws one token. logits [V] are modified in place. `uniform` in [0, 1). `top`, if not empty, receives the likeliest tokens of the model's
/// distribution in order. Throws kInternal if a logit is NaN (the request ends with an error instead of an endless stream of padding).
/// Without `want_model` and `top`, the normaliser of the model's distribution is not computed and logp_model is NaN.
Sampled sample(std::span<float> logits, const SamplerOptions& options, const TokenHistory& history, const VocabSet* vocab, double uniform,
               std::vector<TokenLogprob>* top = nullptr, int num_top = 0, bool want_model = true);

/// log softmax(logits)[id] over `vocab` (null: all). Absolute error below 1e-5.
double log_probability(std::span<const float> logits, int32_t id, const VocabSet* vocab);

}  // namespace attune::lm
