#include "io/tensor.h"

#include "core/error.h"
#include "io/quote_internal.h"

namespace attune::io {
namespace {

constexpr size_t kMaxDims = 4;
constexpr int64_t kMaxDim = int64_t{1} << 40;
constexpr uint64_t kMaxElements = uint64_t{1} << 60;  // so that neither elements nor bytes (at most 4 each) wrap

}  // namespace

int64_t TensorView::num_rows() const noexcept {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

uint64_t tensor_bytes(std::string_view file, std::string_view name, DType dtype, const std::vector<int64_t>& shape) {
  const auto refuse = [&](const auto&... parts) {
    fail(ErrorCode::kCorruptData, "[", printable(file, 4096), "] tensor ", printable(name), ": ", parts...);
  };
  if (shape.size() > kMaxDims) refuse("expected at most ", kMaxDims, " dimensions, found ", shape.size());
  uint64_t elements = 1;
  for (const int64_t dim : shape) {
    if (dim < 1 || dim > kMaxDim) refuse("expected dimensions from 1 to 2^40, found shape ", shape_string(shape));
    if (static_cast<uint64_t>(dim) > kMaxElements / elements) {
      refuse("expected at most 2^60 elements, found shape ", shape_string(shape), " whose product is larger");
    }
    elements *= static_cast<uint64_t>(dim);
  }
  const DTypeInfo& info = dtype_info(dtype);
  const uint64_t row = shape.empty() ? 1 : static_cast<uint64_t>(shape.back());
  if (row % static_cast<uint64_t>(info.block_size) != 0) {
    refuse("expected rows of whole ", info.name, " blocks (a multiple of ", info.block_size, " elements), found rows of ", row);
  }
  return elements / static_cast<uint64_t>(info.block_size) * static_cast<uint64_t>(info.block_bytes);
}

TensorView make_tensor_view(std::string_view file, std::string name, DType dtype, std::vector<int64_t> shape,
                            std::span<const std::byte> bytes, uint64_t offset, uint64_t size) {
  const uint64_t needed = tensor_bytes(file, name, dtype, shape);
  check(size == needed, ErrorCode::kCorruptData, "[", printable(file, 4096), "] tensor ", printable(name), ": expected ", needed,
        " bytes for ", dtype_name(dtype), " ", shape_string(shape), ", found ", size);
  check(offset <= bytes.size() && size <= bytes.size() - offset, ErrorCode::kCorruptData, "[", printable(file, 4096), "] tensor ",
        printable(name), ": expected ", size, " bytes at byte ", offset, ", found a file of ", bytes.size(), " bytes (cut off?)");
  TensorView view;
  view.name = std::move(name);
  view.dtype = dtype;
  view.shape = std::move(shape);
  view.data = bytes.subspan(static_cast<size_t>(offset), static_cast<size_t>(size));
  return view;
}

void produce_tensor(std::string_view writer, std::string_view name, uint64_t size, size_t index, const TensorProducer& produce,
                    AtomicFile& out) {
  check(static_cast<bool>(produce), ErrorCode::kFailedPrecondition, "[", writer, "] tensor ", printable(name),
        ": expected a producer of its bytes, found none");
  const uint64_t before = out.size();
  produce(index, out);
  check(out.size() - before == size, ErrorCode::kInternal, "[", writer, "] tensor ", printable(name), ": expected ", size,
        " bytes from its producer, found ", out.size() - before);
}

const TensorView& TensorSource::get(std::string_view name) const {
  const TensorView* view = find(name);
  if (view == nullptr) fail_missing(name);
  return *view;
}

void TensorSource::fail_missing(std::string_view name) const {
  fail(ErrorCode::kNotFound, "[", description(), "] expected a tensor named ", printable(name), ", found ", tensors().size(),
       " tensors without it");
}

}  // namespace attune::io
