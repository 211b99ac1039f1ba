// attune convert: what it keeps (logits, bytes, tokens), what it says, what it refuses.
#include "lm/convert.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstring>

#include "lm/checkpoint.h"
#include "tests/lm/model_files.h"

namespace attune::lm {
namespace {

using testing::copy_checkpoint;
using testing::data_path;
using testing::error_of;
using testing::logits_of;
using testing::Scratch;

ConvertReport convert(const Path& from, const Path& to, ConvertOptions options = {}) {
  options.threads = 2;
  return convert_model(from, to, options, no_progress());
}

void expect_same_tensors(const io::TensorSource& a, const io::TensorSource& b) {
  ASSERT_EQ(a.tensors().size(), b.tensors().size());
  for (const io::TensorView& t : a.tensors()) {
    const io::TensorView& other = b.get(t.name);
    EXPECT_EQ(t.dtype, other.dtype) << t.name;
    EXPECT_EQ(t.shape, other.shape) << t.name;
    ASSERT_EQ(t.data.size(), other.data.size()) << t.name;
    EXPECT_EQ(std::memcmp(t.data.data(), other.data.data(), t.data.size()), 0) << t.name;
  }
}

TEST(Convert, FolderToGgufKeepsLogits) {
  Scratch scratch;
  for (const char* config : {"config.json", "config_linear8.json", "config_scalar48.json"}) {
    const Path folder = scratch / config, file = scratch / (std::string(config) + ".gguf");
    copy_checkpoint("tiny", folder, config);
    const auto report = convert(folder, file);
    EXPECT_TRUE(report.notes.empty()) << report.notes.front();
    for (const char* compute : {"f32", "fast"}) EXPECT_EQ(logits_of(folder, compute), logits_of(file, compute)) << config << " " << compute;
    // A type without loss: the same again.
    convert(folder, scratch / "f32.gguf", {.dtype = "f32", .force = true});
    EXPECT_EQ(logits_of(scratch / "f32.gguf"), logits_of(file));
  }
}

// sqrt(96) is rounded for this checkpoint and would not be for a GGUF file: the key carries it over, to F32 as well.
TEST(Convert, Bfloat16FolderKeepsItsEmbeddingScale) {
  Scratch scratch;
  const auto report = convert(data_path("tiny_bf16"), scratch / "a.gguf", {.no_tokenizer = true});
  EXPECT_GT(report.types.at("BF16"), 0);
  convert(data_path("tiny_bf16"), scratch / "b.gguf", {.dtype = "f32", .no_tokenizer = true});
  convert(scratch / "b.gguf", scratch / "c", {.no_tokenizer = true});
  const auto expected = logits_of(data_path("tiny_bf16"));
  for (const char* name : {"a.gguf", "b.gguf", "c"}) EXPECT_EQ(logits_of(scratch / name), expected) << name;
  EXPECT_NE(open_checkpoint(scratch / "c").config.embedding_scale, std::sqrt(96.0f));
}

TEST(Convert, BlockFormatsToFolderKeepLogits) {
  Scratch scratch;
  for (const char* name : {"tiny.gguf", "tinyk.gguf"}) {
    const Path folder = scratch / (std::string(name) + "-folder");
    convert(data_path(name), folder, {.no_tokenizer = true});
    EXPECT_EQ(logits_of(folder), logits_of(data_path(name))) << name;
    convert(folder, scratch / name, {.no_tokenizer = true});
    EXPECT_EQ(logits_of(scratch / name), logits_of(data_path(name))) << name;
  }
}

TEST(Convert, FolderToGgufToFolderGivesTheSameBytes) {
  Scratch scratch;
  convert(data_path("tiny"), scratch / "tiny.gguf");
  convert(scratch / "tiny.gguf", scratch / "tiny");
  expect_same_tensors(*io::SafetensorsFile::open(data_path("tiny")), *io::SafetensorsFile::open(scratch / "tiny"));

  convert(data_path("tiny_bf16"), scratch / "bf16.gguf", {.no_tokenizer = true});
  convert(scratch / "bf16.gguf", scratch / "bf16", {.dtype = "bf16", .no_tokenizer = true});
  expect_same_tensors(*io::SafetensorsFile::open(data_path("tiny_bf16")), *io::SafetensorsFile::open(scratch / "bf16"));
}

// Blocks are copied, not quantised a second time.
TEST(Convert, GgufToGgufCopiesKeysAndTensors) {
  for (const char* name : {"tiny.gguf", "tinyk.gguf"}) {
    Scratch scratch;
    convert(data_path(name), scratch / "copy.gguf", {.no_tokenizer = true});
    const auto before = io::GgufFile::open(data_path(name)), after = io::GgufFile::open(scratch / "copy.gguf");
    expect_same_tensors(*before, *after);
    for (const auto& [key, value] : before->metadata()) {
      const io::GgufValue* found = after->find_metadata(key);
      ASSERT_NE(found, nullptr) << key;
      EXPECT_TRUE(*found == value) << key;
    }
  }
}

TEST(Convert, TokenizerGoesBothWays) {
  Scratch scratch;
  copy_checkpoint("tiny", scratch / "a");
  write_file_atomic(scratch / "a" / "tokenizer_config.json", R"({"chat_template": "{{ x }}"})");
  convert(scratch / "a", scratch / "b.gguf");
  convert(scratch / "b.gguf", scratch / "c");
  for (const char* name : {"b.gguf", "c"}) {
    const auto a = open_checkpoint(scratch / "a"), b = open_checkpoint(scratch / name);
    ASSERT_TRUE(b.tokenizer) << name;
    EXPECT_EQ(b.chat_template, "{{ x }}");
    EXPECT_EQ(a.tokenizer->vocab().pieces, b.tokenizer->vocab().pieces);
    EXPECT_EQ(a.tokenizer->vocab().add_bos, b.tokenizer->vocab().add_bos);
    for (const char* text : {"the time of  the\n\nhouse", "<end_of_turn> a", "\xE4\xB8\xAD x"}) {
      EXPECT_EQ(a.tokenizer->encode(text), b.tokenizer->encode(text)) << text;
    }
  }
}

TEST(Convert, ShardedFolderGivesTheSameFile) {
  Scratch scratch;
  std::filesystem::create_directories(scratch / "shards");
  const auto whole = io::SafetensorsFile::open(data_path("tiny"));
  io::SafetensorsWriter writer;
  for (const io::TensorView& t : whole->tensors()) writer.add_tensor(t.name, t.dtype, t.shape, t.data);
  writer.write_shards(scratch / "shards", 64 << 10);
  for (const char* name : {"config.json", "tokenizer.json"}) {
    std::filesystem::copy_file(data_path(std::string("tiny/") + name), scratch / "shards" / name);
  }
  EXPECT_FALSE(std::filesystem::exists(scratch / "shards" / "model.safetensors"));
  convert(scratch / "shards", scratch / "a.gguf");
  copy_checkpoint("tiny", scratch / "tiny" / "shards");  // the folder's name becomes the model's
  convert(scratch / "tiny" / "shards", scratch / "b.gguf");
  EXPECT_EQ(read_file(scratch / "a.gguf"), read_file(scratch / "b.gguf"));
}

TEST(Convert, RowsBehindTheVocabularyAreLeftOut) {
  Scratch scratch;
  std::vector<float> rows(544 * 64, 0.25f);
  testing::write_changed_gguf(scratch / "padded.gguf", "token_embd.weight", DType::kF32, {544, 64}, testing::bytes_of(rows));
  const auto report = convert(scratch / "padded.gguf", scratch / "cut.gguf");
  ASSERT_EQ(report.notes.size(), 1u);
  EXPECT_NE(report.notes[0].find("32 rows"), std::string::npos) << report.notes[0];
  auto expected = logits_of(scratch / "padded.gguf");
  expected.resize(512);
  EXPECT_EQ(logits_of(scratch / "cut.gguf"), expected);
}

TEST(Convert, GainsThatDoNotFitAreKeptOrNamed) {
  Scratch scratch;
  std::vector<float> gains(64, 1.5f);
  gains[3] = 1.0f + 0x1p-20f;  // g - 1 is a bfloat16
  testing::write_changed_gguf(scratch / "a.gguf", "blk.0.attn_norm.weight", DType::kF32, {64}, testing::bytes_of(gains));
  convert(scratch / "a.gguf", scratch / "a", {.dtype = "bf16"});
  EXPECT_EQ(io::SafetensorsFile::open(scratch / "a")->get("model.layers.0.input_layernorm.weight").dtype, DType::kBF16);
  gains[4] = 1.0f + 0x1p-2f + 0x1p-20f;  // not a bfloat16, but a float
  testing::write_changed_gguf(scratch / "b.gguf", "blk.0.attn_norm.weight", DType::kF32, {64}, testing::bytes_of(gains));
  const auto kept = convert(scratch / "b.gguf", scratch / "b", {.dtype = "bf16"});
  EXPECT_EQ(io::SafetensorsFile::open(scratch / "b")->get("model.layers.0.input_layernorm.weight").dtype, DType::kF32);
  const auto says = [](const ConvertReport& report, const char* text) {
    return std::any_of(report.notes.begin(), report.notes.end(), [&](const std::string& n) { return n.find(text) != std::string::npos; });
  };
  EXPECT_TRUE(says(kept, "norm tensors are kept in F32"));
  EXPECT_FALSE(says(kept, "last bit"));
  gains[5] = 0x1p-30f;  // g - 1 rounds to -1
  testing::write_changed_gguf(scratch / "c.gguf", "blk.0.attn_norm.weight", DType::kF32, {64}, testing::bytes_of(gains));
  EXPECT_TRUE(says(convert(scratch / "c.gguf", scratch / "c"), "1 norm gains differ in the last bit"));
}

TEST(Convert, ValuesThatAFloatDoesNotHoldAreKept) {
  Scratch scratch;
  copy_checkpoint("tiny", scratch / "a");
  auto json = nlohmann::json::parse(read_file(scratch / "a" / "config.json"));
  json["rope_theta"] = 123456.789;
  json["rope_local_base_freq"] = 9999.99;
  json["query_pre_attn_scalar"] = 31.7;
  json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 1.1}};
  json["layer_types"] = {"full_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention", "full_attention"};
  std::filesystem::remove(scratch / "a" / "config.json");
  write_file_atomic(scratch / "a" / "config.json", json.dump());
  convert(scratch / "a", scratch / "b.gguf");
  convert(scratch / "b.gguf", scratch / "c");
  const ModelConfig a = open_checkpoint(scratch / "a").config;
  for (const char* name : {"b.gguf", "c"}) {
    const ModelConfig b = open_checkpoint(scratch / name).config;
    EXPECT_EQ(a.rope_theta_global, b.rope_theta_global);
    EXPECT_EQ(a.rope_theta_local, b.rope_theta_local);
    EXPECT_EQ(a.rope_scaling_factor, b.rope_scaling_factor);
    EXPECT_EQ(a.attention_scale, b.attention_scale);
    EXPECT_EQ(a.embedding_scale, b.embedding_scale);
    EXPECT_EQ(a.is_global, b.is_global);
    EXPECT_EQ(static_cast<float>(a.rms_norm_eps), static_cast<float>(b.rms_norm_eps));
    EXPECT_EQ(logits_of(scratch / "a"), logits_of(scratch / name));
  }
}

TEST(Convert, RefusesTargetsThatAreInUse) {
  Scratch scratch;
  copy_checkpoint("tiny", scratch / "hf");
  std::filesystem::copy_file(data_path("tiny.gguf"), scratch / "a.gguf");
  std::filesystem::create_symlink(scratch / "a.gguf", scratch / "link.gguf");
  std::filesystem::create_hard_link(scratch / "a.gguf", scratch / "hard.gguf");
  const std::string before = read_file(scratch / "a.gguf");
  const ConvertOptions force{.dtype = "f32", .force = true};
  for (const char* to : {"a.gguf", "link.gguf", "hard.gguf"}) {
    EXPECT_EQ(error_of([&] { convert(scratch / "a.gguf", scratch / to, force); }).find("invalid_argument"), 0u) << to;
  }
  EXPECT_EQ(error_of([&] { convert(scratch / "hf", scratch / "hf", force); }).find("invalid_argument"), 0u);
  EXPECT_EQ(error_of([&] { convert(scratch / "hf", scratch / "other", force); }).find("invalid_argument"), 0u);
  EXPECT_EQ(error_of([&] { convert(scratch / "a.gguf", scratch / "hf", force); }).find("failed_precondition"), 0u);
  EXPECT_EQ(error_of([&] { convert(scratch / "hf", scratch / "a.gguf"); }).find("failed_precondition"), 0u);
  EXPECT_EQ(error_of([&] { convert(scratch / "hf", ""); }).find("invalid_argument"), 0u);
  EXPECT_EQ(error_of([&] { convert(scratch / "hf", scratch / "absent" / "b.gguf"); }).find("not_found"), 0u);
  EXPECT_EQ(error_of([&] { convert(scratch / "a.gguf", scratch / "absent" / "b"); }).find("io"), 0u);
  EXPECT_EQ(read_file(scratch / "a.gguf"), before);
  EXPECT_EQ(scratch.names(), (std::vector<std::string>{"a.gguf", "hard.gguf", "hf", "link.gguf"}));
  std::filesystem::create_directories(scratch / "empty");
  convert(scratch / "a.gguf", (scratch / "empty").string() + "/");
  EXPECT_TRUE(std::filesystem::exists(scratch / "empty" / "model.safetensors"));
  convert(scratch / "hf", scratch / "a.gguf", {.force = true});
  EXPECT_NE(read_file(scratch / "a.gguf"), before);
}

TEST(Convert, RefusesBrokenSources) {
  Scratch scratch;
  const std::string norm = "blk.2.ffn_norm.weight", matrix = "blk.2.attn_k.weight";
  std::vector<float> values(32 * 64, 0.5f);
  const auto refused = [&](const char* code, const char* text, const ConvertOptions& options = {}) {
    for (const char* to : {"out.gguf", "out"}) {
      const std::string error = error_of([&] { convert(scratch / "bad.gguf", scratch / to, options); });
      EXPECT_EQ(error.find(code), 0u) << error;
      EXPECT_NE(error.find(text), std::string::npos) << error;
      EXPECT_EQ(scratch.names(), std::vector<std::string>{"bad.gguf"});
    }
  };
  testing::write_changed_gguf(scratch / "bad.gguf", matrix, DType::kF32, {}, {});
  refused("not_found", "blk.2.attn_k.weight");
  testing::write_changed_gguf(scratch / "bad.gguf", matrix, DType::kF32, {64, 32}, testing::bytes_of(values));
  refused("corrupt_data", "blk.2.attn_k.weight is [64, 32], expected [32, 64]");
  for (const float bad : {std::nanf(""), INFINITY}) {
    values[700] = bad;
    testing::write_changed_gguf(scratch / "bad.gguf", matrix, DType::kF32, {32, 64}, testing::bytes_of(values));
    refused("failed_precondition", "blk.2.attn_k.weight, row 10: expected finite values");
    testing::write_changed_gguf(scratch / "bad.gguf", norm, DType::kF32, {64}, testing::bytes_of(values).subspan(4 * 660, 4 * 64));
    refused("failed_precondition", "blk.2.ffn_norm.weight, row 0: expected finite values");
  }
  values[700] = 7e4f;
  testing::write_changed_gguf(scratch / "bad.gguf", matrix, DType::kF32, {32, 64}, testing::bytes_of(values));
  refused("failed_precondition", "row 10: a value or scale is beyond what F16 can hold", {.dtype = "f16"});
  const std::string whole = read_file(data_path("tiny.gguf"));
  write_file_atomic(scratch / "bad.gguf", whole.substr(0, whole.size() / 2));
  refused("corrupt_data", "bad.gguf");
  write_file_atomic(scratch / "bad.gguf", "");
  refused("corrupt_data", "bad.gguf");
}

TEST(Convert, ASourceWithoutTokenizerIsRefusedUnlessAllowed) {
  Scratch scratch;
  EXPECT_EQ(error_of([&] { convert(data_path("tiny_bf16"), scratch / "a.gguf"); }).find("failed_precondition"), 0u);
  convert(data_path("tiny_bf16"), scratch / "a.gguf", {.no_tokenizer = true});
  EXPECT_EQ(open_checkpoint(scratch / "a.gguf").tokenizer, nullptr);
  copy_checkpoint("tiny", scratch / "hf");
  write_file_atomic(scratch / "hf" / "tokenizer_config.json", "[");
  EXPECT_EQ(error_of([&] { convert(scratch / "hf", scratch / "b.gguf"); }).find("corrupt_data"), 0u);
}

TEST(Convert, CancelAndFullDiskLeaveNothing) {
  Scratch scratch;
  std::stop_source stop;
  stop.request_stop();
  for (const char* to : {"a.gguf", "a"}) {
    EXPECT_EQ(error_of([&] { convert_model(data_path("tiny.gguf"), scratch / to, {}, no_progress(), stop.get_token()); }).find("cancelled"),
              0u);
  }
  rlimit wide{};
  ::getrlimit(RLIMIT_FSIZE, &wide);
  const auto before = ::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{96 << 10, wide.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &tight);  // a write beyond 96 KiB fails
  std::string gguf = error_of([&] { convert(data_path("tiny.gguf"), scratch / "a.gguf"); });
  std::string folder = error_of([&] { convert(data_path("tiny.gguf"), scratch / "a"); });
  ::setrlimit(RLIMIT_FSIZE, &wide);
  ::signal(SIGXFSZ, before);
  EXPECT_EQ(gguf.find("io"), 0u) << gguf;
  EXPECT_EQ(folder.find("io"), 0u) << folder;
  EXPECT_TRUE(scratch.names().empty());
}

}  // namespace
}  // namespace attune::lm
