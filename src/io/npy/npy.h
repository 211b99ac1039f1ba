// NumPy's .npy files (format version 1.0, read also 2.0), for exporting factors and embeddings and reading them back.
//
// Little-endian float32, float64 and int64 in C order only; anything else is kUnsupported. Format: the NumPy manual, "numpy.lib.format".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/file.h"

namespace attune::io {

enum class NpyType { kF32, kF64, kI64 };

/// A dense array, outermost dimension first; [] is a scalar. Owns its data.
struct NpyArray {
  NpyType type = NpyType::kF32;
  std::vector<int64_t> shape;    ///< 0 to 32 dimensions, each 0 or more
  std::vector<std::byte> bytes;  ///< elements one after another

  std::span<const float> floats() const { return as<float>(NpyType::kF32); }      ///< Throws kUnsupported for another type.
  std::span<const double> doubles() const { return as<double>(NpyType::kF64); }   ///< Throws kUnsupported for another type.
  std::span<const int64_t> integers() const { return as<int64_t>(NpyType::kI64); }  ///< Throws kUnsupported for another type.

 private:
  template <class T>
  std::span<const T> as(NpyType wanted) const {
    check(type == wanted, ErrorCode::kUnsupported, "[npy] expected an array of ",
          wanted == NpyType::kF32   ? "float32"
          : wanted == NpyType::kF64 ? "float64"
                                    : "int64",
          ", found another type");
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }
};

/// Writes one array atomically. Throws kInvalidArgument unless `values` has the product of `shape` elements; kIo.
void write_npy(const Path& path, std::span<const float> values, const std::vector<int64_t>& shape);
void write_npy(const Path& path, std::span<const double> values, const std::vector<int64_t>& shape);
void write_npy(const Path& path, std::span<const int64_t> values, const std::vector<int64_t>& shape);

/// Reads one array whole. Throws kNotFound, kIo, kCorruptData (header broken, data shorter or longer than the shape says), kUnsupported.
NpyArray read_npy(const Path& path);
/// The same from bytes in memory; `name` stands in messages.
NpyArray parse_npy(std::span<const std::byte> bytes, std::string_view name);

}  // namespace attune::io
