#include <bit>
#include <cstring>
#include <set>

#include "core/error.h"
#include "io/gguf/gguf_internal.h"
#include "io/quote_internal.h"

namespace attune::io {
namespace {

template <class T>
void append(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void append_text(std::string& out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out.append(text);
}

/// Payload of an array: count, then elements.
template <class T, class Values>
std::string array_payload(const Values& values) {
  std::string out;
  append<uint64_t>(out, values.size());
  for (const auto& value : values) append<T>(out, static_cast<T>(value));
  return out;
}

template <class T>
std::string scalar_payload(T value) {
  std::string out;
  append(out, value);
  return out;
}

uint64_t align_up(uint64_t value, uint64_t alignment) { return (value + alignment - 1) / alignment * alignment; }

}  // namespace

struct GgufWriter::State {
  struct Pair {
    std::string key;
    uint32_t type;
    uint32_t element_type;
    std::string payload;
  };
  std::vector<Pair> pairs;
  struct Tensor {
    std::string name;
    DType dtype = DType::kF32;
    std::vector<int64_t> shape;
    std::span<const std::byte> data;  ///< empty if declared
    uint64_t size = 0;
    bool declared = false;
  };
  std::vector<Tensor> tensors;
  std::set<std::string, std::less<>> keys;
  std::set<std::string, std::less<>> names;
  uint64_t alignment = gguf::kDefaultAlignment;

  void add(std::string key, uint32_t type, uint32_t element_type, std::string payload);
  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data, bool declared);
  std::string header() const;
};

void GgufWriter::State::add(std::string key, uint32_t type, uint32_t element_type, std::string payload) {
  check(!key.empty() && key.size() <= GgufLimits{}.max_key_bytes, ErrorCode::kInvalidArgument,
        "[GgufWriter] expected a key of 1 to 65535 bytes, found ", key.size());
  check(!keys.contains(key), ErrorCode::kInvalidArgument, "[GgufWriter] expected every key once, found ", printable(key), " twice");
  if (key == gguf::kAlignmentKey) {
    uint32_t value = 0;
    if (type == gguf::kU32) std::memcpy(&value, payload.data(), sizeof(value));
    check(std::has_single_bit(value) && value >= gguf::kMinAlignment && value <= GgufLimits{}.max_alignment, ErrorCode::kInvalidArgument,
          "[GgufWriter] ", key, ": expected a uint32 power of two from 8 to 4096, found ", gguf::value_type_name(type), " ", value);
    alignment = value;
  }
  keys.insert(key);
  pairs.push_back({std::move(key), type, element_type, std::move(payload)});
}

GgufWriter::GgufWriter() : state_(std::make_unique<State>()) {}
GgufWriter::~GgufWriter() = default;

void GgufWriter::add_u32(std::string key, uint32_t value) { state_->add(std::move(key), gguf::kU32, 0, scalar_payload(value)); }
void GgufWriter::add_u64(std::string key, uint64_t value) { state_->add(std::move(key), gguf::kU64, 0, scalar_payload(value)); }
void GgufWriter::add_i32(std::string key, int32_t value) { state_->add(std::move(key), gguf::kI32, 0, scalar_payload(value)); }
void GgufWriter::add_f32(std::string key, float value) { state_->add(std::move(key), gguf::kF32, 0, scalar_payload(value)); }
void GgufWriter::add_f64(std::string key, double value) { state_->add(std::move(key), gguf::kF64, 0, scalar_payload(value)); }
void GgufWriter::add_bool(std::string key, bool value) { state_->add(std::move(key), gguf::kBool, 0, scalar_payload<uint8_t>(value)); }

void GgufWriter::add_string(std::string key, std::string value) {
  std::string payload;
  append_text(payload, value);
  state_->add(std::move(key), gguf::kString, 0, std::move(payload));
}

void GgufWriter::add_strings(std::string key, std::vector<std::string> values) {
  std::string payload;
  append<uint64_t>(payload, values.size());
  for (const std::string& value : values) append_text(payload, value);
  state_->add(std::move(key), gguf::kArray, gguf::kString, std::move(payload));
}

void GgufWriter::add_f32s(std::string key, std::vector<float> values) {
  state_->add(std::move(key), gguf::kArray, gguf::kF32, array_payload<float>(values));
}
void GgufWriter::add_i32s(std::string key, std::vector<int32_t> values) {
  state_->add(std::move(key), gguf::kArray, gguf::kI32, array_payload<int32_t>(values));
}
void GgufWriter::add_bools(std::string key, std::vector<bool> values) {
  state_->add(std::move(key), gguf::kArray, gguf::kBool, array_payload<uint8_t>(values));
}

void GgufWriter::copy_metadata(const GgufFile& from, std::string_view key) {
  const gguf::StoredValue* stored = from.state_->find_stored(key);
  check(stored != nullptr, ErrorCode::kNotFound, "[", from.description(), "] expected a key ", printable(key), ", found none");
  state_->add(std::string(key), stored->type, stored->element_type,
              std::string(reinterpret_cast<const char*>(stored->bytes.data()), stored->bytes.size()));
}

void GgufWriter::State::add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data,
                                   bool declared) {
  check(!name.empty() && name.size() <= GgufLimits{}.max_name_bytes, ErrorCode::kInvalidArgument,
        "[GgufWriter] expected a tensor name of 1 to 256 bytes, found ", name.size());
  check(!names.contains(name), ErrorCode::kInvalidArgument, "[GgufWriter] expected every tensor once, found ", printable(name), " twice");
  if (shape.empty()) shape = {1};
  try {
    const uint64_t size = declared ? tensor_bytes("GgufWriter", name, dtype, shape) : data.size();
    if (!declared) make_tensor_view("GgufWriter", name, dtype, shape, data, 0, size);  // checks shape, type and size
    tensors.push_back({name, dtype, std::move(shape), data, size, declared});
  } catch (const Error& error) {
    fail(ErrorCode::kInvalidArgument, error.message());
  }
  names.insert(std::move(name));
}

void GgufWriter::add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data) {
  state_->add_tensor(std::move(name), dtype, std::move(shape), data, false);
}

void GgufWriter::declare_tensor(std::string name, DType dtype, std::vector<int64_t> shape) {
  state_->add_tensor(std::move(name), dtype, std::move(shape), {}, true);
}

std::string GgufWriter::State::header() const {
  std::string out;
  append(out, gguf::kMagic);
  append(out, gguf::kVersion);
  append<uint64_t>(out, tensors.size());
  append<uint64_t>(out, pairs.size());
  for (const Pair& pair : pairs) {
    append_text(out, pair.key);
    append(out, pair.type);
    if (pair.type == gguf::kArray) append(out, pair.element_type);
    out += pair.payload;
  }
  uint64_t offset = 0;
  for (const Tensor& tensor : tensors) {
    append_text(out, tensor.name);
    append<uint32_t>(out, static_cast<uint32_t>(tensor.shape.size()));
    for (auto dim = tensor.shape.rbegin(); dim != tensor.shape.rend(); ++dim) append<uint64_t>(out, static_cast<uint64_t>(*dim));
    append<uint32_t>(out, dtype_info(tensor.dtype).ggml_type);
    append(out, offset);
    offset += align_up(tensor.size, alignment);
  }
  out.resize(align_up(out.size(), alignment), '\0');
  return out;
}

uint64_t GgufWriter::file_bytes() const {
  uint64_t total = state_->header().size();
  for (const State::Tensor& tensor : state_->tensors) total += align_up(tensor.size, state_->alignment);
  return total;
}

void GgufWriter::write(const Path& path, const TensorProducer& produce) const {
  write_file_atomic(path, [&](AtomicFile& file) {
    file.write(state_->header());
    for (size_t i = 0; i < state_->tensors.size(); ++i) {
      const State::Tensor& tensor = state_->tensors[i];
      if (tensor.declared) {
        produce_tensor("GgufWriter", tensor.name, tensor.size, i, produce, file);
      } else {
        file.write(tensor.data);
      }
      file.write(std::string(align_up(tensor.size, state_->alignment) - tensor.size, '\0'));
    }
  });
}

}  // namespace attune::io
