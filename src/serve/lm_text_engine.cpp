#include "serve/lm_text_engine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <list>
#include <mutex>

#include "core/log.h"
#include "text/bos.h"
#include "text/transcript.h"

namespace attune::serve {
namespace {

/// A shorter common beginning is not worth a fork.
constexpr int64_t kMinReuse = 16;

int64_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const size_t limit = std::min(a.size(), b.size());
  return std::mismatch(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(limit), b.begin()).first - a.begin();
}

}  // namespace

struct LmTextEngine::State {
  State(std::shared_ptr<lm::Engine> e, const LmTextEngineOptions& o)
      : engine(std::move(e)), options(o), tokenizer(*engine->model().tokenizer()) {}

  std::shared_ptr<lm::Engine> engine;
  LmTextEngineOptions options;
  const text::Tokenizer& tokenizer;
  EngineInfo info;
  std::vector<std::string> stops;

  std::mutex mutex;
  std::condition_variable idle;
  int64_t active = 0;    // choices whose on_done is still to come
  bool closing = false;  // running choices end at their next token
  std::list<lm::Sequence> finished;  // most recently used first
  std::unique_ptr<lm::EngineLoop> loop;

  lm::Sequence start_sequence(const GenerateCall& call, int64_t& cached);
  void keep(lm::Sequence sequence);
  void make_room(int64_t positions);
  void add_active(int64_t change) {
    std::lock_guard lock(mutex);
    active += change;
    if (active == 0) idle.notify_all();
  }
  lm::Request request(const std::shared_ptr<GenerateCall>& call, int choice, lm::Sequence sequence);
};

void LmTextEngineOptions::describe(OptionList& list) {
  list.add("ctx_size", ctx_size, "Positions of a conversation at most; 0 takes the model's own limit.").alias("-c").range(0, 1 << 24);
  list.add("prefix_cache", prefix_cache, "Finished conversations whose computed prefix is kept for the next turn.").range(0, 4096);
}

LmTextEngine::LmTextEngine(std::shared_ptr<lm::Engine> engine, const LmTextEngineOptions& options) {
  check(engine->model().tokenizer() != nullptr, ErrorCode::kFailedPrecondition, "[serve] the model has no tokenizer");
  state_ = std::make_shared<State>(std::move(engine), options);
  State& s = *state_;
  const lm::Model& model = s.engine->model();
  s.info.model = model.name();
  s.info.instruction_tuned = model.is_instruction_tuned() && text::has_chat_pieces(s.tokenizer);
  s.info.context_length = model.config().context_length;
  if (options.ctx_size > 0) s.info.context_length = std::min(s.info.context_length, options.ctx_size);
  s.info.vocab_size = model.config().vocab_size;
  s.info.num_parameters = model.config().num_parameters();
  s.info.created = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  if (!s.info.instruction_tuned) {
    const text::ChatMessage probe{"user", "x"};
    s.stops = text::transcript_text(std::span(&probe, 1)).stops;
  }
  s.loop = std::make_unique<lm::EngineLoop>(*s.engine);
}

// The engine's callbacks point at the state: it lives until the last one has come.
LmTextEngine::~LmTextEngine() {
  State& s = *state_;
  {
    std::unique_lock lock(s.mutex);
    s.closing = true;
    s.idle.wait(lock, [&] { return s.active == 0; });
  }
  s.loop.reset();
  clear_prefix_cache();
}

const EngineInfo& LmTextEngine::info() const { return state_->info; }

std::vector<int32_t> LmTextEngine::tokenize(std::string_view text) const {
  auto ids = lm::tokenize_text(state_->tokenizer, text);
  if (text::ensure_single_bos(ids, state_->tokenizer.vocab().bos_id).dropped > 0)
    log_warning("a prompt began with a second BOS; it was dropped");
  return ids;
}

std::vector<int32_t> LmTextEngine::render_chat(std::span<const text::ChatMessage> messages) const {
  if (state_->info.instruction_tuned) return text::render_chat(state_->tokenizer, messages);
  return text::render_transcript(state_->tokenizer, messages).ids;
}

std::vector<std::string> LmTextEngine::chat_stops() const { return state_->stops; }
std::string LmTextEngine::piece(int32_t id) const { return state_->tokenizer.piece_bytes(id); }
lm::EngineStats LmTextEngine::stats() const { return state_->engine->stats(); }

void LmTextEngine::clear_prefix_cache() {
  std::list<lm::Sequence> dropped;
  std::lock_guard lock(state_->mutex);
  dropped.swap(state_->finished);
}

// A sequence that holds as much of the prompt as some kept one offers; the rest of the prompt is pending.
lm::Sequence LmTextEngine::State::start_sequence(const GenerateCall& call, int64_t& cached) {
  cached = 0;
  lm::Sequence out;
  {
    std::lock_guard lock(mutex);
    auto best = finished.end();
    int64_t best_length = kMinReuse - 1;
    for (auto entry = finished.begin(); entry != finished.end(); ++entry) {
      // The last position must be computed anew: its logits are not kept.
      const int64_t common =
          std::min({common_prefix(entry->ids(), call.prompt), entry->computed(), static_cast<int64_t>(call.prompt.size()) - 1});
      if (common > best_length) {
        best = entry;
        best_length = common;
      }
    }
    if (best != finished.end()) {
      lm::Sequence fork = best->fork(0);
      if (fork.rewind(best_length)) {
        finished.splice(finished.begin(), finished, best);
        out = std::move(fork);
        cached = best_length;
      }
    }
  }
  if (!out.valid()) out = engine->start({});
  out.sampler() = call.sampler;
  out.set_seed(call.seed, 0);
  out.set_want_model_logprob(call.want_logprob);
  out.append(std::span(call.prompt).subspan(static_cast<size_t>(cached)));
  return out;
}

void LmTextEngine::State::keep(lm::Sequence sequence) {
  if (options.prefix_cache == 0 || !sequence.valid() || sequence.computed() < kMinReuse) return;
  std::list<lm::Sequence> dropped;  // freed after the lock
  std::lock_guard lock(mutex);
  if (closing) return;
  // What the new one begins with is covered by it.
  for (auto entry = finished.begin(); entry != finished.end();) {
    const auto next = std::next(entry);
    if (common_prefix(entry->ids(), sequence.ids()) == static_cast<int64_t>(entry->ids().size()))
      dropped.splice(dropped.begin(), finished, entry);
    entry = next;
  }
  finished.push_front(std::move(sequence));
  while (static_cast<int32_t>(finished.size()) > options.prefix_cache) dropped.splice(dropped.begin(), finished, std::prev(finished.end()));
}

// Kept sequences give way when new work needs their memory.
void LmTextEngine::State::make_room(int64_t positions) {
  const int64_t needed = engine->model().config().kv_bytes(positions, engine->compute() == lm::Compute::kFast ? 2 : 4);
  for (;;) {
    const lm::EngineStats now = engine->stats();
    if (now.kv_bytes_max == 0 || now.kv_bytes + needed <= now.kv_bytes_max) return;
    lm::Sequence oldest;
    std::lock_guard lock(mutex);
    if (finished.empty()) return;
    oldest = std::move(finished.back());
    finished.pop_back();
  }
}

lm::Request LmTextEngine::State::request(const std::shared_ptr<GenerateCall>& call, int choice, lm::Sequence sequence) {
  lm::Request out;
  out.sequence = std::move(sequence);
  out.max_new = call->max_new;
  out.stop_ids = engine->model().stop_ids();
  out.num_top = call->num_top;
  out.stop = call->stop;
  out.on_token = [this, call, choice](const lm::Event& event) {
    {
      std::lock_guard lock(mutex);
      if (closing) return false;
    }
    TokenOut token{event.token, event.logp_model, tokenizer.piece_bytes(event.token), {}};
    for (const lm::TokenLogprob& top : event.top) token.top.push_back({top.id, top.logprob, tokenizer.piece_bytes(top.id, true)});
    return call->on_token(choice, std::move(token));
  };
  return out;
}

int64_t LmTextEngine::generate(GenerateCall given) {
  State& s = *state_;
  const auto call = std::make_shared<GenerateCall>(std::move(given));
  s.make_room(static_cast<int64_t>(call->prompt.size()) + call->num_choices * std::min<int64_t>(call->max_new, 256));
  int64_t cached = 0;
  lm::Sequence first = s.start_sequence(*call, cached);
  std::vector<lm::Sequence> sequences;
  if (call->num_choices > 1) {
    s.engine->prefill(first, call->stop);
    for (int i = 1; i < call->num_choices; ++i) sequences.push_back(first.fork(static_cast<uint64_t>(i)));
  }
  sequences.insert(sequences.begin(), std::move(first));
  for (int i = 0; i < call->num_choices; ++i) {
    lm::Request request = s.request(call, i, std::move(sequences[static_cast<size_t>(i)]));
    request.on_done = [&s, call, i](lm::Sequence sequence, lm::Finish finish, const Error* error) {
      if (finish == lm::Finish::kStop || finish == lm::Finish::kLength || finish == lm::Finish::kCancelled) s.keep(std::move(sequence));
      call->on_done(i, finish, error);
      s.add_active(-1);
    };
    s.add_active(1);
    try {
      s.engine->submit(std::move(request));
    } catch (const Error& error) {
      s.add_active(-1);
      if (i == 0) throw;  // nothing runs yet
      // The choices that run are told by the caller's stop token; those that never ran must be reported, once each.
      for (int rest = i; rest < call->num_choices; ++rest) call->on_done(rest, lm::Finish::kError, &error);
      break;
    }
  }
  return cached;
}

}  // namespace attune::serve
