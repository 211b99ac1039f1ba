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

}  // namespace

void EngineOptions::describe(OptionList& list) {
  list.add("compute", compute, "Arithmetic: f32 is the exact reference, fast quantises activations to int8.").choices({"fast", "f32"});
  list.add("threads", threads, "Threads; 0 takes all usable cores.").alias("-t").range(0, 1024);
  list.add("max_chunk", max_chunk, "Positions computed in one step at most.").alias("-b").range(1, 8192);
  list.add("parallel", max_sequences, "Sequences worked on at once; others wait.").range(1, 4096);
  list.add("queue_limit", queue_limit, "Requests that may wait before new ones are refused.").range(1, 1 << 20);
  list.add("kv_memory_mib", kv_memory_mib, "Cap of the memory of keys and values.").range(1, 1 << 20).unit("MiB");
  list.add("head_z", head_z, "Standard deviations of the bound that spares half of the output head; larger is slower and safer.").range(1, 1000);
  list.add("exact_head", exact_head, "Bound the output head by the Cauchy-Schwarz inequality: a proof, slower.");
  list.add("head_audit_every", head_audit_every, "Steps between audits of the bound against the full head; 0 for none.").range(0, 1 << 30);
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

int64_t Job::target() noexcept {
  Sequence::State& s = sequence();
  switch (kind) {
    case Kind::kPrefill: return s.last_unit();
    case Kind::kScore: return s.length() - 1;  // the last position is only predicted
    case Kind::kGenerate:
    case Kind::kHidden:
    case Kind::kLogits: break;
  }
  return s.length();
}

Engine::State::State(std::shared_ptr<const Model> m, const EngineOptions& o)
    : model(std::move(m)),
      options(o),
      compute(parse_compute(o.compute)),
      pool(o.threads),
      kv(std::make_shared<KvPool>(model->config(), compute == Compute::kFast ? kernels::KvType::kF16 : kernels::KvType::kF32, o.rewind_margin,
                                  o.kv_memory_mib << 20)),
      forward(model->config(), compute == Compute::kFast, pool),
      head(compute == Compute::kFast, pool) {}

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& options) {
  check(model != nullptr, ErrorCode::kInvalidArgument, "[engine] no model");
  check(options.max_chunk >= 1 && options.max_sequences >= 1 && options.queue_limit >= 1 && options.rewind_margin >= 0,
        ErrorCode::kInvalidArgument, "[engine] chunk, sequences and queue must be at least 1, the rewind margin at least 0");
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
  return Sequence(std::make_unique<Sequence::State>(state_->model, state_->kv, options));
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

EngineStats Engine::stats() const {
  const std::lock_guard lock(state_->queue_mutex);
  EngineStats out = state_->stats;
  out.kv_bytes = state_->kv->bytes_in_use();
  out.kv_bytes_max = state_->kv->max_bytes();
  return out;
}

void Engine::State::admit() {
  const std::lock_guard lock(queue_mutex);
  while (!inbox.empty() && static_cast<int>(active.size()) < options.max_sequences) {
    active.push_back(std::move(inbox.front()));
    inbox.pop_front();
  }
  stats.queued = static_cast<int64_t>(inbox.size());
  stats.running = static_cast<int64_t>(active.size());
}

void Engine::State::finish(Job& job, Finish finish, const Error* error) {
  auto done = std::exchange(job.done, nullptr);
  if (!done) return;
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

void Engine::State::drop_cancelled() {
  for (auto& job : active) {
    if (job->request.stop.stop_requested()) finish(*job, Finish::kCancelled, nullptr);
  }
  std::vector<JobPtr> waiting;  // cancelled before they began: they need not wait for a slot
  {
    const std::lock_guard lock(queue_mutex);
    for (auto& job : inbox) {
      if (job->request.stop.stop_requested()) waiting.push_back(std::move(job));
    }
    std::erase_if(inbox, [](const JobPtr& job) { return job == nullptr; });
  }
  for (auto& job : waiting) finish(*job, Finish::kCancelled, nullptr);
  remove_finished();
}

bool Engine::State::plan_job(Job& job, int64_t budget, bool may_exceed, std::vector<Planned>& planned) {
  Sequence::State& s = job.sequence();
  const int64_t start = s.cache.length();
  const int64_t n = s.chunk_rows(budget, job.target(), may_exceed);
  if (n == 0) return false;
  try {
    s.cache.begin(n);
  } catch (const Error& error) {
    finish(job, Finish::kError, &error);
    return false;
  }
  Planned p;
  p.job = &job;
  p.chunk.cache = &s.cache;
  p.chunk.num_rows = n;
  p.chunk.ids = std::span<const int32_t>(s.ids).subspan(static_cast<size_t>(start), static_cast<size_t>(n));
  if (!s.soft.empty() && s.soft.back().end > start) {
    for (int64_t position = start; position < start + n; ++position) {
      const auto* block = s.soft_at(position);
      p.soft_rows.push_back(block != nullptr ? block->rows.get() + (position - block->begin) * model->config().hidden_size : nullptr);
      p.visible_end.push_back(block != nullptr && block->bidirectional ? block->end : position + 1);
    }
  }
  const bool reaches_end = start + n == job.target();
  switch (job.kind) {
    case Job::Kind::kGenerate:
    case Job::Kind::kLogits: p.chunk.first_output = reaches_end ? n - 1 : n; break;
    case Job::Kind::kPrefill: p.chunk.first_output = n; break;
    case Job::Kind::kScore: p.chunk.first_output = std::clamp<int64_t>(job.score_begin - 1 - start, 0, n); break;
    case Job::Kind::kHidden: p.chunk.first_output = 0; break;
  }
  p.num_outputs = n - p.chunk.first_output;
  planned.push_back(std::move(p));
  return true;
}

std::vector<Engine::State::Planned> Engine::State::plan() {
  std::vector<Planned> planned;
  int64_t rows = 0;
  const auto add = [&](Job& job, int64_t budget) {
    if (plan_job(job, budget, planned.empty(), planned)) rows += planned.back().chunk.num_rows;
  };
  int64_t prefilling = 0;
  for (auto& job : active) {  // decoding sequences first: one row each
    if (job->kind == Job::Kind::kGenerate && job->sequence().pending() == 1) {
      if (rows < options.max_chunk) add(*job, 1);
    } else {
      ++prefilling;
    }
  }
  for (auto& job : active) {  // then chunks of prompts, the rest of the budget shared evenly
    if (!job->done || prefilling == 0) continue;
    if (job->kind == Job::Kind::kGenerate && job->sequence().pending() == 1) continue;
    const int64_t left = options.max_chunk - rows;
    if (left <= 0) break;
    add(*job, std::max<int64_t>(std::min<int64_t>(left, 32), left / prefilling--));
  }
  for (Planned& p : planned) {  // vectors moved: bind the spans now
    p.chunk.soft_rows = p.soft_rows;
    p.chunk.visible_end = p.visible_end;
  }
  return planned;
}

StepReport Engine::step() {
  State& s = *state_;
  const std::lock_guard step_lock(s.step_mutex);
  StepReport report;
  s.drop_cancelled();
  s.admit();
  const auto begin = std::chrono::steady_clock::now();
  for (auto& job : s.active) {  // nothing left to compute (a prefill of one token)
    if (job->kind != Job::Kind::kGenerate && job->sequence().cache.length() >= job->target()) s.finish(*job, Finish::kNone, nullptr);
  }
  s.remove_finished();
  auto planned = s.plan();
  s.remove_finished();
  if (planned.empty()) return report;
  std::vector<Chunk> chunks;
  for (const auto& p : planned) {
    chunks.push_back(p.chunk);
    report.rows += static_cast<int>(p.chunk.num_rows);
  }
  try {
    const auto hidden = s.forward.run(*s.model->weights(), chunks);
    s.deliver(planned, hidden, report);
  } catch (const std::exception& failure) {  // out of memory for the workspace: all work of this step fails with its reason
    const Error error(ErrorCode::kInternal, cat("[step] ", failure.what()));
    for (auto& p : planned) {
      p.job->sequence().cache.abandon();
      s.finish(*p.job, Finish::kError, &error);
    }
  }
  {
    const std::lock_guard lock(s.queue_mutex);
    ++s.stats.steps;
    s.stats.generated_tokens += report.decoding;
    s.stats.prompt_tokens += report.rows - std::min(report.rows, report.decoding);
    s.stats.busy_seconds += std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  }
  for (auto& job : s.active) {
    if (job->done && job->kind != Job::Kind::kGenerate && job->sequence().cache.length() >= job->target()) s.finish(*job, Finish::kNone, nullptr);
  }
  s.remove_finished();
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
