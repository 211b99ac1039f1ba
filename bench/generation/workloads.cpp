#include "bench/generation/workloads.h"

#include <chrono>
#include <optional>

#include "core/error.h"
#include "lm/prompt.h"

namespace attune::bench {
namespace {

class Clock {
 public:
  double lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// `count` ids: those given, and again all but the first (BOS).
std::vector<int32_t> repeated(const std::vector<int32_t>& ids, int64_t count) {
  std::vector<int32_t> out;
  for (size_t i = 0; static_cast<int64_t>(out.size()) < count; i = i + 1 < ids.size() ? i + 1 : 1) out.push_back(ids[i]);
  return out;
}

}  // namespace

std::vector<int32_t> first_tokens(const lm::Model& model, const std::string& text, int64_t count) {
  check(model.tokenizer() != nullptr, ErrorCode::kFailedPrecondition, "[bench] the model has no tokenizer");
  auto ids = lm::tokenize_text(*model.tokenizer(), text);
  check(count >= 1 && static_cast<int64_t>(ids.size()) >= count, ErrorCode::kInvalidArgument, "[bench] the prompt file has ", ids.size(),
        " tokens, expected at least ", count);
  ids.resize(static_cast<size_t>(count));
  return ids;
}

Timing decode(lm::Engine& engine, const std::vector<int32_t>& prompt, const Workload& work) {
  lm::Sequence prefix = engine.start({.sampler = work.sampler, .seed = work.seed, .stream = 0, .vocab = nullptr});
  prefix.append(prompt);
  engine.prefill(prefix);
  std::optional<Error> failure;
  int32_t running = work.sequences;
  for (int32_t i = 0; i < work.sequences; ++i) {
    lm::Request request;
    request.sequence = prefix.fork(static_cast<uint64_t>(i));
    request.max_new = work.predict;
    request.on_done = [&](lm::Sequence, lm::Finish finish, const Error* error) {
      if (error != nullptr) failure = *error;
      check(error != nullptr || finish == lm::Finish::kLength, ErrorCode::kInternal, "[bench] a sequence ended: ", lm::finish_name(finish));
      --running;
    };
    engine.submit(std::move(request));
  }
  Timing out;
  Clock clock;
  while (running > 0 && !failure) {
    const auto report = engine.step();
    check(report.rows > 0, ErrorCode::kInternal, "[bench] a step computed nothing with ", running, " sequences running");
    out.step_seconds.push_back(clock.lap());
    out.seconds += out.step_seconds.back();
    out.tokens += report.decoding;
    out.rows += report.rows;
    ++out.steps;
  }
  if (failure) throw *failure;
  check(out.tokens == work.sequences * work.predict, ErrorCode::kInternal, "[bench] ", out.tokens, " tokens, expected ",
        work.sequences * work.predict);
  return out;
}

Timing prefill(lm::Engine& engine, const std::vector<int32_t>& prompt) {
  lm::Sequence sequence = engine.start({.sampler = {.temperature = 0}, .seed = 0, .stream = 0, .vocab = nullptr});
  sequence.append(prompt);
  const int64_t steps_before = engine.stats().steps;
  Clock clock;
  engine.generate(std::move(sequence), 1, {});
  Timing out;
  out.seconds = clock.lap();
  check(engine.stats().prefix_hits == 0, ErrorCode::kInternal, "[bench] a part of the prompt was not computed but remembered");
  out.tokens = out.rows = static_cast<int64_t>(prompt.size());
  out.steps = engine.stats().steps - steps_before;
  return out;
}

Timing beside(lm::Engine& engine, const std::vector<int32_t>& ids, const Workload& work) {
  constexpr int kStepsBefore = 16;  // of decoding alone, so that the engine knows what a step takes
  constexpr size_t kShort = 16;
  check(ids.size() >= kShort, ErrorCode::kInvalidArgument, "[bench] expected a prompt of at least ", kShort, " tokens");
  lm::Sequence prefix = engine.start({.sampler = work.sampler, .seed = work.seed, .stream = 0, .vocab = nullptr});
  prefix.append(std::span(ids).first(kShort));
  engine.prefill(prefix);
  bool prompt_done = false;
  int32_t running = 0;
  std::optional<Error> failure;
  for (int32_t i = 0; i <= work.sequences; ++i) {
    const bool is_prompt = i == work.sequences;
    lm::Request request;
    if (is_prompt) {
      for (int j = 0; j < kStepsBefore; ++j) engine.step();
      request.sequence = engine.start({.sampler = work.sampler, .seed = work.seed, .stream = 0, .vocab = nullptr});
      request.sequence.append(repeated(ids, work.prompt));
    } else {
      request.sequence = prefix.fork(static_cast<uint64_t>(i));
    }
    request.max_new = is_prompt ? 1 : 1 << 20;
    request.on_token = [&prompt_done](const lm::Event&) { return !prompt_done; };
    request.on_done = [&, is_prompt](lm::Sequence, lm::Finish, const Error* error) {
      if (error != nullptr) failure = *error;
      if (is_prompt) prompt_done = true;
      --running;
    };
    ++running;
    engine.submit(std::move(request));
  }
  Timing out;
  Clock clock;
  while (!prompt_done && !failure) {
    const auto report = engine.step();
    check(report.decoding >= work.sequences, ErrorCode::kInternal, "[bench] ", report.decoding, " sequences gave a token, expected ",
          work.sequences);
    out.step_seconds.push_back(clock.lap());
    out.seconds += out.step_seconds.back();
    out.tokens += report.decoding;
    out.rows += report.rows;
    ++out.steps;
  }
  while (running > 0) engine.step();
  if (failure) throw *failure;
  return out;
}

Timing layers_only(lm::Engine& engine, const std::vector<int32_t>& prompt, int64_t rows, int repeats) {
  lm::Sequence sequence = engine.start();
  sequence.append(prompt);
  engine.prefill(sequence);
  Timing out;
  for (int i = 0; i < repeats; ++i) {
    std::vector<int32_t> more;
    for (int64_t j = 0; j < rows; ++j) more.push_back(prompt[static_cast<size_t>((i * rows + j) % static_cast<int64_t>(prompt.size()))]);
    sequence.append(more);  // one position is pending already: prefill computes it and all of these but the last
    Clock clock;
    engine.prefill(sequence);
    out.step_seconds.push_back(clock.lap());
    out.seconds += out.step_seconds.back();
    out.rows += rows;
    ++out.steps;
  }
  return out;
}

}  // namespace attune::bench
