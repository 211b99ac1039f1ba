// Builders of GGUF and safetensors bytes that share no code with the product, and a scratch folder.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace attune::io::test {

/// The repository's root, and a file below its data/ (may be absent).
inline Path source_path(std::string_view below) { return Path(ATTUNE_SOURCE_DIR) / below; }

/// A folder of its own for each test, removed afterwards.
class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  Path operator/(std::string_view name) const { return path_ / name; }
  const Path& path() const { return path_; }

 private:
  Path path_;
};

/// Bytes in a block of exactly their size at an address that is a multiple of 16, so that AddressSanitizer sees one byte too many.
class ExactBytes {
 public:
  explicit ExactBytes(std::string_view text) : size_(text.size()), data_(new char[text.size()]) {
    if (size_ > 0) std::memcpy(data_.get(), text.data(), size_);
  }
  std::span<const std::byte> span() const { return {reinterpret_cast<const std::byte*>(data_.get()), size_}; }

 private:
  size_t size_;
  std::unique_ptr<char[]> data_;
};

template <class T>
std::string raw(T value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof(value));
}
std::string raw_text(std::string_view text);

/// A GGUF file as plain data: every field can be set to anything before `build`.
struct GgufSpec {
  struct Pair {
    std::string key;
    uint32_t type;
    std::string payload;
    std::optional<uint64_t> key_length;
  };
  struct Tensor {
    std::string name;
    std::vector<uint64_t> dims;  ///< as in the file: innermost first
    uint32_t type;
    uint64_t offset;
    std::optional<uint32_t> num_dims;
    std::optional<uint64_t> name_length;
  };
  std::string magic = "GGUF";
  uint32_t version = 3;
  std::vector<Pair> pairs;
  std::vector<Tensor> tensors;
  std::optional<uint64_t> num_pairs;
  std::optional<uint64_t> num_tensors;
  uint64_t alignment = 32;
  std::string data;

  std::string build() const;
};

/// A sound file: 8 pairs of every kind, tensors a.weight F32 [4, 8], b.weight Q8_0 [2, 32], c.weight F32 [8].
GgufSpec sound_gguf();

std::string string_array(const std::vector<std::string>& values);
template <class T>
std::string number_array(uint32_t type, const std::vector<T>& values) {
  std::string out = raw(type) + raw<uint64_t>(values.size());
  for (const T value : values) out += raw(value);
  return out;
}

/// Header length, JSON, data.
std::string safetensors_bytes(std::string_view json, std::string_view data, std::optional<uint64_t> length = std::nullopt);

}  // namespace attune::io::test
