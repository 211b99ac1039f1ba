// The engine's blocking helpers: queue one or many jobs and drive steps until they are done.
#include <atomic>
#include <cmath>
#include <optional>

#include "lm/engine_internal.h"

namespace attune::lm {
namespace {

/// Outcome of a job, filled on whichever thread steps.
struct Awaited {
  std::atomic<bool> done{false};
  Finish finish = Finish::kNone;
  std::optional<Error> error;
  bool keeps_sequence = true;  // false: its memory is free for others once the job is done
  Sequence sequence;
  std::vector<float> output;

  std::function<void(Job&, Finish, const Error*)> receiver() {
    return [this](Job& job, Finish f, const Error* e) {
      finish = f;
      if (e != nullptr) error = *e;
      Sequence finished = std::move(job.request.sequence);
      if (keeps_sequence) sequence = std::move(finished);
      output = std::move(job.output);
      done.store(true, std::memory_order_release);
    };
  }
  void rethrow() const {
    if (error) throw *error;
    check(finish != Finish::kCancelled, ErrorCode::kCancelled, "[engine] the work was cancelled");
  }
};

JobPtr make_job(Job::Kind kind, Sequence sequence, std::stop_token stop, Awaited& outcome) {
  auto job = std::make_unique<Job>();
  job->kind = kind;
  job->request.sequence = std::move(sequence);
  job->request.stop = std::move(stop);
  job->num_prompt = job->sequence().length();
  job->done = outcome.receiver();
  return job;
}

}  // namespace

double ScoreOut::sum() const noexcept {
  double total = 0;
  for (const float value : logprob) total += value;
  return total;
}

void Engine::State::drive(const std::atomic<bool>& done, Engine& engine) {
  while (!done.load(std::memory_order_acquire)) engine.step();
}

void Engine::prefill(Sequence& sequence, std::stop_token stop) {
  check(sequence.valid() && sequence.length() > 0, ErrorCode::kInvalidArgument, "[prefill] the sequence is empty");
  Awaited outcome;
  state_->enqueue(make_job(Job::Kind::kPrefill, std::move(sequence), std::move(stop), outcome), false);
  state_->drive(outcome.done, *this);
  sequence = std::move(outcome.sequence);
  outcome.rethrow();
}

Completion Engine::generate(Sequence sequence, int64_t max_new, std::vector<int32_t> stop_ids,
                            const std::function<bool(const Event&)>& on_token, std::stop_token stop,
                            std::shared_ptr<const TokenConstraint> constraint) {
  Completion out;
  std::atomic<bool> done{false};
  std::optional<Error> failure;
  Request request;
  request.sequence = std::move(sequence);
  request.max_new = max_new;
  request.stop_ids = std::move(stop_ids);
  request.stop = std::move(stop);
  request.constraint = std::move(constraint);
  request.on_token = [&](const Event& event) {
    out.ids.push_back(event.token);
    out.logp_policy.push_back(event.logp_policy);
    out.logp_model.push_back(event.logp_model);
    return !on_token || on_token(event);
  };
  request.on_done = [&](Sequence finished, Finish finish, const Error* error) {
    out.sequence = std::move(finished);
    out.finish = finish;
    if (error != nullptr) failure = *error;
    done.store(true, std::memory_order_release);
  };
  submit(std::move(request));
  state_->drive(done, *this);
  if (failure) throw *failure;
  return out;
}

std::vector<ScoreOut> Engine::score(std::span<const Prompt> prompts, std::span<const std::vector<int32_t>> completions,
                                    std::shared_ptr<const VocabSet> vocab, std::stop_token stop, WeightsId weights) {
  check(prompts.size() == completions.size(), ErrorCode::kInvalidArgument, "[score] ", prompts.size(), " prompts and ", completions.size(),
        " completions");
  std::vector<Awaited> outcomes(prompts.size());
  std::vector<JobPtr> jobs;
  for (size_t i = 0; i < prompts.size(); ++i) {
    check(prompts[i].length() > 0, ErrorCode::kInvalidArgument, "[score] prompt ", i, " is empty");
    SeqOptions sequence_options;
    sequence_options.vocab = vocab;
    sequence_options.weights = weights;
    Sequence sequence = start(sequence_options);
    sequence.append(prompts[i]);
    sequence.append(completions[i]);
    outcomes[i].keeps_sequence = false;
    jobs.push_back(make_job(Job::Kind::kScore, std::move(sequence), stop, outcomes[i]));
    jobs.back()->score_begin = prompts[i].length();
  }
  for (auto& job : jobs) state_->enqueue(std::move(job), false);
  std::vector<ScoreOut> out;
  for (auto& outcome : outcomes) state_->drive(outcome.done, *this);
  for (auto& outcome : outcomes) {
    outcome.rethrow();
    out.push_back({std::move(outcome.output)});
  }
  return out;
}

ScoreOut Engine::score(const Sequence& prefix, std::span<const int32_t> completion, std::stop_token stop) {
  check(prefix.valid() && prefix.length() > 0, ErrorCode::kInvalidArgument, "[score] the prefix is empty");
  Sequence sequence = prefix.fork(0);
  const int64_t begin = sequence.length();
  check(sequence.computed() < begin, ErrorCode::kFailedPrecondition, "[score] the prefix has no pending position; prefill leaves one");
  sequence.append(completion);
  Awaited outcome;
  auto job = make_job(Job::Kind::kScore, std::move(sequence), std::move(stop), outcome);
  job->score_begin = begin;
  state_->enqueue(std::move(job), false);
  state_->drive(outcome.done, *this);
  outcome.rethrow();
  return {std::move(outcome.output)};
}

std::vector<std::vector<float>> Engine::State::hidden_of(Engine& engine, std::span<const Prompt> prompts, std::optional<Pooling> pooling,
                                                         const std::stop_token& stop, WeightsId weights) {
  std::vector<Awaited> outcomes(prompts.size());
  std::vector<JobPtr> jobs;
  SeqOptions sequence_options;
  sequence_options.weights = weights;
  for (size_t i = 0; i < prompts.size(); ++i) {
    check(prompts[i].length() > 0, ErrorCode::kInvalidArgument, "[hidden] prompt ", i, " is empty");
    Sequence sequence = engine.start(sequence_options);
    sequence.append(prompts[i]);
    outcomes[i].keeps_sequence = false;
    jobs.push_back(make_job(Job::Kind::kHidden, std::move(sequence), stop, outcomes[i]));
    jobs.back()->pooling = pooling;
  }
  for (auto& job : jobs) enqueue(std::move(job), false);
  for (auto& outcome : outcomes) drive(outcome.done, engine);
  std::vector<std::vector<float>> out;
  for (auto& outcome : outcomes) {
    outcome.rethrow();
    out.push_back(std::move(outcome.output));
  }
  return out;
}

std::vector<float> Engine::hidden(const Prompt& prompt, std::stop_token stop, WeightsId weights) {
  return std::move(state_->hidden_of(*this, {&prompt, 1}, std::nullopt, stop, weights)[0]);
}

std::vector<std::vector<float>> Engine::hidden(std::span<const Prompt> prompts, std::stop_token stop, WeightsId weights) {
  return state_->hidden_of(*this, prompts, std::nullopt, stop, weights);
}

std::vector<std::vector<float>> Engine::embed(std::span<const Prompt> prompts, Pooling pooling, bool normalise, std::stop_token stop,
                                              WeightsId weights) {
  auto out = state_->hidden_of(*this, prompts, pooling, stop, weights);
  for (std::vector<float>& vector : out) {
    double squares = 0;
    for (const float x : vector) squares += static_cast<double>(x) * x;
    check(std::isfinite(squares), ErrorCode::kInternal, "[embed] a hidden state is not finite");
    if (!normalise || squares == 0) continue;
    const double factor = 1 / std::sqrt(squares);
    for (float& x : vector) x = static_cast<float>(x * factor);
  }
  return out;
}

std::vector<float> Engine::logits(Sequence& sequence) {
  prefill(sequence);
  Awaited outcome;
  state_->enqueue(make_job(Job::Kind::kLogits, sequence.fork(0), {}, outcome), false);
  state_->drive(outcome.done, *this);
  outcome.rethrow();
  return std::move(outcome.output);
}

}  // namespace attune::lm
