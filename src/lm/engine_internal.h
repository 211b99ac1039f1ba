// The engine's queue: jobs of every kind, and the state that `step` works on.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>

#include "core/thread_pool.h"
#include "lm/engine.h"
#include "lm/forward.h"
#include "lm/head.h"
#include "lm/sequence_internal.h"

namespace attune::lm {

/// One piece of queued work. Exactly one of the kinds decides which rows of the sequence are computed and what their outputs feed.
struct Job {
  enum class Kind {
    kGenerate,  // everything pending, then a token a step
    kPrefill,   // all but the last unit
    kScore,     // log-probabilities of the positions from score_begin on
    kHidden,    // hidden states of all positions
    kLogits,    // logits after the last position
  };

  Kind kind = Kind::kGenerate;
  Request request;                  // its sequence is the job's sequence, whatever the kind
  int64_t num_prompt = 0;           // kGenerate: positions at submission
  int64_t score_begin = 0;          // kScore: first position that is scored
  std::vector<float> output;        // kScore: [n]; kHidden: [length, D]; kLogits: [V]
  std::vector<TokenLogprob> top;
  std::function<void(Job&, Finish, const Error*)> done;

  Sequence::State& sequence() noexcept;
  /// Position up to which this job computes now.
  int64_t target() noexcept;
};

using JobPtr = std::unique_ptr<Job>;

struct Engine::State {
  State(std::shared_ptr<const Model> m, const EngineOptions& o);

  std::shared_ptr<const Model> model;
  EngineOptions options;
  Compute compute;
  ThreadPool pool;
  std::shared_ptr<KvPool> kv;
  Forward forward;
  Head head;

  std::mutex queue_mutex;  // guards inbox, stats, closing
  std::condition_variable_any work_arrived;
  std::deque<JobPtr> inbox;
  EngineStats stats;
  bool closing = false;

  std::mutex step_mutex;  // guards everything below
  std::vector<JobPtr> active;
  std::vector<float> logits, head_input;
  std::vector<std::vector<Candidate>> best;
  int64_t screened_steps = 0;

  static Sequence::State& sequence_state(Sequence& sequence) noexcept { return *sequence.state_; }

  void enqueue(JobPtr job, bool limited);
  void drive(const std::atomic<bool>& done, Engine& engine);

  // Parts of a step.
  struct Planned {
    Job* job;
    Chunk chunk;
    std::vector<const float*> soft_rows;
    std::vector<int64_t> visible_end;
    int64_t num_outputs;
  };
  void admit();
  void drop_cancelled();
  std::vector<Planned> plan();
  bool plan_job(Job& job, int64_t budget, bool may_exceed, std::vector<Planned>& planned);
  void deliver(std::vector<Planned>& planned, std::span<const float> hidden, StepReport& report);
  struct Output;
  bool needs_only_best(Job& job) const;
  std::span<const float> gather(std::span<const Output> outputs);
  void deliver_best(std::span<const Output> outputs, StepReport& report);
  void audit(std::span<const float> hidden, std::span<const int64_t> k);
  void deliver_logits(std::span<const Output> outputs, StepReport& report);
  void accept_token(Job& job, const Sampled& sampled, StepReport& report);
  void finish(Job& job, Finish finish, const Error* error);
  void remove_finished();
};

}  // namespace attune::lm
