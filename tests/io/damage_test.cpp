// Every byte damaged, every length cut: a load either succeeds, and then everything that it offers can be read, or throws Error.
// Meant to run under AddressSanitizer and UndefinedBehaviorSanitizer too.
#include <gtest/gtest.h>

#include "core/error.h"
#include "io/gguf.h"
#include "io/npy/npy.h"
#include "io/safetensors.h"
#include "tests/io/files.h"

namespace attune::io {
namespace {

using test::ExactBytes;

constexpr size_t kMaxDamagedBytes = 20 << 10;

uint64_t read_all(const TensorSource& source) {
  uint64_t sum = 0;
  for (const TensorView& view : source.tensors()) {
    sum += static_cast<uint64_t>(view.num_elements()) + view.name.size();
    for (const std::byte byte : view.data) sum += static_cast<uint64_t>(byte);
    if (source.find(view.name) != &view) throw std::logic_error("a listed tensor is not found");
  }
  return sum;
}

uint64_t load_gguf(std::span<const std::byte> bytes) {
  const auto file = GgufFile::parse(bytes, "damaged.gguf");
  for (const auto& [key, value] : file->metadata()) {
    if (file->find_metadata(key) != &value) throw std::logic_error("a listed key is not found");
  }
  return read_all(*file);
}

uint64_t load_safetensors(std::span<const std::byte> bytes) {
  const auto file = SafetensorsFile::parse(bytes, "damaged.safetensors");
  uint64_t sum = 0;
  for (const auto& raw : file->unsupported()) {
    for (const std::byte byte : raw.data) sum += static_cast<uint64_t>(byte);
  }
  return sum + read_all(*file);
}

uint64_t load_npy(std::span<const std::byte> bytes) { return parse_npy(bytes, "damaged.npy").bytes.size(); }

struct Counts {
  int loaded = 0;
  int refused = 0;
};

template <class Load>
void attempt(std::string_view bytes, const Load& load, Counts& counts) {
  const ExactBytes exact(bytes);
  try {
    load(exact.span());
    ++counts.loaded;
  } catch (const Error& error) {
    ++counts.refused;
    EXPECT_TRUE(error.code() == ErrorCode::kCorruptData || error.code() == ErrorCode::kUnsupported) << error.what();
    EXPECT_NE(std::string(error.what()).find("damaged."), std::string::npos) << error.what();
  }
}

/// All masks: the byte inverted, and each bit alone.
template <class Load>
Counts flip_every_byte(std::string bytes, const Load& load) {
  Counts counts;
  for (size_t i = 0; i < std::min(bytes.size(), kMaxDamagedBytes); ++i) {
    for (const int mask : {0xff, 1, 2, 4, 8, 16, 32, 64, 128}) {
      bytes[i] = static_cast<char>(bytes[i] ^ mask);
      attempt(bytes, load, counts);
      bytes[i] = static_cast<char>(bytes[i] ^ mask);
    }
  }
  return counts;
}

template <class Load>
Counts cut_at_every_length(const std::string& bytes, const Load& load) {
  Counts counts;
  for (size_t size = 0; size < std::min(bytes.size(), kMaxDamagedBytes); ++size)
    attempt(std::string_view(bytes).substr(0, size), load, counts);
  return counts;
}

/// The committed fixture if it is there, otherwise the sound file of these tests.
std::string micro_gguf() {
  const Path path = test::source_path("data/micro.gguf");
  return std::filesystem::exists(path) ? read_file(path) : test::sound_gguf().build();
}

std::string micro_safetensors() {
  test::ScratchFolder folder;
  const std::string data(512, 'd');
  const auto part = [&](size_t begin, size_t size) { return std::as_bytes(std::span(data)).subspan(begin, size); };
  SafetensorsWriter writer;
  writer.add_metadata("format", "pt");
  writer.add_tensor("model.norm.weight", DType::kF32, {8}, part(0, 32));
  writer.add_tensor("model.embed_tokens.weight", DType::kBF16, {8, 4}, part(32, 64));
  writer.add_tensor("half", DType::kF16, {3}, part(100, 6));
  writer.add_raw("ids", "I64", {2, 2}, part(128, 32));
  writer.add_raw("bytes", "U8", {5}, part(200, 5));
  writer.write(folder / "micro.safetensors");
  return read_file(folder / "micro.safetensors");
}

TEST(Damage, GgufBytes) {
  const std::string bytes = micro_gguf();
  ASSERT_LE(bytes.size(), kMaxDamagedBytes);
  const Counts counts = flip_every_byte(bytes, load_gguf);
  EXPECT_GT(counts.loaded, 0);  // damage of weights is not seen by a format without checksums
  EXPECT_GT(counts.refused, 100);
}

TEST(Damage, SyntheticGgufBytes) {
  const Counts counts = flip_every_byte(test::sound_gguf().build(), load_gguf);
  EXPECT_GT(counts.refused, 100);
}

TEST(Damage, GgufLengths) {
  const Counts counts = cut_at_every_length(micro_gguf(), load_gguf);
  EXPECT_EQ(counts.loaded, 0);
}

TEST(Damage, SafetensorsBytes) {
  const Counts counts = flip_every_byte(micro_safetensors(), load_safetensors);
  EXPECT_GT(counts.loaded, 0);
  EXPECT_GT(counts.refused, 100);
}

TEST(Damage, SafetensorsLengths) {
  const Counts counts = cut_at_every_length(micro_safetensors(), load_safetensors);
  EXPECT_EQ(counts.loaded, 0);
}

TEST(Damage, NpyBytesAndLengths) {
  test::ScratchFolder folder;
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  write_npy(folder / "a.npy", values, {2, 3});
  const std::string bytes = read_file(folder / "a.npy");
  EXPECT_GT(flip_every_byte(bytes, load_npy).refused, 100);
  EXPECT_EQ(cut_at_every_length(bytes, load_npy).loaded, 0);
}

}  // namespace
}  // namespace attune::io
