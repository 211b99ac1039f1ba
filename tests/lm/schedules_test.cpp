// Random schedules: whatever the chunks, neighbours, adapters, forks, rewinds, cancels, cached prefixes and memory pressure, every request gives the
// bytes of a run of its own. ATTUNE_SCHEDULES sets how many (300).
#include <gtest/gtest.h>

#include <cstring>
#include <cstdlib>
#include <map>
#include <optional>

#include "core/rng.h"
#include "tests/lm/publish_fixtures.h"
#include "text/json_schema.h"

namespace attune::lm {
namespace {

using testing::random_ids;
using testing::tiny_model;

constexpr int kMaxIdle = 1000;  // steps in a row that may compute nothing

/// An adapter large enough to change what is said.
WeightsId publish_adapter(Engine& engine) {
  static const testing::MemorySource adapter = testing::adapter_tensors(0.5, 4, 3);
  return engine.publish(adapter, Publish::kLoraF32, {.probe = false}).id;
}
constexpr WeightsId kAdapter = kBaseWeights + 1;  // the first set that an engine publishes

struct Generated {
  std::vector<int32_t> ids;
  std::vector<float> logp;
  Finish finish = Finish::kNone;
};

/// What one request is: a prompt of tokens and perhaps a block of soft rows, and how its sequence came to be.
struct Plan {
  Prompt prompt;
  SeqOptions options;
  int64_t max_new = 1;
  int64_t shared = 0;    // > 0: fork of a sequence that computed the first `shared` positions
  int64_t detour = 0;    // > 0: so many other tokens were computed behind `shared` and cut off again
  bool cancel = false;
  std::shared_ptr<const TokenConstraint> constraint;
};

/// Lists that repeat: guesses are made under the constraint, and some are right.
std::shared_ptr<const TokenConstraint> list_constraint() {
  static const auto constraint = std::make_shared<const TokenConstraint>(
      std::make_shared<const VocabTrie>(*tiny_model()->tokenizer()),
      text::compile_json_schema(R"({"type":"array","items":{"anyOf":[{"enum":[true,1]},{"type":"string","maxLength":3}]},"maxItems":6})"));
  return constraint;
}

Prompt random_prompt(Rng& rng) {
  // Few bases, so that prompts share beginnings.
  auto ids = random_ids(200, 1000 + rng.below(3));
  ids.resize(5 + rng.below(140));
  if (rng.below(2) == 0) {
    const auto tail = random_ids(static_cast<int64_t>(2 + rng.below(20)), rng.next_u64());
    ids.insert(ids.end(), tail.begin() + 1, tail.end());
  }
  Prompt prompt(ids);
  if (rng.below(4) == 0) {
    const auto n = static_cast<int64_t>(1 + rng.below(6));
    const int64_t d = tiny_model()->config().hidden_size;
    const uint64_t kind = rng.below(4);  // few contents, named by their hash
    Rng content(77 + kind, "soft");
    std::shared_ptr<float[]> rows(new float[static_cast<size_t>(n * d)]);
    for (int64_t i = 0; i < n * d; ++i) rows[static_cast<size_t>(i)] = static_cast<float>(content.normal());
    prompt.pieces.emplace_back(Soft{rows, n, rng.below(2) == 0, kind == 0 ? 0 : kind * 100 + static_cast<uint64_t>(n)});
    prompt.pieces.emplace_back(Tokens{{static_cast<int32_t>(rng.below(500)), static_cast<int32_t>(rng.below(500))}});
  }
  return prompt;
}

Plan random_plan(Rng& rng) {
  Plan plan;
  plan.prompt = random_prompt(rng);
  plan.options.seed = rng.next_u64();
  plan.options.want_model_logprob = rng.below(2) == 0;
  if (rng.below(3) == 0) plan.options.sampler.temperature = 0;
  if (rng.below(4) == 0) plan.options.sampler.top_k = 0;
  if (rng.below(4) == 0) {  // three tokens repeat often: guesses are made, and some are right
    plan.options.vocab = std::make_shared<const VocabSet>(VocabSet{{40, 41, 300}});
  }
  if (plan.options.vocab == nullptr && rng.below(3) == 0) plan.constraint = list_constraint();
  plan.options.weights = rng.below(3) == 0 ? kAdapter : kBaseWeights;
  plan.max_new = static_cast<int64_t>(1 + rng.below(16));
  plan.cancel = rng.below(5) == 0;
  const bool only_tokens = plan.prompt.pieces.size() == 1;
  if (only_tokens && rng.below(3) == 0) {
    plan.shared = static_cast<int64_t>(2 + rng.below(static_cast<uint64_t>(plan.prompt.length() - 3)));
    if (rng.below(2) == 0) plan.detour = static_cast<int64_t>(1 + rng.below(40));
  }
  return plan;
}

/// The sequence of a plan, computed in the way the plan says.
Sequence make(Engine& engine, const Plan& plan) {
  Sequence sequence = engine.start(plan.options);
  if (plan.shared == 0) {
    sequence.append(plan.prompt);
    return sequence;
  }
  const std::span<const int32_t> ids = std::get<Tokens>(plan.prompt.pieces[0]).ids;
  sequence.append(ids.first(static_cast<size_t>(plan.shared)));
  engine.prefill(sequence);
  Sequence child = sequence.fork(0);
  if (plan.detour > 0) {
    child.append(std::span<const int32_t>(random_ids(plan.detour, 5)));
    engine.prefill(child);
    EXPECT_TRUE(child.rewind(plan.shared));
  }
  child.append(ids.subspan(static_cast<size_t>(plan.shared)));
  return child;
}

Generated alone(Engine& engine, const Plan& plan) {
  Sequence sequence = engine.start(plan.options);
  sequence.append(plan.prompt);
  auto done = engine.generate(std::move(sequence), plan.max_new, {}, {}, {}, plan.constraint);
  return {done.ids, done.logp_policy, done.finish};
}

bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0);
}

EngineOptions random_options(Rng& rng) {
  EngineOptions options;
  options.threads = 2;
  options.max_chunk = static_cast<int32_t>(1 + rng.below(70));
  options.max_sequences = static_cast<int32_t>(1 + rng.below(12));
  options.prefix_cache_mib = rng.below(3) == 0 ? 0 : 8;
  options.kv_memory_mib = rng.below(3) == 0 ? 1 : 64;
  options.max_step_ms = rng.below(2) == 0 ? 0 : 1;
  options.speculate = static_cast<int32_t>(rng.below(3) * 8);
  options.kv_type = rng.below(4) == 0 ? "q8_0" : "auto";
  return options;
}

/// Engines that run one request at a time, by type of keys and values.
using References = std::map<std::string, Engine>;

void run_schedule(uint64_t seed, References& references) {
  Rng rng(seed, "schedule");
  const EngineOptions options = random_options(rng);
  Engine engine(tiny_model(), options);
  ASSERT_EQ(publish_adapter(engine), kAdapter);
  std::vector<Plan> plans;
  for (uint64_t i = 0; i < 2 + rng.below(9); ++i) plans.push_back(random_plan(rng));
  std::vector<Generated> got(plans.size());
  std::vector<std::stop_source> stops(plans.size());
  size_t done = 0, submitted = 0;
  int idle = 0;
  std::vector<bool> cancelled(plans.size(), false);
  while (done < plans.size()) {
    if (submitted < plans.size() && (rng.below(2) == 0 || done == submitted)) {
      const size_t i = submitted++;
      Request request;
      request.sequence = make(engine, plans[i]);
      request.max_new = plans[i].max_new;
      request.constraint = plans[i].constraint;
      request.stop = stops[i].get_token();
      request.on_token = [&got, i](const Event& event) {
        got[i].ids.push_back(event.token);
        got[i].logp.push_back(event.logp_policy);
        return true;
      };
      request.on_done = [&got, &done, i](Sequence, Finish finish, const Error* error) {
        EXPECT_EQ(error, nullptr) << error->what();
        got[i].finish = finish;
        ++done;
      };
      engine.submit(std::move(request));
    }
    idle = engine.step().rows > 0 ? 0 : idle + 1;
    ASSERT_LT(idle, kMaxIdle) << "schedule " << seed << ": nothing is computed";
    for (size_t i = 0; i < submitted; ++i) {
      if (plans[i].cancel && !cancelled[i] && rng.below(6) == 0) {
        cancelled[i] = true;
        stops[i].request_stop();
      }
    }
  }
  for (size_t i = 0; i < plans.size(); ++i) {
    const Generated want = alone(references.at(options.kv_type), plans[i]);
    if (got[i].finish == Finish::kCancelled) {  // what it had given is a beginning of the answer
      ASSERT_LE(got[i].ids.size(), want.ids.size());
      EXPECT_TRUE(std::equal(got[i].ids.begin(), got[i].ids.end(), want.ids.begin())) << "schedule " << seed << " request " << i;
      continue;
    }
    EXPECT_EQ(got[i].finish, want.finish) << "schedule " << seed << " request " << i;
    EXPECT_EQ(got[i].ids, want.ids) << "schedule " << seed << " request " << i;
    EXPECT_TRUE(same_bytes(got[i].logp, want.logp)) << "schedule " << seed << " request " << i;
  }
  engine.clear_prefix_cache();
  EXPECT_EQ(engine.stats().kv_bytes, 0) << "schedule " << seed << ": pages left behind";
  EXPECT_EQ(engine.stats().running, 0);
}

/// Work beside the request under test: another prompt or one that begins like it, a fork of `prefix`, cancelled by `stop` or not.
void submit_neighbour(Engine& engine, const Prompt& fixed, Sequence& prefix, std::stop_token stop, Rng& rng, int& running) {
  Request request;
  SeqOptions options;
  options.seed = rng.next_u64();
  options.sampler.temperature = rng.below(3) == 0 ? 0 : 1;
  options.sampler.top_k = rng.below(3) == 0 ? 0 : 64;
  options.want_model_logprob = rng.below(3) == 0;
  switch (rng.below(3)) {
    case 0: {
      request.sequence = engine.start(options);
      request.sequence.append(random_prompt(rng));
      break;
    }
    case 1: {  // the same beginning: waits for it, or finds it remembered
      const std::span<const int32_t> ids = std::get<Tokens>(fixed.pieces[0]).ids;
      request.sequence = engine.start(options);
      request.sequence.append(ids.first(static_cast<size_t>(2 + rng.below(ids.size() - 2))));
      request.sequence.append(std::vector<int32_t>{static_cast<int32_t>(rng.below(500))});
      break;
    }
    default: {
      request.sequence = prefix.fork(rng.next_u64());
      request.sequence.append(std::vector<int32_t>{static_cast<int32_t>(rng.below(500))});
    }
  }
  request.max_new = static_cast<int64_t>(1 + rng.below(rng.below(8) == 0 ? 150 : 30));
  if (rng.below(3) == 0) request.stop = std::move(stop);
  request.on_done = [&running](Sequence, Finish, const Error*) { --running; };
  ++running;
  engine.submit(std::move(request));
}

/// The answer to `fixed` when 31 others are computed beside it, some of them submitted before and some after.
Generated beside_neighbours(Engine& engine, const Plan& fixed, uint64_t round) {
  Rng rng(round, "neighbours");
  Generated got;
  int running = 0;
  bool finished = false;
  Sequence prefix = engine.start();
  prefix.append(fixed.prompt);
  engine.prefill(prefix);
  prefix.rewind(std::min<int64_t>(
      prefix.computed(),
      prefix.length() -
          static_cast<int64_t>(1 + rng.below(30))));  // refused where the cache keeps less of the past: then the forks are longer
  if (round % 2 == 0) engine.clear_prefix_cache();
  std::stop_source stop;
  const uint64_t place = rng.below(32);
  for (uint64_t i = 0; i < 32; ++i) {
    if (rng.below(4) == 0) engine.step();
    if (i != place) {
      submit_neighbour(engine, fixed.prompt, prefix, stop.get_token(), rng, running);
      continue;
    }
    Request request;
    request.sequence = engine.start(fixed.options);
    request.sequence.append(fixed.prompt);
    request.max_new = fixed.max_new;
    request.on_token = [&got](const Event& event) {
      got.ids.push_back(event.token);
      got.logp.push_back(event.logp_policy);
      return true;
    };
    request.on_done = [&](Sequence, Finish finish, const Error*) {
      got.finish = finish;
      finished = true;
    };
    engine.submit(std::move(request));
  }
  int idle = 0;
  for (uint64_t step = 0; !finished || running > 0; ++step) {
    idle = engine.step().rows > 0 ? 0 : idle + 1;
    if (idle == kMaxIdle) {
      ADD_FAILURE() << "nothing is computed, " << running << " others are unfinished, round " << round;
      return got;
    }
    if (step == 5 + round % 20) stop.request_stop();
  }
  return got;
}

TEST(Schedules, AFixedRequestGivesTheSameBytesBesideAnyNeighbours) {
  for (const char* compute : {"fast", "f32"}) {
    EngineOptions options;
    options.threads = 2;
    options.compute = compute;
    options.prefix_cache_mib = 0;
    Engine reference(tiny_model(), options);
    Plan fixed;
    fixed.prompt = Prompt(random_ids(90, 1000));  // random_prompt's neighbours share this beginning
    fixed.options.seed = 11;
    fixed.max_new = 24;
    const Generated want = alone(reference, fixed);
    ASSERT_EQ(want.ids.size(), 24u);
    options.prefix_cache_mib = 8;
    options.kv_memory_mib = 1;  // less than 32 sequences take: some are parked
    options.max_chunk = 64;
    Engine engine(tiny_model(), options);
    std::vector<Sequence> held;  // leaves about half of the memory
    for (uint64_t i = 0; engine.stats().kv_bytes < engine.stats().kv_bytes_max / 2; ++i) {
      held.push_back(engine.start());
      held.back().append(random_ids(100, 2000 + i));
      engine.prefill(held.back());
    }
    for (uint64_t round = 0; round < 100; ++round) {
      const Generated got = beside_neighbours(engine, fixed, round);
      ASSERT_EQ(got.finish, Finish::kLength) << compute << ", round " << round;
      ASSERT_EQ(got.ids, want.ids) << compute << ", round " << round;
      ASSERT_TRUE(same_bytes(got.logp, want.logp)) << compute << ", round " << round;
    }
    EXPECT_GT(engine.stats().cancelled, 0);
    EXPECT_GT(engine.stats().prefix_hits, 0);
    EXPECT_GT(engine.stats().preempted, 0);
  }
}

TEST(Schedules, EveryRequestGivesTheBytesOfARunOfItsOwn) {
  const char* asked = std::getenv("ATTUNE_SCHEDULES");
  const uint64_t count = asked != nullptr ? std::strtoull(asked, nullptr, 10) : 300;
  References references;
  for (const char* kv_type : {"auto", "q8_0"}) {
    EngineOptions options;
    options.prefix_cache_mib = 0;
    options.speculate = 0;
    options.threads = 2;
    options.kv_type = kv_type;
    publish_adapter(references.try_emplace(kv_type, tiny_model(), options).first->second);
  }
  for (uint64_t seed = 1; seed <= count && !::testing::Test::HasFailure(); ++seed) run_schedule(seed, references);
}

}  // namespace
}  // namespace attune::lm
