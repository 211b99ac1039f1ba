// Nobody starves, and work that gave up its memory can be cancelled.
#include <gtest/gtest.h>

#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using testing::random_ids;
using testing::tiny_model;

struct Watched {
  int64_t tokens = 0;
  Finish finish = Finish::kNone;
  bool done = false;
};

void submit(Engine& engine, const std::vector<int32_t>& ids, int64_t max_new, Watched& out, std::stop_token stop = {}) {
  Request request;
  request.sequence = engine.start({.seed = 3});
  request.sequence.append(ids);
  request.max_new = max_new;
  request.stop = std::move(stop);
  request.on_token = [&out](const Event&) {
    ++out.tokens;
    return true;
  };
  request.on_done = [&out](Sequence, Finish finish, const Error*) {
    out.finish = finish;
    out.done = true;
  };
  engine.submit(std::move(request));
}

EngineOptions options_for(int32_t max_chunk, int32_t max_step_ms = 0) {
  EngineOptions options;
  options.threads = 2;
  options.max_chunk = max_chunk;
  options.max_step_ms = max_step_ms;
  options.prefix_cache_mib = 0;
  return options;
}

// A prompt is always waiting, yet the sequences that decode get a token in every step (every second one if a step has a single row).
TEST(Fairness, AStreamOfPromptsDoesNotStarveDecoding) {
  for (const int32_t chunk : {1, 2, 16, 64}) {
    Watched decoding;
    std::vector<std::unique_ptr<Watched>> prompts;
    Engine engine(tiny_model(), options_for(chunk));  // ends first: what runs then reports to the watchers
    submit(engine, random_ids(3, 1), 40, decoding);
    while (decoding.tokens == 0) engine.step();
    int steps = 0;
    for (; !decoding.done && steps < 400; ++steps) {
      if (prompts.size() < 200 && (prompts.empty() || steps % 2 == 0)) {
        prompts.push_back(std::make_unique<Watched>());
        submit(engine, random_ids(100, 100 + prompts.size()), 1, *prompts.back());
      }
      engine.step();
    }
    EXPECT_TRUE(decoding.done) << chunk;
    EXPECT_LE(steps, chunk == 1 ? 80 : 39 + static_cast<int>(prompts.size())) << chunk;
    if (chunk >= 16) {
      EXPECT_EQ(steps, 39) << "a step without a token, chunk " << chunk;
    }
    while (engine.step().waiting > 0) {
    }
  }
}

// More sequences decode than a step has rows, and all for long, yet a prompt gets its rows.
TEST(Fairness, DecodingDoesNotStarveAPrompt) {
  for (const int32_t chunk : {1, 2, 16}) {
    std::vector<Watched> decoding(20);
    Watched prompt;
    Engine engine(tiny_model(), options_for(chunk, 1));  // and the least step time
    for (size_t i = 0; i < decoding.size(); ++i) submit(engine, random_ids(2, i), 600, decoding[i]);
    for (int i = 0; i < 50; ++i) engine.step();
    submit(engine, random_ids(100, 99), 1, prompt);
    int steps = 0;
    for (; !prompt.done && steps < 600; ++steps) engine.step();
    EXPECT_TRUE(prompt.done) << chunk;  // at least a row in two steps
    EXPECT_LE(steps, 2 * 100 + 30) << chunk;
    for (const Watched& w : decoding) EXPECT_GT(w.tokens, 0) << "chunk " << chunk;
  }
}

// All that decode move on at the same pace, also when a step has fewer rows than there are sequences.
TEST(Fairness, DecodersTakeTurns) {
  std::vector<Watched> decoding(10);
  Engine engine(tiny_model(), options_for(3));
  for (size_t i = 0; i < decoding.size(); ++i) submit(engine, random_ids(2, i), 200, decoding[i]);
  for (int i = 0; i < 400; ++i) engine.step();
  const auto [least, most] =
      std::minmax_element(decoding.begin(), decoding.end(), [](const Watched& a, const Watched& b) { return a.tokens < b.tokens; });
  EXPECT_GT(least->tokens, 0);
  EXPECT_LE(most->tokens - least->tokens, most->tokens / 2 + 5);
}

// A flood of short prompts is admitted in order: an older, longer one is not overtaken for ever.
TEST(Fairness, ALongPromptEndsAmongShortOnes) {
  Watched longer;
  std::vector<std::unique_ptr<Watched>> shorter;
  Engine engine(tiny_model(), options_for(32));
  submit(engine, random_ids(900, 7), 1, longer);
  int steps = 0;
  for (; !longer.done && steps < 1000; ++steps) {
    shorter.push_back(std::make_unique<Watched>());
    submit(engine, random_ids(20, 1000 + shorter.size()), 1, *shorter.back());
    engine.step();
    if (engine.stats().queued > 200) break;
  }
  EXPECT_TRUE(longer.done);
  while (engine.step().waiting > 0) {
  }
}

// Twelve sequences in memory for fewer: the newest are parked. Cancelling all of them ends parked ones within a step, pages and all.
TEST(Fairness, ParkedWorkCanBeCancelled) {
  EngineOptions options = options_for(48);
  options.kv_memory_mib = 1;
  std::vector<Watched> work(12);
  Engine engine(tiny_model(), options);
  std::vector<std::stop_source> stops(work.size());
  for (size_t i = 0; i < work.size(); ++i) submit(engine, random_ids(10, i), 300, work[i], stops[i].get_token());
  for (int i = 0; i < 5000 && engine.stats().preempted == 0; ++i) engine.step();
  ASSERT_GT(engine.stats().preempted, 0);
  // The newest work is what is parked.
  ASSERT_FALSE(work.back().done);
  const int64_t tokens = work.back().tokens;
  stops.back().request_stop();
  engine.step();
  EXPECT_TRUE(work.back().done);
  EXPECT_EQ(work.back().finish, Finish::kCancelled);
  EXPECT_EQ(work.back().tokens, tokens);
  for (auto& stop : stops) stop.request_stop();
  engine.step();
  for (const Watched& w : work) EXPECT_TRUE(w.done);
  EXPECT_EQ(engine.stats().kv_bytes, 0);
  EXPECT_EQ(engine.stats().running, 0);
  Watched after;  // and the engine goes on
  submit(engine, random_ids(10, 1), 5, after);
  while (!after.done) engine.step();
  EXPECT_EQ(after.finish, Finish::kLength);
}

}  // namespace
}  // namespace attune::lm
