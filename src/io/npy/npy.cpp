#include "io/npy/npy.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "io/quote_internal.h"

namespace attune::io {
namespace {

constexpr std::string_view kMagic("\x93NUMPY", 6);
constexpr uint64_t kMaxHeaderBytes = 65535;
constexpr size_t kMaxDims = 32;

struct TypeInfo {
  NpyType type;
  std::string_view descr;
  uint64_t bytes;
};
constexpr TypeInfo kTypes[] = {{NpyType::kF32, "<f4", 4}, {NpyType::kF64, "<f8", 8}, {NpyType::kI64, "<i8", 8}};

/// Bytes of an array, or nothing if that wraps.
std::optional<uint64_t> array_bytes(const std::vector<int64_t>& shape, uint64_t element) {
  if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
  uint64_t total = element;
  for (const int64_t dim : shape) {
    if (dim < 0 || __builtin_mul_overflow(total, static_cast<uint64_t>(dim), &total)) return std::nullopt;
  }
  return total;
}

void write_array(const Path& path, const TypeInfo& info, std::span<const std::byte> data, const std::vector<int64_t>& shape) {
  const auto needed = array_bytes(shape, info.bytes);
  check(shape.size() <= kMaxDims && needed.has_value() && *needed == data.size(), ErrorCode::kInvalidArgument, "[write_npy] expected ",
        needed.value_or(0) / info.bytes, " elements for shape ", shape_string(shape), ", found ", data.size() / info.bytes);
  std::string header = cat("{'descr': '", info.descr, "', 'fortran_order': False, 'shape': (");
  for (const int64_t dim : shape) header += cat(dim, ", ");
  if (shape.size() > 1) header.resize(header.size() - 2);
  if (shape.size() == 1) header.resize(header.size() - 1);  // a tuple of one is "(3,)"
  header += "), }";
  const size_t preamble = kMagic.size() + 4;
  header.resize((preamble + header.size() + 1 + 63) / 64 * 64 - preamble - 1, ' ');
  header += '\n';
  write_file_atomic(path, [&](AtomicFile& file) {
    file.write(kMagic);
    const char version_and_size[4] = {1, 0, static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
    file.write(std::string_view(version_and_size, 4));
    file.write(header);
    file.write(data);
  });
}

/// Reads the header's dictionary literal: three keys in any order, each once.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  std::string_view descr;
  bool fortran_order = false;
  std::vector<int64_t> shape;

  void parse() {
    expect('{');
    int seen = 0;
    while (!take('}')) {
      const std::string_view key = quoted();
      expect(':');
      const int bit = key == "descr" ? 1 : key == "fortran_order" ? 2 : key == "shape" ? 4 : 0;
      if (bit == 0 || (seen & bit) != 0) refuse("the keys descr, fortran_order and shape once each", key);
      seen |= bit;
      if (bit == 1) descr = quoted();
      if (bit == 2) fortran_order = boolean();
      if (bit == 4) tuple();
      if (!take(',') && peek() != '}') refuse("a comma or }", rest());
    }
    if (seen != 7) refuse("the keys descr, fortran_order and shape once each", "fewer");
    skip_spaces();
    if (position_ != text_.size()) refuse("the end of the header", rest());
  }

 private:
  [[noreturn]] void refuse(std::string_view expected, std::string_view found) const {
    fail(ErrorCode::kCorruptData, "[", printable(name_, 4096), "] header at byte ", position_, ": expected ", expected, ", found \"",
         printable(found, 40), "\"");
  }
  std::string_view rest() const { return text_.substr(position_); }
  void skip_spaces() {
    while (position_ < text_.size() && (text_[position_] == ' ' || text_[position_] == '\n')) ++position_;
  }
  char peek() {
    skip_spaces();
    return position_ < text_.size() ? text_[position_] : '\0';
  }
  bool take(char c) {
    if (peek() != c || position_ == text_.size()) return false;
    ++position_;
    return true;
  }
  void expect(char c) {
    if (!take(c)) refuse(std::string_view(&c, 1), rest());
  }
  std::string_view quoted() {
    const char quote = peek();
    if (quote != '\'' && quote != '"') refuse("a string", rest());
    const size_t end = text_.find(quote, position_ + 1);
    if (end == std::string_view::npos) refuse("a closing quote", rest());
    const std::string_view out = text_.substr(position_ + 1, end - position_ - 1);
    position_ = end + 1;
    return out;
  }
  bool boolean() {
    peek();
    for (const std::string_view word : {"True", "False"}) {
      if (rest().starts_with(word)) {
        position_ += word.size();
        return word == "True";
      }
    }
    refuse("True or False", rest());
  }
  void tuple() {
    expect('(');
    while (!take(')')) {
      if (shape.size() >= kMaxDims) refuse("at most 32 dimensions", rest());
      shape.push_back(integer());
      if (!take(',') && peek() != ')') refuse("a comma or )", rest());
    }
  }
  int64_t integer() {
    peek();
    int64_t value = 0;
    const size_t begin = position_;
    for (; position_ < text_.size() && text_[position_] >= '0' && text_[position_] <= '9'; ++position_) {
      if (__builtin_mul_overflow(value, int64_t{10}, &value) || __builtin_add_overflow(value, int64_t{text_[position_] - '0'}, &value)) {
        refuse("a dimension below 2^63", rest());
      }
    }
    if (position_ == begin) refuse("a dimension", rest());
    return value;
  }

  std::string_view text_;
  std::string_view name_;
  size_t position_ = 0;
};

}  // namespace

void write_npy(const Path& path, std::span<const float> values, const std::vector<int64_t>& shape) {
  write_array(path, kTypes[0], std::as_bytes(values), shape);
}
void write_npy(const Path& path, std::span<const double> values, const std::vector<int64_t>& shape) {
  write_array(path, kTypes[1], std::as_bytes(values), shape);
}
void write_npy(const Path& path, std::span<const int64_t> values, const std::vector<int64_t>& shape) {
  write_array(path, kTypes[2], std::as_bytes(values), shape);
}

NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view name) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto require = [&](bool condition, ErrorCode code, const auto&... parts) {
    check(condition, code, "[", printable(name, 4096), "] ", parts...);
  };
  require(text.starts_with(kMagic), ErrorCode::kCorruptData, "expected a .npy file (first bytes \"\\x93NUMPY\"), found \"",
          printable(text.substr(0, 6)), "\"");
  require(text.size() >= 10, ErrorCode::kCorruptData, "expected a header of at least 10 bytes, found ", text.size());
  const int version = static_cast<unsigned char>(text[6]);
  require(version == 1 || version == 2, ErrorCode::kUnsupported, "expected .npy version 1 or 2, found ", version);
  const size_t length_bytes = version == 1 ? 2 : 4;
  const size_t preamble = 8 + length_bytes;
  uint64_t header_size = 0;
  require(text.size() >= preamble, ErrorCode::kCorruptData, "expected a header of at least ", preamble, " bytes, found ", text.size());
  for (size_t i = 0; i < length_bytes; ++i) header_size |= uint64_t{static_cast<unsigned char>(text[8 + i])} << (8 * i);
  require(header_size <= kMaxHeaderBytes && header_size <= text.size() - preamble, ErrorCode::kCorruptData, "expected a header of at most ",
          std::min<uint64_t>(kMaxHeaderBytes, text.size() - preamble), " bytes, found ", header_size);

  HeaderParser header(text.substr(preamble, header_size), name);
  header.parse();
  const auto* info = std::find_if(std::begin(kTypes), std::end(kTypes), [&](const TypeInfo& type) { return type.descr == header.descr; });
  require(info != std::end(kTypes), ErrorCode::kUnsupported, "expected type <f4, <f8 or <i8, found ", printable(header.descr));
  require(!header.fortran_order, ErrorCode::kUnsupported, "expected C order, found Fortran order");
  const std::span<const std::byte> data = bytes.subspan(preamble + header_size);
  const auto needed = array_bytes(header.shape, info->bytes);
  require(needed.has_value() && *needed == data.size(), ErrorCode::kCorruptData, "expected ",
          needed ? cat(*needed) : std::string("fewer than 2^64"), " bytes of data for shape ", shape_string(header.shape), ", found ",
          data.size());
  return {info->type, std::move(header.shape), std::vector<std::byte>(data.begin(), data.end())};
}

NpyArray read_npy(const Path& path) {
  return with_context([&] { return cat("loading ", path.string()); },
                      [&] { return parse_npy(MappedFile(path).bytes(), path.filename().string()); });
}

}  // namespace attune::io
