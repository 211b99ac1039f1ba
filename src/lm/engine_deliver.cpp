// What a step's hidden states become: hidden rows, scores, logits, or the next token of a generation.
#include <algorithm>
#include <limits>

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

void Engine::State::deliver(std::vector<Planned>& planned, std::span<const float> hidden, StepReport& report) {
  const int64_t d = model->config().hidden_size;
  std::vector<Output> screened, full;
  int64_t at = 0;
  for (Planned& p : planned) {
    const float* begin = hidden.data() + at * d;
    at += p.num_outputs;
    if (p.num_outputs == 0) continue;
    if (p.job->kind == Job::Kind::kHidden) {
      p.job->output.insert(p.job->output.end(), begin, begin + p.num_outputs * d);
      continue;
    }
    auto& outputs = needs_only_best(*p.job) ? screened : full;
    const int64_t length = p.job->sequence().cache.length();
    for (int64_t i = 0; i < p.num_outputs; ++i) outputs.push_back({&p, length - p.num_outputs + i, begin + i * d});
  }
  for (size_t first = 0; first < screened.size(); first += kLogitRows) {
    deliver_best(std::span(screened).subspan(first, std::min(kLogitRows, screened.size() - first)), report);
  }
  for (size_t first = 0; first < full.size(); first += kLogitRows) {
    deliver_logits(std::span(full).subspan(first, std::min(kLogitRows, full.size() - first)), report);
  }
}

bool Engine::State::needs_only_best(Job& job) const {
  if (job.kind != Job::Kind::kGenerate || job.request.num_top > 0) return false;
  const SeqOptions& want = job.sequence().options;
  return !want.want_model_logprob && want.vocab == nullptr && head.can_screen(*model->weights(), tokens_needed(want.sampler));
}

std::span<const float> Engine::State::gather(std::span<const Output> outputs) {
  const auto d = static_cast<size_t>(model->config().hidden_size);
  head_input.clear();
  for (const Output& output : outputs) head_input.insert(head_input.end(), output.hidden, output.hidden + d);
  return head_input;
}

void Engine::State::deliver_best(std::span<const Output> outputs, StepReport& report) {
  std::vector<int64_t> k;
  for (const Output& output : outputs) k.push_back(tokens_needed(output.owner->job->sequence().options.sampler));
  const auto hidden = gather(outputs);
  head.best(*model->weights(), hidden, k, model->forbidden_ids(), {options.head_z, options.exact_head}, best);
  if (options.head_audit_every > 0 && ++screened_steps % options.head_audit_every == 0) audit(hidden, k);
  for (size_t i = 0; i < outputs.size(); ++i) {
    Job& job = *outputs[i].owner->job;
    if (!job.done) continue;
    Sequence::State& s = job.sequence();
    try {
      accept_token(job, sample_best(std::move(best[i]), s.options.sampler, s.rng.uniform()), report);
    } catch (const Error& error) {
      finish(job, Finish::kError, &error);
    }
  }
}

/// The first row again from the full head. A miss is counted, never repaired: the answer would depend on when audits happen.
void Engine::State::audit(std::span<const float> hidden, std::span<const int64_t> k) {
  const int64_t v = model->config().vocab_size;
  logits.resize(std::max(logits.size(), static_cast<size_t>(v)));
  head.logits(*model->weights(), hidden.first(static_cast<size_t>(model->config().hidden_size)), 1, logits.data());
  const std::span<float> row(logits.data(), static_cast<size_t>(v));
  forbid(row, model->forbidden_ids());
  const auto want = best_candidates(row, nullptr, k[0]);
  const bool same = std::equal(want.begin(), want.end(), best[0].begin(), best[0].end(),
                               [](const Candidate& a, const Candidate& b) { return a.id == b.id && a.logit == b.logit; });
  const std::lock_guard lock(queue_mutex);
  ++stats.head_audits;
  if (!same) ++stats.head_misses;
}

void Engine::State::deliver_logits(std::span<const Output> outputs, StepReport& report) {
  const int64_t v = model->config().vocab_size;
  const auto count = static_cast<int64_t>(outputs.size());
  logits.resize(std::max(logits.size(), static_cast<size_t>(count * v)));
  head.logits(*model->weights(), gather(outputs), count, logits.data());
  std::vector<Sampled> sampled(outputs.size());
  std::vector<float> scores(outputs.size());
  std::vector<std::optional<Error>> errors(outputs.size());
  pool.run(static_cast<int>(count), [&](int index) {
    const auto i = static_cast<size_t>(index);
    Job& job = *outputs[i].owner->job;
    Sequence::State& s = job.sequence();
    const std::span<float> row(logits.data() + index * v, static_cast<size_t>(v));
    const VocabSet* vocab = s.options.vocab.get();
    try {
      if (job.kind == Job::Kind::kScore) {
        scores[i] = static_cast<float>(log_probability(row, s.ids[static_cast<size_t>(outputs[i].position + 1)], vocab));
      } else if (job.kind == Job::Kind::kGenerate) {
        forbid(row, model->forbidden_ids());
        sampled[i] = sample(row, s.options.sampler, {s.ids, job.num_prompt}, vocab, s.rng.uniform(), &job.top, job.request.num_top,
                            s.options.want_model_logprob);
      } else {
        job.output.assign(row.begin(), row.end());
      }
    } catch (const Error& error) {
      errors[i] = error;
    }
  });
  for (size_t i = 0; i < outputs.size(); ++i) {
    Job& job = *outputs[i].owner->job;
    if (!job.done) continue;
    if (errors[i]) {
      finish(job, Finish::kError, &*errors[i]);
    } else if (job.kind == Job::Kind::kScore) {
      job.output.push_back(scores[i]);
    } else if (job.kind == Job::Kind::kGenerate) {
      accept_token(job, sampled[i], report);
    }
  }
}

void Engine::State::accept_token(Job& job, const Sampled& sampled, StepReport& report) {
  ++report.decoding;
  Sequence::State& s = job.sequence();
  s.ids.push_back(sampled.id);
  const auto& stops = job.request.stop_ids;
  const bool is_stop = std::find(stops.begin(), stops.end(), sampled.id) != stops.end();
  bool wants_more = true;
  if (job.request.on_token && (!is_stop || job.request.report_stop_id)) {
    try {
      wants_more = job.request.on_token({sampled.id, sampled.logp_policy, sampled.logp_model, job.top});
    } catch (const std::exception& failure) {
      const Error error(ErrorCode::kInternal, cat("[generate] the caller's callback failed: ", failure.what()));
      return finish(job, Finish::kError, &error);
    }
  }
  if (is_stop || !wants_more) return finish(job, Finish::kStop, nullptr);
  if (s.length() - job.num_prompt >= job.request.max_new) return finish(job, Finish::kLength, nullptr);
  if (s.length() >= model->config().context_length) return finish(job, Finish::kContext, nullptr);
}

}  // namespace attune::lm
