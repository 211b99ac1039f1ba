// The stream of converted tensors, and what is checked before a file is begun.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "core/error.h"
#include "kernels/kernels.h"
#include "kernels/quantize_weights.h"
#include "lm/export_internal.h"

namespace attune::lm {
namespace {

constexpr int64_t kChunkValues = int64_t{4} << 20;
constexpr int64_t kGrainValues = int64_t{1} << 16;

}  // namespace

int64_t OutputTensor::num_rows() const noexcept {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
  return rows;
}

uint64_t OutputTensor::bytes() const { return static_cast<uint64_t>(num_rows()) * row_bytes(dtype, static_cast<uint64_t>(row_size())); }

double TensorError::relative_rms() const noexcept { return sum_squares > 0 ? std::sqrt(sum_squared_error / sum_squares) : 0; }

TensorStream::TensorStream(std::string operation, const std::vector<OutputTensor>& tensors, const io::TensorSource& source,
                           ThreadPool& pool, ProgressSink& progress, std::stop_token stop)
    : operation_(std::move(operation)),
      tensors_(tensors),
      source_(source),
      pool_(pool),
      progress_(progress),
      stop_(std::move(stop)),
      errors_(tensors.size()) {
  for (const OutputTensor& t : tensors) total_ += t.bytes();
}

void TensorStream::convert_rows(const OutputTensor& t, int64_t begin, int64_t end, std::byte* to, TensorError& error) const {
  const int64_t n = t.row_size();
  const auto in = static_cast<int64_t>(row_bytes(t.from->dtype, static_cast<uint64_t>(n)));
  const auto out = static_cast<int64_t>(row_bytes(t.dtype, static_cast<uint64_t>(n)));
  std::vector<float> values(static_cast<size_t>(n)), written(static_cast<size_t>(n));
  for (int64_t r = begin; r < end; ++r, to += out) {
    const std::byte* row = t.from->data.data() + r * in;
    kernels::ops().dequantize_row(t.from->dtype, row, values.data(), n);
    for (float& value : values) {
      value += t.offset;
      check(std::isfinite(value), ErrorCode::kFailedPrecondition, "[", operation_, "] tensor ", t.from->name, ", row ", r,
            ": expected finite values, found one that is infinite or NaN");
    }
    if (t.is_copy()) {
      std::memcpy(to, row, static_cast<size_t>(in));
      continue;
    }
    check(kernels::quantize_weights(t.dtype, values.data(), n, to), ErrorCode::kFailedPrecondition, "[", operation_, "] tensor ",
          t.from->name, ", row ", r, ": a value or scale is beyond what ", dtype_name(t.dtype), " can hold");
    kernels::ops().dequantize_row(t.dtype, to, written.data(), n);
    for (size_t i = 0; i < values.size(); ++i) {
      const double difference = static_cast<double>(values[i]) - static_cast<double>(written[i]);
      error.sum_squares += static_cast<double>(values[i]) * static_cast<double>(values[i]);
      error.sum_squared_error += difference * difference;
    }
  }
}

void TensorStream::produce(size_t index, AtomicFile& out) {
  const OutputTensor& t = tensors_[index];
  const int64_t rows = t.num_rows();
  const uint64_t stride = row_bytes(t.dtype, static_cast<uint64_t>(t.row_size()));
  const int64_t chunk = std::max<int64_t>(1, kChunkValues / t.row_size());
  const int64_t grain = std::max<int64_t>(1, kGrainValues / t.row_size());
  std::vector<std::byte> bytes;
  for (int64_t begin = 0; begin < rows; begin += chunk) {
    check(!stop_.stop_requested(), ErrorCode::kCancelled, "[", operation_, "] interrupted; nothing was written");
    check(!source_.changed(), ErrorCode::kCorruptData, "[", operation_, "] ", source_.description(), " changed on disk while it was read");
    const int64_t count = std::min(chunk, rows - begin);
    bytes.resize(static_cast<size_t>(count) * stride);
    std::vector<TensorError> parts(static_cast<size_t>((count + grain - 1) / grain));
    pool_.for_ranges(count, grain, [&](int64_t from, int64_t to) {
      convert_rows(t, begin + from, begin + to, bytes.data() + static_cast<uint64_t>(from) * stride,
                   parts[static_cast<size_t>(from / grain)]);
    });
    for (const TensorError& part : parts) {
      errors_[index].sum_squares += part.sum_squares;
      errors_[index].sum_squared_error += part.sum_squared_error;
    }
    out.write(bytes);
    done_ += bytes.size();
    progress_.update("MiB", static_cast<int64_t>(done_ >> 20), static_cast<int64_t>(total_ >> 20));
  }
}

const io::TensorView& source_tensor(const Checkpoint& from, const TensorSpec& spec) {
  const io::TensorView& found = from.source->get(from.name_of(spec));
  check(found.shape == spec.shape, ErrorCode::kCorruptData, "[model] tensor ", found.name, " is ", shape_string(found.shape), ", expected ",
        shape_string(spec.shape));
  return found;
}

std::string left_out_note(const Checkpoint& from, const std::vector<TensorSpec>& specs) {
  std::vector<std::string> known;
  for (const TensorSpec& spec : specs) known.push_back(from.name_of(spec));
  std::sort(known.begin(), known.end());
  int64_t count = 0;
  std::string first;
  for (const io::TensorView& tensor : from.source->tensors()) {
    if (std::binary_search(known.begin(), known.end(), tensor.name)) continue;
    if (count++ == 0) first = tensor.name;
  }
  return count == 0 ? "" : cat(count, " tensors that are no part of the text model are left out (", first, count > 1 ? ", ...)" : ")");
}

int64_t rows_for_gguf(const Checkpoint& from, std::vector<std::string>& notes) {
  const int64_t rows = from.config.vocab_size;
  const int64_t pieces = from.tokenizer ? from.tokenizer->vocab().size() : rows;
  if (pieces < rows) notes.push_back(cat(rows - pieces, " rows of the embedding behind the vocabulary's ", pieces, " pieces are left out"));
  return pieces;
}

void check_target(std::string_view operation, const Checkpoint& from, const Path& to, bool force) {
  check(!to.empty(), ErrorCode::kInvalidArgument, "[", operation, "] expected a name for the new model, found none");
  std::error_code none;
  if (!std::filesystem::exists(to, none)) return;
  const Path folder = std::filesystem::is_directory(from.path, none) ? from.path : from.path.parent_path();
  const bool is_source = std::filesystem::equivalent(to, from.path, none) ||
                         (!from.is_gguf() && !folder.empty() && std::filesystem::equivalent(to, folder, none));
  check(!is_source, ErrorCode::kInvalidArgument, "[", operation, "] ", to.string(), " is the model that is read; give another name");
  if (std::filesystem::is_directory(to, none)) {
    check(std::filesystem::is_empty(to, none) && to.extension() != ".gguf", ErrorCode::kFailedPrecondition, "[", operation, "] folder ",
          to.string(), " is there already and not empty");
  } else {
    check(force && to.extension() == ".gguf", ErrorCode::kFailedPrecondition, "[", operation, "] ", to.string(),
          " is there already; --force replaces a .gguf file");
  }
}

void check_space(std::string_view operation, const Path& to, uint64_t bytes) {
  std::error_code unknown;
  const auto space = std::filesystem::space(to.has_parent_path() ? to.parent_path() : Path("."), unknown);
  if (unknown || space.available == static_cast<std::uintmax_t>(-1)) return;
  check(space.available >= bytes, ErrorCode::kIo, "[", operation, "] ", to.string(), " needs ", bytes, " bytes, the disk has ",
        space.available, " free");
}

}  // namespace attune::lm
