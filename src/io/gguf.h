// GGUF v3: metadata and tensors of one model file (docs/formats/gguf.md).
//
// Every count, size and offset of the header is checked against the bytes that are left before anything is allocated (core/checked.h);
// limits below. Any breach throws kCorruptData naming file, place, expected and found. Little-endian files only (kUnsupported otherwise).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/file.h"
#include "io/tensor.h"

namespace attune::io {

struct GgufLimits {
  uint64_t max_pairs = 65536;
  uint64_t max_tensors = 65536;
  uint64_t max_string_bytes = uint64_t{64} << 20;
  uint64_t max_array_elements = uint64_t{16} << 20;
  uint64_t max_name_bytes = 256;   ///< of a tensor name
  uint64_t max_key_bytes = 65535;  ///< the format's own limit
  uint64_t max_metadata_bytes = uint64_t{1} << 30;  ///< memory of all decoded values together (arrays are widened to 8 bytes)
  uint64_t max_alignment = 4096;
};

/// A metadata value. Integers of all widths are widened to int64/uint64; arrays hold one element type; arrays of arrays are refused.
using GgufArray =
    std::variant<std::vector<int64_t>, std::vector<uint64_t>, std::vector<double>, std::vector<bool>, std::vector<std::string>>;
using GgufValue = std::variant<int64_t, uint64_t, double, bool, std::string, GgufArray>;

class GgufFile final : public TensorSource {
 public:
  /// Maps and validates the whole header and all tensor ranges. Throws kNotFound, kIo, kCorruptData, kUnsupported (unknown tensor type).
  static std::shared_ptr<const GgufFile> open(const Path& path, const GgufLimits& limits = {});
  /// The same on bytes in memory (tests, fuzzing); `bytes` must outlive the file and begin at a multiple of 8.
  /// `name` stands in messages.
  static std::shared_ptr<const GgufFile> parse(std::span<const std::byte> bytes, std::string name, const GgufLimits& limits = {});

  const TensorView* find(std::string_view name) const noexcept override;
  const std::vector<TensorView>& tensors() const noexcept override;
  std::string description() const override;
  bool changed() const noexcept override;
  void release(std::span<const std::byte> data) const noexcept override;

  /// Keys in file order.
  const std::vector<std::pair<std::string, GgufValue>>& metadata() const noexcept;
  const GgufValue* find_metadata(std::string_view key) const noexcept;
  // Typed getters: the optional ones give nullopt when the key is absent; a key of another type throws kCorruptData (type confusion).
  std::optional<int64_t> get_int(std::string_view key) const;      // any integer type
  std::optional<double> get_float(std::string_view key) const;     // f32 or f64 only
  std::optional<bool> get_bool(std::string_view key) const;
  std::optional<std::string> get_string(std::string_view key) const;
  const std::vector<std::string>* get_strings(std::string_view key) const;
  const std::vector<double>* get_floats(std::string_view key) const;
  std::optional<std::vector<int64_t>> get_ints(std::string_view key) const;  // array of any integer type
  std::optional<std::vector<bool>> get_bools(std::string_view key) const;

 private:
  friend class GgufWriter;
  struct State;
  explicit GgufFile(std::unique_ptr<State> state);
  [[noreturn]] void fail_type(std::string_view key, std::string_view expected) const;
  template <class T>
  std::optional<T> get_scalar(std::string_view key, std::string_view expected) const;
  template <class T>
  const std::vector<T>* get_array(std::string_view key, std::string_view expected) const;
  std::unique_ptr<State> state_;

 public:
  ~GgufFile() override;
};

/// Writes a GGUF v3 file atomically: metadata first, then tensors in the order added, data aligned to 32 bytes or to what a
/// general.alignment of type uint32 says. Names and keys that the reader would refuse (empty, too long, twice) throw kInvalidArgument.
/// Not thread-safe.
class GgufWriter {
 public:
  GgufWriter();
  ~GgufWriter();
  void add_u32(std::string key, uint32_t value);
  void add_u64(std::string key, uint64_t value);
  void add_i32(std::string key, int32_t value);
  void add_f32(std::string key, float value);
  void add_f64(std::string key, double value);
  void add_bool(std::string key, bool value);
  void add_string(std::string key, std::string value);
  void add_strings(std::string key, std::vector<std::string> values);
  void add_f32s(std::string key, std::vector<float> values);
  void add_i32s(std::string key, std::vector<int32_t> values);
  void add_bools(std::string key, std::vector<bool> values);
  /// Copies a metadata value of another file with its exact stored type. Throws kNotFound.
  void copy_metadata(const GgufFile& from, std::string_view key);
  /// `data` must stay valid until `write`; size must equal rows * row_bytes. Throws kInvalidArgument. A scalar (shape []) is stored as [1].
  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data);
  /// A tensor whose bytes a producer makes while the file is written, so that a model need not fit in memory. Checks as `add_tensor`.
  void declare_tensor(std::string name, DType dtype, std::vector<int64_t> shape);
  /// Size of the file that `write` makes.
  uint64_t file_bytes() const;
  /// Throws kIo (disk full, no permission), kFailedPrecondition for declared tensors without `produce`, and what `produce` throws; then
  /// no file is left and a file that was there stays.
  void write(const Path& path, const TensorProducer& produce = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::io
