// The engine's queue: jobs of every kind, and the state that `step` works on.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <set>

#include "core/thread_pool.h"
#include "lm/engine.h"
#include "lm/forward.h"
#include "lm/head.h"
#include "lm/prefix_cache.h"
#include "lm/publish_internal.h"
#include "lm/sequence_internal.h"
#include "lm/speculation.h"
#include "lm/step_budget.h"

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
  std::vector<float> output;        // kScore: [n]; kHidden: [length, D], or [D] with a pooling; kLogits: [V]
  std::optional<Pooling> pooling;   // kHidden: only this is kept
  std::vector<double> sum;          // of hidden states so far, for the mean
  std::vector<TokenLogprob> top;
  std::optional<ConstraintCursor> constraint;  // kGenerate
  std::function<void(Job&, Finish, const Error*)> done;

  // Schedule.
  uint64_t serial = 0;                 // by order of admission, from 1
  bool prefix_known = false;           // looked up in the prefix cache, or computed positions of its own
  bool parked = false;                 // gave up its keys and values; computes nothing until memory allows
  uint64_t waits_for = 0;              // serial of older work that computes the first waits_until positions; 0 = none
  int64_t waits_until = 0;
  std::set<int64_t> snapshots;         // positions where a chunk ends and the prefix is remembered
  int64_t next_snapshot = 0;           // from here on the next chunk's end is remembered

  // Speculation (kGenerate).
  PromptLookup lookup;
  std::vector<int32_t> draft;          // rows of this step: the pending token and the guesses behind it; empty without guesses
  int64_t draft_begin = 0;             // position of the pending token

  Sequence::State& sequence() noexcept;
  /// Position up to which this job computes now.
  int64_t target() noexcept;
  /// Leading positions that need not be computed by this job itself: none of its outputs comes from them.
  int64_t reusable_end() noexcept;
  bool decodes() noexcept { return kind == Kind::kGenerate && sequence().pending() == 1; }
  /// Whether `id` was guessed for `position` in this step.
  bool guessed(int64_t position, int32_t id) const noexcept {
    const auto i = static_cast<size_t>(position - draft_begin);
    return i < draft.size() && draft[i] == id;
  }
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
  WeightSets sets;
  std::mutex publish_mutex;  // one publisher at a time

  std::mutex queue_mutex;  // guards inbox, stats, closing
  std::condition_variable_any work_arrived;
  std::deque<JobPtr> inbox;
  EngineStats stats;
  bool closing = false;

  std::mutex step_mutex;  // guards everything below
  std::vector<JobPtr> active;  // by age
  std::vector<float> logits, head_input;
  std::vector<std::vector<Candidate>> best;
  int64_t screened_steps = 0;
  PrefixCache prefix;
  StepBudget budget;
  uint64_t last_serial = 0;
  uint64_t turn = 0;  // of steps: whose rows are planned first

  static Sequence::State& sequence_state(Sequence& sequence) noexcept { return *sequence.state_; }

  void enqueue(JobPtr job, bool limited);
  void drive(const std::atomic<bool>& done, Engine& engine);
  std::vector<std::vector<float>> hidden_of(Engine& engine, std::span<const Prompt> prompts, std::optional<Pooling> pooling,
                                            const std::stop_token& stop, WeightsId weights);

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
  void plan_decode(Job& job, int64_t max_guesses, std::vector<Planned>& planned);
  void guess(Job& job, int64_t max_guesses);
  void describe_chunk(Job& job, int64_t start, int64_t n, Planned& planned);
  bool reserve(Job& job, int64_t n, std::vector<Planned>& planned);
  void park(Job& job, std::vector<Planned>& planned);
  void unpark();
  bool has_room(Job& job);
  void find_prefixes();
  void find_prefix(Job& job);
  bool wait_for_older(Job& job);
  void remember(Job& job, bool at_end) noexcept;
  void finish_complete();
  void publish_stats();
  void compute_planned(std::vector<Planned>& planned, StepReport& report);
  static void keep_hidden(Job& job, std::span<const float> rows, int64_t d);
  void deliver(std::span<Planned> planned, const Weights& weights, std::span<const float> hidden, StepReport& report);
  struct Output;
  struct Outcome;
  bool needs_only_best(Job& job, const Weights& weights) const;
  std::span<const float> gather(std::span<const Output> outputs);
  void deliver_best(std::span<const Output> outputs, const Weights& weights, StepReport& report);
  void audit(const Weights& weights, std::span<const float> hidden, std::span<const int64_t> k, std::span<const uint64_t> allowed);
  void deliver_logits(std::span<const Output> outputs, const Weights& weights, StepReport& report);
  Outcome read_logits(const Output& output, std::span<float> row);
  void accept(const Output& output, const Outcome& outcome, StepReport& report);
  bool is_awaited(const Output& output) const noexcept;
  void accept_token(Job& job, const Sampled& sampled, int64_t position, StepReport& report);
  Finish report_token(Job& job, const Sampled& sampled);
  void count_guesses(Job& job, int64_t accepted);
  void finish(Job& job, Finish finish, const Error* error);
  void remove_finished();

  // Publishing (publish.cpp).
  PublishReport publish_adapter(std::shared_ptr<const Adapter> adapter, const PublishOptions& how);
  PublishReport publish_full(const ModelConfig& config, const io::TensorSource& source, Publish kind, const PublishOptions& how);
  PublishReport add_set(std::shared_ptr<WeightSet> set, const Weights& reference, const PublishOptions& how);
};

}  // namespace attune::lm
