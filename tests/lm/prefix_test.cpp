// The prefix cache and preemption change no byte of any answer.
#include <atomic>

#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using testing::random_ids;
using testing::tiny_model;

EngineOptions options_for(int64_t prefix_mib, int64_t kv_mib = 64) {
  EngineOptions options;
  options.threads = 2;
  options.max_chunk = 48;
  options.prefix_cache_mib = prefix_mib;
  options.kv_memory_mib = kv_mib;
  return options;
}

Completion run(Engine& engine, const std::vector<int32_t>& ids, uint64_t seed) {
  Sequence sequence = engine.start({.seed = seed, .want_model_logprob = true});
  sequence.append(ids);
  return engine.generate(std::move(sequence), 12, {});
}

TEST(PrefixCache, AnswersAreThoseOfAFreshRun) {
  Engine cached(tiny_model(), options_for(8));
  Engine fresh(tiny_model(), options_for(0));
  const auto base = random_ids(150, 1);
  for (uint64_t i = 0; i < 40; ++i) {
    std::vector<int32_t> ids(base.begin(), base.begin() + static_cast<int64_t>(20 + i * 37 % 130));
    const auto tail = random_ids(static_cast<int64_t>(2 + i % 5 * 9), i % 7);
    ids.insert(ids.end(), tail.begin() + 1, tail.end());
    const auto want = run(fresh, ids, i);
    const auto got = run(cached, ids, i);
    EXPECT_EQ(got.ids, want.ids) << i;
    EXPECT_EQ(got.logp_model, want.logp_model) << i;
    EXPECT_EQ(run(cached, ids, i).sequence.reused(), static_cast<int64_t>(ids.size()) - 1) << i;
  }
  EXPECT_GT(cached.stats().prefix_hit_tokens, 0);
  EXPECT_EQ(fresh.stats().prefix_hit_tokens, 0);
  cached.clear_prefix_cache();
  EXPECT_EQ(cached.stats().kv_bytes, 0);
}

TEST(PrefixCache, SaltsShareNothing) {
  Engine engine(tiny_model(), options_for(8));
  const auto ids = random_ids(60, 3);
  for (const uint64_t salt : {1u, 2u}) {
    Sequence sequence = engine.start({.salt = salt});
    sequence.append(ids);
    engine.prefill(sequence);
    EXPECT_EQ(sequence.reused(), 0) << salt;
  }
}

TEST(Schedule, WorkBeyondTheMemoryIsComputedAgainToTheSameBytes) {
  Engine small(tiny_model(), options_for(1, 1));
  Engine large(tiny_model(), options_for(0));
  std::vector<std::vector<int32_t>> got(12);
  std::atomic<int> done{0};
  std::atomic<int> failed{0};
  for (size_t i = 0; i < got.size(); ++i) {
    Request request;
    request.sequence = small.start({.seed = i});
    request.sequence.append(random_ids(10, i));
    request.max_new = 200;
    request.on_token = [&got, i](const Event& event) {
      got[i].push_back(event.token);
      return true;
    };
    request.on_done = [&](Sequence, Finish finish, const Error*) {
      failed += finish == Finish::kError ? 1 : 0;
      ++done;
    };
    small.submit(std::move(request));
  }
  for (int step = 0; step < 20000 && done < 12; ++step) small.step();
  EXPECT_EQ(done, 12);
  EXPECT_EQ(failed, 0);
  EXPECT_GT(small.stats().preempted, 0);
  for (size_t i = 0; i < got.size(); ++i) {
    Sequence sequence = large.start({.seed = i});
    sequence.append(random_ids(10, i));
    EXPECT_EQ(got[i], large.generate(std::move(sequence), 200, {}).ids) << i;
  }
}

}  // namespace
}  // namespace attune::lm
