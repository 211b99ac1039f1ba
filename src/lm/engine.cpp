#include "lm/engine.h"

#include <algorithm>
#include <atomic>
#include <chrono>

#include "lm/engine_internal.h"

namespace attune::lm {
namespace {

Compute parse_compute(const std::string& name) {
  check(name == "f32" || name == "fast", ErrorCode::kInvalidArgument, "[engine] compute is ", name, ", expected f32 or fast");
  return name == "f32" ? Compute::kF32 : Compute::kFast;
}

kernels::KvType parse_kv_type(const std::string& name, Compute compute) {
  if (name == "auto") return compute == Compute::kFast ? kernels::KvType::kF16 : kernels::KvType::kF32;
  if (name == "f32") return kernels::KvType::kF32;
  if (name == "f16") return kernels::KvType::kF16;
  check(name == "q8_0", ErrorCode::kInvalidArgument, "[engine] kv_type is ", name, ", expected auto, f32, f16 or q8_0");
  return kernels::KvType::kQ8_0;
}

}  // namespace

void EngineOptions::describe(OptionList& list) {
  list.add("compute", compute, "Arithmetic: f32 is the exact reference, fast quantises activations to int8.").choices({"fast", "f32"});
  list.add("threads", threads, "Threads; 0 takes all usable cores.").alias("-t").range(0, 1024);
  list.add("max_chunk", max_chunk, "Positions computed in one step at most.").alias("-b").range(1, 8192);
  list.add("parallel", max_sequences, "Sequences worked on at once; others wait.").range(1, 4096);
  list.add("queue_limit", queue_limit, "Requests that may wait before new ones are refused.").range(1, 1 << 20);
  list.add("kv_type", kv_type, "Keys and values are held as this; auto: f16, or f32 with compute f32. q8_0 takes about half of f16.")
      .choices({"auto", "f32", "f16", "q8_0"});
  list.add("kv_memory_mib", kv_memory_mib, "Cap of the memory of keys and values.").range(1, 1 << 20).unit("MiB");
  list.add("head_z", head_z, "Standard deviations of the bound that spares half of the output head; larger is slower and safer.")
      .range(1, 1000);
  list.add("exact_head", exact_head, "Bound the output head by the Cauchy-Schwarz inequality: a proof, slower.");
  list.add("head_audit_every", head_audit_every, "Steps between audits of the bound against the full head; 0 for none.").range(0, 1 << 30);
  list.add("prefix_cache_mib", prefix_cache_mib,
           "Part of it that finished prompts and answers may keep for later prompts; 0 keeps nothing.")
      .range(0, 1 << 20)
      .unit("MiB");
  list.add("max_step_ms", max_step_ms, "Longest step while answers are being written, by taking fewer rows of prompts; 0: no limit.")
      .range(0, 60'000)
      .unit("ms");
  list.add("speculate", speculate, "Tokens guessed a step from earlier text when few sequences decode; never changes output; 0 for none.")
      .range(0, 64);
  list.add("weights_memory_mib", weights_memory_mib, "Cap of the memory of weights and adapters beside the model's own.")
      .range(0, 1 << 20)
      .unit("MiB");
  list.add("rewind_margin", rewind_margin, "Positions beyond the sliding window that are kept for rewinding.").range(0, 65536);
}

std::string_view finish_name(Finish finish) noexcept {
  switch (finish) {
    case Finish::kNone: return "none";
    case Finish::kStop: return "stop";
    case Finish::kLength: return "length";
    case Finish::kContext: return "context";
    case Finish::kCancelled: return "cancelled";
    case Finish::kError: return "error";
  }
  return "none";
}

Sequence::State& Job::sequence() noexcept { return Engine::State::sequence_state(request.sequence); }

Engine::State::State(std::shared_ptr<const Model> m, const EngineOptions& o)
    : model(std::move(m)),
      options(o),
      compute(parse_compute(o.compute)),
      pool(o.threads),
      kv(std::make_shared<KvPool>(model->config(), parse_kv_type(o.kv_type, compute), o.rewind_margin, o.kv_memory_mib << 20)),
      forward(model->config(), compute == Compute::kFast, pool),
      head(compute == Compute::kFast, pool),
      sets(model->weights(), o.weights_memory_mib << 20),
      prefix(kv, std::min(o.prefix_cache_mib, o.kv_memory_mib) << 20),
      budget(o.max_step_ms / 1000.0, o.max_chunk) {}

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options) {
  check(model != nullptr, ErrorCode::kInvalidArgument, "[engine] no model");
  check(options.max_chunk >= 1 && options.max_sequences >= 1 && options.queue_limit >= 1 && options.rewind_margin >= 0 &&
            options.prefix_cache_mib >= 0 && options.max_step_ms >= 0 && options.speculate >= 0 && options.weights_memory_mib >= 0,
        ErrorCode::kInvalidArgument,
        "[engine] chunk, sequences and queue must be at least 1; rewind margin, prefix cache, step time, speculation and weights memory at "
        "least 0");
  state_ = std::make_unique<State>(std::move(model), options);
}

Engine::~Engine() {
  State& s = *state_;
  {
    const std::lock_guard lock(s.queue_mutex);
    s.closing = true;
  }
  const std::lock_guard step_lock(s.step_mutex);
  s.admit();
  for (auto& job : s.active) s.finish(*job, Finish::kCancelled, nullptr);
  std::deque<JobPtr> waiting;
  {
    const std::lock_guard lock(s.queue_mutex);
    waiting.swap(s.inbox);
  }
  for (auto& job : waiting) s.finish(*job, Finish::kCancelled, nullptr);
}

const Model& Engine::model() const noexcept { return *state_->model; }
const EngineOptions& Engine::options() const noexcept { return state_->options; }
Compute Engine::compute() const noexcept { return state_->compute; }

Sequence Engine::start(const SeqOptions& options) {
  if (options.vocab) {
    const auto& ids = options.vocab->ids;
    check(!ids.empty() && std::is_sorted(ids.begin(), ids.end()) && ids.front() >= 0 && ids.back() < model().config().vocab_size,
          ErrorCode::kInvalidArgument, "[start] the vocabulary subset must be ascending ids from 0 to ", model().config().vocab_size - 1);
  }
  return Sequence(std::make_unique<Sequence::State>(state_->model, state_->sets.get(options.weights), state_->kv, options));
}

void Engine::State::enqueue(JobPtr job, bool limited) {
  {
    const std::lock_guard lock(queue_mutex);
    check(!closing, ErrorCode::kCancelled, "[engine] is shutting down");
    check(!limited || static_cast<int>(inbox.size()) < options.queue_limit, ErrorCode::kResource, "[engine] ", inbox.size(),
          " requests are waiting, the limit is ", options.queue_limit);
    inbox.push_back(std::move(job));
    stats.queued = static_cast<int64_t>(inbox.size());
  }
  work_arrived.notify_all();
}

void Engine::submit(Request request) {
  check(request.sequence.valid() && request.sequence.length() > 0, ErrorCode::kInvalidArgument, "[submit] the sequence is empty");
  check(request.max_new >= 1, ErrorCode::kInvalidArgument, "[submit] max_new is ", request.max_new, ", expected at least 1");
  auto job = std::make_unique<Job>();
  job->request = std::move(request);
  job->num_prompt = job->sequence().length();
  if (const auto& constraint = job->request.constraint) {
    check(constraint->vocab().vocab_size() <= model().config().vocab_size, ErrorCode::kInvalidArgument, "[submit] the constraint knows ",
          constraint->vocab().vocab_size(), " tokens, the model ", model().config().vocab_size);
    job->constraint.emplace(constraint, job->request.stop_ids);
  }
  check(job->sequence().pending() >= 1, ErrorCode::kInvalidArgument, "[submit] nothing is pending: append at least one token");
  job->done = [](Job& j, Finish finish, const Error* error) {
    if (j.request.on_done) j.request.on_done(std::move(j.request.sequence), finish, error);
  };
  state_->enqueue(std::move(job), true);
}

void Engine::wait_for_work(std::stop_token stop) {
  State& s = *state_;
  {
    const std::lock_guard step_lock(s.step_mutex);
    if (!s.active.empty()) return;
  }
  std::unique_lock lock(s.queue_mutex);
  s.work_arrived.wait(lock, stop, [&] { return !s.inbox.empty() || s.closing; });
}

void Engine::clear_prefix_cache() {
  const std::lock_guard step_lock(state_->step_mutex);
  state_->prefix.clear();
  state_->publish_stats();
}

EngineStats Engine::stats() const {
  const std::lock_guard lock(state_->queue_mutex);
  EngineStats out = state_->stats;
  out.kv_bytes = state_->kv->bytes_in_use();
  out.kv_bytes_max = state_->kv->max_bytes();
  out.weight_sets = state_->sets.in_use()->sets;
  out.weight_bytes = state_->sets.in_use()->bytes;
  out.weight_bytes_max = state_->sets.max_bytes();
  return out;
}

void Engine::State::finish(Job& job, Finish finish, const Error* error) {
  auto done = std::exchange(job.done, nullptr);
  if (!done) return;
  if (finish != Finish::kError) remember(job, true);
  if (finish == Finish::kCancelled) {
    const std::lock_guard lock(queue_mutex);
    ++stats.cancelled;
  }
  try {
    done(job, finish, error);
  } catch (...) {  // a caller's callback failed; the batch of the others goes on
  }
}

void Engine::State::remove_finished() {
  std::erase_if(active, [](const JobPtr& job) { return !job->done; });
  const std::lock_guard lock(queue_mutex);
  stats.running = static_cast<int64_t>(active.size());
}

// Work that shares weights is computed together, adapters side by side in it. Everything planned has its rows reserved, so that what one
// group's answers cause cannot touch the next group.
void Engine::State::compute_planned(std::vector<Planned>& planned, StepReport& report) {
  const auto key = [](const Planned& p) {
    const WeightSet& set = *p.job->sequence().set;
    return std::pair(set.product_key(), set.id);
  };
  std::stable_sort(planned.begin(), planned.end(), [&](const Planned& a, const Planned& b) { return key(a) < key(b); });
  std::vector<Chunk> chunks;
  for (size_t first = 0, last = 0; first < planned.size(); first = last) {
    const WeightSetPtr set = planned[first].job->sequence().set;  // its last sequence may end in here
    chunks.clear();
    while (last < planned.size() && key(planned[last]).first == set->product_key()) {
      chunks.push_back(planned[last].chunk);
      chunks.back().adapter = planned[last].job->sequence().set->adapter.get();
      ++last;
    }
    const auto group = std::span(planned).subspan(first, last - first);
    try {
      const auto hidden = forward.run(*set->weights, chunks);
      for (auto& p : group) {
        if (p.job->draft.empty()) remember(*p.job, false);
      }
      deliver(group, *set->weights, hidden, report);
      for (auto& p : group) {  // the rest of a draft is gone now
        if (p.job->done && !p.job->draft.empty()) remember(*p.job, false);
      }
    } catch (const std::exception& failure) {  // out of memory for the workspace: all work of the group fails with its reason
      const Error error(ErrorCode::kInternal, cat("[step] ", failure.what()));
      for (auto& p : group) {
        if (!p.job->done) continue;
        p.job->sequence().cache.abandon();
        finish(*p.job, Finish::kError, &error);
      }
    }
  }
}

StepReport Engine::step() {
  State& s = *state_;
  const std::lock_guard step_lock(s.step_mutex);
  StepReport report;
  s.drop_cancelled();
  s.admit();
  s.find_prefixes();
  s.finish_complete();
  const auto begin = std::chrono::steady_clock::now();
  auto planned = s.plan();
  s.remove_finished();
  if (planned.empty()) {
    s.publish_stats();
    report.waiting = static_cast<int>(s.active.size());
    return report;
  }
  int decoding = 0;
  for (const auto& p : planned) {
    report.rows += static_cast<int>(p.chunk.num_rows);
    decoding += p.job->decodes() ? static_cast<int>(p.chunk.num_rows) : 0;
  }
  s.compute_planned(planned, report);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  s.budget.observe(decoding, report.rows - decoding, seconds);
  {
    const std::lock_guard lock(s.queue_mutex);
    ++s.stats.steps;
    s.stats.generated_tokens += report.decoding;
    s.stats.prompt_tokens += report.rows - std::min(report.rows, decoding);
    s.stats.busy_seconds += seconds;
  }
  s.finish_complete();
  s.publish_stats();
  report.waiting = static_cast<int>(s.active.size());
  return report;
}

EngineLoop::EngineLoop(Engine& engine)
    : thread_([&engine](std::stop_token stop) {
        while (!stop.stop_requested()) {
          engine.wait_for_work(stop);
          if (!stop.stop_requested()) engine.step();
        }
      }) {}

EngineLoop::~EngineLoop() = default;

}  // namespace attune::lm
