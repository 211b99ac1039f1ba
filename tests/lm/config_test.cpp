// Configurations, parameter counts and memory formulas of the released sizes.
#include "lm/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"

namespace attune::lm {
namespace {

TEST(Config, ParameterCountsOfTheReleasedSizes) {
  const std::pair<const char*, int64_t> counts[] = {
      {"270m", 268098176}, {"1b", 999885952}, {"4b", 3880099328}, {"12b", 11765788416}, {"27b", 27009002240}};
  for (const auto& [name, count] : counts) EXPECT_EQ(released_config(name).num_parameters(), count) << name;
  EXPECT_THROW(released_config("2b"), Error);
}

TEST(Config, KvMemoryInMiB) {
  const auto mib = [](const char* name, int64_t length) { return static_cast<double>(released_config(name).kv_bytes(length, 2)) / (1 << 20); };
  EXPECT_EQ(mib("270m", 8192), 31.5);
  EXPECT_EQ(mib("1b", 8192), 43);
  EXPECT_EQ(mib("4b", 8192), 276);
  EXPECT_EQ(mib("12b", 8192), 832);
  EXPECT_EQ(mib("27b", 8192), 1056);
  EXPECT_EQ(mib("270m", 32768), 103.5);
  EXPECT_EQ(mib("27b", 32768), 2976);
  EXPECT_EQ(mib("4b", 131072), 2676);
  EXPECT_EQ(mib("27b", 131072), 10656);
}

TEST(Config, ScalesAndGlobalLayers) {
  const std::pair<const char*, float> scales[] = {{"270m", 25.25f}, {"1b", 34.0f}, {"4b", 50.5f}, {"12b", 62.0f}, {"27b", 73.5f}};
  for (const auto& [name, scale] : scales) EXPECT_EQ(released_config(name).embedding_scale, scale) << name;
  EXPECT_NEAR(released_config("27b").attention_scale, 0.0771517, 1e-7);
  EXPECT_EQ(released_config("270m").attention_scale, 1.0 / 16);
  const ModelConfig config = released_config("270m");
  for (int layer = 0; layer < 18; ++layer) EXPECT_EQ(config.is_global[static_cast<size_t>(layer)], layer == 5 || layer == 11 || layer == 17) << layer;
}

TEST(Config, HfConfigWithDefaultsOfTheReferenceClass) {
  // What the released 4B checkpoint holds: everything else is a default.
  const auto config = config_from_hf(R"({"model_type": "gemma3", "text_config": {"hidden_size": 2560, "intermediate_size": 10240,
    "num_hidden_layers": 34, "sliding_window": 1024, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}}})", true);
  const auto want = released_config("4b");
  EXPECT_EQ(config.num_heads, want.num_heads);
  EXPECT_EQ(config.num_kv_heads, want.num_kv_heads);
  EXPECT_EQ(config.head_dim, want.head_dim);
  EXPECT_EQ(config.rope_scaling_factor, 8);
  EXPECT_EQ(config.embedding_scale, want.embedding_scale);
  EXPECT_EQ(config.is_global, want.is_global);
  EXPECT_EQ(config.vocab_size, 262208);
}

TEST(Config, BadHfConfigsAreNamed) {
  for (const char* bad : {"", "[]", "{", R"({"model_type": "llama"})", R"({"model_type": "gemma3_text", "num_hidden_layers": 0})",
                          R"({"model_type": "gemma3_text", "num_hidden_layers": "x"})", R"({"model_type": "gemma3_text", "hidden_size": -5})",
                          R"({"model_type": "gemma3_text", "rope_scaling": {"rope_type": "yarn", "factor": 8}})",
                          R"({"model_type": "gemma3_text", "layer_types": ["full_attention"]})",
                          R"({"model_type": "gemma3_text", "num_attention_heads": 7, "num_key_value_heads": 4})",
                          R"({"model_type": "gemma3_text", "query_pre_attn_scalar": 0})",
                          R"({"model_type": "gemma3_text", "final_logit_softcapping": 30.0})"}) {
    EXPECT_THROW(config_from_hf(bad, false), Error) << bad;
  }
}

}  // namespace
}  // namespace attune::lm
