// Configurations, parameter counts and memory formulas of the released sizes.
#include "lm/config.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "lm/config_internal.h"
#include "tests/lm/model_files.h"

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

/// What another program's GGUF says: keys of `config` without those that only Attune writes, and an embedding of 32 rows.
ModelConfig read_back(const ModelConfig& config, const Path& path) {
  io::GgufWriter ours, theirs;
  config_to_gguf(config, ours);
  ours.write(path);
  const auto file = io::GgufFile::open(path);
  for (const auto& [key, value] : file->metadata()) {
    if (!key.starts_with("attune.")) theirs.copy_metadata(*file, key);
  }
  const std::vector<float> rows(static_cast<size_t>(32 * config.hidden_size));
  theirs.add_tensor("token_embd.weight", DType::kF32, {32, config.hidden_size}, testing::bytes_of(rows));
  theirs.write(path);
  return config_from_gguf(*io::GgufFile::open(path));
}

TEST(Config, ScoreScaleOfGgufFilesWithoutIt) {
  const testing::Scratch scratch;
  for (const std::string& size : released_config_names()) {
    const ModelConfig want = released_config(size);
    const ModelConfig got = read_back(want, scratch / "model.gguf");
    EXPECT_EQ(got.attention_scale, want.attention_scale) << size;
    EXPECT_EQ(got.is_global, want.is_global) << size;
    EXPECT_EQ(got.rope_scaling_factor, want.rope_scaling_factor) << size;
  }
  EXPECT_EQ(read_back(released_config("27b"), scratch / "27b.gguf").attention_scale, 1 / std::sqrt(5376.0 / 32));
  ModelConfig other = released_config("27b");  // it is the number of layers that tells
  other.num_layers = 61;
  other.is_global = every_nth_global(61, 6);
  EXPECT_EQ(read_back(other, scratch / "61.gguf").attention_scale, 1 / std::sqrt(128.0));
}

// A model of 62 layers, hidden / heads = 16 and head_dim 8 computes with 1/sqrt(16), as if the file said so.
TEST(Config, ModelsOfSixtyTwoLayersComputeWithTheirScale) {
  const testing::Scratch scratch;
  ModelConfig config = released_config("27b");
  config.hidden_size = 64;
  config.num_heads = 4;
  config.num_kv_heads = 2;
  config.head_dim = 8;
  config.intermediate_size = 64;
  config.vocab_size = 128;
  config.embedding_scale = 8;
  config.sliding_window = 16;
  config.attention_scale = 1 / std::sqrt(16.0);
  testing::write_random_model(config, scratch / "theirs.gguf", "attune.");
  testing::write_random_model(config, scratch / "ours.gguf", "none");
  config.attention_scale = 1 / std::sqrt(8.0);
  testing::write_random_model(config, scratch / "other.gguf", "none");
  const auto theirs = testing::logits_of(scratch / "theirs.gguf");
  EXPECT_EQ(theirs, testing::logits_of(scratch / "ours.gguf"));
  EXPECT_NE(theirs, testing::logits_of(scratch / "other.gguf"));
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
  EXPECT_EQ(config.context_length, 131072);  // it is not scaled once more (vllm-project/vllm #33958)
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
