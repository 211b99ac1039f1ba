// Screening of the output head: the best tokens and their bits must be those of the full head.
#include "lm/head.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "core/file.h"
#include "core/rng.h"
#include "lm/engine.h"
#include "lm/model.h"

namespace attune::lm {
namespace {

/// A Q8_0 head of 64 * 40 + 7 rows as a tensor source of one matrix; the layers are left out by giving the model none.
class HeadOnly : public io::TensorSource {
 public:
  HeadOnly(int64_t rows, int64_t cols, uint64_t seed) : gain_(static_cast<size_t>(cols), 1.0f) {
    Rng rng(seed, "head");
    for (int64_t b = 0; b < rows * cols / 32; ++b) {
      BlockQ8_0 block;
      block.d = f32_to_f16(static_cast<float>(0.001 * (1 + rng.uniform())));
      for (int8_t& q : block.q) q = static_cast<int8_t>(std::lround(std::fmax(-127, std::fmin(127, 45 * rng.normal()))));
      blocks_.push_back(block);
    }
    views_.push_back({"token_embd.weight", DType::kQ8_0, {rows, cols}, std::as_bytes(std::span(blocks_))});
    views_.push_back({"output_norm.weight", DType::kF32, {cols}, std::as_bytes(std::span(gain_))});
  }
  const std::vector<io::TensorView>& tensors() const noexcept override { return views_; }
  const io::TensorView* find(std::string_view name) const noexcept override {
    for (const auto& view : views_) {
      if (view.name == name) return &view;
    }
    return nullptr;
  }
  std::string description() const override { return "a head"; }
  bool changed() const noexcept override { return false; }

 private:
  std::vector<BlockQ8_0> blocks_;
  std::vector<float> gain_;
  std::vector<io::TensorView> views_;
};

std::shared_ptr<const Weights> head_only(int64_t rows, int64_t cols, uint64_t seed) {
  ModelConfig config;
  config.vocab_size = static_cast<int32_t>(rows);
  config.hidden_size = static_cast<int32_t>(cols);
  return Weights::bind(config, HeadOnly(rows, cols, seed), Weights::Naming::kGguf);
}

TEST(Head, ScreenedTokensAreThoseOfTheFullHead) {
  constexpr int64_t kRows = 64 * 40 + 7, kCols = 640;
  const auto weights = head_only(kRows, kCols, 1);
  ThreadPool pool(2);
  Head head(true, pool);
  Rng rng(2, "hidden");
  const std::vector<int32_t> excluded{3, 700, 2566};
  for (const bool proof : {false, true}) {
    for (const int64_t batch : {1, 3, 17}) {
      std::vector<float> hidden(static_cast<size_t>(batch * kCols)), logits(static_cast<size_t>(batch * kRows));
      for (float& x : hidden) x = static_cast<float>(rng.normal() * 3);
      std::vector<int64_t> k;
      for (int64_t t = 0; t < batch; ++t) k.push_back(t % 3 == 0 ? 1 : t % 3 == 1 ? 10 : 5);
      std::vector<std::vector<Candidate>> best;
      head.best(*weights, hidden, k, excluded, {8, proof}, best);
      head.logits(*weights, hidden, batch, logits.data());
      for (int64_t t = 0; t < batch; ++t) {
        std::span<float> row(logits.data() + t * kRows, kRows);
        for (const int32_t id : excluded) row[static_cast<size_t>(id)] = -std::numeric_limits<float>::infinity();
        const auto want = best_candidates(row, nullptr, k[static_cast<size_t>(t)]);
        const auto& got = best[static_cast<size_t>(t)];
        ASSERT_EQ(got.size(), want.size());
        for (size_t i = 0; i < want.size(); ++i) {
          EXPECT_EQ(got[i].id, want[i].id) << "batch " << batch << " row " << t << " place " << i;
          EXPECT_EQ(got[i].logit, want[i].logit);
        }
      }
    }
  }
  EXPECT_EQ(head.counts().screened, 2 * (1 + 3 + 17));
  EXPECT_LT(head.counts().exact_rows, 42 * kRows);
}

TEST(Head, SpreadIsTheNormOfWhatTheLowPlaneHolds) {
  const HeadOnly source(130, 64, 3);
  ModelConfig config;
  config.vocab_size = 130;
  config.hidden_size = 64;
  const auto weights = Weights::bind(config, source, Weights::Naming::kGguf);
  const auto* blocks = reinterpret_cast<const BlockQ8_0*>(source.tensors()[0].data.data());
  const HeadSpread& spread = weights->head_spread();
  ASSERT_EQ(spread.row.size(), 130u);
  ASSERT_EQ(spread.group.size(), 3u);
  std::vector<double> high;
  for (size_t r = 0; r < 130; ++r) {
    double sum = 0, high_sum = 0;
    for (size_t b = 0; b < 2; ++b) {
      const BlockQ8_0& block = blocks[2 * r + b];
      for (const int8_t q : block.q) {
        sum += std::pow(f16_to_f32(block.d) * (((q + 128) % 16) - 7.5), 2);
        high_sum += std::pow(f16_to_f32(block.d) * ((q + 128) / 16 * 16 - 120.5), 2);
      }
    }
    EXPECT_NEAR(spread.row[r], std::sqrt(sum / 64), 1e-6 * std::sqrt(sum / 64));
    EXPECT_GE(spread.group[r / 64], spread.row[r]);
    high.push_back(std::sqrt(high_sum / 64));
  }
  const double largest = *std::max_element(high.begin(), high.end());
  EXPECT_NEAR(spread.largest_high, largest, 1e-6 * largest);
}

TEST(Head, NotANumberIsReported) {
  const auto weights = head_only(640, 64, 4);
  ThreadPool pool(1);
  Head head(true, pool);
  std::vector<float> hidden(64, 1.0f);
  hidden[5] = std::numeric_limits<float>::quiet_NaN();
  std::vector<std::vector<Candidate>> best;
  const std::vector<int64_t> k{1};
  head.best(*weights, hidden, k, {}, {}, best);
  EXPECT_THROW(sample_best(best[0], {.temperature = 0}, 0.5), Error);
}

TEST(Head, OnlyFewTokensOfAQ8HeadAreScreened) {
  const auto weights = head_only(64 * 40, 64, 5);
  ThreadPool pool(1);
  EXPECT_TRUE(Head(true, pool).can_screen(*weights, 10));
  EXPECT_FALSE(Head(true, pool).can_screen(*weights, 11));
  EXPECT_FALSE(Head(true, pool).can_screen(*weights, 0));
  EXPECT_FALSE(Head(false, pool).can_screen(*weights, 1));
}

// The released model: screened generations give the bytes of those that read the whole head, and every step is audited.
TEST(Head, ReleasedModelGeneratesTheSameTokens) {
  const Path path = Path(ATTUNE_SOURCE_DIR) / "models/gemma-3-270m-q4_k_m.gguf";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "no " << path;
  const auto model = Model::load(path);
  EngineOptions options;
  options.head_audit_every = 1;
  options.speculate = 0;  // one audit a step
  Engine engine(model, options);
  const auto ids = tokenize_text(*model->tokenizer(), "The old lighthouse keeper told us that");
  for (const int32_t top_k : {0, 64}) {
    std::vector<int32_t> tokens[2];
    for (const bool whole : {false, true}) {
      SeqOptions seq;
      seq.sampler.temperature = top_k == 0 ? 0 : 1;
      seq.sampler.top_k = top_k;
      seq.seed = 9;
      seq.want_model_logprob = whole;
      Sequence sequence = engine.start(seq);
      sequence.append(ids);
      tokens[whole ? 1 : 0] = engine.generate(std::move(sequence), 48, {}).ids;
    }
    EXPECT_EQ(tokens[0], tokens[1]);
  }
  EXPECT_EQ(engine.stats().head_audits, 96);
  EXPECT_EQ(engine.stats().head_misses, 0);
}

}  // namespace
}  // namespace attune::lm
