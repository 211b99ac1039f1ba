#include "serve/lm_text_engine.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "core/log.h"
#include "text/bos.h"
#include "text/transcript.h"

namespace attune::serve {

struct LmTextEngine::State {
  State(std::shared_ptr<lm::Engine> e, const LmTextEngineOptions& o)
      : engine(std::move(e)), options(o), tokenizer(*engine->model().tokenizer()), constraints(tokenizer) {}

  std::shared_ptr<lm::Engine> engine;
  LmTextEngineOptions options;
  const text::Tokenizer& tokenizer;
  lm::ConstraintCache constraints;
  EngineInfo info;
  std::vector<std::string> stops;

  std::mutex mutex;
  std::condition_variable idle;
  int64_t active = 0;    // choices whose on_done is still to come
  bool closing = false;  // running choices end at their next token
  std::unique_ptr<lm::EngineLoop> loop;

  void add_active(int64_t change) {
    std::lock_guard lock(mutex);
    active += change;
    if (active == 0) idle.notify_all();
  }
  lm::Request request(const std::shared_ptr<GenerateCall>& call, int choice, lm::Sequence sequence);
};

namespace {

AdapterInfo load_adapter(lm::Engine& engine, const std::string& text, const std::vector<AdapterInfo>& known) {
  const size_t equals = std::min(text.find('='), text.size());
  const std::string name = text.substr(0, equals);
  const bool plain = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
  check(plain && !name.empty() && name.size() <= 64 && equals + 1 < text.size(), ErrorCode::kInvalidArgument, "[serve] the adapter ", text,
        " is not NAME=DIR with a name of at most 64 letters, digits, '.', '_' and '-'");
  const bool twice = std::any_of(known.begin(), known.end(), [&](const AdapterInfo& other) { return other.name == name; });
  check(!twice, ErrorCode::kInvalidArgument, "[serve] the adapter ", name, " is given twice");
  return {name, engine.publish(Path(text.substr(equals + 1)), lm::Publish::kLoraF32, {.probe = false}).id};
}

}  // namespace

void LmTextEngineOptions::describe(OptionList& list) {
  list.add("lora", adapters, "NAME=DIR: serve the model with the adapter in DIR, as PEFT writes it, as the model NAME. May be given again.");
  list.add("ctx_size", ctx_size, "Positions of a conversation at most; 0 takes the model's own limit.").alias("-c").range(0, 1 << 24);
}

LmTextEngine::LmTextEngine(std::shared_ptr<lm::Engine> engine, const LmTextEngineOptions& options) {
  check(engine->model().tokenizer() != nullptr, ErrorCode::kFailedPrecondition, "[serve] the model has no tokenizer");
  state_ = std::make_shared<State>(std::move(engine), options);
  State& s = *state_;
  const lm::Model& model = s.engine->model();
  s.info.model = model.name();
  for (const std::string& adapter : options.adapters) s.info.adapters.push_back(load_adapter(*s.engine, adapter, s.info.adapters));
  s.info.instruction_tuned = model.is_instruction_tuned() && text::has_chat_pieces(s.tokenizer);
  s.info.context_length = model.config().context_length;
  if (options.ctx_size > 0) s.info.context_length = std::min(s.info.context_length, options.ctx_size);
  s.info.vocab_size = model.config().vocab_size;
  s.info.hidden_size = model.config().hidden_size;
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

lm::Request LmTextEngine::State::request(const std::shared_ptr<GenerateCall>& call, int choice, lm::Sequence sequence) {
  lm::Request out;
  out.sequence = std::move(sequence);
  out.max_new = call->max_new;
  out.stop_ids = engine->model().stop_ids();
  out.num_top = call->num_top;
  if (call->grammar != nullptr) out.constraint = constraints.get(call->grammar);
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

std::vector<std::vector<float>> LmTextEngine::embed(const EmbedCall& call) {
  std::vector<lm::Prompt> prompts;
  for (const auto& ids : call.prompts) prompts.emplace_back(ids);
  return state_->engine->embed(prompts, call.pooling, call.normalise, call.stop, call.weights);
}

void LmTextEngine::generate(GenerateCall given) {
  State& s = *state_;
  const auto call = std::make_shared<GenerateCall>(std::move(given));
  lm::SeqOptions sequence_options;
  sequence_options.sampler = call->sampler;
  sequence_options.seed = call->seed;
  sequence_options.want_model_logprob = call->want_logprob;
  sequence_options.weights = call->weights;
  lm::Sequence first = s.engine->start(sequence_options);
  first.append(call->prompt);
  std::vector<lm::Sequence> sequences;
  if (call->num_choices > 1) {
    s.engine->prefill(first, call->stop);
    for (int i = 1; i < call->num_choices; ++i) sequences.push_back(first.fork(static_cast<uint64_t>(i)));
  }
  sequences.insert(sequences.begin(), std::move(first));
  for (int i = 0; i < call->num_choices; ++i) {
    lm::Request request = s.request(call, i, std::move(sequences[static_cast<size_t>(i)]));
    request.on_done = [&s, call, i](lm::Sequence sequence, lm::Finish finish, const Error* error) {
      if (i == 0 && call->on_cached) call->on_cached(sequence.reused());
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
}

}  // namespace attune::serve
