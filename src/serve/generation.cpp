#include "serve/generation.h"

#include <condition_variable>
#include <deque>
#include <iterator>
#include <mutex>

#include "serve/api_error.h"

namespace attune::serve {

using Clock = std::chrono::steady_clock;

struct Generation::State {
  explicit State(Metrics& m) : metrics(m) {}

  struct Choice {
    explicit Choice(const ChoiceText::Options& options) : text(options) {}
    ChoiceText text;
    Clock::time_point last;
    bool any = false;
  };

  Metrics& metrics;  // not used after the last choice is done: the callbacks themselves may live longer
  std::stop_source stop;
  std::optional<std::stop_callback<std::function<void()>>> link;  // of the request's own token

  mutable std::mutex mutex;
  std::condition_variable changed;
  struct Queued {
    GenerationEvent event;
    std::optional<Error> error;  ///< the choice failed: thrown when its turn comes, so that text before it is not lost
  };
  std::deque<Queued> events;
  std::vector<Choice> choices;
  int open = 0;
  GenerationUsage usage;
  Clock::time_point begin;
  Clock::time_point first;
  Clock::time_point last;
  bool any = false;

  bool on_token(int index, TokenOut token);
  void on_cached(int64_t positions);
  void on_done(int index, lm::Finish finish, const Error* failure);
  void measure(Choice& choice);
};

// Under the mutex.
void Generation::State::measure(Choice& choice) {
  const auto now = Clock::now();
  if (!any) {
    any = true;
    first = now;
    metrics.first_token(std::chrono::duration<double>(now - begin).count());
  }
  if (choice.any) metrics.token_gap(std::chrono::duration<double>(now - choice.last).count());
  choice.any = true;
  choice.last = last = now;
  ++usage.completion_tokens;
  metrics.add_generated_tokens(1);
}

bool Generation::State::on_token(int index, TokenOut token) {
  std::lock_guard lock(mutex);
  Choice& choice = choices[static_cast<size_t>(index)];
  measure(choice);
  ChoicePiece piece = choice.text.add(std::move(token));
  if (!piece.text.empty() || !piece.tokens.empty()) {
    events.push_back({{index, std::move(piece), false, lm::Finish::kNone}, std::nullopt});
    changed.notify_all();
  }
  return !choice.text.stopped();
}

void Generation::State::on_cached(int64_t positions) {
  metrics.add_cached_tokens(positions);
  std::lock_guard lock(mutex);
  usage.cached_tokens += positions;
}

void Generation::State::on_done(int index, lm::Finish finish, const Error* failure) {
  std::lock_guard lock(mutex);
  if (finish == lm::Finish::kCancelled) metrics.cancelled();
  std::optional<Error> error;
  if (failure != nullptr) {
    error = *failure;
  } else if (finish == lm::Finish::kCancelled) {
    error = Error(ErrorCode::kCancelled, "[generate] cancelled");
  }
  events.push_back({{index, choices[static_cast<size_t>(index)].text.finish(), true, finish}, std::move(error)});
  --open;
  changed.notify_all();
}

namespace {

/// Places that the options need, after checking that every prompt fits.
int checked_size(const TextEngine& engine, const GenerationOptions& options) {
  const int64_t context = engine.info().context_length;
  for (const auto& prompt : options.prompts) {
    const auto length = static_cast<int64_t>(prompt.size());
    if (length + 1 > context) {
      throw ApiError(400,
                     cat("the prompt has ", length, " tokens; the model's context of ", context, " tokens leaves no room for an answer"),
                     "messages", "context_length_exceeded");
    }
  }
  return static_cast<int>(options.prompts.size()) * options.num_choices;
}

}  // namespace

Generation::Generation(TextEngine& engine, Gate& gate, Metrics& metrics, GenerationOptions options, std::stop_token stop)
    : pass_(gate.enter(checked_size(engine, options), stop)), state_(std::make_shared<State>(metrics)) {
  State& state = *state_;
  state.begin = arrival_;
  state.link.emplace(std::move(stop), [source = state.stop]() mutable { source.request_stop(); });
  options.text.keep_tokens = options.keep_tokens;
  const auto num_prompts = static_cast<int>(options.prompts.size());
  for (int i = 0; i < num_prompts * options.num_choices; ++i) state.choices.emplace_back(options.text);

  for (int p = 0; p < num_prompts; ++p) {
    GenerateCall call;
    call.prompt = std::move(options.prompts[static_cast<size_t>(p)]);
    const auto length = static_cast<int64_t>(call.prompt.size());
    call.weights = options.weights;
    call.sampler = options.sampler;
    call.seed = options.seed;
    call.num_choices = options.num_choices;
    call.max_new = std::min(options.max_new, engine.info().context_length - length);
    call.num_top = options.num_top;
    call.grammar = options.grammar;
    call.want_logprob = options.keep_tokens;
    call.stop = state.stop.get_token();
    const int offset = p * options.num_choices;
    call.on_token = [shared = state_, offset](int choice, TokenOut token) { return shared->on_token(offset + choice, std::move(token)); };
    call.on_cached = [shared = state_](int64_t positions) { shared->on_cached(positions); };
    call.on_done = [shared = state_, offset](int choice, lm::Finish finish, const Error* error) {
      shared->on_done(offset + choice, finish, error);
    };
    {
      std::lock_guard lock(state.mutex);
      state.open += options.num_choices;
    }
    try {
      engine.generate(std::move(call));
      metrics.add_prompt_tokens(length);
      std::lock_guard lock(state.mutex);
      state.usage.prompt_tokens += length;
    } catch (...) {  // the engine took nothing of this prompt; earlier ones run already
      {
        std::lock_guard lock(state.mutex);
        state.open -= options.num_choices;
      }
      cancel_and_wait();
      throw;
    }
  }
}

void Generation::cancel_and_wait() {
  State& state = *state_;
  state.link.reset();
  state.stop.request_stop();
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return state.open == 0; });
}

Generation::~Generation() { cancel_and_wait(); }

std::optional<GenerationEvent> Generation::next() {
  State& state = *state_;
  std::unique_lock lock(state.mutex);
  state.changed.wait(lock, [&] { return !state.events.empty() || state.open == 0; });
  if (state.events.empty()) return std::nullopt;
  if (state.events.front().error) throw *state.events.front().error;
  GenerationEvent out = std::move(state.events.front().event);
  state.events.pop_front();
  // Pieces that wait for the same choice are joined: a slow reader gets fewer, larger chunks.
  while (!out.done && !state.events.empty() && state.events.front().event.choice == out.choice && !state.events.front().error) {
    GenerationEvent& following = state.events.front().event;
    out.piece.text += following.piece.text;
    std::move(following.piece.tokens.begin(), following.piece.tokens.end(), std::back_inserter(out.piece.tokens));
    out.done = following.done;
    out.finish = following.finish;
    state.events.pop_front();
  }
  return out;
}

int Generation::num_choices() const noexcept { return static_cast<int>(state_->choices.size()); }

GenerationUsage Generation::usage() const {
  std::lock_guard lock(state_->mutex);
  GenerationUsage out = state_->usage;
  const auto ms = [](auto from, auto to) { return std::chrono::duration<double, std::milli>(to - from).count(); };
  if (state_->any) {
    out.prompt_ms = ms(state_->begin, state_->first);
    out.predicted_ms = ms(state_->first, state_->last);
  }
  return out;
}

}  // namespace attune::serve
