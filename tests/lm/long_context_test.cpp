// Long contexts from the engine's end: layers, windows, context and RoPE scaling of the released sizes with rows so thin that thousands of
// positions are computed in seconds. What the engine holds is the formula of lm/kv_cache.h, step after step. ATTUNE_LONG_CONTEXT sets how many
// positions (3000). Pages alone, at the whole context of each size: kv_cache_test.cpp.
#include <cstdlib>
#include <ostream>

#include "lm/kv_cache.h"
#include "tests/lm/model_files.h"

namespace attune::lm {
namespace {

constexpr int64_t kMargin = 64;

int64_t num_positions() {
  const char* asked = std::getenv("ATTUNE_LONG_CONTEXT");
  return asked != nullptr ? std::strtoll(asked, nullptr, 10) : 3000;
}

ModelConfig thin(ModelConfig config) {
  config.hidden_size = 32;
  config.num_heads = config.num_kv_heads = 1;
  config.head_dim = 32;  // a block of Q8_0
  config.intermediate_size = 32;
  config.vocab_size = 64;
  config.attention_scale = 1 / std::sqrt(32.0);
  return config;
}

/// 2 G E b P (num_global ceil(T / P) + num_local min(ceil(T / P), slots)), G E = 32, `bytes` of 32 values.
int64_t formula(const ModelConfig& config, int64_t length, int64_t bytes) {
  const int64_t pages = (length + kPagePositions - 1) / kPagePositions;
  const int64_t slots = (config.sliding_window + kMargin - 1 + kPagePositions - 1) / kPagePositions + 1;
  return 2 * bytes * kPagePositions * (config.num_global_layers() * pages + config.num_local_layers() * std::min(pages, slots));
}

struct Case {
  const char* size;
  const char* kv_type;
  int64_t bytes;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.size << ' ' << c.kv_type; }
class LongContext : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Sizes, LongContext,
                         ::testing::Values(Case{"270m", "f16", 64}, Case{"270m", "q8_0", 34}, Case{"1b", "f16", 64}, Case{"1b", "q8_0", 34},
                                           Case{"4b", "f16", 64}, Case{"4b", "q8_0", 34}),
                         [](const auto& test) { return cat(test.param.size, "_", test.param.kv_type); });

TEST_P(LongContext, TheEngineHoldsTheFormula) {
  const testing::Scratch scratch;
  testing::write_random_model(thin(released_config(GetParam().size)), scratch / "thin.gguf");
  const auto model = Model::load(scratch / "thin.gguf");
  const ModelConfig& config = model->config();
  EngineOptions options;
  options.threads = 2;
  options.kv_type = GetParam().kv_type;
  options.prefix_cache_mib = 0;
  options.rewind_margin = kMargin;
  Engine engine(model, options);
  const int64_t length = num_positions();
  const auto ids = testing::random_ids(length, 1, config.vocab_size);
  Sequence sequence = engine.start({.sampler = testing::greedy()});
  for (int64_t begin = 0; begin < length;) {  // prefill leaves the last position pending
    const int64_t end = std::min<int64_t>(begin == 0 ? 500 : 2 * begin, length);
    sequence.append(std::span(ids).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    engine.prefill(sequence);
    ASSERT_EQ(sequence.computed(), end - 1);
    EXPECT_EQ(engine.stats().kv_bytes, formula(config, end - 1, GetParam().bytes)) << end;
    begin = end;
  }
  auto done = engine.generate(std::move(sequence), 40, {});
  ASSERT_EQ(done.ids.size(), 40u);
  EXPECT_EQ(done.sequence.computed(), length + 39);
  EXPECT_EQ(done.sequence.kv_bytes(), formula(config, length + 39, GetParam().bytes));
  EXPECT_EQ(engine.stats().kv_bytes, done.sequence.kv_bytes());
  const Sequence fork = done.sequence.fork(1);
  EXPECT_EQ(engine.stats().kv_bytes, done.sequence.kv_bytes());
}

}  // namespace
}  // namespace attune::lm
