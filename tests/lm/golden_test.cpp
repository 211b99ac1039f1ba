// Goldens of the real 270M base model (float32 arithmetic on the dequantised file): docs/methods/gemma3.md. Skipped where the model is absent.
#include <cmath>

#include "lm/forward.h"
#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

class Golden : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(testing::real_model_path())) GTEST_SKIP() << "the default model is absent: run scripts/bootstrap.sh";
    static const auto model = Model::load(testing::real_model_path());
    model_ = model;
  }
  std::shared_ptr<const Model> model_;
};

const std::vector<int32_t> kPrompt{2, 818, 5279, 529, 7001, 563};
const std::vector<int32_t> kGreedy{506, 5279, 529, 506, 2891, 529, 7001, 236761, 1030, 563, 506, 7488, 3207, 528, 7001, 532};

TEST_F(Golden, FileAndTokenizer) {
  EXPECT_EQ(model_->config().num_parameters(), 268098176);
  EXPECT_EQ(model_->config().num_global_layers(), 3);
  EXPECT_FALSE(model_->is_instruction_tuned());
  EXPECT_EQ(model_->stop_ids(), (std::vector<int32_t>{1, 106}));
  EXPECT_EQ(model_->forbidden_ids(), (std::vector<int32_t>{255999, 256000}));
  EXPECT_EQ(tokenize_text(*model_->tokenizer(), "The capital of France is"), kPrompt);
}

TEST_F(Golden, LogitsAndGreedyTextInF32) {
  Engine engine(model_, testing::f32_options());
  Sequence sequence = engine.start({.sampler = testing::greedy()});
  sequence.append(kPrompt);
  const auto logits = engine.logits(sequence);
  const std::pair<int, double> top[] = {{506, 19.0915}, {496, 18.5476}, {9079, 18.2686}, {886, 18.1130}, {3224, 17.7839}};
  for (const auto& [id, logit] : top) EXPECT_NEAR(logits[static_cast<size_t>(id)], logit, 1e-3) << id;
  EXPECT_EQ(engine.generate(std::move(sequence), 16, {}).ids, kGreedy);
}

TEST_F(Golden, ResidualNorms) {
  ThreadPool pool(2);
  const auto kv = std::make_shared<KvPool>(model_->config(), kernels::KvType::kF32, 0, int64_t{1} << 30);
  Forward forward(model_->config(), false, pool);
  forward.trace_residual = true;
  KvCache cache(kv);
  cache.begin(6);
  std::vector<Chunk> chunks(1);
  chunks[0] = {&cache, 6, kPrompt, {}, {}, 6};
  forward.run(*model_->weights(), chunks);
  const std::pair<size_t, double> want[] = {{0, 26.0818}, {1, 125.8312}, {6, 2752.1687}, {12, 11863.940}, {18, 35987.800}};
  for (const auto& [layer, norm] : want) EXPECT_NEAR(forward.residual_norms[layer] / norm, 1, 1e-4) << layer;
}

// The fast path quantises activations: near the reference, the same first words.
TEST_F(Golden, FastPathStaysNear) {
  EngineOptions options;
  options.threads = 2;
  Engine fast(model_, options);
  Engine exact(model_, testing::f32_options());
  Sequence a = fast.start({.sampler = testing::greedy()});
  a.append(kPrompt);
  Sequence b = exact.start();
  b.append(kPrompt);
  const auto got = fast.logits(a);
  const auto want = exact.logits(b);
  double squares = 0;
  for (size_t i = 0; i < got.size(); ++i) squares += (got[i] - want[i]) * (got[i] - want[i]);
  EXPECT_LT(std::sqrt(squares / static_cast<double>(got.size())), 0.35);
  const auto text = fast.generate(std::move(a), 8, {}).ids;
  EXPECT_EQ(text[0], kGreedy[0]);
}

}  // namespace
}  // namespace attune::lm
