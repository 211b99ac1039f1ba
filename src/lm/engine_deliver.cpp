// What a step's hidden states become: hidden rows, scores, logits, or the next token of a generation.
#include <algorithm>
#include <limits>
#include <optional>

#include "lm/engine_internal.h"

namespace attune::lm {
namespace {

constexpr size_t kLogitRows = 32;  // rows of logits held at once

/// Tokens that are never generated.
void forbid(std::span<float> logits, std::span<const int32_t> ids) {
  for (const int32_t id : ids) logits[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
}

}  // namespace

/// A hidden row that needs the head: it predicts position + 1 of its owner.
struct Engine::State::Output {
  Planned* owner;
  int64_t position;
  const float* hidden;
};

/// What one row of logits gives its job.
struct Engine::State::Outcome {
  Sampled sampled;
  float score = 0;
  std::optional<Error> error;
};

void Engine::State::keep_hidden(Job& job, std::span<const float> rows, int64_t d) {
  const auto width = static_cast<size_t>(d);
  if (!job.pooling) {
    job.output.insert(job.output.end(), rows.begin(), rows.end());
  } else if (*job.pooling == Pooling::kLast) {
    job.output.assign(rows.end() - static_cast<std::ptrdiff_t>(d), rows.end());
  } else {
    job.sum.resize(width);
    for (size_t i = 0; i < rows.size(); ++i) job.sum[i % width] += rows[i];
    const auto count = static_cast<double>(job.sequence().cache.length());
    job.output.resize(width);
    for (size_t i = 0; i < width; ++i) job.output[i] = static_cast<float>(job.sum[i] / count);
  }
}

void Engine::State::deliver(std::span<Planned> planned, const Weights& weights, std::span<const float> hidden, StepReport& report) {
  const int64_t d = model->config().hidden_size;
  std::vector<Output> by_screening, few_best, full;
  int64_t at = 0;
  for (Planned& p : planned) {
    const float* begin = hidden.data() + at * d;
    at += p.num_outputs;
    if (p.num_outputs == 0) continue;
    if (p.job->kind == Job::Kind::kHidden) {
      keep_hidden(*p.job, {begin, static_cast<size_t>(p.num_outputs * d)}, d);
      continue;
    }
    auto& outputs = !needs_only_best(*p.job, weights)                       ? full
                    : tokens_needed(p.job->sequence().options.sampler) == 1 ? by_screening
                                                                            : few_best;
    const int64_t length = p.job->sequence().cache.length();
    for (int64_t i = 0; i < p.num_outputs; ++i) outputs.push_back({&p, length - p.num_outputs + i, begin + i * d});
  }
  auto& cheaper = static_cast<int64_t>(few_best.size()) > head.max_screened_rows() ? full : by_screening;
  cheaper.insert(cheaper.end(), few_best.begin(), few_best.end());
  for (size_t first = 0; first < by_screening.size(); first += kLogitRows) {
    deliver_best(std::span(by_screening).subspan(first, std::min(kLogitRows, by_screening.size() - first)), weights, report);
  }
  for (size_t first = 0; first < full.size(); first += kLogitRows) {
    deliver_logits(std::span(full).subspan(first, std::min(kLogitRows, full.size() - first)), weights, report);
  }
}

bool Engine::State::needs_only_best(Job& job, const Weights& weights) const {
  if (job.kind != Job::Kind::kGenerate || job.request.num_top > 0) return false;
  if (job.constraint && !job.draft.empty()) return false;  // what is allowed behind a guess is known when the guess is
  const SeqOptions& want = job.sequence().options;
  return !want.want_model_logprob && want.vocab == nullptr && head.can_screen(weights, tokens_needed(want.sampler));
}

std::span<const float> Engine::State::gather(std::span<const Output> outputs) {
  const auto d = static_cast<size_t>(model->config().hidden_size);
  head_input.clear();
  for (const Output& output : outputs) head_input.insert(head_input.end(), output.hidden, output.hidden + d);
  return head_input;
}

void Engine::State::deliver_best(std::span<const Output> outputs, const Weights& weights, StepReport& report) {
  std::vector<int64_t> k;
  for (const Output& output : outputs) k.push_back(tokens_needed(output.owner->job->sequence().options.sampler));
  std::vector<std::span<const uint64_t>> allowed(outputs.size());
  std::vector<std::optional<Error>> errors(outputs.size());
  pool.run(static_cast<int>(outputs.size()), [&](int index) {
    const auto i = static_cast<size_t>(index);
    Job& job = *outputs[i].owner->job;
    if (!job.constraint) return;
    try {
      allowed[i] = job.constraint->allowed();
    } catch (const Error& error) {
      errors[i] = error;
    }
  });
  const auto hidden = gather(outputs);
  head.best(weights, hidden, k, model->forbidden_ids(), {options.head_z, options.exact_head}, best, allowed);
  if (options.head_audit_every > 0 && ++screened_steps % options.head_audit_every == 0) audit(weights, hidden, k, allowed[0]);
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!is_awaited(outputs[i])) continue;
    Outcome outcome;
    outcome.error = errors[i];
    Sequence::State& s = outputs[i].owner->job->sequence();
    try {
      if (!outcome.error) outcome.sampled = sample_best(std::move(best[i]), s.options.sampler, s.rng.uniform());
    } catch (const Error& error) {
      outcome.error = error;
    }
    accept(outputs[i], outcome, report);
  }
}

/// The first row again from the full head. A miss is counted, never repaired: the answer would depend on when audits happen.
void Engine::State::audit(const Weights& weights, std::span<const float> hidden, std::span<const int64_t> k,
                          std::span<const uint64_t> allowed) {
  const int64_t v = model->config().vocab_size;
  logits.resize(std::max(logits.size(), static_cast<size_t>(v)));
  head.logits(weights, hidden.first(static_cast<size_t>(model->config().hidden_size)), 1, logits.data());
  const std::span<float> row(logits.data(), static_cast<size_t>(v));
  forbid(row, model->forbidden_ids());
  if (!allowed.empty()) mask_logits(allowed, row);
  const auto want = best_candidates(row, nullptr, k[0]);
  const bool same = std::equal(want.begin(), want.end(), best[0].begin(), best[0].end(),
                               [](const Candidate& a, const Candidate& b) { return a.id == b.id && a.logit == b.logit; });
  const std::lock_guard lock(queue_mutex);
  ++stats.head_audits;
  if (!same) ++stats.head_misses;
}

void Engine::State::deliver_logits(std::span<const Output> outputs, const Weights& weights, StepReport& report) {
  const int64_t v = model->config().vocab_size;
  const auto count = static_cast<int64_t>(outputs.size());
  logits.resize(std::max(logits.size(), static_cast<size_t>(count * v)));
  head.logits(weights, gather(outputs), count, logits.data());
  const auto follows_guess = [&](size_t i) {
    return i > 0 && i < outputs.size() && outputs[i].owner == outputs[i - 1].owner && !outputs[i].owner->job->draft.empty();
  };
  // Rows are sampled at once, except that a row behind a guess waits until the guess is known to be right.
  std::vector<size_t> now;
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!follows_guess(i)) now.push_back(i);
  }
  while (!now.empty()) {
    std::vector<Outcome> outcomes(now.size());
    pool.run(static_cast<int>(now.size()), [&](int index) {
      const size_t i = now[static_cast<size_t>(index)];
      outcomes[static_cast<size_t>(index)] =
          read_logits(outputs[i], std::span(logits).subspan(i * static_cast<size_t>(v), static_cast<size_t>(v)));
    });
    std::vector<size_t> next;
    for (size_t n = 0; n < now.size(); ++n) {
      accept(outputs[now[n]], outcomes[n], report);
      if (follows_guess(now[n] + 1)) next.push_back(now[n] + 1);
    }
    now = std::move(next);
  }
}

Engine::State::Outcome Engine::State::read_logits(const Output& output, std::span<float> row) {
  Outcome out;
  Job& job = *output.owner->job;
  if (!is_awaited(output)) return out;
  Sequence::State& s = job.sequence();
  const VocabSet* vocab = s.options.vocab.get();
  try {
    if (job.kind == Job::Kind::kScore) {
      out.score = static_cast<float>(log_probability(row, s.ids[static_cast<size_t>(output.position + 1)], vocab));
    } else if (job.kind == Job::Kind::kGenerate) {
      forbid(row, model->forbidden_ids());
      if (job.constraint) mask_logits(job.constraint->allowed(), row);
      out.sampled = sample(row, s.options.sampler, {s.ids, job.num_prompt}, vocab, s.rng.uniform(), &job.top, job.request.num_top,
                           s.options.want_model_logprob);
    } else {
      job.output.assign(row.begin(), row.end());
    }
  } catch (const Error& error) {
    out.error = error;
  }
  return out;
}

void Engine::State::accept(const Output& output, const Outcome& outcome, StepReport& report) {
  Job& job = *output.owner->job;
  if (!is_awaited(output)) return;
  if (outcome.error) {
    job.sequence().cache.rewind(output.position + 1);
    finish(job, Finish::kError, &*outcome.error);
  } else if (job.kind == Job::Kind::kScore) {
    job.output.push_back(outcome.score);
  } else if (job.kind == Job::Kind::kGenerate) {
    accept_token(job, outcome.sampled, output.position, report);
  }
}

/// False if the job is done, or the row lies behind a wrong guess.
bool Engine::State::is_awaited(const Output& output) const noexcept {
  Job& job = *output.owner->job;
  return job.done && output.position < job.sequence().cache.length();
}

/// The token after `position` is known. Guesses behind it stay only if it was guessed itself and the generation goes on.
void Engine::State::accept_token(Job& job, const Sampled& sampled, int64_t position, StepReport& report) {
  ++report.decoding;
  Sequence::State& s = job.sequence();
  s.ids.push_back(sampled.id);
  const bool guessed = job.guessed(position + 1, sampled.id);
  const int64_t length = s.cache.length();
  std::optional<Error> error;
  Finish reason = Finish::kError;
  try {
    reason = report_token(job, sampled);
  } catch (const std::exception& failure) {
    error = Error(ErrorCode::kInternal, cat("[generate] the caller's callback failed: ", failure.what()));
  }
  if (!guessed || reason != Finish::kNone) s.cache.rewind(position + 1);  // the ring holds more than the longest draft
  if (!job.draft.empty() && (s.cache.length() < length || length == position + 1)) count_guesses(job, position - job.draft_begin);
  if (reason != Finish::kNone) finish(job, reason, error ? &*error : nullptr);
}

/// Tells the caller; kNone: the generation goes on.
Finish Engine::State::report_token(Job& job, const Sampled& sampled) {
  const Sequence::State& s = job.sequence();
  if (job.constraint) job.constraint->accept(sampled.id);
  const auto& stops = job.request.stop_ids;
  const bool is_stop = std::find(stops.begin(), stops.end(), sampled.id) != stops.end();
  bool wants_more = true;
  if (job.request.on_token && (!is_stop || job.request.report_stop_id)) {
    wants_more = job.request.on_token({sampled.id, sampled.logp_policy, sampled.logp_model, job.top});
  }
  if (is_stop || !wants_more || (job.constraint && job.constraint->finished())) return Finish::kStop;
  if (s.length() - job.num_prompt >= job.request.max_new) return Finish::kLength;
  if (s.length() >= model->config().context_length) return Finish::kContext;
  return Finish::kNone;
}

void Engine::State::count_guesses(Job& job, int64_t accepted) {
  const auto proposed = static_cast<int64_t>(job.draft.size()) - 1;
  job.lookup.observe(proposed, accepted);
  const std::lock_guard lock(queue_mutex);
  stats.guessed_tokens += proposed;
  stats.guessed_right += accepted;
}

}  // namespace attune::lm
