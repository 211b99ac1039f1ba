#include <algorithm>
#include <set>

#include "core/error.h"
#include "io/csv/csv.h"
#include "io/quote_internal.h"
#include "io/safetensors/safetensors_internal.h"

namespace attune::io {
namespace {

/// `text` (valid UTF-8) as a JSON string.
std::string json_string(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20) {
      out += {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
    } else {
      if (c == '"' || c == '\\') out.push_back('\\');
      out.push_back(c);
    }
  }
  return out + "\"";
}

std::string shape_json(const std::vector<int64_t>& shape) {
  std::string out = "[";
  for (size_t i = 0; i < shape.size(); ++i) out += cat(i == 0 ? "" : ",", shape[i]);
  return out + "]";
}

struct Entry {
  std::string name;
  std::string dtype;
  uint64_t bits = 0;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;  ///< empty if declared
  uint64_t size = 0;
  bool declared = false;
};

/// Header type of a TensorView's type.
std::string plain_type(std::string_view name, DType dtype) {
  check(dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16, ErrorCode::kInvalidArgument, "[SafetensorsWriter] tensor ",
        printable(name), ": expected F32, F16 or BF16, found ", dtype_name(dtype));
  return std::string(dtype_name(dtype));
}

std::string shard_name(size_t index, size_t count) {
  const auto digits = [](size_t value) {
    const std::string text = std::to_string(value);
    return std::string(text.size() < 5 ? 5 - text.size() : 0, '0') + text;
  };
  return cat("model-", digits(index + 1), "-of-", digits(count), ".safetensors");
}

}  // namespace

struct SafetensorsWriter::State {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
  std::set<std::string, std::less<>> names;

  void add(std::string name, std::string dtype, std::vector<int64_t> shape, std::span<const std::byte> data, bool declared);
  void write(const Path& file, std::vector<const Entry*> part, const TensorProducer& produce) const;
};

/// Header, padded with spaces to a multiple of 8, and data of `part`, largest elements first.
void SafetensorsWriter::State::write(const Path& path, std::vector<const Entry*> part, const TensorProducer& produce) const {
  std::sort(part.begin(), part.end(), [](const Entry* a, const Entry* b) {  // entries lie in one vector: address order is the order added
    return a->bits != b->bits ? a->bits > b->bits : a < b;
  });
  std::string header = "{";
  const auto comma = [&] { return header.size() == 1 ? "" : ","; };
  if (!metadata.empty()) {
    header += cat(json_string(safetensors::kMetadataKey), ":{");
    const char* separator = "";
    for (const auto& [key, value] : metadata) {
      header += cat(separator, json_string(key), ":", json_string(value));
      separator = ",";
    }
    header += "}";
  }
  uint64_t position = 0;
  for (const Entry* entry : part) {
    header += cat(comma(), json_string(entry->name), ":{\"dtype\":", json_string(entry->dtype), ",\"shape\":", shape_json(entry->shape),
                  ",\"data_offsets\":[", position, ",", position + entry->size, "]}");
    position += entry->size;
  }
  header += "}";
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t header_size = header.size();
  check(header_size <= SafetensorsLimits{}.max_header_bytes, ErrorCode::kInvalidArgument,
        "[SafetensorsWriter] expected a header of at most ", SafetensorsLimits{}.max_header_bytes, " bytes, found ", header_size);
  write_file_atomic(path, [&](AtomicFile& file) {
    file.write(std::string_view(reinterpret_cast<const char*>(&header_size), sizeof(header_size)));
    file.write(header);
    for (const Entry* entry : part) {
      if (entry->declared) {
        produce_tensor("SafetensorsWriter", entry->name, entry->size, static_cast<size_t>(entry - entries.data()), produce, file);
      } else {
        file.write(entry->data);
      }
    }
  });
}

SafetensorsWriter::SafetensorsWriter() : state_(std::make_unique<State>()) {}
SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::State::add(std::string name, std::string dtype, std::vector<int64_t> shape, std::span<const std::byte> data,
                                   bool declared) {
  const auto require = [&](bool condition, const auto&... parts) {
    check(condition, ErrorCode::kInvalidArgument, "[SafetensorsWriter] tensor ", printable(name), ": ", parts...);
  };
  require(!name.empty() && name != safetensors::kMetadataKey && is_valid_utf8(name), "expected a name of valid UTF-8 that is not reserved");
  require(!names.contains(name), "expected every tensor once, found it twice");
  require(std::all_of(shape.begin(), shape.end(), [](int64_t dim) { return dim >= 0; }), "expected no negative dimension, found ",
          shape_string(shape));
  const auto bits = safetensors::element_bits(dtype);
  require(bits.has_value(), "expected a type of the format, found ", printable(dtype));
  const auto bytes = safetensors::span_bytes(shape, *bits);
  require(bytes.has_value() && (declared || *bytes == data.size()), "expected ", bytes.value_or(0), " bytes for ", dtype, " ",
          shape_string(shape), ", found ", data.size());
  names.insert(name);
  entries.push_back({std::move(name), std::move(dtype), *bits, std::move(shape), data, *bytes, declared});
}

void SafetensorsWriter::add_raw(std::string name, std::string dtype, std::vector<int64_t> shape, std::span<const std::byte> data) {
  state_->add(std::move(name), std::move(dtype), std::move(shape), data, false);
}

void SafetensorsWriter::add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data) {
  std::string type = plain_type(name, dtype);
  state_->add(std::move(name), std::move(type), std::move(shape), data, false);
}

void SafetensorsWriter::declare_tensor(std::string name, DType dtype, std::vector<int64_t> shape) {
  std::string type = plain_type(name, dtype);
  state_->add(std::move(name), std::move(type), std::move(shape), {}, true);
}

uint64_t SafetensorsWriter::data_bytes() const noexcept {
  uint64_t total = 0;
  for (const Entry& entry : state_->entries) total += entry.size;
  return total;
}

void SafetensorsWriter::add_metadata(std::string key, std::string value) {
  check(is_valid_utf8(key) && is_valid_utf8(value), ErrorCode::kInvalidArgument, "[SafetensorsWriter] metadata ", printable(key),
        ": expected valid UTF-8, found other bytes");
  const auto [place, inserted] = state_->metadata.emplace(std::move(key), std::move(value));
  check(inserted, ErrorCode::kInvalidArgument, "[SafetensorsWriter] metadata ", printable(place->first),
        ": expected every key once, found it twice");
}

void SafetensorsWriter::write(const Path& file, const TensorProducer& produce) const {
  std::vector<const Entry*> all;
  for (const Entry& entry : state_->entries) all.push_back(&entry);
  state_->write(file, std::move(all), produce);
}

void SafetensorsWriter::write_shards(const Path& folder, uint64_t max_shard_bytes, const TensorProducer& produce) const {
  check(max_shard_bytes > 0, ErrorCode::kInvalidArgument, "[SafetensorsWriter] expected a shard size above 0, found 0");
  std::vector<std::vector<const Entry*>> shards(1);
  uint64_t filled = 0;
  uint64_t total = 0;
  for (const Entry& entry : state_->entries) {
    if (!shards.back().empty() && entry.size > max_shard_bytes - std::min(filled, max_shard_bytes)) {
      shards.emplace_back();
      filled = 0;
    }
    shards.back().push_back(&entry);
    filled += entry.size;
    total += entry.size;
  }
  std::string index = cat("{\"metadata\":{\"total_size\":", total, "},\"weight_map\":{");
  const char* separator = "\n";
  for (size_t i = 0; i < shards.size(); ++i) {
    const std::string name = shard_name(i, shards.size());
    state_->write(folder / name, shards[i], produce);
    for (const Entry* entry : shards[i]) {
      index += cat(separator, json_string(entry->name), ":", json_string(name));
      separator = ",\n";
    }
  }
  index += "\n}}\n";
  write_file_atomic(folder / safetensors::kIndexName, index);
}

}  // namespace attune::io
