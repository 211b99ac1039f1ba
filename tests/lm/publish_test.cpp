// Publishing against engines that were loaded from the changed weights: values, bytes, memory, and what is refused.
#include "lm/publish.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "kernels/quantize_weights.h"
#include "tests/expect_error.h"
#include "tests/lm/publish_fixtures.h"

namespace attune::lm {
namespace {

using attune::test::expect_error;

using namespace testing;

EngineOptions options_of(const std::string& compute) {
  EngineOptions options = f32_options();
  options.compute = compute;
  return options;
}

/// log softmax of the logits after a few prompts.
std::vector<double> log_probs(Engine& engine, WeightsId weights = kCurrentWeights) {
  std::vector<double> out;
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    SeqOptions options;
    options.weights = weights;
    Sequence sequence = engine.start(options);
    sequence.append(random_ids(20, seed));
    const auto logits = engine.logits(sequence);
    double max = logits[0], sum = 0;
    for (const float x : logits) max = std::max<double>(max, x);
    for (const float x : logits) sum += std::exp(x - max);
    for (const float x : logits) out.push_back(x - max - std::log(sum));
  }
  return out;
}

std::vector<double> difference(const std::vector<double>& a, const std::vector<double>& b) {
  std::vector<double> out(a.size());
  for (size_t i = 0; i < a.size(); ++i) out[i] = a[i] - b[i];
  return out;
}

double cosine(const std::vector<double>& a, const std::vector<double>& b) {
  double ab = 0, aa = 0, bb = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / std::sqrt(aa * bb);
}

double largest(const std::vector<double>& v) {
  double out = 0;
  for (const double x : v) out = std::max(out, std::fabs(x));
  return out;
}

struct Answer {
  std::vector<int32_t> ids;
  std::vector<float> logp;
  bool operator==(const Answer& other) const {
    return ids == other.ids && logp.size() == other.logp.size() &&
           std::memcmp(logp.data(), other.logp.data(), logp.size() * sizeof(float)) == 0;
  }
};

Answer answer(Engine& engine, WeightsId weights, uint64_t seed, int64_t prompt = 12, int64_t max_new = 12) {
  SeqOptions options;
  options.weights = weights;
  options.seed = seed;
  Sequence sequence = engine.start(options);
  sequence.append(random_ids(prompt, seed));
  const Completion done = engine.generate(std::move(sequence), max_new, {});
  return {done.ids, done.logp_policy};
}

class PublishTest : public ::testing::TestWithParam<const char*> {
 protected:
  EngineOptions options() const { return options_of(GetParam()); }
};
INSTANTIATE_TEST_SUITE_P(Compute, PublishTest, ::testing::Values("f32", "fast"), [](const auto& test) { return std::string(test.param); });

// ---- Values.

TEST(Publish, AdapterGivesWhatMergedWeightsGive) {
  Engine engine(tiny_model(), f32_options());
  const MemorySource adapter = adapter_tensors(0.5, 5, 3);
  const WeightsId id = engine.publish(adapter, Publish::kLoraF32, {.lora_scale = 1.75}).id;
  Engine merged(model_of(merged_tensors(adapter, 1.75)), f32_options());
  const auto got = log_probs(engine, id), want = log_probs(merged), base = log_probs(engine, kBaseWeights);
  EXPECT_LT(largest(difference(got, want)), 1e-3);
  EXPECT_GT(largest(difference(got, base)), 0.5) << "the adapter changes too little to see anything";
}

// In F32 a step of 1e-4 is seen. A fast engine rounds keys and values to F16 and, for all weights but F32 sets, activations to int8: what a
// small step changes drowns in what it changes of the rounding (docs/methods/publishing.md gives the figures).
TEST_P(PublishTest, SmallStepOfAnAdapterMovesTheEngineAsTheReference) {
  const double step = std::string(GetParam()) == "f32" ? 1e-4 : 0.1;
  Engine engine(tiny_model(), options());
  Engine reference(model_of(tiny_tensors()), f32_options());
  const MemorySource adapter = adapter_tensors(step, 4, 5);
  Engine moved(model_of(merged_tensors(adapter, 1)), f32_options());
  const WeightsId id = engine.publish(adapter, Publish::kLoraF32).id;
  const auto ours = difference(log_probs(engine, id), log_probs(engine, kBaseWeights));
  const auto theirs = difference(log_probs(moved), log_probs(reference));
  EXPECT_GE(cosine(ours, theirs), 0.99);
}

// An adapter before its first step (B = 0) and after it, both with F32 activations.
TEST_P(PublishTest, SmallStepOfAnAdapterWithF32ActivationsShowsInEveryEngine) {
  EngineOptions exact = options();
  exact.kv_type = "f32";
  Engine engine(tiny_model(), exact);
  Engine reference(model_of(tiny_tensors()), f32_options());
  const MemorySource adapter = adapter_tensors(1e-4, 4, 5);
  MemorySource none = adapter_tensors(1e-4, 4, 5);
  for (auto& [name, tensor] : none.data()) {
    if (name.find("lora_B") != std::string::npos) std::fill(tensor.values.begin(), tensor.values.end(), 0.0f);
  }
  Engine moved(model_of(merged_tensors(adapter, 1)), f32_options());
  const WeightsId before = engine.publish(none, Publish::kLoraF32, {.f32_activations = true}).id;
  const WeightsId after = engine.publish(adapter, Publish::kLoraF32, {.f32_activations = true}).id;
  const auto ours = difference(log_probs(engine, after), log_probs(engine, before));
  const auto theirs = difference(log_probs(moved), log_probs(reference));
  EXPECT_GE(cosine(ours, theirs), 0.99);
}

TEST_P(PublishTest, SmallStepOfFullWeightsMovesTheEngineAsTheReference) {
  const double step = 1e-4;
  EngineOptions exact = options();
  exact.kv_type = "f32";
  Engine engine(tiny_model(), exact);
  Engine reference(model_of(tiny_tensors()), f32_options());
  const MemorySource changed = changed_tensors(step, 7);
  Engine moved(model_of(changed), f32_options());
  const WeightsId before = engine.publish(tiny_tensors(), Publish::kFullF32).id;
  const WeightsId after = engine.publish(changed, Publish::kFullF32).id;
  const auto ours = difference(log_probs(engine, after), log_probs(engine, before));
  const auto theirs = difference(log_probs(moved), log_probs(reference));
  EXPECT_GE(cosine(ours, theirs), 0.99);
}

TEST(Publish, FullF32GivesTheBytesOfAnEngineWithTheseWeights) {
  const MemorySource changed = changed_tensors(0.2, 8);
  Engine engine(tiny_model(), f32_options());
  Engine fresh(model_of(changed), f32_options());
  const PublishReport report = engine.publish(changed, Publish::kFullF32);
  EXPECT_EQ(report.max_abs_dlogp, 0);
  for (uint64_t seed = 1; seed <= 4; ++seed) EXPECT_EQ(answer(engine, report.id, seed), answer(fresh, kBaseWeights, seed));
  EXPECT_NE(answer(engine, report.id, 1), answer(engine, kBaseWeights, 1));
}

TEST(Publish, FullF32IsMultipliedWithF32ActivationsInAFastEngine) {
  Engine engine(tiny_model(), options_of("fast"));
  const auto exact = engine.publish(tiny_tensors(), Publish::kFullF32);
  Engine reference(model_of(tiny_tensors()), f32_options());
  const auto want = log_probs(reference);
  const double error = largest(difference(log_probs(engine, exact.id), want));
  EXPECT_LT(error, 0.01) << "only keys and values are rounded, to F16";
  EXPECT_GT(largest(difference(log_probs(engine, kBaseWeights), want)), 4 * error) << "int8 activations err more";
  EXPECT_LT(exact.max_abs_dlogp, 0.01);
  EXPECT_GT(exact.max_abs_dlogp, 0);
}

TEST_P(PublishTest, GgufOfTheModelItselfAsQ8GivesTheBytesOfAFileInQ8) {
  Engine engine(tiny_model(), options());
  const auto report = engine.publish(data_path("tiny.gguf"), Publish::kFullQ8);
  EXPECT_GT(report.probe_positions, 50);
  EXPECT_GT(report.mean_abs_dlogp, 0) << "attn_k of three layers is no Q8_0 in the file";
  EXPECT_LT(report.max_abs_dlogp, 0.3);
  EXPECT_LE(report.mean_abs_dlogp, report.max_abs_dlogp);

  // The same conversion by hand: values of the quantised blocks as floats. In F32 arithmetic they give the same up to rounding.
  MemorySource rounded = tiny_tensors();
  for (auto& [name, t] : rounded.data()) {
    if (t.shape.size() != 2) continue;
    std::vector<std::byte> row(static_cast<size_t>(row_bytes(DType::kQ8_0, static_cast<uint64_t>(t.shape[1]))));
    for (int64_t r = 0; r < t.shape[0]; ++r) {
      float* values = t.values.data() + r * t.shape[1];
      ASSERT_TRUE(kernels::quantize_weights(DType::kQ8_0, values, t.shape[1], row.data()));
      kernels::ops().dequantize_row(DType::kQ8_0, row.data(), values, t.shape[1]);
    }
  }
  Engine f32(tiny_model(), f32_options());
  const WeightsId q8 = f32.publish(tiny_tensors(), Publish::kFullQ8).id;
  Engine want(model_of(rounded), f32_options());
  EXPECT_LT(largest(difference(log_probs(f32, q8), log_probs(want))), 1e-3);
}

TEST(Publish, Q8SetIsScreenedByItsOwnHead) {
  EngineOptions options = options_of("fast");
  options.head_audit_every = 1;
  Engine engine(tiny_model(), options);
  const WeightsId id = engine.publish(changed_tensors(0.3, 11), Publish::kFullQ8).id;
  SeqOptions sequence_options;
  sequence_options.weights = id;
  sequence_options.sampler = greedy();
  for (uint64_t seed = 1; seed <= 3; ++seed) {
    Sequence sequence = engine.start(sequence_options);
    sequence.append(random_ids(10, seed));
    engine.generate(std::move(sequence), 20, {});
  }
  EXPECT_GT(engine.stats().head_audits, 30);
  EXPECT_EQ(engine.stats().head_misses, 0);
}

TEST_P(PublishTest, AdapterWithZeroBGivesTheBytesOfTheBase) {
  Engine engine(tiny_model(), options());
  const WeightsId id = engine.publish(adapter_tensors(0, 4, 3), Publish::kLoraF32).id;
  for (uint64_t seed = 1; seed <= 4; ++seed) EXPECT_EQ(answer(engine, id, seed), answer(engine, kBaseWeights, seed));
}

TEST_P(PublishTest, AdapterOverFullWeights) {
  Engine engine(tiny_model(), options());
  const WeightsId full = engine.publish(changed_tensors(0.2, 8), Publish::kFullF32).id;
  const WeightsId zero = engine.publish(adapter_tensors(0, 2, 3), Publish::kLoraF32, {.base = full}).id;
  engine.retire(full);  // the adapter keeps it
  const WeightsId again = engine.publish(changed_tensors(0.2, 8), Publish::kFullF32).id;
  EXPECT_EQ(answer(engine, zero, 2), answer(engine, again, 2));
  EXPECT_NE(answer(engine, zero, 2), answer(engine, kBaseWeights, 2));
  expect_error(ErrorCode::kInvalidArgument, "adapter itself",
               [&] { engine.publish(adapter_tensors(0, 2, 3), Publish::kLoraF32, {.base = zero}); });
}

// ---- Running sequences.

TEST_P(PublishTest, SequencesKeepTheWeightsTheyBeganWith) {
  std::vector<Answer> old_alone, new_alone;
  const MemorySource changed = changed_tensors(0.3, 9);
  {
    Engine engine(tiny_model(), options());
    for (uint64_t seed = 0; seed < 8; ++seed) old_alone.push_back(answer(engine, kBaseWeights, seed, 12, 60));
    const WeightsId id = engine.publish(changed, Publish::kFullF32).id;
    for (uint64_t seed = 0; seed < 8; ++seed) new_alone.push_back(answer(engine, id, seed, 12, 60));
  }
  Engine engine(tiny_model(), options());
  std::atomic<int> finished{0};
  std::vector<Answer> old_got(8), new_got(8);
  const auto submit = [&](uint64_t seed, std::vector<Answer>& got) {
    SeqOptions sequence_options;
    sequence_options.seed = seed;
    Request request;
    request.sequence = engine.start(sequence_options);
    request.sequence.append(random_ids(12, seed));
    request.max_new = 60;
    request.on_token = [&got, seed](const Event& event) {
      got[seed].ids.push_back(event.token);
      got[seed].logp.push_back(event.logp_policy);
      return true;
    };
    request.on_done = [&finished](Sequence, Finish, const Error*) { ++finished; };
    engine.submit(std::move(request));
  };
  for (uint64_t seed = 0; seed < 8; ++seed) submit(seed, old_got);
  while (engine.stats().generated_tokens < 8) engine.step();
  {
    EngineLoop loop(engine);
    engine.set_current_weights(engine.publish(changed, Publish::kFullF32).id);
    for (uint64_t seed = 0; seed < 8; ++seed) submit(seed, new_got);
    while (finished < 16) std::this_thread::yield();
  }
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(old_got[i], old_alone[i]) << i;
    EXPECT_EQ(new_got[i], new_alone[i]) << i;
  }
}

TEST_P(PublishTest, RandomMixtureInOneBatchGivesEachItsBytes) {
  struct Item {
    WeightsId weights;
    uint64_t seed;
    int64_t prompt;
  };
  const auto publish_all = [](Engine& engine) {
    std::vector<WeightsId> ids{kBaseWeights};
    for (uint64_t i = 0; i < 3; ++i) {
      const auto source = adapter_tensors(0.3, 1 + 3 * static_cast<int64_t>(i), 20 + i);
      ids.push_back(engine.publish(source, Publish::kLoraF32, {.f32_activations = i == 1, .probe = false}).id);
    }
    ids.push_back(engine.publish(changed_tensors(0.2, 8), Publish::kFullF32, {.probe = false}).id);
    ids.push_back(engine.publish(changed_tensors(0.2, 9), Publish::kFullQ8, {.probe = false}).id);
    const auto source = adapter_tensors(0.3, 4, 30);
    ids.push_back(engine.publish(source, Publish::kLoraF32, {.base = ids.back(), .probe = false}).id);
    return ids;
  };
  Engine alone(tiny_model(), options());
  EngineOptions crowded = options();
  crowded.max_chunk = 23;
  Engine engine(tiny_model(), crowded);
  const auto ids = publish_all(alone);
  ASSERT_EQ(publish_all(engine), ids);
  Rng rng(4, "mixture");
  std::vector<Item> items;
  for (int i = 0; i < 40; ++i) items.push_back({ids[rng.below(ids.size())], rng.below(4), static_cast<int64_t>(4 + rng.below(50))});
  std::vector<Answer> got(items.size());
  int finished = 0;
  for (size_t i = 0; i < items.size(); ++i) {
    SeqOptions sequence_options;
    sequence_options.weights = items[i].weights;
    sequence_options.seed = items[i].seed;
    Request request;
    request.sequence = engine.start(sequence_options);
    request.sequence.append(random_ids(items[i].prompt, items[i].seed));  // few seeds: many common beginnings
    EXPECT_EQ(request.sequence.fork(1).weights(), items[i].weights);
    request.max_new = 12;
    request.on_token = [&got, i](const Event& event) {
      got[i].ids.push_back(event.token);
      got[i].logp.push_back(event.logp_policy);
      return true;
    };
    request.on_done = [&](Sequence, Finish, const Error*) { ++finished; };
    engine.submit(std::move(request));
    if (rng.below(3) == 0) engine.step();
  }
  while (finished < static_cast<int>(items.size())) engine.step();
  for (size_t i = 0; i < items.size(); ++i) {
    alone.clear_prefix_cache();
    EXPECT_EQ(got[i], answer(alone, items[i].weights, items[i].seed, items[i].prompt, 12)) << "item " << i << " set " << items[i].weights;
  }
}

TEST_P(PublishTest, PrefixesAreNotSharedBetweenWeights) {
  Engine engine(tiny_model(), options());
  const WeightsId id = engine.publish(adapter_tensors(0.5, 4, 3), Publish::kLoraF32).id;
  const auto ids = random_ids(60, 1);
  const auto reused = [&](WeightsId weights) {
    SeqOptions sequence_options;
    sequence_options.weights = weights;
    Sequence sequence = engine.start(sequence_options);
    sequence.append(ids);
    engine.prefill(sequence);
    return sequence.reused();
  };
  EXPECT_EQ(reused(kBaseWeights), 0);
  EXPECT_EQ(reused(id), 0);
  EXPECT_GT(reused(kBaseWeights), 16);
  EXPECT_GT(reused(id), 16);
}

TEST(Publish, ScoresAndHiddenStatesOfASet) {
  const MemorySource changed = changed_tensors(0.3, 9);
  Engine engine(tiny_model(), f32_options());
  Engine fresh(model_of(changed), f32_options());
  const WeightsId id = engine.publish(changed, Publish::kFullF32).id;
  const std::vector<Prompt> prompts{Prompt(random_ids(9, 1))};
  const std::vector<std::vector<int32_t>> completions{random_ids(6, 2)};
  EXPECT_EQ(engine.score(prompts, completions, nullptr, {}, id)[0].logprob, fresh.score(prompts, completions)[0].logprob);
  EXPECT_NE(engine.score(prompts, completions)[0].logprob, fresh.score(prompts, completions)[0].logprob);
  EXPECT_EQ(engine.hidden(prompts[0], {}, id), fresh.hidden(prompts[0]));
}

// ---- Memory and ids.

TEST(Publish, RetiredMemoryComesBackWithTheLastSequence) {
  Engine engine(tiny_model(), f32_options());
  const PublishReport report = engine.publish(changed_tensors(0.1, 1), Publish::kFullF32);
  EXPECT_GT(report.bytes, 900'000);
  EXPECT_EQ(engine.stats().weight_bytes, report.bytes);
  EXPECT_EQ(engine.stats().weight_sets, 1);
  SeqOptions sequence_options;
  sequence_options.weights = report.id;
  std::optional<Sequence> sequence = engine.start(sequence_options);
  EXPECT_EQ(sequence->weights(), report.id);
  sequence->append(random_ids(5, 1));
  std::optional<Sequence> fork = sequence->fork(2);
  engine.retire(report.id);
  expect_error(ErrorCode::kNotFound, "id 2", [&] { (void)engine.start(sequence_options); });
  sequence.reset();
  EXPECT_EQ(engine.stats().weight_bytes, report.bytes);
  EXPECT_EQ(engine.generate(std::move(*fork), 3, {}).ids.size(), 3u);
  fork.reset();
  EXPECT_EQ(engine.stats().weight_bytes, 0);
  EXPECT_EQ(engine.stats().weight_sets, 0);
  EXPECT_NE(engine.publish(changed_tensors(0.1, 1), Publish::kFullF32).id, report.id) << "ids are never used again";
}

TEST(Publish, RefusedBeyondTheMemoryForWeights) {
  EngineOptions options = f32_options();
  options.weights_memory_mib = 3;
  Engine engine(tiny_model(), options);
  const auto first = engine.publish(tiny_tensors(), Publish::kFullF32);  // 2 MiB: whole huge pages
  expect_error(ErrorCode::kResource, "are free", [&] { engine.publish(tiny_tensors(), Publish::kFullF32); });
  expect_error(ErrorCode::kResource, "are free", [&] { engine.publish(tiny_tensors(), Publish::kFullQ8); });
  expect_error(ErrorCode::kResource, "adapter needs", [&] { engine.publish(adapter_tensors(0.1, 64, 1), Publish::kLoraF32); });
  EXPECT_EQ(engine.stats().weight_bytes, first.bytes);
  engine.publish(adapter_tensors(0.1, 4, 1), Publish::kLoraF32);
  engine.retire(first.id);
  engine.publish(tiny_tensors(), Publish::kFullQ8);
  EXPECT_EQ(engine.stats().weight_sets, 2);
}

TEST(Publish, IdsOfSets) {
  Engine engine(tiny_model(), f32_options());
  EXPECT_EQ(engine.current_weights(), kBaseWeights);
  EXPECT_EQ(engine.start().weights(), kBaseWeights);
  const WeightsId id = engine.publish(adapter_tensors(0.1, 2, 1), Publish::kLoraF32).id;
  EXPECT_EQ(engine.start().weights(), kBaseWeights) << "publishing alone changes nothing for others";
  engine.set_current_weights(id);
  EXPECT_EQ(engine.start().weights(), id);
  expect_error(ErrorCode::kFailedPrecondition, "current", [&] { engine.retire(id); });
  expect_error(ErrorCode::kInvalidArgument, "base", [&] { engine.retire(kBaseWeights); });
  expect_error(ErrorCode::kNotFound, "77", [&] { engine.retire(77); });
  expect_error(ErrorCode::kNotFound, "77", [&] { engine.set_current_weights(77); });
  expect_error(ErrorCode::kNotFound, "77", [&] { engine.publish(adapter_tensors(0.1, 2, 1), Publish::kLoraF32, {.base = 77}); });
  expect_error(ErrorCode::kNotFound, "77", [&] { engine.publish(tiny_tensors(), Publish::kFullF32, {.base = 77}); });
  engine.set_current_weights(kBaseWeights);
  engine.retire(id);
  expect_error(ErrorCode::kNotFound, "no set", [&] { engine.retire(id); });
}

// ---- What is refused.

TEST(Publish, BadFullWeights) {
  Engine engine(tiny_model(), f32_options());
  const auto refused = [&](ErrorCode code, const std::string& part, auto&& change) {
    MemorySource source = tiny_tensors();
    change(source);
    source.seal();
    for (const Publish kind : {Publish::kFullF32, Publish::kFullQ8}) expect_error(code, part, [&] { engine.publish(source, kind); });
  };
  const std::string q = "model.layers.2.self_attn.q_proj.weight", norm = "model.layers.2.self_attn.q_norm.weight";
  refused(ErrorCode::kInvalidArgument, "q_proj.weight has an infinite", [&](MemorySource& s) { s.at(q).values[77] = NAN; });
  refused(ErrorCode::kInvalidArgument, "q_proj.weight has an infinite", [&](MemorySource& s) { s.at(q).values[77] = INFINITY; });
  refused(ErrorCode::kInvalidArgument, "q_norm.weight has an infinite", [&](MemorySource& s) { s.at(norm).values[3] = NAN; });
  refused(ErrorCode::kCorruptData, "expected [128, 64]", [&](MemorySource& s) { s.at(q).shape = {64, 128}; });
  refused(ErrorCode::kNotFound, "q_proj", [&](MemorySource& s) { s.erase(q); });
  refused(ErrorCode::kInvalidArgument, "model.layers.6",
          [&](MemorySource& s) { s.at("model.layers.6.self_attn.q_proj.weight") = s.at(q); });
  refused(ErrorCode::kInvalidArgument, "extra", [&](MemorySource& s) { s.at("extra") = {{1}, {0.5f}}; });
  MemorySource large = tiny_tensors();
  for (float& x : large.at(q).values) x = 1e8f;
  expect_error(ErrorCode::kInvalidArgument, "Q8_0", [&] { engine.publish(large, Publish::kFullQ8); });
  EXPECT_EQ(engine.stats().weight_sets, 0) << "nothing is left of refused sets";
  MemorySource vision = tiny_tensors();
  vision.at("vision_tower.post_layernorm.weight") = {{1}, {0.5f}};
  vision.seal();
  engine.publish(vision, Publish::kFullF32);
  expect_error(ErrorCode::kInvalidArgument, "num_layers", [&] { engine.publish(data_path("tiny_bf16"), Publish::kFullF32); });
  expect_error(ErrorCode::kNotFound, "publishing", [&] { engine.publish(data_path("nothing"), Publish::kFullF32); });
}

TEST(Publish, BadAdapters) {
  Engine engine(tiny_model(), f32_options());
  const auto refused = [&](ErrorCode code, const std::string& part, auto&& change, double scale = 1) {
    MemorySource source = adapter_tensors(0.1, 4, 1);
    change(source);
    source.seal();
    expect_error(code, part, [&] { engine.publish(source, Publish::kLoraF32, {.lora_scale = scale}); });
  };
  const std::string stem = "base_model.model.model.layers.3.mlp.up_proj.", a = stem + "lora_A.weight", b = stem + "lora_B.weight";
  const auto invalid = ErrorCode::kInvalidArgument;
  refused(invalid, "infinite", [&](MemorySource& s) { s.at(a).values[5] = NAN; });
  refused(invalid, "infinite", [&](MemorySource& s) { s.at(b).values[5] = -INFINITY; });
  refused(invalid, "expected [rank, 64]", [&](MemorySource& s) { s.at(a).shape = {64, 4}; });
  refused(invalid, "expected [96, rank]", [&](MemorySource& s) { s.at(b).shape = {4, 96}; });
  refused(invalid, "expected [96, rank]", [&](MemorySource& s) { s.at(b).shape = {384}; });
  refused(invalid, "expected 4 as its other half", [&](MemorySource& s) { s.at(b) = {{96, 2}, std::vector<float>(192)}; });
  refused(invalid, "lacks lora_B", [&](MemorySource& s) { s.erase(b); });
  refused(invalid, "lacks lora_A", [&](MemorySource& s) { s.erase(a); });
  refused(invalid, "twice", [&](MemorySource& s) { s.at("model.layers.3.mlp.up_proj.lora_A.weight") = s.at(a); });
  for (const char* name :
       {"model.layers.9.mlp.up_proj.lora_A.weight", "model.layers.-1.mlp.up_proj.lora_A.weight", "model.layers.3.mlp.up_proj.weight",
        "model.layers.3.mlp.up_proj.lora_C.weight", "model.layers.99999999999.mlp.up_proj.lora_A.weight", "model.layers.3", "",
        "vision_tower.layers.3.mlp.up_proj.lora_A.weight"}) {
    refused(invalid, "is no adapter", [&](MemorySource& s) { s.at(name) = s.at(a); });
  }
  refused(ErrorCode::kUnsupported, "embedding", [&](MemorySource& s) { s.at("base_model.model.lm_head.lora_A.weight") = s.at(a); });
  refused(invalid, "no tensors", [&](MemorySource& s) { s.data().clear(); });
  refused(invalid, "scale", [](MemorySource&) {}, NAN);
  refused(invalid, "scale", [](MemorySource&) {}, std::numeric_limits<double>::max());
  refused(invalid, "expected finite numbers", [&](MemorySource& s) {
    for (float& x : s.at(b).values) x = 3e38f;
  });
  EXPECT_EQ(engine.stats().weight_sets, 0);
}

// ---- Folders as PEFT writes them.

const char* const kPeftConfig =
    R"({"peft_type": "LORA", "r": 4, "lora_alpha": 6, "bias": "none", "use_rslora": false, "use_dora": false, "modules_to_save": null,
        "rank_pattern": {}, "alpha_pattern": {}, "lora_dropout": 0.05, "task_type": "CAUSAL_LM", "base_model_name_or_path": "x",
        "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]})";

TEST(Publish, PeftFolder) {
  const TempFolder folder("peft");
  const MemorySource adapter = adapter_tensors(0.5, 4, 3);
  write_tensors(adapter, folder.path / "adapter_model.safetensors");
  Engine engine(tiny_model(), f32_options());
  const auto publish = [&](const std::string& config) {
    write_file_atomic(folder.path / "adapter_config.json", config);
    return engine.publish(folder.path, Publish::kLoraF32).id;
  };
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string config = kPeftConfig;
    const size_t at = config.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return config.replace(at, from.size(), to);
  };
  const auto scaled = [&](double scale) { return engine.publish(adapter, Publish::kLoraF32, {.lora_scale = scale}).id; };
  EXPECT_EQ(answer(engine, publish(kPeftConfig), 1), answer(engine, scaled(1.5), 1));
  EXPECT_EQ(answer(engine, publish(with("\"use_rslora\": false", "\"use_rslora\": true")), 1), answer(engine, scaled(3), 1));
  EXPECT_EQ(answer(engine, publish(with("[\"q_proj\", ", "[\"model.layers.0.self_attn.q_proj\", ")), 1), answer(engine, scaled(1.5), 1));

  const auto refused = [&](ErrorCode code, const std::string& part, const std::string& config) {
    expect_error(code, part, [&] { publish(config); });
  };
  refused(ErrorCode::kCorruptData, "no JSON object", "[]");
  refused(ErrorCode::kCorruptData, "no JSON object", "{\"peft_type\": ");
  refused(ErrorCode::kUnsupported, "peft_type", with("LORA", "IA3"));
  refused(ErrorCode::kUnsupported, "use_dora", with("\"use_dora\": false", "\"use_dora\": true"));
  refused(ErrorCode::kUnsupported, "bias", with("\"none\"", "\"all\""));
  refused(ErrorCode::kUnsupported, "modules_to_save", with("null", "[\"lm_head\"]"));
  refused(ErrorCode::kUnsupported, "rank_pattern", with("\"rank_pattern\": {}", "\"rank_pattern\": {\"q_proj\": 8}"));
  refused(ErrorCode::kUnsupported, "alpha_pattern", with("\"alpha_pattern\": {}", "\"alpha_pattern\": {\"q_proj\": 8}"));
  refused(ErrorCode::kUnsupported, "embed_tokens", with("[\"q_proj\"", "[\"embed_tokens\""));
  refused(ErrorCode::kCorruptData, "target_modules", with("[\"q_proj\"", "[7"));
  refused(ErrorCode::kCorruptData, "r is", with("\"r\": 4", "\"r\": 0"));
  refused(ErrorCode::kCorruptData, "r is", with("\"r\": 4", "\"r\": 4.5"));
  refused(ErrorCode::kCorruptData, "r is", with("\"r\": 4", "\"r\": \"4\""));
  refused(ErrorCode::kCorruptData, "lora_alpha", with("\"lora_alpha\": 6,", ""));
  refused(ErrorCode::kInvalidArgument, "has rank 4", with("\"r\": 4", "\"r\": 8"));
  std::filesystem::remove(folder.path / "adapter_model.safetensors");
  refused(ErrorCode::kNotFound, "adapter_model.safetensors", kPeftConfig);
  expect_error(ErrorCode::kNotFound, "adapter_config.json", [&] { engine.publish(data_path("tiny"), Publish::kLoraF32); });
}

}  // namespace
}  // namespace attune::lm
