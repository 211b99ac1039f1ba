// What model files have in common: named tensors over mapped bytes.
//
// A TensorView is made in one place (`make_tensor_view`), which checks that shape, type and byte range agree; nothing else makes one, so
// code that holds a view may read `data` without further checks (unless the file shrinks on disk: MappedFile::changed).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"

namespace attune::io {

/// A dense tensor, outermost dimension first: a matrix y = x W^T has shape [out, in]. Rows are whole blocks of `dtype`.
struct TensorView {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;       ///< 0 to 4 dimensions, each at least 1; [] is a scalar
  std::span<const std::byte> data;  ///< exactly num_rows() * row_bytes(dtype, row_size()); F32 at multiples of 4, F16 and BF16 of 2

  int64_t row_size() const noexcept { return shape.empty() ? 1 : shape.back(); }
  int64_t num_rows() const noexcept;
  int64_t num_elements() const noexcept { return num_rows() * row_size(); }
};

/// Bytes of a tensor: num_rows * row_bytes. Throws kCorruptData naming file and tensor: more than 4 dimensions, a dimension outside 1 to
/// 2^40, more than 2^60 elements, or rows that are no whole blocks.
uint64_t tensor_bytes(std::string_view file, std::string_view name, DType dtype, const std::vector<int64_t>& shape);

/// The only maker of views: checks dims (1 to 2^40 each, product checked), whole blocks, and that [offset, offset + size) lies in
/// `bytes`. Throws kCorruptData: "[FILE] tensor NAME: ...expected...found...".
TensorView make_tensor_view(std::string_view file, std::string name, DType dtype, std::vector<int64_t> shape,
                            std::span<const std::byte> bytes, uint64_t offset, uint64_t size);

/// Appends to `out` exactly the bytes of the tensor that a writer was given as its `index`-th (declared or added). Called once a tensor, in
/// the order of the file, which need not be that of the indices; what it throws ends the writing and leaves no file.
using TensorProducer = std::function<void(size_t index, AtomicFile& out)>;

/// Calls `produce` and checks that `size` bytes came. Throws kInternal naming `writer` and the tensor otherwise.
void produce_tensor(std::string_view writer, std::string_view name, uint64_t size, size_t index, const TensorProducer& produce,
                    AtomicFile& out);

/// A set of named tensors, whatever the file format. Keeps its files mapped. Thread-safe.
class TensorSource {
 public:
  virtual ~TensorSource() = default;
  /// Null if absent.
  virtual const TensorView* find(std::string_view name) const noexcept = 0;
  /// In file order.
  virtual const std::vector<TensorView>& tensors() const noexcept = 0;
  /// Throws kNotFound naming file and tensor (kUnsupported if the file has it in a type that DType lacks).
  const TensorView& get(std::string_view name) const;
  /// For messages.
  virtual std::string description() const = 0;
  /// True if a mapped file shrank or grew since it was opened. Reading `data` of a file that shrank faults (SIGBUS): a server asks
  /// before each batch and refuses work once this is true; replace model files by renaming a new one over the old, never in place.
  /// One stat call a file.
  virtual bool changed() const noexcept = 0;
  /// A hint: these bytes of a tensor's data are not needed for a while and may leave memory (MappedFile::release). Nothing by default.
  virtual void release(std::span<const std::byte>) const noexcept {}

 protected:
  /// Throws what `get` promises for an absent name.
  [[noreturn]] virtual void fail_missing(std::string_view name) const;
};

}  // namespace attune::io
