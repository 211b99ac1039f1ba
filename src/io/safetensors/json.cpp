// The only file of io/ that includes nlohmann's headers. Both readers take events (SAX) instead of building a document: keys that occur
// twice are seen, nesting is bounded, and memory is that of the result.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/name_index_internal.h"
#include "io/quote_internal.h"
#include "io/safetensors/safetensors_internal.h"

namespace attune::io::safetensors {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxDims = 64;
constexpr int kMaxIndexDepth = 64;

/// Common part of both event handlers: every event that a handler does not expect ends in `unexpected`, which throws.
class Events {
 public:
  explicit Events(std::string_view file) : file_(printable(file, 4096)) {}

  bool null() { unexpected("null"); }
  bool boolean(bool) { unexpected("a boolean"); }
  bool number_integer(Json::number_integer_t value) { unexpected(cat("the number ", value)); }
  bool number_float(Json::number_float_t, const std::string& text) { unexpected(cat("the number ", printable(text))); }
  bool binary(Json::binary_t&) { unexpected("binary data"); }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    std::string_view what = error.what();
    if (const size_t colon = what.find(": "); colon != std::string_view::npos) what.remove_prefix(colon + 2);
    fail(ErrorCode::kCorruptData, "[", file_, "] expected valid JSON, found an error at byte ", position,
         " of the text: ", printable(what, 200));
  }

 protected:
  /// What the text is about at the moment, for messages.
  std::string place_ = "header";

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kCorruptData, "[", file_, "] ", place_, ": ", parts...);
  }
  [[noreturn]] void unexpected(const std::string& found) const { refuse("expected ", expectation(), ", found ", found); }
  /// What may come next.
  virtual std::string_view expectation() const = 0;
  ~Events() = default;

  std::string file_;
};

class HeaderEvents final : public Events {
 public:
  HeaderEvents(std::string_view file, const SafetensorsLimits& limits) : Events(file), limits_(limits) {}

  bool start_object(size_t) {
    switch (state_) {
      case State::kStart: state_ = State::kRoot; return true;
      case State::kEntry: state_ = State::kTensor; return true;
      case State::kMetadata: state_ = State::kMetadataPairs; return true;
      default: unexpected("an object");
    }
  }

  bool key(std::string& text) {
    if (state_ == State::kRoot) return root_key(text);
    if (state_ == State::kMetadataPairs) {
      metadata_key_ = std::move(text);
      place_ = cat("key __metadata__.", printable(metadata_key_));
      if (result_.metadata.contains(metadata_key_)) refuse("expected every key once, found it twice");
      state_ = State::kMetadataValue;
      return true;
    }
    return tensor_key(text);
  }

  bool string(std::string& text) {
    if (state_ == State::kMetadataValue) {
      result_.metadata.emplace(std::move(metadata_key_), std::move(text));
      state_ = State::kMetadataPairs;
      return true;
    }
    if (state_ != State::kDtype) unexpected(cat("the string \"", printable(text), "\""));
    result_.entries.back().dtype = std::move(text);
    state_ = State::kTensor;
    return true;
  }

  bool number_unsigned(Json::number_unsigned_t value) {
    HeaderEntry* entry = result_.entries.empty() ? nullptr : &result_.entries.back();
    if (state_ == State::kShapeItems) {
      if (entry->shape.size() >= kMaxDims) refuse("expected a shape of at most ", kMaxDims, " dimensions, found more");
      if (value > (uint64_t{1} << 62)) refuse("expected dimensions of at most 2^62, found ", value);
      entry->shape.push_back(static_cast<int64_t>(value));
      return true;
    }
    if (state_ != State::kOffsetItems) unexpected(cat("the number ", value));
    if (num_offsets_ >= 2) refuse("expected data_offsets [begin, end], found more than 2 numbers");
    (num_offsets_++ == 0 ? entry->begin : entry->end) = value;
    return true;
  }

  bool start_array(size_t) {
    if (state_ == State::kShape) {
      state_ = State::kShapeItems;
    } else if (state_ == State::kOffsets) {
      state_ = State::kOffsetItems;
    } else {
      unexpected("an array");
    }
    return true;
  }

  bool end_array() {
    if (state_ == State::kOffsetItems && num_offsets_ != 2) refuse("expected data_offsets [begin, end], found ", num_offsets_, " numbers");
    state_ = State::kTensor;
    return true;
  }

  bool end_object() {
    if (state_ == State::kTensor && seen_ != (kSawDtype | kSawShape | kSawOffsets)) {
      refuse("expected dtype, shape and data_offsets, found no ", (seen_ & kSawDtype) == 0   ? "dtype"
                                                                  : (seen_ & kSawShape) == 0 ? "shape"
                                                                                             : "data_offsets");
    }
    state_ = state_ == State::kRoot ? State::kEnd : State::kRoot;
    return true;
  }

  Header finish() {
    const auto name_of = [](const HeaderEntry& entry) -> const std::string& { return entry.name; };
    const auto order = order_by_name(result_.entries, name_of);
    if (const auto twice = find_duplicate(result_.entries, order, name_of)) {
      place_ = cat("tensor ", printable(result_.entries[*twice].name));
      refuse("expected every key once, found it twice");
    }
    return std::move(result_);
  }

 private:
  enum class State {
    kStart,
    kRoot,
    kEntry,
    kTensor,
    kDtype,
    kShape,
    kShapeItems,
    kOffsets,
    kOffsetItems,
    kMetadata,
    kMetadataPairs,
    kMetadataValue,
    kEnd
  };
  static constexpr int kSawDtype = 1;
  static constexpr int kSawShape = 2;
  static constexpr int kSawOffsets = 4;

  bool root_key(std::string& text) {
    if (text == kMetadataKey) {
      place_ = cat("key ", kMetadataKey);
      if (saw_metadata_) refuse("expected every key once, found it twice");
      saw_metadata_ = true;
      state_ = State::kMetadata;
      return true;
    }
    place_ = cat("tensor ", printable(text));
    if (text.empty()) refuse("expected a name, found an empty one");
    if (result_.entries.size() >= limits_.max_tensors) refuse("expected at most ", limits_.max_tensors, " tensors, found more");
    result_.entries.emplace_back().name = std::move(text);
    seen_ = 0;
    num_offsets_ = 0;
    state_ = State::kEntry;
    return true;
  }

  bool tensor_key(const std::string& text) {
    int bit = 0;
    if (text == "dtype") {
      bit = kSawDtype;
      state_ = State::kDtype;
    } else if (text == "shape") {
      bit = kSawShape;
      state_ = State::kShape;
    } else if (text == "data_offsets") {
      bit = kSawOffsets;
      state_ = State::kOffsets;
    } else {
      refuse("expected the keys dtype, shape and data_offsets, found ", printable(text));
    }
    if ((seen_ & bit) != 0) refuse("expected every key once, found ", text, " twice");
    seen_ |= bit;
    return true;
  }

  std::string_view expectation() const override {
    switch (state_) {
      case State::kStart: return "a JSON object";
      case State::kEntry: return "an object with dtype, shape and data_offsets";
      case State::kDtype: return "dtype to be a string";
      case State::kShape: return "shape to be an array";
      case State::kShapeItems: return "shape to hold non-negative integers";
      case State::kOffsets: return "data_offsets to be an array";
      case State::kOffsetItems: return "data_offsets to hold non-negative integers";
      case State::kMetadata: return "an object of strings";
      case State::kMetadataValue: return "a string";
      default: return "a key or the end of the object";
    }
  }

  const SafetensorsLimits& limits_;
  Header result_;
  State state_ = State::kStart;
  std::string metadata_key_;
  bool saw_metadata_ = false;
  int seen_ = 0;
  int num_offsets_ = 0;
};

bool is_shard_name(std::string_view name) {
  if (name.size() > 128 || name.front() == '.' || !name.ends_with(".safetensors")) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  });
}

/// Takes root.weight_map and skips everything else, to a bounded depth.
class IndexEvents final : public Events {
 public:
  IndexEvents(std::string_view file, const SafetensorsLimits& limits) : Events(file), limits_(limits) { place_ = "index"; }

  bool null() { return scalar("null"); }
  bool boolean(bool) { return scalar("a boolean"); }
  bool number_integer(Json::number_integer_t) { return scalar("a number"); }
  bool number_unsigned(Json::number_unsigned_t) { return scalar("a number"); }
  bool number_float(Json::number_float_t, const std::string&) { return scalar("a number"); }

  bool string(std::string& text) {
    if (!in_map()) return scalar("a string");
    if (text.empty() || !is_shard_name(text)) {
      refuse("expected a file name of the model's folder ending in .safetensors, found ",
             text.empty() ? std::string("an empty name") : printable(text));
    }
    result_.emplace_back(std::move(tensor_), std::move(text));
    return true;
  }

  bool start_object(size_t) {
    if (in_map()) unexpected("an object");
    if (++depth_ > kMaxIndexDepth) refuse("expected JSON nested at most ", kMaxIndexDepth, " deep, found more");
    if (depth_ == 2 && map_next_) map_open_ = true;
    map_next_ = false;
    return true;
  }
  bool end_object() {
    if (depth_-- == 2) map_open_ = false;
    return true;
  }
  bool start_array(size_t) {
    if (depth_ == 0 || in_map() || map_next_) unexpected("an array");
    if (++depth_ > kMaxIndexDepth) refuse("expected JSON nested at most ", kMaxIndexDepth, " deep, found more");
    return true;
  }
  bool end_array() {
    --depth_;
    return true;
  }

  bool key(std::string& text) {
    if (in_map()) {
      if (result_.size() >= limits_.max_tensors) refuse("expected at most ", limits_.max_tensors, " tensors, found more");
      place_ = cat("weight_map key ", printable(text));
      tensor_ = std::move(text);
    } else if (depth_ == 1) {
      place_ = cat("index key ", printable(text));
      if (text == "weight_map") {
        if (saw_map_) refuse("expected every key once, found it twice");
        saw_map_ = map_next_ = true;
      }
    }
    return true;
  }

  std::vector<std::pair<std::string, std::string>> finish() {
    place_ = "index";
    if (!saw_map_) refuse("expected a key weight_map, found none");
    const auto name_of = [](const auto& pair) -> const std::string& { return pair.first; };
    const auto order = order_by_name(result_, name_of);
    if (const auto twice = find_duplicate(result_, order, name_of)) {
      place_ = cat("weight_map key ", printable(result_[*twice].first));
      refuse("expected every key once, found it twice");
    }
    return std::move(result_);
  }

 private:
  bool in_map() const noexcept { return map_open_; }
  bool scalar(std::string_view found) const {
    if (depth_ == 0 || in_map() || map_next_) unexpected(std::string(found));
    return true;
  }
  std::string_view expectation() const override {
    if (depth_ == 0) return "a JSON object";
    return map_next_ ? "an object of file names" : "a shard's file name";
  }

  const SafetensorsLimits& limits_;
  std::vector<std::pair<std::string, std::string>> result_;
  std::string tensor_;
  int depth_ = 0;
  bool saw_map_ = false;
  bool map_next_ = false;  ///< the key weight_map was just read
  bool map_open_ = false;  ///< inside weight_map
};

}  // namespace

namespace {

/// Feeds `json` to `events`. A zero byte is refused here, because the parser takes it for the end of the text and would hide what follows.
template <class E>
void parse_events(std::string_view json, std::string_view file, E& events) {
  const size_t zero = json.find('\0');
  check(zero == std::string_view::npos, ErrorCode::kCorruptData, "[", printable(file, 4096),
        "] expected valid JSON, found an error at byte ", zero, " of the text: a zero byte");
  Json::sax_parse(json.begin(), json.end(), &events);
}

}  // namespace

Header parse_header(std::string_view json, std::string_view file, const SafetensorsLimits& limits) {
  check(json.starts_with('{'), ErrorCode::kCorruptData, "[", printable(file, 4096),
        "] header: expected a JSON object beginning with {, found \"", printable(json.substr(0, 8)), "\"");
  HeaderEvents events(file, limits);
  parse_events(json, file, events);
  return events.finish();
}

std::vector<std::pair<std::string, std::string>> parse_index(std::string_view json, std::string_view file,
                                                             const SafetensorsLimits& limits) {
  IndexEvents events(file, limits);
  parse_events(json, file, events);
  return events.finish();
}

}  // namespace attune::io::safetensors
