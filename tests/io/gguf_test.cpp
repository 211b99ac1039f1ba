// GGUF: reading what reference tools wrote, round trips, typed getters, changes on disk.
#include "io/gguf.h"

#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "core/error.h"
#include "core/rng.h"
#include "tests/expect_error.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using attune::test::expect_error;
using test::ExactBytes;
using test::GgufSpec;
using test::raw;
using test::ScratchFolder;

std::shared_ptr<const GgufFile> parse(const ExactBytes& bytes) { return GgufFile::parse(bytes.span(), "test.gguf"); }

TEST(Gguf, ReadsASoundFile) {
  const ExactBytes bytes(test::sound_gguf().build());
  const auto file = parse(bytes);
  ASSERT_EQ(file->tensors().size(), 3u);
  const TensorView& a = file->get("a.weight");
  EXPECT_EQ(a.dtype, DType::kF32);
  EXPECT_EQ(a.shape, (std::vector<int64_t>{4, 8}));  // the file has the innermost dimension first
  EXPECT_EQ(a.num_rows(), 4);
  EXPECT_EQ(a.row_size(), 8);
  EXPECT_EQ(a.data.size(), 128u);
  EXPECT_EQ(a.data[5], std::byte{5});
  const TensorView& b = file->get("b.weight");
  EXPECT_EQ(b.dtype, DType::kQ8_0);
  EXPECT_EQ(b.data.size(), 68u);
  EXPECT_EQ(b.data[0], std::byte{128});
  EXPECT_EQ(file->get("c.weight").data[31], std::byte{255});
  EXPECT_EQ(file->find("d.weight"), nullptr);
  expect_error(ErrorCode::kNotFound, "d.weight", [&] { file->get("d.weight"); });
  EXPECT_EQ(file->description(), "test.gguf");
  EXPECT_FALSE(file->changed());
}

TEST(Gguf, GettersReadTheirTypes) {
  const ExactBytes bytes(test::sound_gguf().build());
  const auto file = parse(bytes);
  EXPECT_EQ(file->get_string("general.architecture"), "gemma3");
  EXPECT_EQ(file->get_int("gemma3.block_count"), 2);
  EXPECT_EQ(file->get_float("eps"), double{1e-6f});
  ASSERT_NE(file->get_strings("tokenizer.ggml.tokens"), nullptr);
  EXPECT_EQ(*file->get_strings("tokenizer.ggml.tokens"), (std::vector<std::string>{"<pad>", "<eos>", "the"}));
  EXPECT_EQ(*file->get_floats("tokenizer.ggml.scores"), (std::vector<double>{0, -1, -2.5}));
  EXPECT_EQ(file->get_ints("tokenizer.ggml.token_type"), (std::vector<int64_t>{3, 3, 1}));
  EXPECT_EQ(file->get_bools("pattern"), (std::vector<bool>{true, false}));
  EXPECT_EQ(file->metadata().front().first, "general.architecture");
  EXPECT_EQ(file->metadata().size(), 8u);
}

TEST(Gguf, AbsentKeysAreNoError) {
  const ExactBytes bytes(test::sound_gguf().build());
  const auto file = parse(bytes);
  EXPECT_EQ(file->get_int("none"), std::nullopt);
  EXPECT_EQ(file->get_float("none"), std::nullopt);
  EXPECT_EQ(file->get_bool("none"), std::nullopt);
  EXPECT_EQ(file->get_string("none"), std::nullopt);
  EXPECT_EQ(file->get_strings("none"), nullptr);
  EXPECT_EQ(file->get_floats("none"), nullptr);
  EXPECT_EQ(file->get_ints("none"), std::nullopt);
  EXPECT_EQ(file->get_bools("none"), std::nullopt);
  EXPECT_EQ(file->find_metadata("none"), nullptr);
}

TEST(Gguf, GettersRefuseOtherTypes) {
  GgufSpec spec = test::sound_gguf();
  spec.pairs.push_back({"scores8", 9, test::number_array<uint8_t>(0, {1, 2, 3}), {}});
  spec.pairs.push_back({"huge", 10, raw<uint64_t>(~uint64_t{0}), {}});
  spec.pairs.push_back({"huges", 9, test::number_array<uint64_t>(10, {1, ~uint64_t{0}}), {}});
  const ExactBytes bytes(spec.build());
  const auto file = parse(bytes);
  const auto refused = [&](std::string_view fragment, const auto& body) { expect_error(ErrorCode::kCorruptData, fragment, body); };
  refused("key scores8: expected array of float32 or float64, found array of uint8", [&] { file->get_floats("scores8"); });
  refused("key general.architecture: expected an integer, found string", [&] { file->get_int("general.architecture"); });
  refused("key gemma3.block_count: expected float32 or float64, found uint32", [&] { file->get_float("gemma3.block_count"); });
  refused("key eps: expected bool, found float32", [&] { file->get_bool("eps"); });
  refused("key eps: expected string, found float32", [&] { file->get_string("eps"); });
  refused("key eps: expected array of string, found float32", [&] { file->get_strings("eps"); });
  refused("found array of string", [&] { file->get_ints("tokenizer.ggml.tokens"); });
  refused("found array of int32", [&] { file->get_bools("tokenizer.ggml.token_type"); });
  refused("found array of bool", [&] { file->get_ints("pattern"); });
  refused("expected an integer below 2^63, found 18446744073709551615", [&] { file->get_int("huge"); });
  refused("key huges", [&] { file->get_ints("huges"); });
  EXPECT_EQ(file->get_ints("scores8"), (std::vector<int64_t>{1, 2, 3}));
}

TEST(Gguf, ReadsEveryNumberType) {
  GgufSpec spec;
  const auto add = [&](std::string key, uint32_t type, std::string payload) {
    spec.pairs.push_back({std::move(key), type, std::move(payload), {}});
  };
  add("u8", 0, raw<uint8_t>(200));
  add("i8", 1, raw<int8_t>(-100));
  add("u16", 2, raw<uint16_t>(60000));
  add("i16", 3, raw<int16_t>(-30000));
  add("u32", 4, raw<uint32_t>(4000000000u));
  add("i32", 5, raw<int32_t>(-2000000000));
  add("u64", 10, raw<uint64_t>(uint64_t{1} << 62));
  add("i64", 11, raw<int64_t>(INT64_MIN));
  add("f64", 12, raw<double>(0.1));
  add("bool", 7, raw<uint8_t>(1));
  add("i8s", 9, test::number_array<int8_t>(1, {-1, 127}));
  add("u16s", 9, test::number_array<uint16_t>(2, {65535}));
  add("i16s", 9, test::number_array<int16_t>(3, {-32768}));
  add("u32s", 9, test::number_array<uint32_t>(4, {4294967295u}));
  add("i64s", 9, test::number_array<int64_t>(11, {INT64_MIN}));
  add("f64s", 9, test::number_array<double>(12, {0.1, -2}));
  add("none", 9, test::number_array<double>(12, {}));
  const ExactBytes bytes(spec.build());
  const auto file = parse(bytes);
  EXPECT_EQ(file->get_int("u8"), 200);
  EXPECT_EQ(file->get_int("i8"), -100);
  EXPECT_EQ(file->get_int("u16"), 60000);
  EXPECT_EQ(file->get_int("i16"), -30000);
  EXPECT_EQ(file->get_int("u32"), 4000000000);
  EXPECT_EQ(file->get_int("i32"), -2000000000);
  EXPECT_EQ(file->get_int("u64"), int64_t{1} << 62);
  EXPECT_EQ(file->get_int("i64"), INT64_MIN);
  EXPECT_EQ(file->get_float("f64"), 0.1);
  EXPECT_EQ(file->get_bool("bool"), true);
  EXPECT_EQ(file->get_ints("i8s"), (std::vector<int64_t>{-1, 127}));
  EXPECT_EQ(file->get_ints("u16s"), (std::vector<int64_t>{65535}));
  EXPECT_EQ(file->get_ints("i16s"), (std::vector<int64_t>{-32768}));
  EXPECT_EQ(file->get_ints("u32s"), (std::vector<int64_t>{4294967295}));
  EXPECT_EQ(file->get_ints("i64s"), (std::vector<int64_t>{INT64_MIN}));
  EXPECT_EQ(*file->get_floats("f64s"), (std::vector<double>{0.1, -2}));
  EXPECT_TRUE(file->get_floats("none")->empty());
}

TEST(Gguf, AlignmentOfTheFileIsUsed) {
  GgufSpec spec = test::sound_gguf();
  spec.pairs[1].payload = raw<uint32_t>(256);
  spec.alignment = 256;
  spec.tensors = {{"a", {8}, 0, 0, {}, {}}, {"b", {8}, 0, 256, {}, {}}};
  spec.data = std::string(256, 'x') + std::string(32, 'y');
  const ExactBytes bytes(spec.build());
  const auto file = parse(bytes);
  EXPECT_EQ(file->get("a").data[31], std::byte{'x'});
  EXPECT_EQ(file->get("b").data[0], std::byte{'y'});
  EXPECT_EQ(file->get("b").data[31], std::byte{'y'});
}

TEST(Gguf, WriterRoundTripKeepsEverything) {
  ScratchFolder folder;
  Rng rng(7);
  std::vector<std::byte> noise(1 << 16);
  for (std::byte& byte : noise) byte = static_cast<std::byte>(rng.below(256));
  GgufWriter writer;
  writer.add_string("general.architecture", "gemma3");
  writer.add_u32("u32", 4000000000u);
  writer.add_u64("u64", ~uint64_t{0});
  writer.add_i32("i32", -5);
  writer.add_f32("f32", 0.1f);
  writer.add_bool("bool", true);
  writer.add_strings("strings", {"", "a", std::string("nul\0inside", 10), "\xf0\x9f\x98\x80"});
  writer.add_f32s("f32s", {1.5f, -2.25f});
  writer.add_i32s("i32s", {-1, 0, 1});
  writer.add_bools("bools", {true, false, true});
  struct Added {
    std::string name;
    DType dtype;
    std::vector<int64_t> shape;
  };
  const std::vector<Added> added = {{"f32", DType::kF32, {3, 5}},      {"f16", DType::kF16, {7}},
                                    {"bf16", DType::kBF16, {2, 3, 4}}, {"q4_0", DType::kQ4_0, {3, 64}},
                                    {"q5_0", DType::kQ5_0, {1, 32}},   {"q8_0", DType::kQ8_0, {2, 2, 2, 32}},
                                    {"q4_k", DType::kQ4_K, {2, 512}},  {"q5_k", DType::kQ5_K, {1, 256}},
                                    {"q6_k", DType::kQ6_K, {3, 256}},  {"scalar", DType::kF32, {}}};
  size_t from = 0;
  for (const Added& one : added) {
    const uint64_t size = tensor_bytes("test", one.name, one.dtype, one.shape);
    writer.add_tensor(one.name, one.dtype, one.shape, std::span<const std::byte>(noise).subspan(from, size));
    from += size;
  }
  writer.write(folder / "a.gguf");

  const auto file = GgufFile::open(folder / "a.gguf");
  EXPECT_EQ(file->get_string("general.architecture"), "gemma3");
  EXPECT_EQ(file->get_int("u32"), 4000000000);
  EXPECT_EQ(std::get<uint64_t>(*file->find_metadata("u64")), ~uint64_t{0});
  EXPECT_EQ(file->get_int("i32"), -5);
  EXPECT_EQ(file->get_float("f32"), double{0.1f});
  EXPECT_EQ(file->get_bool("bool"), true);
  EXPECT_EQ((*file->get_strings("strings"))[2], std::string("nul\0inside", 10));
  EXPECT_EQ(file->get_strings("strings")->size(), 4u);
  EXPECT_EQ(*file->get_floats("f32s"), (std::vector<double>{1.5, -2.25}));
  EXPECT_EQ(file->get_ints("i32s"), (std::vector<int64_t>{-1, 0, 1}));
  EXPECT_EQ(file->get_bools("bools"), (std::vector<bool>{true, false, true}));
  ASSERT_EQ(file->tensors().size(), added.size());
  from = 0;
  for (size_t i = 0; i < added.size(); ++i) {
    const TensorView& view = file->tensors()[i];
    EXPECT_EQ(view.name, added[i].name);
    EXPECT_EQ(view.dtype, added[i].dtype);
    EXPECT_EQ(view.shape, added[i].shape.empty() ? std::vector<int64_t>{1} : added[i].shape);
    EXPECT_TRUE(std::equal(view.data.begin(), view.data.end(), noise.begin() + static_cast<ptrdiff_t>(from))) << view.name;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(view.data.data()) % 32, 0u);
    from += view.data.size();
  }
}

/// Copying every key and tensor of a file that the reference tool wrote gives the same bytes.
TEST(Gguf, CopyOfAReferenceFileIsIdentical) {
  for (const char* name : {"data/micro.gguf", "data/tiny.gguf", "data/tinyk.gguf"}) {
    const Path path = test::source_path(name);
    if (!std::filesystem::exists(path)) GTEST_SKIP() << name << " is absent";
    ScratchFolder folder;
    const auto file = GgufFile::open(path);
    GgufWriter writer;
    for (const auto& [key, value] : file->metadata()) writer.copy_metadata(*file, key);
    for (const TensorView& view : file->tensors()) writer.add_tensor(view.name, view.dtype, view.shape, view.data);
    writer.write(folder / "copy.gguf");
    EXPECT_EQ(read_file(folder / "copy.gguf"), read_file(path)) << name;
  }
}

TEST(Gguf, WriterHonoursAnAlignment) {
  ScratchFolder folder;
  const std::vector<float> values(3, 1.0f);
  GgufWriter writer;
  writer.add_u32("general.alignment", 128);
  writer.add_tensor("a", DType::kF32, {3}, std::as_bytes(std::span(values)));
  writer.add_tensor("b", DType::kF32, {3}, std::as_bytes(std::span(values)));
  writer.write(folder / "a.gguf");
  const auto file = GgufFile::open(folder / "a.gguf");
  EXPECT_EQ(file->get("b").data.data() - file->get("a").data.data(), 128);
}

// Bytes that a producer makes while writing give the file that the same bytes in memory give.
TEST(Gguf, DeclaredTensorsAreProducedInFileOrder) {
  ScratchFolder folder;
  std::vector<float> values(96);
  std::iota(values.begin(), values.end(), 1.0f);
  const auto bytes = std::as_bytes(std::span(values));
  GgufWriter whole, declared;
  for (GgufWriter* writer : {&whole, &declared}) {
    writer->add_f64("f64", 0.1);
    writer->add_tensor("first", DType::kF32, {3}, bytes.first(12));
  }
  whole.add_tensor("matrix", DType::kF32, {2, 40}, bytes.first(320));
  declared.declare_tensor("matrix", DType::kF32, {2, 40});
  whole.add_tensor("last", DType::kF16, {5}, bytes.first(10));
  declared.declare_tensor("last", DType::kF16, {5});
  whole.write(folder / "whole.gguf");
  std::vector<size_t> order;
  declared.write(folder / "declared.gguf", [&](size_t index, AtomicFile& out) {
    order.push_back(index);
    if (index == 1) out.write(bytes.first(100));
    out.write(index == 1 ? bytes.subspan(100, 220) : bytes.first(10));
  });
  EXPECT_EQ(order, (std::vector<size_t>{1, 2}));
  EXPECT_EQ(read_file(folder / "declared.gguf"), read_file(folder / "whole.gguf"));
  EXPECT_EQ(declared.file_bytes(), std::filesystem::file_size(folder / "declared.gguf"));
  EXPECT_EQ(GgufFile::open(folder / "declared.gguf")->get_float("f64"), 0.1);
}

TEST(Gguf, AFailingProducerLeavesNoFile) {
  ScratchFolder folder;
  GgufWriter writer;
  writer.declare_tensor("t", DType::kF32, {4});
  const Path path = folder / "a.gguf";
  expect_error(ErrorCode::kFailedPrecondition, "expected a producer", [&] { writer.write(path); });
  expect_error(ErrorCode::kInternal, "expected 16 bytes from its producer, found 3",
               [&] { writer.write(path, [](size_t, AtomicFile& out) { out.write(std::string_view("abc")); }); });
  expect_error(ErrorCode::kCancelled, "stop",
               [&] { writer.write(path, [](size_t, AtomicFile&) { fail(ErrorCode::kCancelled, "stop"); }); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  expect_error(ErrorCode::kInvalidArgument, "multiple of 32", [&] { writer.declare_tensor("u", DType::kQ8_0, {16}); });
  expect_error(ErrorCode::kInvalidArgument, "t twice", [&] { writer.declare_tensor("t", DType::kF32, {4}); });
}

TEST(Gguf, WriterRefusesWhatTheReaderWould) {
  const std::vector<float> values(64, 1.0f);
  const auto bytes = std::as_bytes(std::span(values));
  const auto refused = [](std::string_view fragment, const auto& body) { expect_error(ErrorCode::kInvalidArgument, fragment, body); };
  GgufWriter writer;
  writer.add_u32("key", 1);
  writer.add_tensor("t", DType::kF32, {64}, bytes);
  refused("key twice", [&] { writer.add_string("key", "x"); });
  refused("1 to 65535 bytes, found 0", [&] { writer.add_bool("", true); });
  refused("t twice", [&] { writer.add_tensor("t", DType::kF32, {64}, bytes); });
  refused("expected 252 bytes for F32 [63], found 256", [&] { writer.add_tensor("u", DType::kF32, {63}, bytes); });
  refused("multiple of 32", [&] { writer.add_tensor("u", DType::kQ8_0, {16}, bytes); });
  refused("dimensions from 1", [&] { writer.add_tensor("u", DType::kF32, {0}, {}); });
  refused("at most 4 dimensions", [&] { writer.add_tensor("u", DType::kF32, {1, 1, 1, 1, 64}, bytes); });
  refused("name of 1 to 256 bytes, found 257", [&] { writer.add_tensor(std::string(257, 'n'), DType::kF32, {64}, bytes); });
  refused("power of two", [&] { writer.add_u32("general.alignment", 48); });
  refused("power of two", [&] { writer.add_i32("general.alignment", 32); });
  const ExactBytes other(test::sound_gguf().build());
  expect_error(ErrorCode::kNotFound, "absent", [&] { writer.copy_metadata(*parse(other), "absent"); });
}

TEST(Gguf, WritingIntoAMissingFolderSaysSo) {
  ScratchFolder folder;
  GgufWriter writer;
  writer.add_u32("key", 1);
  expect_error(ErrorCode::kNotFound, "nowhere", [&] { writer.write(folder / "nowhere/a.gguf"); });
}

TEST(Gguf, OpenSaysWhatIsMissing) {
  ScratchFolder folder;
  expect_error(ErrorCode::kNotFound, "none.gguf", [&] { GgufFile::open(folder / "none.gguf"); });
  expect_error(ErrorCode::kIo, "not a regular file", [&] { GgufFile::open(folder.path()); });
  write_file_atomic(folder / "empty.gguf", "");
  expect_error(ErrorCode::kCorruptData, "empty.gguf", [&] { GgufFile::open(folder / "empty.gguf"); });
}

TEST(Gguf, SeesAFileThatShrinksOrGrows) {
  ScratchFolder folder;
  const std::string sound = test::sound_gguf().build();
  write_file_atomic(folder / "a.gguf", sound);
  const auto file = GgufFile::open(folder / "a.gguf");
  EXPECT_FALSE(file->changed());
  std::filesystem::resize_file(folder / "a.gguf", sound.size() / 2);
  EXPECT_TRUE(file->changed());
  std::filesystem::resize_file(folder / "a.gguf", sound.size() + 1);
  EXPECT_TRUE(file->changed());
}

TEST(Gguf, AFileThatIsReplacedOrRemovedStaysReadable) {
  ScratchFolder folder;
  const std::string sound = test::sound_gguf().build();
  write_file_atomic(folder / "a.gguf", sound);
  const auto file = GgufFile::open(folder / "a.gguf");
  write_file_atomic(folder / "a.gguf", "short");  // renamed over: the mapping keeps the old file
  EXPECT_FALSE(file->changed());
  EXPECT_EQ(file->get("c.weight").data[31], std::byte{255});
  std::filesystem::remove(folder / "a.gguf");
  EXPECT_FALSE(file->changed());
  EXPECT_EQ(file->get("c.weight").data[31], std::byte{255});
}

TEST(Gguf, NamesInMessagesCannotForgeLines) {
  GgufSpec spec = test::sound_gguf();
  spec.tensors[0].name = "evil\n\x1b[2J" + std::string(200, 'x');
  spec.tensors[0].offset = 1;
  const ExactBytes bytes(spec.build());
  try {
    parse(bytes);
    FAIL();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos);
    EXPECT_EQ(message.find('\x1b'), std::string::npos);
    EXPECT_NE(message.find("evil\\x0a\\x1b[2J"), std::string::npos) << message;
    EXPECT_LT(message.size(), 400u);
  }
}

/// Figures of the released file, read from it with the reference tools.
TEST(Gguf, ReleasedModel) {
  const Path path = test::source_path("models/gemma-3-270m-q4_k_m.gguf");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = GgufFile::open(path);
  ASSERT_EQ(file->tensors().size(), 236u);
  const auto expect_tensor = [&](std::string_view name, DType dtype, std::vector<int64_t> shape) {
    const TensorView& view = file->get(name);
    EXPECT_EQ(dtype_name(view.dtype), dtype_name(dtype)) << name;
    EXPECT_EQ(view.shape, shape) << name;
  };
  expect_tensor("token_embd.weight", DType::kQ8_0, {262144, 640});
  expect_tensor("output_norm.weight", DType::kF32, {640});
  int v_q8 = 0;
  int down_q6 = 0;
  for (int layer = 0; layer < 18; ++layer) {
    const std::string blk = cat("blk.", layer, ".");
    expect_tensor(blk + "attn_q.weight", DType::kQ5_0, {1024, 640});
    expect_tensor(blk + "attn_k.weight", DType::kQ5_0, {256, 640});
    expect_tensor(blk + "attn_output.weight", DType::kQ4_K, {640, 1024});
    expect_tensor(blk + "ffn_gate.weight", DType::kQ5_0, {2048, 640});
    expect_tensor(blk + "ffn_up.weight", DType::kQ5_0, {2048, 640});
    expect_tensor(blk + "attn_norm.weight", DType::kF32, {640});
    expect_tensor(blk + "attn_q_norm.weight", DType::kF32, {256});
    v_q8 += file->get(blk + "attn_v.weight").dtype == DType::kQ8_0;
    down_q6 += file->get(blk + "ffn_down.weight").dtype == DType::kQ6_K;
    EXPECT_EQ(file->get(blk + "ffn_down.weight").shape, (std::vector<int64_t>{640, 2048}));
  }
  EXPECT_EQ(v_q8, 9);
  EXPECT_EQ(down_q6, 9);
  EXPECT_EQ(file->get("token_embd.weight").data.size(), 178257920u);
  EXPECT_EQ(file->get_string("general.architecture"), "gemma3");
  EXPECT_EQ(file->get_int("gemma3.block_count"), 18);
  EXPECT_EQ(file->get_int("gemma3.embedding_length"), 640);
  EXPECT_EQ(file->get_strings("tokenizer.ggml.tokens")->size(), 262144u);
  EXPECT_EQ((*file->get_strings("tokenizer.ggml.tokens"))[2], "<bos>");
  EXPECT_EQ(file->get_floats("tokenizer.ggml.scores")->size(), 262144u);
  EXPECT_EQ(file->get_ints("tokenizer.ggml.token_type")->size(), 262144u);
  float norm[4];
  std::memcpy(norm, file->get("blk.0.attn_norm.weight").data.data(), sizeof(norm));
  EXPECT_EQ(norm[0], 16.0f);
  EXPECT_EQ(norm[1], 16.875f);
  EXPECT_EQ(norm[2], 10.8125f);
  EXPECT_EQ(norm[3], 41.5f);
  uint16_t scale;  // first value of row 2 of the embedding: d * q[0] = -0.0142424
  const TensorView& embedding = file->get("token_embd.weight");
  const std::byte* row = embedding.data.data() + 2 * row_bytes(DType::kQ8_0, 640);
  std::memcpy(&scale, row, sizeof(scale));
  EXPECT_NEAR(f16_to_f32(scale) * static_cast<float>(static_cast<int8_t>(row[2])), -0.0142424, 1e-7);
}

}  // namespace
}  // namespace attune::io
