// What reader and writer of safetensors share (docs/formats/safetensors.md).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "io/safetensors.h"

namespace attune::io::safetensors {

inline constexpr std::string_view kMetadataKey = "__metadata__";
inline constexpr std::string_view kIndexName = "model.safetensors.index.json";
inline constexpr std::string_view kFileName = "model.safetensors";

/// Bits of one element of a header type, or nothing for a name that is not of the format.
std::optional<uint64_t> element_bits(std::string_view dtype) noexcept;

/// Bytes of `shape` elements of `bits` each; nothing if that wraps or is no whole number of bytes. Dimensions must not be negative.
std::optional<uint64_t> span_bytes(const std::vector<int64_t>& shape, uint64_t bits) noexcept;

struct HeaderEntry {
  std::string name;
  std::string dtype;
  std::vector<int64_t> shape;
  uint64_t begin = 0;  ///< relative to the data section
  uint64_t end = 0;
};

struct Header {
  std::vector<HeaderEntry> entries;  ///< in the header's order
  std::map<std::string, std::string> metadata;
};

/// Parses the JSON text of a header: one object, no key twice, tensors with exactly dtype, shape and data_offsets. The layout of the
/// data is not looked at. Throws kCorruptData naming `file` and key. Memory: that of the result.
Header parse_header(std::string_view json, std::string_view file, const SafetensorsLimits& limits);

/// The weight_map of an index: pairs (tensor, shard) in the file's order, no tensor twice; shard names are plain file names
/// ([A-Za-z0-9._-], at most 128, ending in .safetensors). Throws kCorruptData naming `file` and key.
std::vector<std::pair<std::string, std::string>> parse_index(std::string_view json, std::string_view file, const SafetensorsLimits& limits);

}  // namespace attune::io::safetensors
