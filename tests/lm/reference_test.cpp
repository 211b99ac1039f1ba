// Parity with `transformers` (float32, eager attention) on the fixture models of data/. Tolerances are for float32: relative 1e-4 of the
// largest reference value.
#include <cmath>

#include "lm/forward.h"
#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using nlohmann::json;
using testing::data_path;
using testing::f32_options;
using testing::greedy;

void expect_near_all(const std::vector<float>& got, const std::vector<double>& want, double tolerance, const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double scale = 1e-6;
  for (const double value : want) scale = std::max(scale, std::abs(value));
  for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], want[i], tolerance * scale) << what << " at " << i;
}

Prompt prompt_of(const json& pieces, int64_t hidden_size) {
  Prompt prompt;
  for (const json& piece : pieces) {
    if (piece.contains("ids")) {
      prompt.pieces.emplace_back(Tokens{piece["ids"].get<std::vector<int32_t>>()});
      continue;
    }
    const auto rows = piece["rows"].get<std::vector<std::vector<float>>>();
    std::shared_ptr<float[]> flat(new float[rows.size() * static_cast<size_t>(hidden_size)]);
    for (size_t r = 0; r < rows.size(); ++r) std::copy(rows[r].begin(), rows[r].end(), flat.get() + r * static_cast<size_t>(hidden_size));
    prompt.pieces.emplace_back(Soft{flat, static_cast<int64_t>(rows.size()), piece["bidirectional"].get<bool>(), 0});
  }
  return prompt;
}

void check_hidden(Engine& engine, const Prompt& prompt, const json& reference, const std::string& what) {
  const auto hidden = engine.hidden(prompt);
  const int64_t d = engine.model().config().hidden_size;
  for (size_t i = 0; i < reference["hidden_positions"].size(); ++i) {
    const int64_t position = reference["hidden_positions"][i];
    const std::vector<float> row(hidden.begin() + position * d, hidden.begin() + (position + 1) * d);
    expect_near_all(row, reference["hidden"][i].get<std::vector<double>>(), 1e-4, what + " hidden " + std::to_string(position));
  }
}

void check_prompt(Engine& engine, const json& reference, const std::string& what) {
  const auto ids = reference["ids"].get<std::vector<int32_t>>();
  Sequence sequence = engine.start({.sampler = greedy()});
  sequence.append(ids);
  expect_near_all(engine.logits(sequence), reference["logits"].get<std::vector<double>>(), 1e-4, what + " logits");
  // Image markers are never generated; the references' greedy texts do not contain them.
  const auto completion = engine.generate(std::move(sequence), 16, {});
  EXPECT_EQ(completion.ids, reference["greedy"].get<std::vector<int32_t>>()) << what;
  const std::vector<Prompt> prompts{Prompt(ids)};
  const std::vector<std::vector<int32_t>> completions{reference["completion"].get<std::vector<int32_t>>()};
  expect_near_all(engine.score(prompts, completions)[0].logprob, reference["completion_logprobs"].get<std::vector<double>>(), 1e-4,
                  what + " score");
  const std::vector<Prompt> first{Prompt(std::vector<int32_t>{ids[0]})};
  const std::vector<std::vector<int32_t>> rest{std::vector<int32_t>(ids.begin() + 1, ids.end())};
  EXPECT_NEAR(-engine.score(first, rest)[0].sum() / static_cast<double>(ids.size() - 1), reference["mean_nll"].get<double>(), 1e-4) << what;
  check_hidden(engine, Prompt(ids), reference, what);
}

void check_residual_norms(const std::shared_ptr<const Model>& model, const json& reference, const std::string& what) {
  ThreadPool pool(2);
  const auto kv = std::make_shared<KvPool>(model->config(), kernels::KvType::kF32, 0, int64_t{1} << 30);
  Forward forward(model->config(), false, pool);
  forward.trace_residual = true;
  KvCache cache(kv);
  const auto ids = reference["ids"].get<std::vector<int32_t>>();
  cache.begin(static_cast<int64_t>(ids.size()));
  std::vector<Chunk> chunks(1);
  chunks[0] = {&cache, static_cast<int64_t>(ids.size()), ids, {}, {}, static_cast<int64_t>(ids.size())};
  forward.run(*model->weights(), chunks);
  const auto want = reference["residual_norms"].get<std::vector<double>>();
  ASSERT_EQ(forward.residual_norms.size(), want.size());
  for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(forward.residual_norms[i] / want[i], 1, 1e-4) << what << " layer " << i;
}

void check_model(const std::shared_ptr<const Model>& model, const json& reference, const std::string& what) {
  Engine engine(model, f32_options());
  for (const json& prompt : reference["prompts"]) {
    const std::string name = what + ", " + prompt["name"].get<std::string>();
    check_prompt(engine, prompt, name);
    check_residual_norms(model, prompt, name);
  }
}

TEST(Reference, TinyGguf) { check_model(testing::tiny_model(), testing::read_json("tiny/reference.json"), "tiny.gguf"); }
TEST(Reference, TinySafetensors) { check_model(Model::load(data_path("tiny")), testing::read_json("tiny/reference.json"), "tiny"); }
TEST(Reference, Bf16EmbeddingScaleIsRounded) {
  const auto model = Model::load(data_path("tiny_bf16"));
  EXPECT_EQ(model->config().embedding_scale, 9.8125f);
  check_model(model, testing::read_json("tiny_bf16/reference.json"), "tiny_bf16");
}
TEST(Reference, KQuants) { check_model(Model::load(data_path("tinyk.gguf")), testing::read_json("tinyk_reference.json"), "tinyk"); }
TEST(Reference, Micro) { check_model(Model::load(data_path("micro.gguf")), testing::read_json("micro_reference.json"), "micro"); }
TEST(Reference, QueryScalar) {
  check_model(testing::tiny_with_config("config_scalar48.json"), testing::read_json("tiny/reference_scalar48.json"), "scalar48");
}

TEST(Reference, LinearRopeScalingOnGlobalLayersOnly) {
  const json reference = testing::read_json("tiny/reference_linear8.json");
  for (const char* config : {"config_linear8.json", "config_linear8_newer.json"}) {
    const auto model = testing::tiny_with_config(config);
    EXPECT_EQ(model->config().rope_scaling_factor, 8);
    check_model(model, reference, config);
    Engine engine(model, f32_options());
    const json& long_prompt = reference["long_prompt"];
    Sequence sequence = engine.start();
    sequence.append(long_prompt["ids"].get<std::vector<int32_t>>());
    const auto logits = engine.logits(sequence);
    const auto top_ids = long_prompt["top_ids"].get<std::vector<size_t>>();
    const auto top_logits = long_prompt["top_logits"].get<std::vector<double>>();
    ASSERT_FALSE(top_ids.empty());
    for (size_t i = 0; i < top_ids.size(); ++i) EXPECT_NEAR(logits[top_ids[i]], top_logits[i], 2e-3) << top_ids[i];
  }
}

TEST(Reference, SoftRowsAndBidirectionalBlocks) {
  const json reference = testing::read_json("tiny/reference.json");
  const auto model = testing::tiny_model();
  for (const int max_chunk : {256, 3}) {  // a block is never split, whatever the chunk size
    EngineOptions options = f32_options();
    options.max_chunk = max_chunk;
    Engine engine(model, options);
    for (const json& soft : reference["soft_prompts"]) {
      const std::string name = soft["name"];
      const Prompt prompt = prompt_of(soft["pieces"], model->config().hidden_size);
      Sequence sequence = engine.start();
      sequence.append(prompt);
      expect_near_all(engine.logits(sequence), soft["logits"].get<std::vector<double>>(), 1e-4, name);
      check_hidden(engine, prompt, soft, name);
    }
  }
}

}  // namespace
}  // namespace attune::lm
