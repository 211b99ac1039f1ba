#include <algorithm>
#include <bit>
#include <cstring>

#include "core/checked.h"
#include "core/error.h"
#include "io/gguf/gguf_internal.h"
#include "io/name_index_internal.h"
#include "io/quote_internal.h"

static_assert(std::endian::native == std::endian::little, "GGUF files are read as they lie in memory");

namespace attune::io {
namespace gguf {

std::string_view value_type_name(uint32_t type) noexcept {
  static constexpr std::string_view kNames[kNumValueTypes] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                                              "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return type < kNumValueTypes ? kNames[type] : "unknown";
}

uint64_t value_type_bytes(uint32_t type) noexcept {
  static constexpr uint64_t kBytes[kNumValueTypes] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return type < kNumValueTypes ? kBytes[type] : 0;
}

namespace {

constexpr uint64_t kMinPairBytes = 8 + 1 + 4 + 1;            // key length, key, type, value
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 8 + 4 + 8;  // name length, name, number of dims, one dim, type, offset
constexpr uint64_t kMaxDims = 4;

/// Reads the header front to back; every read is checked against the bytes that are left.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> bytes, std::string_view file, const GgufLimits& limits)
      : bytes_(bytes), file_(printable(file, 4096)), limits_(limits) {}

  uint64_t position() const noexcept { return position_; }
  uint64_t left() const noexcept { return bytes_.size() - position_; }
  std::span<const std::byte> since(uint64_t begin) const noexcept { return bytes_.subspan(begin, position_ - begin); }

  /// What is being read, for messages: "key general.name", "tensor 3".
  void set_place(std::string place) { place_ = std::move(place); }

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    refuse_as(ErrorCode::kCorruptData, parts...);
  }
  template <class... Parts>
  [[noreturn]] void refuse_as(ErrorCode code, const Parts&... parts) const {
    fail(code, "[", file_, "] ", place_, " at byte ", position_, ": ", parts...);
  }

  template <class T>
  T read() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + position_, sizeof(T));
    position_ += sizeof(T);
    return value;
  }

  /// Length-prefixed text of `min_bytes` to `max_bytes`, as a view into the file.
  std::string_view text(std::string_view what, uint64_t min_bytes, uint64_t max_bytes) {
    const uint64_t size = read<uint64_t>();
    if (size < min_bytes || size > max_bytes) {
      refuse("expected ", what, " of ", min_bytes, " to ", max_bytes, " bytes, found length ", size);
    }
    need(size);
    const std::string_view out(reinterpret_cast<const char*>(bytes_.data()) + position_, size);
    position_ += size;
    return out;
  }

  bool boolean() {
    const uint8_t value = read<uint8_t>();
    if (value > 1) refuse("expected a bool of 0 or 1, found ", value);
    return value == 1;
  }

  /// Adds to the memory that the decoded metadata takes; beyond the limit the file is refused.
  void charge(uint64_t bytes) {
    charged_ += bytes;
    if (charged_ > limits_.max_metadata_bytes) {
      refuse("expected metadata that decodes to at most ", limits_.max_metadata_bytes, " bytes, found more");
    }
  }

  GgufValue value(StoredValue& stored);

 private:
  void need(uint64_t count) const {
    if (count > left())
      refuse("expected ", count, " more bytes, found ", left(), " before the end of the file (", bytes_.size(), " bytes)");
  }

  template <class Stored, class Wide>
  GgufArray numbers(uint64_t count) {
    charge(count * sizeof(Wide));
    std::vector<Wide> out(count);
    const std::byte* from = bytes_.data() + position_;
    for (uint64_t i = 0; i < count; ++i, from += sizeof(Stored)) {
      Stored element;
      std::memcpy(&element, from, sizeof(Stored));
      out[i] = static_cast<Wide>(element);
    }
    position_ += count * sizeof(Stored);
    return out;
  }
  GgufArray array(uint32_t element_type);
  GgufArray strings(uint64_t count);

  std::span<const std::byte> bytes_;
  std::string file_;
  const GgufLimits& limits_;
  uint64_t position_ = 0;
  uint64_t charged_ = 0;
  std::string place_ = "header";
};

GgufArray HeaderReader::strings(uint64_t count) {
  charge(count * sizeof(std::string));
  std::vector<std::string> out;
  out.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const std::string_view element = text("a string", 0, limits_.max_string_bytes);
    charge(element.size());
    out.emplace_back(element);
  }
  return out;
}

GgufArray HeaderReader::array(uint32_t element_type) {
  if (element_type == kArray) refuse("expected an array of plain values, found an array of arrays");
  if (element_type >= kNumValueTypes) refuse("expected an element type from 0 to 12, found ", element_type);
  const uint64_t count = read<uint64_t>();
  if (count > limits_.max_array_elements) refuse("expected an array of at most ", limits_.max_array_elements, " elements, found ", count);
  const uint64_t element_bytes = element_type == kString ? 8 : value_type_bytes(element_type);
  const uint64_t least = checked_mul(count, element_bytes, "[gguf] array");
  if (least > left()) {
    refuse("expected at least ", least, " bytes for ", count, " elements of ", value_type_name(element_type), ", found ", left(),
           " before the end of the file");
  }
  switch (element_type) {
    case kU8: return numbers<uint8_t, uint64_t>(count);
    case kI8: return numbers<int8_t, int64_t>(count);
    case kU16: return numbers<uint16_t, uint64_t>(count);
    case kI16: return numbers<int16_t, int64_t>(count);
    case kU32: return numbers<uint32_t, uint64_t>(count);
    case kI32: return numbers<int32_t, int64_t>(count);
    case kF32: return numbers<float, double>(count);
    case kU64: return numbers<uint64_t, uint64_t>(count);
    case kI64: return numbers<int64_t, int64_t>(count);
    case kF64: return numbers<double, double>(count);
    case kString: return strings(count);
    default: break;
  }
  charge(count / 8);
  std::vector<bool> out(count);
  for (uint64_t i = 0; i < count; ++i) out[i] = boolean();
  return out;
}

GgufValue HeaderReader::value(StoredValue& stored) {
  stored.type = read<uint32_t>();
  uint64_t begin = position_;
  const auto read_value = [&]() -> GgufValue {
    switch (stored.type) {
      case kU8: return uint64_t{read<uint8_t>()};
      case kI8: return int64_t{read<int8_t>()};
      case kU16: return uint64_t{read<uint16_t>()};
      case kI16: return int64_t{read<int16_t>()};
      case kU32: return uint64_t{read<uint32_t>()};
      case kI32: return int64_t{read<int32_t>()};
      case kF32: return double{read<float>()};
      case kBool: return boolean();
      case kU64: return read<uint64_t>();
      case kI64: return read<int64_t>();
      case kF64: return read<double>();
      case kString: {
        const std::string_view element = text("a string", 0, limits_.max_string_bytes);
        charge(element.size());
        return std::string(element);
      }
      case kArray: {
        stored.element_type = read<uint32_t>();
        begin = position_;
        return array(stored.element_type);
      }
      default: refuse("expected a value type from 0 to 12, found ", stored.type);
    }
  };
  GgufValue out = read_value();
  stored.bytes = since(begin);
  return out;
}

/// A tensor entry of the header; the data range is checked once the data section's start is known.
struct TensorInfo {
  std::string name;
  DType dtype;
  std::vector<int64_t> shape;
  uint64_t offset;
};

TensorInfo read_tensor_info(HeaderReader& reader, uint64_t index, const GgufLimits& limits) {
  reader.set_place(cat("tensor ", index));
  TensorInfo info;
  info.name = reader.text("a tensor name", 1, limits.max_name_bytes);
  reader.set_place(cat("tensor ", printable(info.name)));
  const uint32_t num_dims = reader.read<uint32_t>();
  if (num_dims < 1 || num_dims > kMaxDims) reader.refuse("expected 1 to ", kMaxDims, " dimensions, found ", num_dims);
  for (uint32_t i = 0; i < num_dims; ++i) {
    const uint64_t dim = reader.read<uint64_t>();
    if (dim == 0 || dim > (uint64_t{1} << 40)) {
      reader.refuse("expected dimensions from 1 to 2^40, found ", dim, dim >> 63 != 0 ? " (negative)" : "", " in dimension ", i);
    }
    info.shape.insert(info.shape.begin(), static_cast<int64_t>(dim));  // the file has the innermost first
  }
  const uint32_t type = reader.read<uint32_t>();
  const auto dtype = dtype_from_ggml(type);
  if (!dtype) {
    reader.refuse_as(ErrorCode::kUnsupported,
                     "expected a tensor type that is implemented (F32, F16, BF16, Q4_0, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K), found ggml type ",
                     type);
  }
  info.dtype = *dtype;
  info.offset = reader.read<uint64_t>();
  return info;
}

/// order_by_name; a name that occurs twice is refused.
template <class Items, class NameOf>
std::vector<uint32_t> index_by_name(const Items& items, const NameOf& name_of, const HeaderReader& reader, std::string_view what) {
  std::vector<uint32_t> order = order_by_name(items, name_of);
  if (const auto twice = find_duplicate(items, order, name_of)) {
    reader.refuse("expected every ", what, " once, found ", what, " ", printable(name_of(items[*twice])), " twice");
  }
  return order;
}

uint64_t read_preamble(HeaderReader& reader, const GgufLimits& limits, uint64_t& num_tensors) {
  const uint32_t magic = reader.read<uint32_t>();
  if (magic != kMagic) {
    const std::string_view found(reinterpret_cast<const char*>(&magic), 4);
    reader.refuse("expected a GGUF file (first bytes \"GGUF\"), found \"", printable(found), "\"");
  }
  const uint32_t version = reader.read<uint32_t>();
  if (version != kVersion) {
    const bool swapped = (version & 0xffff) == 0 && version != 0;
    reader.refuse_as(ErrorCode::kUnsupported, "expected GGUF version 3, found version ", version,
                     swapped ? " (a big-endian file? only little-endian files are read)" : "");
  }
  num_tensors = reader.read<uint64_t>();
  const uint64_t num_pairs = reader.read<uint64_t>();
  if (num_tensors > limits.max_tensors) reader.refuse("expected at most ", limits.max_tensors, " tensors, found ", num_tensors);
  if (num_pairs > limits.max_pairs) reader.refuse("expected at most ", limits.max_pairs, " metadata pairs, found ", num_pairs);
  const uint64_t least = checked_add(checked_mul(num_pairs, kMinPairBytes, "[gguf] metadata pairs"),
                                     checked_mul(num_tensors, kMinTensorBytes, "[gguf] tensors"), "[gguf] header");
  if (least > reader.left()) {
    reader.refuse("expected at least ", least, " bytes for ", num_pairs, " metadata pairs and ", num_tensors, " tensors, found ",
                  reader.left());
  }
  return num_pairs;
}

/// No two tensors may share a byte: ranges in order of their offsets.
void check_overlaps(const std::vector<TensorView>& tensors, const HeaderReader& reader) {
  std::vector<const TensorView*> order;
  order.reserve(tensors.size());
  for (const TensorView& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const TensorView* a, const TensorView* b) { return a->data.data() < b->data.data(); });
  for (size_t i = 1; i < order.size(); ++i) {
    const std::byte* previous_end = order[i - 1]->data.data() + order[i - 1]->data.size();
    if (order[i]->data.data() < previous_end) {
      reader.refuse("expected tensors that share no bytes, found tensor ", printable(order[i]->name), " beginning ",
                    previous_end - order[i]->data.data(), " bytes before the end of tensor ", printable(order[i - 1]->name));
    }
  }
}

}  // namespace
}  // namespace gguf

void GgufFile::State::parse(const GgufLimits& limits) {
  gguf::HeaderReader reader(bytes, name, limits);
  uint64_t num_tensors = 0;
  const uint64_t num_pairs = gguf::read_preamble(reader, limits, num_tensors);

  metadata.reserve(num_pairs);
  stored.reserve(num_pairs);
  for (uint64_t i = 0; i < num_pairs; ++i) {
    reader.set_place(cat("metadata pair ", i));
    std::string key(reader.text("a key", 1, limits.max_key_bytes));
    reader.set_place(cat("key ", printable(key)));
    reader.charge(key.size());
    gguf::StoredValue raw;
    GgufValue value = reader.value(raw);
    metadata.emplace_back(std::move(key), std::move(value));
    stored.push_back(raw);
  }
  reader.set_place("metadata");
  keys_by_name = gguf::index_by_name(metadata, [](const auto& pair) -> const std::string& { return pair.first; }, reader, "key");

  uint64_t alignment = gguf::kDefaultAlignment;
  if (const gguf::StoredValue* given = find_stored(gguf::kAlignmentKey)) {
    reader.set_place(cat("key ", gguf::kAlignmentKey));
    if (given->type != gguf::kU32) reader.refuse("expected uint32, found ", gguf::value_type_name(given->type));
    uint32_t found = 0;
    std::memcpy(&found, given->bytes.data(), sizeof(found));
    alignment = found;
    if (!std::has_single_bit(alignment) || alignment < gguf::kMinAlignment || alignment > limits.max_alignment) {
      reader.refuse("expected a power of two from ", gguf::kMinAlignment, " to ", limits.max_alignment, ", found ", alignment);
    }
  }

  std::vector<gguf::TensorInfo> infos;
  infos.reserve(num_tensors);
  for (uint64_t i = 0; i < num_tensors; ++i) infos.push_back(gguf::read_tensor_info(reader, i, limits));
  reader.set_place("tensor list");
  tensors_by_name = gguf::index_by_name(infos, [](const auto& info) -> const std::string& { return info.name; }, reader, "tensor");

  const uint64_t data_begin = (reader.position() + alignment - 1) / alignment * alignment;  // position <= file size: cannot wrap
  tensors.reserve(infos.size());
  for (gguf::TensorInfo& info : infos) {
    reader.set_place(cat("tensor ", printable(info.name)));
    if (info.offset % alignment != 0) reader.refuse("expected an offset that is a multiple of ", alignment, ", found ", info.offset);
    const uint64_t size = tensor_bytes(name, info.name, info.dtype, info.shape);
    if (info.offset > bytes.size() || data_begin > bytes.size() - info.offset) {
      reader.refuse("expected ", size, " bytes at offset ", info.offset, " of the data (from byte ", data_begin, "), found a file of ",
                    bytes.size(), " bytes (cut off?)");
    }
    tensors.push_back(
        make_tensor_view(name, std::move(info.name), info.dtype, std::move(info.shape), bytes, data_begin + info.offset, size));
  }
  reader.set_place("data");
  gguf::check_overlaps(tensors, reader);
}

}  // namespace attune::io
