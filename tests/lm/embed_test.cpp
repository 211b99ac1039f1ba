// Hidden states of many prompts, and vectors pooled from them.
#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/lm/fixtures.h"

namespace attune::lm {
namespace {

using namespace testing;

std::vector<Prompt> some_prompts() {
  std::vector<Prompt> out;
  for (uint64_t seed = 1; seed <= 6; ++seed) out.emplace_back(random_ids(static_cast<int64_t>(seed * seed * 3), seed));
  return out;
}

class EmbedTest : public ::testing::TestWithParam<const char*> {
 protected:
  EngineOptions options(int32_t max_chunk = 256) const {
    EngineOptions out = f32_options();
    out.compute = GetParam();
    out.max_chunk = max_chunk;
    return out;
  }
};
INSTANTIATE_TEST_SUITE_P(Compute, EmbedTest, ::testing::Values("f32", "fast"), [](const auto& test) { return std::string(test.param); });

TEST_P(EmbedTest, ManyPromptsGiveTheBytesOfEachAlone) {
  Engine engine(tiny_model(), options(29));
  Engine alone(tiny_model(), options());
  const auto prompts = some_prompts();
  const auto got = engine.hidden(prompts);
  ASSERT_EQ(got.size(), prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) EXPECT_EQ(got[i], alone.hidden(prompts[i])) << i;
  EXPECT_TRUE(engine.hidden(std::span<const Prompt>()).empty());
}

TEST_P(EmbedTest, PoolingIsThatOfTheHiddenStates) {
  Engine engine(tiny_model(), options(29));
  const auto prompts = some_prompts();
  const auto hidden = engine.hidden(prompts);
  const auto d = static_cast<size_t>(tiny_model()->config().hidden_size);
  for (const Pooling pooling : {Pooling::kMean, Pooling::kLast}) {
    const auto raw = engine.embed(prompts, pooling, false);
    const auto unit = engine.embed(prompts, pooling, true);
    for (size_t p = 0; p < prompts.size(); ++p) {
      const size_t rows = hidden[p].size() / d;
      ASSERT_EQ(raw[p].size(), d);
      double squares = 0, dot = 0, raw_squares = 0;
      for (size_t i = 0; i < d; ++i) {
        double want = hidden[p][(rows - 1) * d + i];
        if (pooling == Pooling::kMean) {
          want = 0;
          for (size_t row = 0; row < rows; ++row) want += hidden[p][row * d + i];
          want /= static_cast<double>(rows);
        }
        EXPECT_EQ(raw[p][i], static_cast<float>(want)) << "prompt " << p;
        squares += static_cast<double>(unit[p][i]) * unit[p][i];
        raw_squares += static_cast<double>(raw[p][i]) * raw[p][i];
        dot += static_cast<double>(unit[p][i]) * raw[p][i];
      }
      EXPECT_NEAR(squares, 1, 1e-6);
      EXPECT_NEAR(dot, std::sqrt(raw_squares), 1e-4 * std::sqrt(raw_squares));
    }
  }
}

TEST_P(EmbedTest, LittleMemoryGivesTheSameBytes) {
  Engine engine(tiny_model(), options());
  EngineOptions small = options(16);
  small.kv_memory_mib = 1;
  small.prefix_cache_mib = 0;
  Engine tight(tiny_model(), small);
  std::vector<Prompt> prompts;
  for (uint64_t seed = 1; seed <= 12; ++seed) prompts.emplace_back(random_ids(400, seed));
  EXPECT_EQ(tight.embed(prompts, Pooling::kMean, true), engine.embed(prompts, Pooling::kMean, true));
}

TEST(Embed, Errors) {
  Engine engine(tiny_model(), f32_options());
  const std::vector<Prompt> empty{Prompt(random_ids(3, 1)), Prompt()};
  EXPECT_THROW(engine.embed(empty, Pooling::kMean, true), Error);
  EXPECT_THROW(engine.hidden(empty), Error);
  const int64_t d = tiny_model()->config().hidden_size;
  std::shared_ptr<float[]> rows(new float[static_cast<size_t>(d)]);
  std::fill(rows.get(), rows.get() + d, NAN);
  Prompt bad(random_ids(3, 1));
  bad.pieces.emplace_back(Soft{rows, 1, false, 0});
  try {
    engine.embed(std::span(&bad, 1), Pooling::kMean, true);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kInternal);
  }
  std::stop_source stop;
  stop.request_stop();
  const std::vector<Prompt> good{Prompt(random_ids(3, 1))};
  try {
    engine.embed(good, Pooling::kMean, true, stop.get_token());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::kCancelled);
  }
}

}  // namespace
}  // namespace attune::lm
