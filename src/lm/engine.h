// The engine: all work of all callers (prefill, decode, scoring, hidden states) goes through one queue and shares the batch.
//
// A row's bits do not depend on its neighbours: for one instruction set and compute mode, a sequence gives the same bytes whatever the
// batch, the chunk size, forks, preemption, or cached prefix.
// Prefix cache (lm/prefix_cache.h): computed prompts and generations are remembered up to a cap; work on a fresh sequence begins at the
// longest usable prefix of what it needs. Work that begins like a prompt being computed right now waits for that part.
// Memory: when keys and values meet their cap, remembered prefixes go first; then the newest work gives up what it computed and
// computes it again, to the same bytes, when the others have finished. kResource only for work that does not fit alone.
// Threads: every function may be called from any thread. Work is done inside `step`; whoever waits (generate, score, ...) drives it, and a
// server runs an EngineLoop. Sequences are handles with one owner.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "core/error.h"
#include "core/options.h"
#include "core/progress.h"
#include "lm/model.h"
#include "lm/prompt.h"
#include "lm/publish.h"
#include "lm/sampler.h"
#include "lm/token_constraint.h"

namespace attune::lm {

enum class Compute { kF32, kFast };

struct EngineOptions {
  std::string compute =
      "fast";     ///< "f32": weights dequantised exactly, F32 activations and cache (reference); "fast": int8 activations, F16 cache
  int32_t threads = 0;              ///< 0: all usable cores
  int32_t max_chunk = 256;          ///< rows of one forward pass
  int32_t max_sequences = 64;       ///< decoding at once; further requests wait
  int32_t queue_limit = 256;        ///< waiting requests; beyond it submit throws kResource
  std::string kv_type = "auto";     ///< keys and values: "f32", "f16", "q8_0"; "auto": f16, or f32 with compute f32
  int64_t kv_memory_mib = 2048;     ///< cap of all keys and values
  double head_z = 8;                ///< bound of the head's screening in standard deviations (lm/head.h)
  bool exact_head = false;          ///< the Cauchy-Schwarz bound instead
  int32_t head_audit_every = 1000;  ///< screened steps between audits against the full head
  int64_t prefix_cache_mib = 1024;  ///< part of it that finished work may keep for later prompts; 0 keeps nothing
  int32_t max_step_ms = 150;        ///< longest step for sequences that are decoding, by choice of prompt rows beside them; 0: no limit
  int32_t speculate = 8;            ///< tokens guessed a step from earlier text, over all sequences (lm/speculation.h); 0: none
  int64_t weights_memory_mib = 4096;  ///< cap of all published sets of weights together, the model's own not counted
  int32_t rewind_margin = 64;       ///< positions beyond the window a local layer keeps, so that rewind(r) works for r up to this

  void describe(OptionList& list);
};

enum class Finish { kNone, kStop, kLength, kContext, kCancelled, kError };
std::string_view finish_name(Finish finish) noexcept;

/// Fixed for the life of a sequence (a fork may change seed stream and sampler).
struct SeqOptions {
  SamplerOptions sampler;
  uint64_t seed = 0;
  uint64_t stream = 0;
  std::shared_ptr<const VocabSet> vocab;   ///< null: the whole vocabulary
  /// Event::logp_model is wanted: every step then reads the whole head, also for greedy and top-k sampling.
  bool want_model_logprob = false;
  uint64_t salt = 0;                       ///< the prefix cache shares only between equal ones (and equal weights)
  WeightsId weights = kCurrentWeights;     ///< a published set, kept until the sequence ends; forks inherit it
};

class Engine;

/// A sequence: computed positions (keys and values), pending pieces, and a random stream. Move-only; the destructor frees its pages.
class Sequence {
 public:
  Sequence() noexcept;
  Sequence(Sequence&&) noexcept;
  Sequence& operator=(Sequence&&) noexcept;
  ~Sequence();

  bool valid() const noexcept { return state_ != nullptr; }
  /// Shares all pages copy-on-write, at any length, also with pending pieces. O(pages). The child continues with its own random stream.
  Sequence fork(uint64_t stream) const;
  /// Queues pieces behind what is there. Throws kInvalidArgument for ids outside the vocabulary, kResource beyond the context length.
  void append(const Prompt& prompt);
  void append(std::span<const int32_t> ids);
  /// Cuts to the first `length` positions. False (and unchanged) if a local layer no longer holds that past, or inside a bidirectional block.
  bool rewind(int64_t length);
  /// Positions, pending ones included.
  int64_t length() const noexcept;
  /// Positions whose keys and values are computed.
  int64_t computed() const noexcept;
  /// Leading positions that came from the prefix cache.
  int64_t reused() const noexcept;
  /// Token ids by position; -1 for soft rows.
  const std::vector<int32_t>& ids() const noexcept;
  /// The set of weights that it computes with, never kCurrentWeights.
  WeightsId weights() const noexcept;
  SamplerOptions& sampler() noexcept;
  void set_vocab(std::shared_ptr<const VocabSet> vocab) noexcept;
  void set_want_model_logprob(bool want) noexcept;
  void set_seed(uint64_t seed, uint64_t stream) noexcept;
  /// Bytes of pages this sequence refers to (shared ones counted whole).
  int64_t kv_bytes() const noexcept;

  struct State;  ///< Private to lm/.

 private:
  friend class Engine;
  explicit Sequence(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// One generated token.
struct Event {
  int32_t token = 0;
  float logp_policy = 0;
  float logp_model = 0;  ///< NaN unless SeqOptions::want_model_logprob or Request::num_top asked for it
  std::span<const TokenLogprob> top;  ///< `num_top` likeliest, valid during the call
};

/// A generation. `on_token` runs on the stepping thread: keep it short; returning false ends the generation (kStop).
/// A stop id ends it (kStop) and is reported as an event only with `report_stop_id`.
/// `on_done` gets the sequence back: its last sampled token is pending, so that more can be appended (or it can be forked) and it goes on.
struct Request {
  Sequence sequence;
  int64_t max_new = 512;
  std::vector<int32_t> stop_ids;
  bool report_stop_id = false;
  int32_t num_top = 0;
  /// What the generated text must fit (null: anything). Probabilities are then those among the allowed tokens. Ends (kStop) as soon as the text
  /// is complete and nothing can follow; kError if no token fits.
  std::shared_ptr<const TokenConstraint> constraint;
  std::stop_token stop;
  std::function<bool(const Event&)> on_token;
  std::function<void(Sequence, Finish, const Error*)> on_done;
};

struct Completion {
  std::vector<int32_t> ids;  ///< without the stop id
  std::vector<float> logp_policy;  ///< [n]
  std::vector<float> logp_model;  ///< [n]; NaN unless SeqOptions::want_model_logprob
  Finish finish = Finish::kNone;
  Sequence sequence;
};

struct ScoreOut {
  std::vector<float> logprob;  ///< [n]: log p(token_i | prompt, tokens before), temperature 1, under the vocabulary subset
  double sum() const noexcept;
};

struct StepReport {
  int rows = 0;  ///< positions computed
  int decoding = 0;  ///< sequences that produced a token
  int waiting = 0;  ///< requests not finished
};

struct EngineStats {
  int64_t prompt_tokens = 0;
  int64_t generated_tokens = 0;
  int64_t steps = 0;
  int64_t running = 0;
  int64_t queued = 0;
  int64_t kv_bytes = 0;
  int64_t kv_bytes_max = 0;
  int64_t cancelled = 0;
  int64_t head_audits = 0;  ///< screened steps compared with the full head
  int64_t head_misses = 0;  ///< of them, those that gave other tokens or values
  int64_t weight_sets = 0;  ///< published, retired ones that sequences still use included; the base model's not
  int64_t weight_bytes = 0;  ///< of them
  int64_t weight_bytes_max = 0;
  int64_t preempted = 0;  ///< times that work gave up its keys and values for older work
  int64_t prefix_lookups = 0;
  int64_t prefix_hits = 0;
  int64_t prefix_hit_tokens = 0;  ///< positions that were not computed again
  int64_t prefix_evictions = 0;  ///< pages
  int64_t prefix_bytes = 0;  ///< of remembered pages, shared with live work or not; part of kv_bytes
  int64_t prefix_bytes_max = 0;
  int64_t guessed_tokens = 0;  ///< computed ahead by speculation
  int64_t guessed_right = 0;  ///< of them, those that were kept
  double busy_seconds = 0;
};

/// How the hidden states of a prompt become one vector: their mean over all positions, or the last one.
enum class Pooling { kMean, kLast };

class Engine {
 public:
  Engine(std::shared_ptr<const Model> model, const EngineOptions& options);
  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const Model& model() const noexcept;
  const EngineOptions& options() const noexcept;
  Compute compute() const noexcept;

  /// An empty sequence. Throws kNotFound for an unknown set of weights.
  Sequence start(const SeqOptions& options = {});
  /// Queues a generation. Throws kResource when the queue is full (back-pressure), kInvalidArgument for an empty sequence.
  void submit(Request request);
  /// Computes one batch. Returns at once if there is nothing to do. One step at a time; concurrent callers wait.
  StepReport step();
  /// Blocks until there is work or `stop`.
  void wait_for_work(std::stop_token stop);

  // Blocking helpers: they queue work and drive steps until it is done. Errors of the work are thrown.
  /// Computes all pending positions but the last one (the next generation, or fork, computes it), so that forks share the prefix.
  void prefill(Sequence& sequence, std::stop_token stop = {});
  Completion generate(Sequence sequence, int64_t max_new, std::vector<int32_t> stop_ids,
                      const std::function<bool(const Event&)>& on_token = {}, std::stop_token stop = {},
                      std::shared_ptr<const TokenConstraint> constraint = nullptr);
  /// Log-probabilities of given completions, prompts.size() == completions.size(). `vocab` null: the whole vocabulary.
  std::vector<ScoreOut> score(std::span<const Prompt> prompts, std::span<const std::vector<int32_t>> completions,
                              std::shared_ptr<const VocabSet> vocab = nullptr, std::stop_token stop = {},
                              WeightsId weights = kCurrentWeights);
  /// The same for a completion that continues `prefix` (left as it was).
  ScoreOut score(const Sequence& prefix, std::span<const int32_t> completion, std::stop_token stop = {});
  /// Final-norm hidden states [length, D] of a prompt.
  std::vector<float> hidden(const Prompt& prompt, std::stop_token stop = {}, WeightsId weights = kCurrentWeights);
  /// The same for many prompts in one queue, in their order.
  std::vector<std::vector<float>> hidden(std::span<const Prompt> prompts, std::stop_token stop = {}, WeightsId weights = kCurrentWeights);
  /// One vector [D] a prompt, in their order; with `normalise` of length 1 (a zero vector stays zero). Sums are in double, in order of
  /// position; memory does not grow with the prompts' lengths. Throws kInvalidArgument for an empty prompt, kInternal for vectors that are
  /// not finite.
  std::vector<std::vector<float>> embed(std::span<const Prompt> prompts, Pooling pooling, bool normalise, std::stop_token stop = {},
                                        WeightsId weights = kCurrentWeights);
  /// Logits [V] after the last position of a sequence (its pending positions are computed except the last; left ready for generation).
  std::vector<float> logits(Sequence& sequence);

  // Sets of weights beside the model's own (lm/publish.h). Steps go on meanwhile; publishers wait for each other.
  /// Loads, checks and measures a set. It is there for new sequences when this returns, not before; nothing is left of a failed one.
  /// `source`: named tensors of the model's shapes, as in a checkpoint or a PEFT adapter. Throws kInvalidArgument or kCorruptData for shapes,
  /// names and values that are not the model's, kNotFound for missing tensors and an unknown base, kResource beyond weights_memory_mib.
  PublishReport publish(const io::TensorSource& source, Publish kind, const PublishOptions& how = {});
  /// From a checkpoint (what Model::load takes) or an adapter's folder as PEFT writes it.
  PublishReport publish(const Path& path, Publish kind, const PublishOptions& how = {});
  /// No new sequence can have it; its memory comes back when the last one has ended. Throws kNotFound, kInvalidArgument for the base model's
  /// set, kFailedPrecondition for the current one.
  void retire(WeightsId id);
  /// What new sequences get with kCurrentWeights; at first the base model's set. Throws kNotFound.
  void set_current_weights(WeightsId id);
  WeightsId current_weights() const;

  /// Forgets what the prefix cache remembers. Waits for a step in progress.
  void clear_prefix_cache();
  EngineStats stats() const;

  struct State;  ///< Private to lm/.

 private:
  std::unique_ptr<State> state_;
};

/// A thread that steps an engine until destroyed: what a server runs.
class EngineLoop {
 public:
  explicit EngineLoop(Engine& engine);
  ~EngineLoop();

 private:
  std::jthread thread_;
};

}  // namespace attune::lm
