#include <algorithm>
#include <cstring>
#include <tuple>

#include "core/error.h"
#include "io/name_index_internal.h"
#include "io/quote_internal.h"
#include "io/safetensors/safetensors_internal.h"

namespace attune::io {
namespace safetensors {

std::optional<uint64_t> element_bits(std::string_view dtype) noexcept {
  struct Type {
    std::string_view name;
    uint64_t bits;
  };
  static constexpr Type kTypes[] = {{"F32", 32},    {"F16", 16},    {"BF16", 16},   {"F64", 64},    {"I64", 64},
                                    {"I32", 32},    {"I16", 16},    {"I8", 8},      {"U64", 64},    {"U32", 32},
                                    {"U16", 16},    {"U8", 8},      {"BOOL", 8},    {"F8_E4M3", 8}, {"F8_E5M2", 8},
                                    {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4},      {"C64", 64}};
  for (const Type& type : kTypes) {
    if (type.name == dtype) return type.bits;
  }
  return std::nullopt;
}

std::optional<uint64_t> span_bytes(const std::vector<int64_t>& shape, uint64_t bits) noexcept {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  uint64_t total = bits;
  for (const int64_t dim : shape) {
    if (__builtin_mul_overflow(total, static_cast<uint64_t>(dim), &total)) return std::nullopt;
  }
  return total % 8 == 0 ? std::optional<uint64_t>(total / 8) : std::nullopt;
}

namespace {

/// The types that a TensorView holds.
std::optional<DType> view_type(const HeaderEntry& entry) noexcept {
  if (entry.shape.size() > 4 || entry.begin == entry.end) return std::nullopt;
  if (entry.dtype == "F32") return DType::kF32;
  if (entry.dtype == "F16") return DType::kF16;
  if (entry.dtype == "BF16") return DType::kBF16;
  return std::nullopt;
}

/// Checks the data's layout and leaves the entries in the order of their bytes: from 0, without hole or overlap, to the end of the file.
void check_layout(std::vector<HeaderEntry>& entries, uint64_t data_size, std::string_view file) {
  const auto refuse = [&](const HeaderEntry& entry, const auto&... parts) {
    fail(ErrorCode::kCorruptData, "[", printable(file, 4096), "] tensor ", printable(entry.name), ": ", parts...);
  };
  for (const HeaderEntry& entry : entries) {
    if (entry.begin > entry.end) refuse(entry, "expected data_offsets [begin, end] in order, found [", entry.begin, ", ", entry.end, "]");
    if (entry.end > data_size) {
      refuse(entry, "expected data_offsets up to ", data_size, " (the file's data), found [", entry.begin, ", ", entry.end, "] (cut off?)");
    }
    const auto bits = element_bits(entry.dtype);
    if (!bits) continue;
    const auto bytes = span_bytes(entry.shape, *bits);
    if (!bytes) refuse(entry, "expected a shape of whole bytes below 2^64, found ", entry.dtype, " ", shape_string(entry.shape));
    if (*bytes != entry.end - entry.begin) {
      refuse(entry, "expected ", *bytes, " bytes for ", entry.dtype, " ", shape_string(entry.shape), ", found data_offsets [", entry.begin,
             ", ", entry.end, "] (", entry.end - entry.begin, " bytes)");
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const HeaderEntry& a, const HeaderEntry& b) { return std::tie(a.begin, a.end, a.name) < std::tie(b.begin, b.end, b.name); });
  uint64_t position = 0;
  for (const HeaderEntry& entry : entries) {
    if (entry.begin != position) {
      refuse(entry, "expected data from byte ", position, " (no holes, no overlap), found data_offsets [", entry.begin, ", ", entry.end,
             "]");
    }
    position = entry.end;
  }
  check(position == data_size, ErrorCode::kCorruptData, "[", printable(file, 4096), "] data",
        entries.empty() ? std::string() : cat(" after tensor ", printable(entries.back().name)), ": expected the end of the file, found ",
        data_size - position, " more bytes");
}

}  // namespace
}  // namespace safetensors

struct SafetensorsFile::State {
  std::string name;
  std::vector<MappedFile> files;  ///< empty when parsed from memory
  std::vector<TensorView> tensors;
  std::vector<Raw> raw;
  std::map<std::string, std::string> metadata;
  std::vector<uint32_t> tensors_by_name;
  std::vector<uint32_t> raw_by_name;
  std::vector<std::unique_ptr<std::byte[]>> copies;  ///< of tensors that their file does not align

  void add_file(std::span<const std::byte> bytes, const std::string& file, const SafetensorsLimits& limits);
  void add_shards(const Path& index, const SafetensorsLimits& limits);
  void check_against_index(const std::vector<std::pair<std::string, std::string>>& map, const std::vector<std::string>& shards,
                           const std::vector<std::pair<size_t, size_t>>& ends) const;
  void align(TensorView& view);
  void build_index();
};

namespace {

std::string_view view_name(const TensorView& tensor) noexcept { return tensor.name; }
std::string_view raw_name(const SafetensorsFile::Raw& raw) noexcept { return raw.name; }

}  // namespace

void SafetensorsFile::State::align(TensorView& view) {
  const auto element = static_cast<size_t>(dtype_info(view.dtype).block_bytes);
  if (reinterpret_cast<uintptr_t>(view.data.data()) % element == 0) return;
  auto copy = std::make_unique<std::byte[]>(view.data.size());
  std::memcpy(copy.get(), view.data.data(), view.data.size());
  view.data = {copy.get(), view.data.size()};
  copies.push_back(std::move(copy));
}

void SafetensorsFile::State::add_file(std::span<const std::byte> bytes, const std::string& file, const SafetensorsLimits& limits) {
  const auto refuse = [&](const auto&... parts) { fail(ErrorCode::kCorruptData, "[", printable(file, 4096), "] header: ", parts...); };
  uint64_t header_size = 0;
  if (bytes.size() < sizeof(header_size)) refuse("expected at least 8 bytes, found ", bytes.size());
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  const uint64_t left = bytes.size() - sizeof(header_size);
  if (header_size < 2) refuse("expected a length of at least 2 bytes, found ", header_size);
  if (header_size > limits.max_header_bytes)
    refuse("expected a length of at most ", limits.max_header_bytes, " bytes, found ", header_size);
  if (header_size > left) refuse("expected a length of at most ", left, " bytes (the rest of the file), found ", header_size);
  const std::string_view json(reinterpret_cast<const char*>(bytes.data()) + sizeof(header_size), header_size);
  safetensors::Header header = safetensors::parse_header(json, file, limits);

  const std::span<const std::byte> data = bytes.subspan(sizeof(header_size) + header_size);
  safetensors::check_layout(header.entries, data.size(), file);
  metadata.merge(header.metadata);
  for (safetensors::HeaderEntry& entry : header.entries) {
    if (const auto dtype = safetensors::view_type(entry)) {
      tensors.push_back(
          make_tensor_view(file, std::move(entry.name), *dtype, std::move(entry.shape), data, entry.begin, entry.end - entry.begin));
      align(tensors.back());
    } else {
      raw.push_back(
          {std::move(entry.name), std::move(entry.dtype), std::move(entry.shape), data.subspan(entry.begin, entry.end - entry.begin)});
    }
  }
}

void SafetensorsFile::State::build_index() {
  tensors_by_name = order_by_name(tensors, view_name);
  raw_by_name = order_by_name(raw, raw_name);
}

void SafetensorsFile::State::add_shards(const Path& index, const SafetensorsLimits& limits) {
  const auto map = safetensors::parse_index(read_file(index, limits.max_index_bytes), name, limits);
  std::vector<std::string> shards;
  for (const auto& [tensor, shard] : map) shards.push_back(shard);
  std::sort(shards.begin(), shards.end());
  shards.erase(std::unique(shards.begin(), shards.end()), shards.end());
  check(shards.size() <= limits.max_shards, ErrorCode::kCorruptData, "[", name, "] expected at most ", limits.max_shards, " shards, found ",
        shards.size());
  std::vector<std::pair<size_t, size_t>> ends;  // numbers of tensors and raw tensors after each shard
  for (const std::string& shard : shards) {
    files.emplace_back(index.parent_path() / shard);
    add_file(files.back().bytes(), shard, limits);
    ends.emplace_back(tensors.size(), raw.size());
  }
  check_against_index(map, shards, ends);
}

void SafetensorsFile::State::check_against_index(const std::vector<std::pair<std::string, std::string>>& map,
                                                 const std::vector<std::string>& shards,
                                                 const std::vector<std::pair<size_t, size_t>>& ends) const {
  std::map<std::string_view, std::string_view> wanted(map.begin(), map.end());
  const auto take = [&](const std::string& tensor, size_t shard) {
    const auto found = wanted.find(tensor);
    check(found != wanted.end(), ErrorCode::kCorruptData, "[", shards[shard], "] tensor ", printable(tensor),
          ": expected a tensor that the index ", name, " names once, found one that it does not name or that two shards hold");
    check(found->second == shards[shard], ErrorCode::kCorruptData, "[", name, "] tensor ", printable(tensor), ": expected it in ",
          found->second, ", found it in ", shards[shard]);
    wanted.erase(found);
  };
  size_t shard = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    while (i >= ends[shard].first) ++shard;
    take(tensors[i].name, shard);
  }
  shard = 0;
  for (size_t i = 0; i < raw.size(); ++i) {
    while (i >= ends[shard].second) ++shard;
    take(raw[i].name, shard);
  }
  check(wanted.empty(), ErrorCode::kCorruptData, "[", name, "] tensor ", wanted.empty() ? "" : printable(wanted.begin()->first),
        ": expected it in ", wanted.empty() ? "" : wanted.begin()->second, ", found no such tensor there");
}

SafetensorsFile::SafetensorsFile(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsFile::~SafetensorsFile() = default;

std::shared_ptr<const SafetensorsFile> SafetensorsFile::open(const Path& path, const SafetensorsLimits& limits) {
  Path file = path;
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    const bool single = std::filesystem::exists(path / safetensors::kFileName, ignored);
    const bool index = std::filesystem::exists(path / safetensors::kIndexName, ignored);
    check(!single || !index, ErrorCode::kFailedPrecondition, "[open] ", path.string(), ": expected either ", safetensors::kFileName, " or ",
          safetensors::kIndexName, ", found both (name the file that is meant)");
    check(single || index, ErrorCode::kNotFound, "[open] ", path.string(), ": expected ", safetensors::kFileName, " or ",
          safetensors::kIndexName, " in the folder, found neither");
    file = path / (single ? safetensors::kFileName : safetensors::kIndexName);
  }
  return with_context([&] { return cat("loading ", file.string()); },
                      [&] {
                        auto state = std::make_unique<State>();
                        state->name = file.filename().string();
                        if (file.extension() == ".json") {
                          state->add_shards(file, limits);
                        } else {
                          state->files.emplace_back(file);
                          state->add_file(state->files.back().bytes(), state->name, limits);
                        }
                        state->build_index();
                        return std::shared_ptr<const SafetensorsFile>(new SafetensorsFile(std::move(state)));
                      });
}

std::shared_ptr<const SafetensorsFile> SafetensorsFile::parse(std::span<const std::byte> bytes, std::string name,
                                                              const SafetensorsLimits& limits) {
  return with_context("parsing safetensors", [&] {
    auto state = std::make_unique<State>();
    state->name = std::move(name);
    state->add_file(bytes, state->name, limits);
    state->build_index();
    return std::shared_ptr<const SafetensorsFile>(new SafetensorsFile(std::move(state)));
  });
}

const TensorView* SafetensorsFile::find(std::string_view name) const noexcept {
  const size_t i = find_by_name(state_->tensors, state_->tensors_by_name, name, view_name);
  return i < state_->tensors.size() ? &state_->tensors[i] : nullptr;
}

const SafetensorsFile::Raw* SafetensorsFile::find_raw(std::string_view name) const noexcept {
  const size_t i = find_by_name(state_->raw, state_->raw_by_name, name, raw_name);
  return i < state_->raw.size() ? &state_->raw[i] : nullptr;
}

void SafetensorsFile::fail_missing(std::string_view name) const {
  if (const Raw* found = find_raw(name)) {
    fail(ErrorCode::kUnsupported, "[", state_->name, "] tensor ", printable(name),
         ": expected F32, F16 or BF16 with 1 or more elements in at most 4 dimensions, found ", printable(found->dtype), " ",
         shape_string(found->shape));
  }
  TensorSource::fail_missing(name);
}

const std::vector<TensorView>& SafetensorsFile::tensors() const noexcept { return state_->tensors; }
const std::vector<SafetensorsFile::Raw>& SafetensorsFile::unsupported() const noexcept { return state_->raw; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const noexcept { return state_->metadata; }
std::string SafetensorsFile::description() const { return state_->name; }

bool SafetensorsFile::changed() const noexcept {
  return std::any_of(state_->files.begin(), state_->files.end(), [](const MappedFile& file) { return file.changed(); });
}

void SafetensorsFile::release(std::span<const std::byte> data) const noexcept {
  for (const MappedFile& file : state_->files) file.release(data);
}

}  // namespace attune::io
