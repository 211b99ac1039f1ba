#include "core/checked.h"
#include "core/error.h"
#include "io/gguf/gguf_internal.h"
#include "io/name_index_internal.h"
#include "io/quote_internal.h"

namespace attune::io {
namespace {

std::string type_of(const gguf::StoredValue& stored) {
  if (stored.type == gguf::kArray) return cat("array of ", gguf::value_type_name(stored.element_type));
  return std::string(gguf::value_type_name(stored.type));
}

std::string_view key_of(const std::pair<std::string, GgufValue>& pair) noexcept { return pair.first; }
std::string_view name_of_tensor(const TensorView& tensor) noexcept { return tensor.name; }

}  // namespace

GgufFile::GgufFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
GgufFile::~GgufFile() = default;

std::shared_ptr<const GgufFile> GgufFile::open(const Path& path, const GgufLimits& limits) {
  return with_context([&] { return cat("loading ", path.string()); },
                      [&] {
                        auto state = std::make_unique<State>();
                        state->file = MappedFile(path);
                        state->name = path.filename().string();
                        state->bytes = state->file.bytes();
                        state->parse(limits);
                        return std::shared_ptr<const GgufFile>(new GgufFile(std::move(state)));
                      });
}

std::shared_ptr<const GgufFile> GgufFile::parse(std::span<const std::byte> bytes, std::string name, const GgufLimits& limits) {
  check(reinterpret_cast<uintptr_t>(bytes.data()) % gguf::kMinAlignment == 0, ErrorCode::kInvalidArgument,
        "[parse] expected bytes at an address that is a multiple of 8");
  return with_context([&] { return std::string("parsing GGUF"); },
                      [&] {
                        auto state = std::make_unique<State>();
                        state->name = std::move(name);
                        state->bytes = bytes;
                        state->parse(limits);
                        return std::shared_ptr<const GgufFile>(new GgufFile(std::move(state)));
                      });
}

const TensorView* GgufFile::find(std::string_view name) const noexcept {
  const size_t i = find_by_name(state_->tensors, state_->tensors_by_name, name, name_of_tensor);
  return i < state_->tensors.size() ? &state_->tensors[i] : nullptr;
}

const std::vector<TensorView>& GgufFile::tensors() const noexcept { return state_->tensors; }
std::string GgufFile::description() const { return state_->name; }
bool GgufFile::changed() const noexcept { return state_->file.changed(); }
void GgufFile::release(std::span<const std::byte> data) const noexcept { state_->file.release(data); }
const std::vector<std::pair<std::string, GgufValue>>& GgufFile::metadata() const noexcept { return state_->metadata; }

const GgufValue* GgufFile::find_metadata(std::string_view key) const noexcept {
  const size_t i = find_by_name(state_->metadata, state_->keys_by_name, key, key_of);
  return i < state_->metadata.size() ? &state_->metadata[i].second : nullptr;
}

const gguf::StoredValue* GgufFile::State::find_stored(std::string_view key) const noexcept {
  const size_t i = find_by_name(metadata, keys_by_name, key, key_of);
  return i < metadata.size() ? &stored[i] : nullptr;
}

void GgufFile::fail_type(std::string_view key, std::string_view expected) const {
  fail(ErrorCode::kCorruptData, "[", state_->name, "] key ", printable(key), ": expected ", expected, ", found ",
       type_of(*state_->find_stored(key)));
}

namespace {

int64_t to_int64(uint64_t value, const std::string& file, std::string_view key) {
  check(value <= static_cast<uint64_t>(INT64_MAX), ErrorCode::kCorruptData, "[", file, "] key ", printable(key),
        ": expected an integer below 2^63, found ", value);
  return static_cast<int64_t>(value);
}

/// The array of `value` if it holds elements T, else null.
template <class T>
const std::vector<T>* array_of(const GgufValue& value) noexcept {
  const GgufArray* array = std::get_if<GgufArray>(&value);
  return array == nullptr ? nullptr : std::get_if<std::vector<T>>(array);
}

}  // namespace

std::optional<int64_t> GgufFile::get_int(std::string_view key) const {
  const GgufValue* value = find_metadata(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* i = std::get_if<int64_t>(value)) return *i;
  if (const auto* u = std::get_if<uint64_t>(value)) return to_int64(*u, state_->name, key);
  fail_type(key, "an integer");
}

template <class T>
std::optional<T> GgufFile::get_scalar(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find_metadata(key);
  if (value == nullptr) return std::nullopt;
  const T* found = std::get_if<T>(value);
  if (found == nullptr) fail_type(key, expected);
  return *found;
}

std::optional<double> GgufFile::get_float(std::string_view key) const { return get_scalar<double>(key, "float32 or float64"); }
std::optional<bool> GgufFile::get_bool(std::string_view key) const { return get_scalar<bool>(key, "bool"); }
std::optional<std::string> GgufFile::get_string(std::string_view key) const { return get_scalar<std::string>(key, "string"); }

template <class T>
const std::vector<T>* GgufFile::get_array(std::string_view key, std::string_view expected) const {
  const GgufValue* value = find_metadata(key);
  if (value == nullptr) return nullptr;
  const std::vector<T>* found = array_of<T>(*value);
  if (found == nullptr) fail_type(key, expected);
  return found;
}

const std::vector<std::string>* GgufFile::get_strings(std::string_view key) const { return get_array<std::string>(key, "array of string"); }
const std::vector<double>* GgufFile::get_floats(std::string_view key) const {
  return get_array<double>(key, "array of float32 or float64");
}

std::optional<std::vector<int64_t>> GgufFile::get_ints(std::string_view key) const {
  const GgufValue* value = find_metadata(key);
  if (value == nullptr) return std::nullopt;
  if (const auto* ints = array_of<int64_t>(*value)) return *ints;
  const auto* unsigned_ints = array_of<uint64_t>(*value);
  if (unsigned_ints == nullptr) fail_type(key, "array of integers");
  std::vector<int64_t> out;
  out.reserve(unsigned_ints->size());
  for (const uint64_t element : *unsigned_ints) out.push_back(to_int64(element, state_->name, key));
  return out;
}

std::optional<std::vector<bool>> GgufFile::get_bools(std::string_view key) const {
  const std::vector<bool>* found = get_array<bool>(key, "array of bool");
  return found == nullptr ? std::nullopt : std::optional<std::vector<bool>>(*found);
}

}  // namespace attune::io
