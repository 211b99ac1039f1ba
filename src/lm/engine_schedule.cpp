// Who works when: admission, prefixes, memory, and the rows of the next step.
#include <algorithm>

#include "lm/engine_internal.h"

namespace attune::lm {
namespace {

constexpr int64_t kMinReuse = 16;   // a shorter common beginning is not worth a copied page
constexpr int64_t kMinWait = 32;    // nor a wait for work under way
constexpr int64_t kMinChunk = 32;   // rows below which a chunk of a prompt is not split further

/// Bidirectional blocks [begin, end) of a sequence: no prefix ends inside.
std::vector<std::pair<int64_t, int64_t>> atomic_blocks(const Sequence::State& s) {
  std::vector<std::pair<int64_t, int64_t>> out;
  for (const auto& block : s.soft) {
    if (block.bidirectional) out.emplace_back(block.begin, block.end);
  }
  return out;
}

int64_t outside_blocks(const Sequence::State& s, int64_t position) {
  const auto* block = position < s.length() ? s.soft_at(position) : nullptr;
  return block != nullptr && block->bidirectional ? block->begin : position;
}

/// Bytes that the rest of a job's known length needs.
int64_t outstanding_bytes(const KvPool& pool, Job& job) {
  const Sequence::State& s = job.sequence();
  return std::max<int64_t>(0, pool.bytes_for(s.length() + kPagePositions) - pool.bytes_for(s.cache.length()));
}

bool is_live(const JobPtr& job) { return job->done && !job->parked; }
bool is_ready(const JobPtr& job) { return is_live(job) && job->prefix_known; }

}  // namespace

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

int64_t Job::reusable_end() noexcept {
  switch (kind) {
    case Kind::kPrefill:
    case Kind::kGenerate:
    case Kind::kLogits: return sequence().last_unit();
    case Kind::kScore: return std::min(score_begin - 1, target());
    case Kind::kHidden: break;
  }
  return 0;
}

// ---- Admission.

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

// First come, first served. Work that memory has no room for waits while other work runs.
void Engine::State::admit() {
  unpark();
  const std::lock_guard lock(queue_mutex);
  while (!inbox.empty() && static_cast<int>(active.size()) < options.max_sequences && (active.empty() || has_room(*inbox.front()))) {
    inbox.front()->serial = ++last_serial;
    active.push_back(std::move(inbox.front()));
    inbox.pop_front();
  }
  stats.queued = static_cast<int64_t>(inbox.size());
  stats.running = static_cast<int64_t>(active.size());
}

bool Engine::State::has_room(Job& job) {
  int64_t needed = outstanding_bytes(*kv, job);
  for (const auto& other : active) {  // parked work comes first: it is older
    if (other->done && other.get() != &job && (!other->parked || other->serial < job.serial || job.serial == 0)) {
      needed += outstanding_bytes(*kv, *other);
    }
  }
  const int64_t free = kv->max_bytes() - kv->bytes_in_use();
  return needed <= free || needed <= free + prefix.evictable_bytes();
}

void Engine::State::unpark() {
  for (auto& job : active) {
    if (!job->done || !job->parked) continue;
    if (std::any_of(active.begin(), active.end(), is_live) && !has_room(*job)) return;
    job->parked = false;
  }
}

// Gives up what the job computed. Outputs it collected so far come again.
void Engine::State::park(Job& job, std::vector<Planned>& planned) {
  job.sequence().cache.abandon();
  std::erase_if(planned, [&](const Planned& p) { return p.job == &job; });
  job.sequence().drop_computed();
  job.output.clear();
  job.sum.clear();
  job.draft.clear();
  job.prefix_known = false;
  job.waits_for = 0;
  job.parked = true;
  const std::lock_guard lock(queue_mutex);
  ++stats.preempted;
}

// Makes room for the job's next n positions: remembered prefixes give way first, then the newest work.
bool Engine::State::reserve(Job& job, int64_t n, std::vector<Planned>& planned) {
  for (;;) {
    try {
      prefix.make_room(job.sequence().cache.growth_bytes(n));
      job.sequence().cache.begin(n);
      return true;
    } catch (const Error& error) {
      Job* newest = nullptr;
      bool alone = true;
      for (const auto& other : active) {
        if (!is_live(other) || other.get() == &job) continue;
        alone = false;
        if (other->sequence().cache.length() > 0 || other->serial > job.serial) newest = other.get();
      }
      if (alone) {
        finish(job, Finish::kError, &error);
        return false;
      }
      if (newest != nullptr && newest->serial > job.serial) {
        park(*newest, planned);
        continue;
      }
      park(job, planned);
      return false;
    }
  }
}

// ---- Prefixes.

void Engine::State::find_prefixes() {
  for (auto& job : active) {
    if (!is_live(job) || job->prefix_known) continue;
    if (job->waits_for != 0) {
      const auto older = std::find_if(active.begin(), active.end(), [&](const JobPtr& other) { return other->serial == job->waits_for; });
      if (older != active.end() && is_live(*older) && (*older)->sequence().cache.length() < job->waits_until) continue;
    } else if (wait_for_older(*job)) {
      continue;
    }
    find_prefix(*job);
  }
}

// Whether older work is computing what this job begins with; if so, it will be remembered where the two part.
bool Engine::State::wait_for_older(Job& job) {
  Sequence::State& s = job.sequence();
  const int64_t end = job.reusable_end();
  if (!prefix.enabled() || s.cache.length() > 0 || end < kMinWait) return false;
  const auto keys = s.keys(end);
  Job* closest = nullptr;
  int64_t closest_common = kMinWait - 1;
  for (const auto& other : active) {
    if (other.get() == &job) break;
    if (!is_live(other) || other->decodes()) continue;
    Sequence::State& o = other->sequence();
    if (o.salt() != s.salt() || o.ids[0] != s.ids[0]) continue;
    const auto theirs = o.keys(std::min(end, other->target()));
    const int64_t cut = outside_blocks(s, common_length(keys, theirs));
    if (cut > closest_common) {
      closest = other.get();
      closest_common = cut;
    }
  }
  if (closest == nullptr) return false;
  if (closest->sequence().cache.length() >= closest_common) {  // there already
    remember(*closest, true);
    return false;
  }
  if (prefix.find(s.salt(), keys, atomic_blocks(s), kMinReuse).usable + kMinWait > closest_common) return false;
  closest->snapshots.insert(closest_common);
  job.waits_for = closest->serial;
  job.waits_until = closest_common;
  return true;
}

void Engine::State::find_prefix(Job& job) {
  Sequence::State& s = job.sequence();
  job.prefix_known = true;
  const int64_t end = job.reusable_end();
  if (prefix.enabled() && s.cache.length() == 0 && end >= kMinReuse) {
    PrefixCache::Match match = prefix.find(s.salt(), s.keys(end), atomic_blocks(s), kMinReuse);
    prefix.count(match);
    if (match.cache) s.cache = std::move(*match.cache);
    s.reused = std::min(match.usable, job.num_prompt);
    // Others may part from it at the same place.
    const int64_t parting = outside_blocks(s, match.known);
    if (parting >= match.usable + kPagePositions) job.snapshots.insert(parting);
  }
  job.next_snapshot = s.cache.length() + std::max(4 * kv->window(), kPagePositions);
}

// After a chunk, or at the end of the work: remembers what is worth it.
void Engine::State::remember(Job& job, bool at_end) noexcept {
  if (!prefix.enabled()) return;
  const Sequence::State& s = job.sequence();
  const int64_t length = s.cache.length();
  bool worth = at_end || (job.kind == Job::Kind::kGenerate && length == job.num_prompt);
  while (!job.snapshots.empty() && *job.snapshots.begin() <= length) {
    worth = true;
    job.snapshots.erase(job.snapshots.begin());
  }
  if (length >= job.next_snapshot) {
    worth = true;
    job.next_snapshot = length + std::max(4 * kv->window(), kPagePositions);
  }
  if (!worth || length == 0) return;
  try {
    prefix.insert(s.salt(), s.keys(length), s.cache);
  } catch (...) {  // out of memory: the work itself is unharmed
    prefix.clear();
  }
}

// ---- The next step.

// Work that has nothing left to compute: a prefill of one token, or of a known prompt.
void Engine::State::finish_complete() {
  for (auto& job : active) {
    if (is_ready(job) && job->kind != Job::Kind::kGenerate && job->sequence().cache.length() >= job->target()) {
      finish(*job, Finish::kNone, nullptr);
    }
  }
  remove_finished();
}

void Engine::State::describe_chunk(Job& job, int64_t start, int64_t n, Planned& p) {
  Sequence::State& s = job.sequence();
  p.job = &job;
  p.chunk.cache = &s.cache;
  p.chunk.num_rows = n;
  p.chunk.ids = job.draft.empty() ? std::span<const int32_t>(s.ids).subspan(static_cast<size_t>(start), static_cast<size_t>(n)) : job.draft;
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
    case Job::Kind::kLogits: p.chunk.first_output = !job.draft.empty() ? 0 : reaches_end ? n - 1 : n; break;
    case Job::Kind::kPrefill: p.chunk.first_output = n; break;
    case Job::Kind::kScore: p.chunk.first_output = std::clamp<int64_t>(job.score_begin - 1 - start, 0, n); break;
    case Job::Kind::kHidden: p.chunk.first_output = 0; break;
  }
  p.num_outputs = n - p.chunk.first_output;
}

bool Engine::State::plan_job(Job& job, int64_t rows, bool may_exceed, std::vector<Planned>& planned) {
  const Sequence::State& s = job.sequence();
  const int64_t start = s.cache.length();
  job.snapshots.erase(job.snapshots.begin(), job.snapshots.upper_bound(start));  // a remembered prefix went beyond them
  if (!job.snapshots.empty()) rows = std::min(rows, *job.snapshots.begin() - start);
  const int64_t n = s.chunk_rows(rows, job.target(), may_exceed);
  if (n == 0 || !reserve(job, n, planned)) return false;
  describe_chunk(job, start, n, planned.emplace_back());
  return true;
}

// One row, or more if the next tokens can be guessed; memory is never taken from others for guesses.
void Engine::State::plan_decode(Job& job, int64_t max_guesses, std::vector<Planned>& planned) {
  guess(job, max_guesses);
  if (job.draft.empty()) {
    plan_job(job, 1, true, planned);
    return;
  }
  const int64_t start = job.draft_begin, n = static_cast<int64_t>(job.draft.size());
  if (reserve(job, n, planned)) describe_chunk(job, start, n, planned.emplace_back());
}

void Engine::State::guess(Job& job, int64_t max_guesses) {
  const Sequence::State& s = job.sequence();
  job.draft.clear();
  job.draft_begin = s.cache.length();
  const int64_t left = std::min(job.request.max_new - (s.length() - job.num_prompt), model->config().context_length - s.length()) - 1;
  max_guesses = std::min({max_guesses, left, int64_t{options.rewind_margin}});
  if (max_guesses <= 0 || s.ids.back() < 0) return;
  const auto guesses = job.lookup.propose(s.ids, max_guesses);
  const auto n = static_cast<int64_t>(guesses.size()) + 1;
  if (guesses.empty() || s.cache.growth_bytes(n) > kv->max_bytes() - kv->bytes_in_use()) return;
  job.draft.push_back(s.ids.back());
  job.draft.insert(job.draft.end(), guesses.begin(), guesses.end());
}

// Sequences that decode come first, a row each; prompts share the rows that are left, as many as keep the step short for the former. Both
// kinds advance in every step (in turn if a step has one row), and the place to begin moves on, so that nobody starves.
std::vector<Engine::State::Planned> Engine::State::plan() {
  std::vector<Planned> planned;
  const auto sum_rows = [&] {
    int64_t rows = 0;
    for (const Planned& p : planned) rows += p.chunk.num_rows;
    return rows;
  };
  std::vector<Job*> decoding, prompts;
  ++turn;
  for (size_t i = 0; i < active.size(); ++i) {
    const JobPtr& job = active[(i + turn) % active.size()];
    if (is_ready(job)) (job->decodes() ? decoding : prompts).push_back(job.get());
  }
  int64_t decode_rows = options.max_chunk;
  if (!prompts.empty()) decode_rows -= (options.max_chunk + 7) / 8;
  if (decode_rows == 0 && turn % 2 == 0) decode_rows = 1;
  // Guesses fill what a batch that small leaves of the machine; beside prompts there is nothing left.
  const int64_t guesses = prompts.empty() && !decoding.empty() ? options.speculate / static_cast<int64_t>(decoding.size()) : 0;
  for (Job* job : decoding) {
    if (static_cast<int64_t>(planned.size()) >= decode_rows) break;
    if (job->done && !job->parked) plan_decode(*job, std::min(guesses, decode_rows - 1), planned);
  }
  const auto decoded = static_cast<int64_t>(planned.size());
  int64_t left = std::min(options.max_chunk - decoded, budget.prompt_rows(decoded));
  auto waiting = static_cast<int64_t>(prompts.size());
  bool first = true;  // may take a bidirectional block that is larger than its share
  for (Job* job : prompts) {
    if (left <= 0) break;
    const int64_t before = sum_rows();
    const int64_t share = std::max(std::min(left, kMinChunk), left / waiting--);
    if (!job->done || job->parked || !plan_job(*job, share, first, planned)) continue;
    first = false;
    left -= std::max<int64_t>(sum_rows() - before, 0);
  }
  for (Planned& p : planned) {  // vectors moved: bind the spans now
    p.chunk.soft_rows = p.soft_rows;
    p.chunk.visible_end = p.visible_end;
  }
  return planned;
}

void Engine::State::publish_stats() {
  const PrefixStats& p = prefix.stats();
  const std::lock_guard lock(queue_mutex);
  stats.running = static_cast<int64_t>(active.size());
  stats.prefix_lookups = p.lookups;
  stats.prefix_hits = p.hits;
  stats.prefix_hit_tokens = p.hit_positions;
  stats.prefix_evictions = p.evicted_pages;
  stats.prefix_bytes = p.bytes;
  stats.prefix_bytes_max = prefix.max_bytes();
}

}  // namespace attune::lm
