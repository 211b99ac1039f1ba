// What reader and writer of GGUF share: the numbers of the format (docs/formats/gguf.md) and the reader's state.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "io/gguf.h"

namespace attune::io {

namespace gguf {

inline constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
inline constexpr uint32_t kVersion = 3;
inline constexpr uint64_t kDefaultAlignment = 32;
inline constexpr uint64_t kMinAlignment = 8;
inline constexpr std::string_view kAlignmentKey = "general.alignment";

enum ValueType : uint32_t { kU8, kI8, kU16, kI16, kU32, kI32, kF32, kBool, kString, kArray, kU64, kI64, kF64, kNumValueTypes };

/// "uint8", "array": names for messages; "type 99" is not among them.
std::string_view value_type_name(uint32_t type) noexcept;
/// Bytes of a value of a fixed-size type; 0 for strings and arrays.
uint64_t value_type_bytes(uint32_t type) noexcept;

/// How a pair is stored: type number, element type of an array, and the value's bytes (an array's without the type number in front).
struct StoredValue {
  uint32_t type = kU8;
  uint32_t element_type = kU8;
  std::span<const std::byte> bytes;
};

}  // namespace gguf

struct GgufFile::State {
  MappedFile file;  ///< empty when parsed from memory
  std::string name;
  std::span<const std::byte> bytes;
  std::vector<std::pair<std::string, GgufValue>> metadata;
  std::vector<gguf::StoredValue> stored;  ///< as metadata
  std::vector<TensorView> tensors;
  std::vector<uint32_t> keys_by_name;     ///< indices into metadata
  std::vector<uint32_t> tensors_by_name;  ///< indices into tensors

  void parse(const GgufLimits& limits);
  const gguf::StoredValue* find_stored(std::string_view key) const noexcept;
};

}  // namespace attune::io
