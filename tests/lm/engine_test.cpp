// The engine's promises: a sequence gives the same bytes whatever the batch, chunk size, fork or rewind; errors and cancels stay local.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <thread>

#include "lm/kv_cache.h"
#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using testing::random_ids;
using testing::tiny_model;

EngineOptions options_for(const std::string& compute, int max_chunk = 256) {
  EngineOptions options;
  options.compute = compute;
  options.threads = 2;
  options.max_chunk = max_chunk;
  options.prefix_cache_mib = 0;  // every run computes everything; tests/lm/prefix_test.cpp has the cache
  return options;
}

std::vector<float> logits_of(Engine& engine, std::span<const int32_t> ids) {
  Sequence sequence = engine.start();
  sequence.append(ids);
  return engine.logits(sequence);
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class EngineTest : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Compute, EngineTest, ::testing::Values("f32", "fast"), [](const auto& test) { return std::string(test.param); });

TEST_P(EngineTest, ChunkSizeChangesNoBit) {
  const auto ids = random_ids(150, 1);  // far beyond three windows of 8, and over page boundaries
  Engine whole(tiny_model(), options_for(GetParam(), 256));
  const auto want = logits_of(whole, ids);
  for (const int chunk : {1, 2, 7, 8, 31, 32, 33, 64}) {
    Engine engine(tiny_model(), options_for(GetParam(), chunk));
    EXPECT_TRUE(same_bytes(logits_of(engine, ids), want)) << "chunk " << chunk;
  }
}

TEST_P(EngineTest, NeighboursChangeNoBit) {
  Engine alone(tiny_model(), options_for(GetParam()));
  Engine shared(tiny_model(), options_for(GetParam(), 64));
  const auto ids = random_ids(40, 2);
  Sequence sequence = alone.start({.seed = 11, .stream = 3, .want_model_logprob = true});
  sequence.append(ids);
  const auto want = alone.generate(std::move(sequence), 24, {});
  // The same request among 20 others of all lengths, submitted together.
  std::vector<std::vector<int32_t>> got(21);
  std::vector<std::vector<float>> logp(21);
  std::atomic<int> done{0};
  for (int i = 0; i < 21; ++i) {
    Request request;
    request.sequence = shared.start({.seed = i == 10 ? 11u : 100u + static_cast<unsigned>(i), .stream = 3, .want_model_logprob = i == 10});
    request.sequence.append(i == 10 ? ids : random_ids(1 + i * 7, 50 + static_cast<uint64_t>(i)));
    request.max_new = i == 10 ? 24 : 5 + i;
    request.on_token = [&got, &logp, i](const Event& event) {
      got[static_cast<size_t>(i)].push_back(event.token);
      logp[static_cast<size_t>(i)].push_back(event.logp_model);
      return true;
    };
    request.on_done = [&done](Sequence, Finish, const Error*) { ++done; };
    shared.submit(std::move(request));
  }
  while (done < 21) shared.step();
  EXPECT_EQ(got[10], want.ids);
  EXPECT_TRUE(same_bytes(logp[10], want.logp_model));
  EXPECT_EQ(shared.stats().kv_bytes, 0);
}

TEST_P(EngineTest, ForkSharesPagesAndEqualsAFreshRun) {
  Engine engine(tiny_model(), options_for(GetParam()));
  for (const int prefix_length : {1, 2, 9, 31, 32, 33, 70}) {
    const auto prefix = random_ids(prefix_length, 3);
    Sequence parent = engine.start();
    parent.append(prefix);
    engine.prefill(parent);
    EXPECT_EQ(parent.computed(), prefix_length - 1);
    const int64_t before = engine.stats().kv_bytes;
    std::vector<Sequence> children;
    for (int i = 0; i < 8; ++i) children.push_back(parent.fork(static_cast<uint64_t>(i)));
    EXPECT_EQ(engine.stats().kv_bytes, before);  // nothing was copied yet
    for (int i = 0; i < 8; ++i) {
      auto tail = random_ids(3 + i, 60 + static_cast<uint64_t>(i));
      children[static_cast<size_t>(i)].append(tail);
      std::vector<int32_t> all(prefix);
      all.insert(all.end(), tail.begin(), tail.end());
      EXPECT_TRUE(same_bytes(engine.logits(children[static_cast<size_t>(i)]), logits_of(engine, all))) << prefix_length << ", child " << i;
    }
    EXPECT_TRUE(same_bytes(engine.logits(parent), logits_of(engine, prefix)));  // children did not write into it
  }
}

TEST_P(EngineTest, ForkInTheMiddleOfPrefill) {
  Engine engine(tiny_model(), options_for(GetParam(), 16));
  const auto ids = random_ids(100, 4);
  Sequence sequence = engine.start();
  sequence.append(std::span(ids).first(50));
  engine.prefill(sequence);
  sequence.append(std::span(ids).subspan(50));
  Sequence child = sequence.fork(1);  // 51 positions pending in both
  EXPECT_TRUE(same_bytes(engine.logits(child), logits_of(engine, ids)));
  EXPECT_TRUE(same_bytes(engine.logits(sequence), logits_of(engine, ids)));
}

TEST_P(EngineTest, RewindEqualsAFreshRunOrRefuses) {
  EngineOptions options = options_for(GetParam());
  options.rewind_margin = 20;
  Engine engine(tiny_model(), options);
  const auto ids = random_ids(120, 5);
  for (const int back : {1, 2, 10, 20}) {
    Sequence sequence = engine.start();
    sequence.append(ids);
    engine.prefill(sequence);
    const int64_t length = 120 - back;
    ASSERT_TRUE(sequence.rewind(length)) << back;
    const auto tail = random_ids(30, 70);
    sequence.append(tail);
    std::vector<int32_t> all(ids.begin(), ids.begin() + length);
    all.insert(all.end(), tail.begin(), tail.end());
    EXPECT_TRUE(same_bytes(engine.logits(sequence), logits_of(engine, all))) << back;
  }
  Sequence sequence = engine.start();
  sequence.append(ids);
  engine.prefill(sequence);
  const auto before = engine.logits(sequence);
  EXPECT_FALSE(sequence.rewind(20));  // the ring has lost position 13
  EXPECT_FALSE(sequence.rewind(-1));
  EXPECT_FALSE(sequence.rewind(121));
  EXPECT_EQ(sequence.length(), 120);
  EXPECT_TRUE(same_bytes(engine.logits(sequence), before));
  Sequence small = engine.start();  // below the window everything is still there
  small.append(std::span(ids).first(10));
  engine.prefill(small);
  EXPECT_TRUE(small.rewind(0));
}

TEST_P(EngineTest, ScoringEqualsGenerationLogprobs) {
  Engine engine(tiny_model(), options_for(GetParam()));
  const auto ids = random_ids(20, 6);
  // Generation never yields the image markers; scoring under the same set of ids gives the same bytes.
  const auto allowed = std::make_shared<VocabSet>();
  const auto& forbidden = engine.model().forbidden_ids();
  ASSERT_FALSE(forbidden.empty());
  for (int32_t id = 0; id < engine.model().config().vocab_size; ++id) {
    if (std::find(forbidden.begin(), forbidden.end(), id) == forbidden.end()) allowed->ids.push_back(id);
  }
  Sequence sequence = engine.start({.seed = 5, .vocab = allowed, .want_model_logprob = true});
  sequence.append(ids);
  engine.prefill(sequence);
  const Sequence prefix = sequence.fork(0);
  const auto completion = engine.generate(std::move(sequence), 12, {});
  const std::vector<Prompt> prompts{Prompt(ids)};
  const std::vector<std::vector<int32_t>> completions{completion.ids};
  EXPECT_TRUE(same_bytes(engine.score(prompts, completions, allowed)[0].logprob, completion.logp_model));
  EXPECT_TRUE(same_bytes(engine.score(prefix, completion.ids).logprob, completion.logp_model));
}

TEST_P(EngineTest, SamplingUnderASubset) {
  Engine engine(tiny_model(), options_for(GetParam()));
  const auto subset = std::make_shared<VocabSet>(VocabSet{{10, 20, 30, 400}});
  Sequence sequence = engine.start({.seed = 1, .vocab = subset});
  sequence.append(random_ids(6, 8));
  const auto completion = engine.generate(std::move(sequence), 50, {});
  for (const int32_t id : completion.ids) EXPECT_TRUE(std::binary_search(subset->ids.begin(), subset->ids.end(), id));
  const std::vector<Prompt> prompts(4, Prompt(random_ids(6, 8)));
  const std::vector<std::vector<int32_t>> completions{{10}, {20}, {30}, {400}};
  double total = 0;
  for (const auto& out : engine.score(prompts, completions, subset)) total += std::exp(out.logprob[0]);
  EXPECT_NEAR(total, 1, 1e-5);
  EXPECT_THROW(engine.start({.vocab = std::make_shared<VocabSet>(VocabSet{{5, 4}})}), Error);
  EXPECT_THROW(engine.start({.vocab = std::make_shared<VocabSet>(VocabSet{{}})}), Error);
}

TEST(Engine, SameSeedSameTextOtherSeedOtherText) {
  Engine engine(tiny_model(), options_for("fast"));
  const auto run = [&](uint64_t seed, uint64_t stream) {
    Sequence sequence = engine.start({.seed = seed, .stream = stream});
    sequence.append(random_ids(5, 9));
    return engine.generate(std::move(sequence), 20, {}).ids;
  };
  EXPECT_EQ(run(1, 0), run(1, 0));
  EXPECT_NE(run(1, 0), run(2, 0));
  EXPECT_NE(run(1, 0), run(1, 1));
}

TEST(Engine, StopIdsLengthAndContextEndAGeneration) {
  Engine engine(tiny_model(), options_for("fast"));
  const auto ids = random_ids(10, 10);
  const auto make = [&] {
    Sequence sequence = engine.start({.sampler = testing::greedy()});
    sequence.append(ids);
    return sequence;
  };
  const auto free = engine.generate(make(), 8, {});
  EXPECT_EQ(free.finish, Finish::kLength);
  ASSERT_EQ(free.ids.size(), 8u);
  const auto stopped = engine.generate(make(), 8, {free.ids[0]});
  EXPECT_EQ(stopped.finish, Finish::kStop);
  EXPECT_TRUE(stopped.ids.empty());
  EXPECT_EQ(stopped.sequence.ids().back(), free.ids[0]);  // pending, so that a conversation can go on
  // A finished sequence goes on where it ended.
  auto first = engine.generate(make(), 4, {});
  const auto second = engine.generate(std::move(first.sequence), 4, {});
  std::vector<int32_t> joined(first.ids);
  joined.insert(joined.end(), second.ids.begin(), second.ids.end());
  EXPECT_EQ(joined, free.ids);
  Sequence nearly_full = engine.start();
  const int64_t context = engine.model().config().context_length;
  nearly_full.append(random_ids(context - 2, 11));
  EXPECT_EQ(engine.generate(std::move(nearly_full), 100, {}).finish, Finish::kContext);
  Sequence full = engine.start();
  EXPECT_THROW(full.append(random_ids(context + 1, 12)), Error);
}

TEST(Engine, CancelledWorkLeavesTheOthersAlone) {
  Engine engine(tiny_model(), options_for("fast", 8));
  Sequence reference = engine.start({.seed = 4});
  reference.append(random_ids(30, 13));
  const auto want = engine.generate(std::move(reference), 20, {}).ids;
  std::stop_source cancel;
  std::vector<int32_t> got;
  std::atomic<int> done{0};
  std::vector<Finish> finishes(3, Finish::kNone);
  for (int i = 0; i < 3; ++i) {
    Request request;
    request.sequence = engine.start({.seed = 4});
    request.sequence.append(random_ids(i == 1 ? 30 : 200, i == 1 ? 13 : 90));
    request.max_new = 20;
    if (i != 1) request.stop = cancel.get_token();
    request.on_token = [&, i](const Event& event) {
      if (i == 1) got.push_back(event.token);
      return true;
    };
    request.on_done = [&, i](Sequence, Finish finish, const Error*) {
      finishes[static_cast<size_t>(i)] = finish;
      ++done;
    };
    engine.submit(std::move(request));
  }
  engine.step();
  cancel.request_stop();
  engine.step();
  EXPECT_EQ(done.load(), 2);  // within one step
  while (done < 3) engine.step();
  EXPECT_EQ(finishes, (std::vector<Finish>{Finish::kCancelled, Finish::kLength, Finish::kCancelled}));
  EXPECT_EQ(got, want);
  EXPECT_EQ(engine.stats().kv_bytes, 0);
  EXPECT_EQ(engine.stats().cancelled, 2);
}

// Cancelled while it decodes, computes its prompt, or waits for a place: over after the next step, which gives the places to others.
TEST(Engine, CancelFreesThePlaceWithinOneStep) {
  EngineOptions options = options_for("fast", 8);
  options.max_sequences = 2;
  Engine engine(tiny_model(), options);
  struct Work {
    int tokens = 0;
    Finish finish = Finish::kNone;
  };
  std::vector<Work> work(5);
  std::stop_source stop;
  const auto submit = [&](size_t i, int64_t prompt, bool cancelled) {
    Request request;
    request.sequence = engine.start({.seed = i});
    request.sequence.append(random_ids(prompt, i));
    request.max_new = 100;
    if (cancelled) request.stop = stop.get_token();
    request.on_token = [&work, i](const Event&) { return ++work[i].tokens > 0; };
    request.on_done = [&work, i](Sequence, Finish finish, const Error*) { work[i].finish = finish; };
    engine.submit(std::move(request));
  };
  submit(0, 2, true);    // decodes soon
  submit(1, 400, true);  // 8 positions a step
  submit(2, 5, true);    // no place
  submit(3, 2, false);
  submit(4, 2, false);
  for (int i = 0; i < 6; ++i) engine.step();
  ASSERT_GT(work[0].tokens, 0);
  ASSERT_EQ(work[1].tokens, 0);
  ASSERT_EQ(engine.stats().running, 2);
  ASSERT_EQ(engine.stats().queued, 3);
  const int before = work[0].tokens;
  stop.request_stop();
  engine.step();
  for (const size_t i : {0, 1, 2}) EXPECT_EQ(work[i].finish, Finish::kCancelled) << i;
  EXPECT_EQ(work[0].tokens, before);
  EXPECT_EQ(engine.stats().running, 2);
  EXPECT_EQ(engine.stats().queued, 0);
  EXPECT_EQ(work[3].tokens + work[4].tokens, 2);  // computed in that very step
  while (work[3].finish == Finish::kNone || work[4].finish == Finish::kNone) engine.step();
  EXPECT_EQ(engine.stats().kv_bytes, 0);
}

TEST(Engine, MemoryLimitFailsTheRequestThatMeetsItOnly) {
  EngineOptions options = options_for("f32");
  options.kv_memory_mib = 1;
  Engine engine(tiny_model(), options);
  Sequence big = engine.start();
  big.append(random_ids(900, 14));
  std::vector<Sequence> held;  // fill the cap with forks that cannot share
  EXPECT_THROW(
      {
        for (int i = 0; i < 200; ++i) {
          Sequence sequence = engine.start();
          sequence.append(random_ids(200, static_cast<uint64_t>(i)));
          engine.prefill(sequence);
          held.push_back(std::move(sequence));
        }
      },
      Error);
  EXPECT_LE(engine.stats().kv_bytes, engine.stats().kv_bytes_max);
  held.clear();
  Sequence again = engine.start();
  again.append(random_ids(50, 15));
  EXPECT_NO_THROW(engine.prefill(again));
}

TEST(Engine, RefusesBadCalls) {
  EngineOptions options = options_for("fast");
  options.queue_limit = 2;
  Engine engine(tiny_model(), options);
  Sequence sequence = engine.start();
  EXPECT_THROW(sequence.append(std::vector<int32_t>{512}), Error);
  EXPECT_THROW(sequence.append(std::vector<int32_t>{-1}), Error);
  EXPECT_THROW(engine.prefill(sequence), Error);
  EXPECT_THROW(engine.submit({}), Error);
  const auto submit = [&] {
    Request request;
    request.sequence = engine.start();
    request.sequence.append(random_ids(3, 1));
    engine.submit(std::move(request));
  };
  submit();
  submit();
  try {
    submit();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kResource);
  }
  options.compute = "f16";
  EXPECT_THROW(Engine(tiny_model(), options), Error);
}

TEST(Engine, ALoopServesConcurrentCallers) {
  Engine engine(tiny_model(), options_for("fast"));
  const auto run = [&](uint64_t seed) {
    Sequence sequence = engine.start({.seed = seed});
    sequence.append(random_ids(12, seed));
    return engine.generate(std::move(sequence), 15, {}).ids;
  };
  std::vector<std::vector<int32_t>> want;
  for (uint64_t i = 0; i < 6; ++i) want.push_back(run(i));
  const EngineLoop loop(engine);
  std::vector<std::vector<int32_t>> got(6);
  std::vector<std::thread> callers;
  for (uint64_t i = 0; i < 6; ++i) callers.emplace_back([&, i] { got[i] = run(i); });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(got, want);
}

// The mask at its edge: a local layer sees W positions, itself included. Perplexity cannot show an error of one; a changed key can.
// For a prompt in one chunk (Blaizzy/mlx-vlm #669: no window in its mask) and for one position at a time (unslothai/unsloth-zoo #635).
TEST(Engine, WindowEdge) {
  // One local layer only (micro): the logits of the last position depend on the token W - 1 back and not on the one W back.
  const auto model = Model::load(testing::data_path("micro.gguf"));
  const int64_t w = model->config().sliding_window;
  ASSERT_EQ(model->config().num_global_layers(), 0);
  for (const int chunk : {256, 1}) {
    Engine engine(model, options_for("f32", chunk));
    const int64_t n = 3 * w;
    auto ids = random_ids(n, 16, model->config().vocab_size);
    const auto base = logits_of(engine, ids);
    const auto changed_at = [&](int64_t position) {
      auto other = ids;
      other[static_cast<size_t>(position)] = (other[static_cast<size_t>(position)] + 17) % model->config().vocab_size;
      return logits_of(engine, other);
    };
    EXPECT_FALSE(same_bytes(changed_at(n - 1 - (w - 1)), base)) << chunk;
    EXPECT_TRUE(same_bytes(changed_at(n - 1 - w), base)) << chunk;
  }
}

TEST(KvCache, BytesFollowTheFormula) {
  const ModelConfig config = released_config("270m");
  EXPECT_EQ(config.kv_bytes(8192, 2), int64_t{31} * 1024 * 1024 + 512 * 1024);
  const auto pool = std::make_shared<KvPool>(config, kernels::KvType::kF16, 0, int64_t{1} << 34);
  KvCache cache(pool);
  for (int64_t length = 0; length < 8192;) {
    cache.begin(256);
    cache.commit();
    length += 256;
    // Whole pages, and one page more than the window on local layers.
    const int64_t local =
        std::min<int64_t>(length, (config.sliding_window - 1 + kPagePositions - 1) / kPagePositions * kPagePositions + kPagePositions);
    EXPECT_EQ(cache.bytes(), 2 * 256 * 2 * (config.num_global_layers() * length + config.num_local_layers() * local)) << length;
  }
  EXPECT_LE(cache.bytes(), config.kv_bytes(8192, 2) * 1.03);
  EXPECT_EQ(pool->bytes_in_use(), cache.bytes());
  const KvPool q8(config, kernels::KvType::kQ8_0, 0, int64_t{1} << 34);
  EXPECT_EQ(q8.bytes_for(8192) * 2 * 32, cache.bytes() * 34) << "34 bytes for 32 values";
}

TEST(KvCache, Q8NeedsWholeBlocks) {
  ModelConfig config = released_config("270m");
  config.head_dim = 80;
  try {
    KvPool pool(config, kernels::KvType::kQ8_0, 0, 1 << 20);
    FAIL() << "expected an error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
  }
}

}  // namespace
}  // namespace attune::lm
