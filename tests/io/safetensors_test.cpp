// safetensors: files of the reference library, round trips, shards.
#include "io/safetensors.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/rng.h"
#include "tests/expect_error.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using attune::test::expect_error;
using test::ExactBytes;
using test::safetensors_bytes;
using test::ScratchFolder;

std::vector<std::byte> noise(size_t size, uint64_t seed = 1) {
  Rng rng(seed);
  std::vector<std::byte> out(size);
  for (std::byte& byte : out) byte = static_cast<std::byte>(rng.below(256));
  return out;
}

bool equal(std::span<const std::byte> a, std::span<const std::byte> b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

TEST(Safetensors, ReadsASoundFile) {
  const ExactBytes bytes(safetensors_bytes(R"({"__metadata__":{"format":"pt"},"b":{"dtype":"BF16","shape":[2],"data_offsets":[8,12]},)"
                                           R"("a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}   )",
                                           "01234567abcd"));
  const auto file = SafetensorsFile::parse(bytes.span(), "t.safetensors");
  ASSERT_EQ(file->tensors().size(), 2u);
  EXPECT_EQ(file->tensors()[0].name, "a");  // in the order of the data
  EXPECT_EQ(file->get("a").shape, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(file->get("b").dtype, DType::kBF16);
  EXPECT_EQ(file->get("b").data[3], std::byte{'d'});
  EXPECT_EQ(file->metadata().at("format"), "pt");
  EXPECT_EQ(file->find("c"), nullptr);
  expect_error(ErrorCode::kNotFound, "named c", [&] { file->get("c"); });
  EXPECT_FALSE(file->changed());
}

TEST(Safetensors, TensorsThatAViewCannotHoldAreListed) {
  const ExactBytes bytes(safetensors_bytes(
      R"({"i":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"f8":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[8,12]},)"
      R"("empty":{"dtype":"F32","shape":[0,3],"data_offsets":[12,12]},"deep":{"dtype":"F16","shape":[1,1,1,1,2],"data_offsets":[12,16]},)"
      R"("future":{"dtype":"Q3","shape":[7],"data_offsets":[16,17]},"f4":{"dtype":"F4","shape":[2],"data_offsets":[17,18]},)"
      R"("scalar":{"dtype":"U8","shape":[],"data_offsets":[18,19]}})",
      "0123456789abcdefxyz"));
  const auto file = SafetensorsFile::parse(bytes.span(), "t.safetensors");
  EXPECT_TRUE(file->tensors().empty());
  ASSERT_EQ(file->unsupported().size(), 7u);
  ASSERT_NE(file->find_raw("i"), nullptr);
  EXPECT_EQ(file->find_raw("i")->dtype, "I64");
  EXPECT_EQ(file->find_raw("i")->data.size(), 8u);
  EXPECT_EQ(file->find_raw("future")->data[0], std::byte{'x'});
  EXPECT_EQ(file->find_raw("deep")->shape.size(), 5u);
  EXPECT_TRUE(file->find_raw("empty")->data.empty());
  EXPECT_EQ(file->find_raw("none"), nullptr);
  expect_error(ErrorCode::kUnsupported, "tensor f8: expected F32, F16 or BF16", [&] { file->get("f8"); });
  expect_error(ErrorCode::kUnsupported, "found F32 [0, 3]", [&] { file->get("empty"); });
}

TEST(Safetensors, AScalarIsAView) {
  const ExactBytes bytes(safetensors_bytes(R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", std::string("\0\0\x80?", 4)));
  const auto file = SafetensorsFile::parse(bytes.span(), "t.safetensors");
  EXPECT_TRUE(file->get("s").shape.empty());
  EXPECT_EQ(file->get("s").num_elements(), 1);
}

/// Header of odd length and a U8 tensor in front: neither file position is a multiple of 4.
TEST(Safetensors, UnalignedTensorsAreCopied) {
  const std::string json = R"({"u":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"f":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}})";
  for (size_t spaces = 0; spaces < 8; ++spaces) {
    const ExactBytes bytes(safetensors_bytes(json + std::string(spaces, ' '), std::string("u\0\0\x80?", 5)));
    const auto file = SafetensorsFile::parse(bytes.span(), "t.safetensors");
    const TensorView& view = file->get("f");
    ASSERT_EQ(reinterpret_cast<uintptr_t>(view.data.data()) % 4, 0u);
    EXPECT_EQ(*reinterpret_cast<const float*>(view.data.data()), 1.0f);
  }
}

TEST(Safetensors, NamesMayBeAnyText) {
  const ExactBytes bytes(safetensors_bytes("{\"\\u00e9\\n\\\"\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", "x"));
  const auto file = SafetensorsFile::parse(bytes.span(), "t.safetensors");
  EXPECT_NE(file->find_raw("\xc3\xa9\n\""), nullptr);
}

TEST(Safetensors, AnEmptyObjectIsAFileWithoutTensors) {
  const ExactBytes bytes(safetensors_bytes("{}", ""));
  EXPECT_TRUE(SafetensorsFile::parse(bytes.span(), "t.safetensors")->tensors().empty());
}

TEST(Safetensors, WriterRoundTrip) {
  ScratchFolder folder;
  const auto data = noise(4096);
  const auto part = [&](size_t begin, size_t size) { return std::span<const std::byte>(data).subspan(begin, size); };
  SafetensorsWriter writer;
  writer.add_tensor("model.a.weight", DType::kBF16, {3, 5}, part(0, 30));
  writer.add_raw("mask", "BOOL", {7}, part(30, 7));
  writer.add_tensor("b \"quoted\" \\ \n \xc3\xa9", DType::kF32, {2, 2}, part(40, 16));
  writer.add_raw("ids", "I64", {2}, part(60, 16));
  writer.add_tensor("half", DType::kF16, {9}, part(100, 18));
  writer.add_raw("empty", "F32", {0}, {});
  writer.add_metadata("format", "pt");
  writer.add_metadata("note", "line\nbreak \x01");
  writer.write(folder / "a.safetensors");

  const auto file = SafetensorsFile::open(folder / "a.safetensors");
  EXPECT_EQ(file->tensors().size(), 3u);
  EXPECT_TRUE(equal(file->get("model.a.weight").data, part(0, 30)));
  EXPECT_EQ(file->get("model.a.weight").shape, (std::vector<int64_t>{3, 5}));
  EXPECT_TRUE(equal(file->get("b \"quoted\" \\ \n \xc3\xa9").data, part(40, 16)));
  EXPECT_TRUE(equal(file->get("half").data, part(100, 18)));
  EXPECT_TRUE(equal(file->find_raw("ids")->data, part(60, 16)));
  EXPECT_TRUE(equal(file->find_raw("mask")->data, part(30, 7)));
  EXPECT_EQ(file->find_raw("empty")->shape, (std::vector<int64_t>{0}));
  EXPECT_EQ(file->metadata().at("note"), "line\nbreak \x01");
  // Largest elements first, so that nothing had to be copied for its alignment.
  const std::byte* ids = file->find_raw("ids")->data.data();
  EXPECT_EQ(file->find("b \"quoted\" \\ \n \xc3\xa9")->data.data(), ids + 16);
  EXPECT_EQ(file->find("model.a.weight")->data.data(), ids + 32);
  EXPECT_EQ(file->find("half")->data.data(), ids + 62);
  EXPECT_EQ(file->find_raw("mask")->data.data(), ids + 80);
  uint64_t header_size = 0;
  const std::string text = read_file(folder / "a.safetensors");
  std::memcpy(&header_size, text.data(), 8);
  EXPECT_EQ(header_size % 8, 0u);
}

TEST(Safetensors, WriterRefusesWhatTheReaderWould) {
  const auto data = noise(64);
  const auto refused = [](std::string_view fragment, const auto& body) { expect_error(ErrorCode::kInvalidArgument, fragment, body); };
  SafetensorsWriter writer;
  writer.add_tensor("t", DType::kF32, {16}, data);
  writer.add_metadata("k", "v");
  refused("found it twice", [&] { writer.add_tensor("t", DType::kF32, {16}, data); });
  refused("not reserved", [&] { writer.add_tensor("", DType::kF32, {16}, data); });
  refused("not reserved", [&] { writer.add_tensor("__metadata__", DType::kF32, {16}, data); });
  refused("valid UTF-8", [&] { writer.add_tensor("\xff", DType::kF32, {16}, data); });
  refused("expected 60 bytes for F32 [15], found 64", [&] { writer.add_tensor("u", DType::kF32, {15}, data); });
  refused("no negative dimension", [&] { writer.add_raw("u", "U8", {-1, -64}, data); });
  refused("found Q8_0", [&] { writer.add_tensor("u", DType::kQ8_0, {32}, data); });
  refused("found F12", [&] { writer.add_raw("u", "F12", {1}, data); });
  refused("found it twice", [&] { writer.add_metadata("k", "w"); });
  refused("valid UTF-8", [&] { writer.add_metadata("m", "\xc3"); });
}

TEST(Safetensors, ShardsRoundTrip) {
  ScratchFolder folder;
  const auto data = noise(1000);
  SafetensorsWriter writer;
  for (int i = 0; i < 10; ++i) {
    writer.add_raw(cat("t", i), "U8", {100}, std::span<const std::byte>(data).subspan(static_cast<size_t>(i) * 100, 100));
  }
  writer.add_tensor("f", DType::kF32, {1}, std::span<const std::byte>(data).first(4));
  writer.add_metadata("format", "pt");
  writer.write_shards(folder.path(), 250);  // 2 a shard, the small one fits beside the last: 5 shards
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00001-of-00005.safetensors"));
  for (const Path& path : {folder.path(), folder / "model.safetensors.index.json"}) {
    const auto file = SafetensorsFile::open(path);
    EXPECT_EQ(file->unsupported().size(), 10u);
    EXPECT_TRUE(equal(file->find_raw("t7")->data, std::span<const std::byte>(data).subspan(700, 100)));
    EXPECT_EQ(file->tensors().size(), 1u);
    EXPECT_EQ(file->metadata().at("format"), "pt");
    EXPECT_FALSE(file->changed());
  }
  const auto file = SafetensorsFile::open(folder.path());
  std::filesystem::resize_file(folder / "model-00003-of-00005.safetensors", 10);
  EXPECT_TRUE(file->changed());
}

TEST(Safetensors, DeclaredTensorsAreProducedInFileOrder) {
  ScratchFolder folder;
  const auto data = noise(64);
  const auto part = [&](size_t size) { return std::span<const std::byte>(data).first(size); };
  SafetensorsWriter whole, declared;
  whole.add_tensor("half", DType::kF16, {5}, part(10));
  declared.declare_tensor("half", DType::kF16, {5});
  whole.add_tensor("single", DType::kF32, {2, 8}, part(64));
  declared.declare_tensor("single", DType::kF32, {2, 8});
  std::vector<size_t> order;
  const TensorProducer produce = [&](size_t index, AtomicFile& out) {
    order.push_back(index);
    out.write(part(index == 0 ? 10 : 64));
  };
  whole.write(folder / "whole.safetensors");
  declared.write(folder / "declared.safetensors", produce);
  EXPECT_EQ(order, (std::vector<size_t>{1, 0}));  // larger elements first
  EXPECT_EQ(read_file(folder / "declared.safetensors"), read_file(folder / "whole.safetensors"));
  EXPECT_EQ(declared.data_bytes(), 74u);
  declared.write_shards(folder.path(), 64, produce);
  const auto file = SafetensorsFile::open(folder / "model.safetensors.index.json");
  EXPECT_TRUE(equal(file->get("half").data, part(10)));
  EXPECT_TRUE(equal(file->get("single").data, part(64)));
  expect_error(ErrorCode::kFailedPrecondition, "expected a producer", [&] { declared.write(folder / "c.safetensors"); });
  expect_error(ErrorCode::kInternal, "expected 64 bytes", [&] { declared.write(folder / "c.safetensors", [](size_t, AtomicFile&) {}); });
  EXPECT_FALSE(std::filesystem::exists(folder / "c.safetensors"));
  expect_error(ErrorCode::kInvalidArgument, "found Q8_0", [&] { declared.declare_tensor("q", DType::kQ8_0, {32}); });
}

TEST(Safetensors, ATensorLargerThanAShardStandsAlone) {
  ScratchFolder folder;
  const auto data = noise(1000);
  SafetensorsWriter writer;
  writer.add_raw("small", "U8", {10}, std::span<const std::byte>(data).first(10));
  writer.add_raw("large", "U8", {1000}, data);
  writer.add_raw("last", "U8", {10}, std::span<const std::byte>(data).first(10));
  writer.write_shards(folder.path(), 100);
  EXPECT_TRUE(std::filesystem::exists(folder / "model-00003-of-00003.safetensors"));
  EXPECT_EQ(SafetensorsFile::open(folder.path())->find_raw("large")->data.size(), 1000u);
  expect_error(ErrorCode::kInvalidArgument, "shard size", [&] { writer.write_shards(folder.path(), 0); });
}

TEST(Safetensors, AFolderIsSearched) {
  ScratchFolder folder;
  expect_error(ErrorCode::kNotFound, "found neither", [&] { SafetensorsFile::open(folder.path()); });
  SafetensorsWriter writer;
  const auto data = noise(1);
  writer.add_raw("t", "U8", {}, data);
  writer.write(folder / "model.safetensors");
  EXPECT_NE(SafetensorsFile::open(folder.path())->find_raw("t"), nullptr);
  writer.write_shards(folder.path(), 100);
  expect_error(ErrorCode::kFailedPrecondition, "found both", [&] { SafetensorsFile::open(folder.path()); });
  expect_error(ErrorCode::kNotFound, "none.safetensors", [&] { SafetensorsFile::open(folder / "none.safetensors"); });
}

/// What the reference library wrote for the fixture model.
TEST(Safetensors, ReadsReferenceFiles) {
  const Path path = test::source_path("data/tiny");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is absent";
  const auto file = SafetensorsFile::open(path);
  EXPECT_GT(file->tensors().size(), 60u);
  EXPECT_TRUE(file->unsupported().empty());
  const TensorView& embedding = file->get("model.embed_tokens.weight");
  EXPECT_EQ(embedding.shape, (std::vector<int64_t>{512, 64}));
  EXPECT_EQ(embedding.dtype, DType::kF32);
  EXPECT_EQ(file->get("model.layers.0.mlp.gate_proj.weight").dtype, DType::kF16);
  const auto bf16 = SafetensorsFile::open(test::source_path("data/tiny_bf16"));
  EXPECT_EQ(bf16->get("model.embed_tokens.weight").dtype, DType::kBF16);
}

}  // namespace
}  // namespace attune::io
