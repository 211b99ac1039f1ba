#include "lm/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/error.h"
#include "kernels/kernels.h"

namespace attune::lm {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();

/// log sum exp over the set (null: all). -inf for an empty set; NaN if any logit is NaN. With p = softmax(x), log sum exp = max x - log max p:
/// the vector kernel does the work, its order depends on the size of the set only; error below 1e-5.
double log_normaliser(std::span<const float> logits, const VocabSet* vocab) {
  thread_local std::vector<float> scratch;
  if (vocab == nullptr) {
    scratch.assign(logits.begin(), logits.end());
  } else {
    scratch.clear();
    for (const int32_t id : vocab->ids) scratch.push_back(logits[static_cast<size_t>(id)]);
  }
  float max = kImpossible;
  size_t best = 0;
  bool nan = false;
  for (size_t i = 0; i < scratch.size(); ++i) {
    nan |= std::isnan(scratch[i]);
    if (scratch[i] > max) {
      max = scratch[i];
      best = i;
    }
  }
  if (nan) return std::numeric_limits<double>::quiet_NaN();
  if (max == kImpossible) return -std::numeric_limits<double>::infinity();
  kernels::ops().softmax(scratch.data(), static_cast<int64_t>(scratch.size()));
  return max - std::log(static_cast<double>(scratch[best]));
}

}  // namespace

std::vector<Candidate> best_candidates(std::span<const float> logits, const VocabSet* vocab, int64_t k) {
  const int64_t size = vocab != nullptr ? static_cast<int64_t>(vocab->ids.size()) : static_cast<int64_t>(logits.size());
  if (k <= 0 || k > size) k = size;
  std::vector<Candidate> heap;  // worst of the kept ones on top
  heap.reserve(static_cast<size_t>(k));
  const auto consider = [&](int32_t id) {
    const Candidate candidate{logits[static_cast<size_t>(id)], id};
    if (candidate.logit == kImpossible) return;
    if (static_cast<int64_t>(heap.size()) < k) {
      heap.push_back(candidate);
      if (static_cast<int64_t>(heap.size()) == k) std::make_heap(heap.begin(), heap.end(), better);
    } else if (better(candidate, heap.front())) {
      std::pop_heap(heap.begin(), heap.end(), better);
      heap.back() = candidate;
      std::push_heap(heap.begin(), heap.end(), better);
    }
  };
  if (vocab == nullptr) {
    // Most runs of 32 hold nothing better than the worst of the k: one comparison each without branches, in vector registers.
    constexpr int32_t kRun = 32;
    const auto end = static_cast<int32_t>(logits.size());
    for (int32_t run = 0; run < end; run += kRun) {
      if (static_cast<int64_t>(heap.size()) == k && end - run >= kRun) {
        const float bound = heap.front().logit;
        int better_ones = 0;
        for (int32_t i = 0; i < kRun; ++i) better_ones += logits[static_cast<size_t>(run + i)] > bound ? 1 : 0;  // an equal one has a larger id
        if (better_ones == 0) continue;
      }
      for (int32_t id = run; id < std::min(end, run + kRun); ++id) consider(id);
    }
  } else {
    for (const int32_t id : vocab->ids) consider(id);
  }
  std::sort(heap.begin(), heap.end(), better);
  return heap;
}

namespace {

void apply_penalties(std::span<float> logits, const SamplerOptions& options, const TokenHistory& history) {
  for (const auto& [id, bias] : options.logit_bias) {
    if (id >= 0 && static_cast<size_t>(id) < logits.size()) logits[static_cast<size_t>(id)] += bias;
  }
  if (options.repeat_penalty != 1 && options.repeat_last_n != 0) {
    const size_t window = options.repeat_last_n < 0 ? history.ids.size() : std::min<size_t>(history.ids.size(), options.repeat_last_n);
    std::vector<int32_t> seen(history.ids.end() - static_cast<std::ptrdiff_t>(window), history.ids.end());
    std::sort(seen.begin(), seen.end());
    seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    for (const int32_t id : seen) {
      if (id < 0) continue;
      float& logit = logits[static_cast<size_t>(id)];
      logit = logit > 0 ? logit / static_cast<float>(options.repeat_penalty) : logit * static_cast<float>(options.repeat_penalty);
    }
  }
  if (options.presence_penalty != 0 || options.frequency_penalty != 0) {
    std::unordered_map<int32_t, int> counts;
    for (size_t i = static_cast<size_t>(history.num_prompt); i < history.ids.size(); ++i) ++counts[history.ids[i]];
    for (const auto& [id, count] : counts) {
      if (id >= 0) logits[static_cast<size_t>(id)] -= static_cast<float>(options.presence_penalty + options.frequency_penalty * count);
    }
  }
}

/// Number of leading candidates that top-p and min-p keep. weights: in order, the first is 1; top-p refers to `total`.
size_t cut(const std::vector<double>& weights, double total, const SamplerOptions& options) {
  size_t keep = weights.size();
  if (options.top_p < 1) {
    double cumulative = 0;
    for (size_t i = 0; i < keep; ++i) {
      cumulative += weights[i];
      if (cumulative >= options.top_p * total) {
        keep = i + 1;
        break;
      }
    }
  }
  if (options.min_p > 0) {
    while (keep > 1 && weights[keep - 1] < options.min_p * weights[0]) --keep;
  }
  return keep;
}

/// Candidates in order with weights exp((logit - best) / temperature), and the weight of the whole set that top-p refers to: the k kept by
/// top-k, else the whole vocabulary.
struct Policy {
  std::vector<Candidate> candidates;
  std::vector<double> weights;
  double total = 0;
};

Policy weigh(std::vector<Candidate> candidates, double temperature) {
  Policy policy{std::move(candidates), {}, 0};
  for (const Candidate& c : policy.candidates) {
    policy.weights.push_back(std::exp((static_cast<double>(c.logit) - policy.candidates[0].logit) / temperature));
    policy.total += policy.weights.back();
  }
  return policy;
}

/// For top-p or min-p without top-k.
Policy make_policy(std::span<const float> logits, const SamplerOptions& options, const VocabSet* vocab) {
  // Without top-k the cuts seldom need the whole set in order: take more of it until top-p or min-p is reached.
  std::vector<float> scaled(logits.begin(), logits.end());
  for (float& logit : scaled) logit = static_cast<float>(logit / options.temperature);
  const double log_total = log_normaliser(scaled, vocab);
  const int64_t size = vocab != nullptr ? static_cast<int64_t>(vocab->ids.size()) : static_cast<int64_t>(logits.size());
  for (int64_t k = 1024;; k *= 8) {
    Policy policy = weigh(best_candidates(logits, vocab, k), options.temperature);
    if (policy.candidates.empty()) return policy;
    const double held = policy.total;
    if (k < size) policy.total = std::exp(log_total - policy.candidates[0].logit / options.temperature);
    const bool top_p_reached = options.top_p < 1 && held >= (options.top_p + 1e-6) * policy.total;
    const bool min_p_reached = options.min_p > 0 && policy.weights.back() < options.min_p;
    if (k >= size || top_p_reached || min_p_reached) return policy;
  }
}

bool changes_logits(const SamplerOptions& options) noexcept {
  return !options.logit_bias.empty() || options.repeat_penalty != 1 || options.presence_penalty != 0 || options.frequency_penalty != 0;
}

/// A place in an array of weights, from a uniform number: the first whose running sum exceeds uniform * total. Sums of 512, then one by one.
size_t place_in(std::span<const float> weights, double uniform) {
  constexpr size_t kBlock = 512;
  std::vector<double> blocks;
  double total = 0;
  for (size_t begin = 0; begin < weights.size(); begin += kBlock) {
    double lanes[4] = {};
    const size_t end = std::min(weights.size(), begin + kBlock);
    size_t i = begin;
    for (; i + 4 <= end; i += 4) {
      for (size_t lane = 0; lane < 4; ++lane) lanes[lane] += weights[i + lane];
    }
    for (; i < end; ++i) lanes[0] += weights[i];
    blocks.push_back((lanes[0] + lanes[1]) + (lanes[2] + lanes[3]));
    total += blocks.back();
  }
  double target = uniform * total;
  size_t block = 0;
  while (block + 1 < blocks.size() && target >= blocks[block]) target -= blocks[block++];
  size_t last = block * kBlock;
  for (size_t i = block * kBlock; i < std::min(weights.size(), (block + 1) * kBlock); ++i) {
    if (weights[i] <= 0) continue;
    last = i;
    target -= weights[i];
    if (target < 0) break;
  }
  return last;
}

/// From the whole softmax, tokens in the order of their ids. model_logp is not set.
Sampled draw_from_all(std::span<const float> logits, double temperature, const VocabSet* vocab, double uniform) {
  thread_local std::vector<float> p;
  p.clear();
  const auto inverse = static_cast<float>(1 / temperature);
  if (vocab == nullptr) {
    p.assign(logits.begin(), logits.end());
  } else {
    for (const int32_t id : vocab->ids) p.push_back(logits[static_cast<size_t>(id)]);
  }
  if (temperature != 1) {
    for (float& logit : p) logit *= inverse;
  }
  kernels::ops().softmax(p.data(), static_cast<int64_t>(p.size()));
  const size_t at = place_in(p, uniform);
  check(!std::isnan(p[at]), ErrorCode::kInternal, "[sample] a logit is NaN");
  check(p[at] > 0, ErrorCode::kInvalidArgument, "[sample] no token is allowed");
  return {vocab == nullptr ? static_cast<int32_t>(at) : vocab->ids[at], std::log(p[at]), std::numeric_limits<float>::quiet_NaN()};
}

/// From candidates in order. model_logp is not set.
Sampled draw(const Policy& policy, const SamplerOptions& options, double uniform) {
  const auto& [candidates, weights, total] = policy;
  check(!candidates.empty(), ErrorCode::kInvalidArgument, "[sample] no token is allowed");
  const size_t keep = cut(weights, total, options);
  double kept = 0;
  for (size_t i = 0; i < keep; ++i) kept += weights[i];
  double target = uniform * kept;
  size_t chosen = keep - 1;
  for (size_t i = 0; i < keep; ++i) {
    target -= weights[i];
    if (target < 0) {
      chosen = i;
      break;
    }
  }
  return {candidates[chosen].id, static_cast<float>(std::log(weights[chosen] / kept)), std::numeric_limits<float>::quiet_NaN()};
}

bool any_nan(std::span<const float> logits) {
  int count = 0;
  for (const float x : logits) count += x != x ? 1 : 0;
  return count > 0;
}

}  // namespace

int64_t tokens_needed(const SamplerOptions& options) noexcept {
  if (changes_logits(options)) return 0;
  return options.greedy() ? 1 : options.top_k;
}

Sampled sample_best(std::vector<Candidate> best, const SamplerOptions& options, double uniform) {
  check(!best.empty(), ErrorCode::kInvalidArgument, "[sample] no token is allowed");
  check(!std::isnan(best[0].logit), ErrorCode::kInternal, "[sample] a logit is NaN");
  if (options.greedy()) return {best[0].id, 0, std::numeric_limits<float>::quiet_NaN()};
  return draw(weigh(std::move(best), options.temperature), options, uniform);
}

void SamplerOptions::describe(OptionList& list) {
  list.add("temperature", temperature, "Softmax temperature; 0 takes the likeliest token.").alias("--temp").range(0, 100);
  list.add("top_k", top_k, "Keep the k likeliest tokens; 0 keeps all.").range(0, 1 << 22);
  list.add("top_p", top_p, "Keep the likeliest tokens that hold this share of probability.").range(0, 1);
  list.add("min_p", min_p, "Drop tokens less likely than this times the likeliest.").range(0, 1);
  list.add("repeat_penalty", repeat_penalty, "Penalty on tokens of the last repeat_last_n; 1 is none.").range(0.01, 100);
  list.add("repeat_last_n", repeat_last_n, "Tokens that repeat_penalty looks back; -1 for all.").range(-1, 1 << 24);
  list.add("presence_penalty", presence_penalty, "Subtracted once from the logit of a generated token.").range(-2, 2);
  list.add("frequency_penalty", frequency_penalty, "Subtracted from the logit of a token for each time it was generated.").range(-2, 2);
}

double log_probability(std::span<const float> logits, int32_t id, const VocabSet* vocab) {
  return logits[static_cast<size_t>(id)] - log_normaliser(logits, vocab);
}

Sampled sample(std::span<float> logits, const SamplerOptions& options, const TokenHistory& history, const VocabSet* vocab, double uniform,
               std::vector<TokenLogprob>* top, int num_top, bool want_model) {
  want_model = want_model || (top != nullptr && num_top > 0);
  const bool changes = changes_logits(options);
  double log_z = 0;
  std::vector<float> original;
  if (want_model) {
    log_z = log_normaliser(logits, vocab);
    check(!std::isnan(log_z), ErrorCode::kInternal, "[sample] a logit is NaN");
    check(std::isfinite(log_z), ErrorCode::kInvalidArgument, "[sample] no token is allowed");
    if (changes) original.assign(logits.begin(), logits.end());
  } else {
    check(!any_nan(logits), ErrorCode::kInternal, "[sample] a logit is NaN");
  }
  if (top != nullptr) {
    top->clear();
    for (const Candidate& c : num_top > 0 ? best_candidates(logits, vocab, num_top) : std::vector<Candidate>{}) {
      top->push_back({c.id, static_cast<float>(c.logit - log_z)});
    }
  }
  if (changes) apply_penalties(logits, options, history);
  Sampled out;
  if (const int64_t needed = options.greedy() ? 1 : options.top_k; needed > 0) {
    out = sample_best(best_candidates(logits, vocab, needed), options, uniform);
  } else if (options.top_p >= 1 && options.min_p <= 0) {
    out = draw_from_all(logits, options.temperature, vocab, uniform);
  } else {
    out = draw(make_policy(logits, options, vocab), options, uniform);
  }
  if (want_model) {
    const float logit = changes ? original[static_cast<size_t>(out.id)] : logits[static_cast<size_t>(out.id)];
    out.logp_model = static_cast<float>(logit - log_z);
  }
  return out;
}

}  // namespace attune::lm
