// attune quantize: which tensor gets which type, what is kept, what is refused.
#include "lm/quantize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>

#include "kernels/kernels.h"
#include "kernels/quantize_weights.h"
#include "lm/checkpoint.h"
#include "lm/convert.h"
#include "tests/lm/model_files.h"

namespace attune::lm {
namespace {

using testing::data_path;
using testing::error_of;
using testing::Scratch;

QuantizeReport quantize(const Path& from, const Path& to, QuantizeOptions options) {
  options.threads = 2;
  return quantize_model(from, to, options, no_progress());
}

std::vector<float> values_of(const io::TensorView& t) {
  std::vector<float> out(static_cast<size_t>(t.num_elements()));
  kernels::ops_for(kernels::Isa::kScalar).dequantize_row(t.dtype, t.data.data(), out.data(), t.num_elements());
  return out;
}

// The types of the 270M release, which llama.cpp made as Q4_K_M: the model whose layers have 640 and 2048 columns.
TEST(Quantize, MixChoosesAsTheRelease) {
  if (!std::filesystem::exists(testing::real_model_path())) GTEST_SKIP();
  const auto file = io::GgufFile::open(testing::real_model_path());
  const ModelConfig config = config_from_gguf(*file);
  int64_t count = 0;
  for (const TensorSpec& spec : model_tensors(config, false)) {
    const io::TensorView& t = file->get(spec.gguf);
    EXPECT_EQ(t.shape, spec.shape) << spec.gguf;
    if (spec.role == TensorRole::kGain) continue;
    EXPECT_EQ(dtype_name(fitting_type(type_of_matrix("Q4_K_M", spec, config, false), spec.shape[1])), dtype_name(t.dtype)) << spec.gguf;
    ++count;
  }
  EXPECT_EQ(count, 18 * 7 + 1);
  EXPECT_EQ(model_tensors(config, false).size(), file->tensors().size());
}

TEST(Quantize, TypesOfMatrices) {
  const ModelConfig config = released_config("4b");  // 34 layers; rows of 2560, 2048 and 10240
  std::map<std::string, std::map<std::string, int>> counts;
  for (const char* type : {"Q4_K_M", "Q5_K_M", "Q4_K", "Q8_0", "F16", "Q4_0"}) {
    for (const TensorSpec& spec : model_tensors(config, false)) {
      if (spec.role != TensorRole::kGain) ++counts[type][std::string(dtype_name(type_of_matrix(type, spec, config, false)))];
    }
  }
  // Layers with more bits: 0..3, 6, 9, ..., 27, and 29..33 = 4 + 8 + 5.
  EXPECT_EQ(counts["Q4_K_M"], (std::map<std::string, int>{{"Q4_K", 34 * 7 - 2 * 17}, {"Q6_K", 2 * 17 + 1}}));
  EXPECT_EQ(counts["Q5_K_M"], (std::map<std::string, int>{{"Q5_K", 34 * 7 - 2 * 17}, {"Q6_K", 2 * 17 + 1}}));
  EXPECT_EQ(counts["Q4_K"], (std::map<std::string, int>{{"Q4_K", 34 * 7}, {"Q6_K", 1}}));
  EXPECT_EQ(counts["Q4_0"], (std::map<std::string, int>{{"Q4_0", 34 * 7}, {"Q6_K", 1}}));
  EXPECT_EQ(counts["Q8_0"], (std::map<std::string, int>{{"Q8_0", 34 * 7 + 1}}));
  EXPECT_EQ(counts["F16"], (std::map<std::string, int>{{"F16", 34 * 7 + 1}}));
  EXPECT_EQ(fitting_type(DType::kQ4_K, 640), DType::kQ5_0);
  EXPECT_EQ(fitting_type(DType::kQ5_K, 640), DType::kQ8_0);
  EXPECT_EQ(fitting_type(DType::kQ6_K, 640), DType::kQ8_0);
  EXPECT_EQ(fitting_type(DType::kQ4_K, 2560), DType::kQ4_K);
  EXPECT_EQ(fitting_type(DType::kQ4_0, 96), DType::kQ4_0);
}

TEST(Quantize, BlocksAreTheQuantisersAndErrorsAreTrue) {
  Scratch scratch;
  const auto before = io::SafetensorsFile::open(data_path("tiny"));
  for (const char* type : {"q8_0", "Q4_0", "Q5_0", "bf16"}) {
    const auto report =
        quantize(data_path("tiny"), scratch / "q.gguf", {.type = type, .tensor = {"token_embd.weight=Q8_0"}, .force = true});
    const auto after = io::GgufFile::open(scratch / "q.gguf");
    uint64_t bytes = 0;
    for (const QuantizedTensor& t : report.tensors) {
      const io::TensorView& view = after->get(t.name);
      EXPECT_EQ(view.dtype, t.to);
      bytes += view.data.size();
      if (t.name != "blk.3.ffn_up.weight") continue;
      const auto source = values_of(before->get("model.layers.3.mlp.up_proj.weight")), found = values_of(view);
      std::vector<std::byte> expected(view.data.size());
      const size_t stride = row_bytes(t.to, 64);
      double squares = 0, errors = 0;
      for (size_t row = 0; row < 96; ++row) {
        ASSERT_TRUE(kernels::quantize_weights(t.to, source.data() + row * 64, 64, expected.data() + row * stride));
      }
      for (size_t i = 0; i < source.size(); ++i) {
        squares += std::pow(double{source[i]}, 2);
        errors += std::pow(double{source[i]} - double{found[i]}, 2);
      }
      EXPECT_EQ(std::memcmp(expected.data(), view.data.data(), expected.size()), 0);
      EXPECT_EQ(t.relative_rms > 0, t.to != DType::kQ8_0);  // the fixture has values of such blocks
      EXPECT_NEAR(t.relative_rms, std::sqrt(errors / squares), 1e-9);
    }
    EXPECT_EQ(bytes, report.bytes);
    EXPECT_EQ(after->get("token_embd.weight").dtype, DType::kQ8_0);
    EXPECT_EQ(after->get_int("general.quantization_version"), 2);
    EXPECT_EQ(testing::logits_of(scratch / "q.gguf").size(), 512u);
  }
}

TEST(Quantize, CopiesWhatHasItsTypeAndIsIndependentOfThreads) {
  Scratch scratch;
  quantize(data_path("tiny.gguf"), scratch / "a.gguf", {.type = "Q8_0"});
  const auto again = quantize(scratch / "a.gguf", scratch / "b.gguf", {.type = "Q8_0"});
  EXPECT_EQ(read_file(scratch / "a.gguf"), read_file(scratch / "b.gguf"));
  for (const QuantizedTensor& t : again.tensors) EXPECT_EQ(t.relative_rms, 0) << t.name;
  EXPECT_TRUE(again.notes.empty());
  for (const int threads : {1, 3}) {
    QuantizeOptions options{.type = "Q5_0", .force = true, .threads = threads};
    quantize_model(data_path("tiny"), scratch / cat("t", threads, ".gguf"), options, no_progress());
  }
  EXPECT_EQ(read_file(scratch / "t1.gguf"), read_file(scratch / "t3.gguf"));
}

TEST(Quantize, FallsBackAndSaysSo) {
  Scratch scratch;
  const auto report = quantize(data_path("tiny"), scratch / "a.gguf", {.type = "Q4_K_M"});  // rows of 64, 96, 128
  const auto file = io::GgufFile::open(scratch / "a.gguf");
  EXPECT_EQ(file->get("token_embd.weight").dtype, DType::kQ8_0);
  EXPECT_EQ(file->get("blk.1.attn_q.weight").dtype, DType::kQ5_0);
  EXPECT_EQ(file->get_int("general.file_type"), 15);
  ASSERT_EQ(report.notes.size(), 2u);
  EXPECT_NE(report.notes[0].find("Q5_0 instead of Q4_K"), std::string::npos) << report.notes[0];
  EXPECT_NE(report.notes[1].find("Q8_0 instead of Q6_K"), std::string::npos) << report.notes[1];
  const auto from_blocks = quantize(data_path("tinyk.gguf"), scratch / "k.gguf", {.type = "Q6_K"});
  EXPECT_NE(from_blocks.notes.back().find("block format already"), std::string::npos);
}

TEST(Quantize, PatternsChooseTensors) {
  Scratch scratch;
  quantize(data_path("tiny"), scratch / "a.gguf",
           {.type = "Q4_0", .tensor = {"blk.*.attn_?.weight=Q8_0", "blk.2.*=f16", "token_embd.weight=q5_0"}});
  const auto file = io::GgufFile::open(scratch / "a.gguf");
  const std::map<std::string, DType> expected{{"token_embd.weight", DType::kQ5_0},        {"blk.1.attn_q.weight", DType::kQ8_0},
                                              {"blk.1.attn_output.weight", DType::kQ4_0}, {"blk.2.attn_k.weight", DType::kF16},
                                              {"blk.2.ffn_norm.weight", DType::kF32},     {"blk.5.ffn_down.weight", DType::kQ4_0}};
  for (const auto& [name, type] : expected) EXPECT_EQ(dtype_name(file->get(name).dtype), dtype_name(type)) << name;
}

TEST(Quantize, Refusals) {
  Scratch scratch;
  std::filesystem::copy_file(data_path("tiny.gguf"), scratch / "a.gguf");
  const auto refused = [&](const Path& from, const Path& to, const QuantizeOptions& options, const char* code, const char* text) {
    const std::string error = error_of([&] { quantize(from, to, options); });
    EXPECT_EQ(error.find(code), 0u) << error;
    EXPECT_NE(error.find(text), std::string::npos) << error;
  };
  const Path a = scratch / "a.gguf", b = scratch / "b.gguf";
  refused(a, b, {.type = "Q3_K"}, "invalid_argument", "type is Q3_K");
  refused(a, b, {.type = ""}, "invalid_argument", "type is ");
  refused(a, b, {.tensor = {"blk.0.*"}}, "invalid_argument", "expected PATTERN=TYPE");
  refused(a, b, {.tensor = {"=Q8_0"}}, "invalid_argument", "expected PATTERN=TYPE");
  refused(a, b, {.tensor = {"blk.0.*=Q4_K_M"}}, "invalid_argument", "type is Q4_K_M");
  refused(a, b, {.tensor = {"blk.9.*=Q8_0"}}, "invalid_argument", "matches no matrix");
  refused(a, b, {.tensor = {"*_norm.weight=Q8_0"}}, "invalid_argument", "matches no matrix");
  refused(a, scratch / "folder", {}, "invalid_argument", "ending in .gguf");
  refused(a, a, {.force = true}, "invalid_argument", "is the model that is read");
  refused(data_path("tiny"), a, {}, "failed_precondition", "is there already");
  refused(data_path("tiny_bf16"), b, {.type = "Q8_0"}, "failed_precondition", "has no tokenizer");
  refused(scratch / "absent.gguf", b, {}, "not_found", "absent.gguf");
  std::vector<float> values(32 * 64, 0.5f);
  values[70] = NAN;
  testing::write_changed_gguf(scratch / "nan.gguf", "blk.2.attn_k.weight", DType::kF32, {32, 64}, testing::bytes_of(values));
  refused(scratch / "nan.gguf", b, {.type = "Q8_0"}, "failed_precondition", "blk.2.attn_k.weight, row 1: expected finite values");
  values[70] = 1e9f;
  testing::write_changed_gguf(scratch / "nan.gguf", "blk.2.attn_k.weight", DType::kF32, {32, 64}, testing::bytes_of(values));
  refused(scratch / "nan.gguf", b, {.type = "Q8_0"}, "failed_precondition", "beyond what Q8_0 can hold");
  EXPECT_EQ(scratch.names(), (std::vector<std::string>{"a.gguf", "nan.gguf"}));
}

}  // namespace
}  // namespace attune::lm
