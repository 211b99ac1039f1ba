// What `convert` and `quantize` share: the plan of a file, the stream of its tensors, and the metadata of a GGUF.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "core/dtype.h"
#include "core/file.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "io/gguf.h"
#include "lm/checkpoint.h"

namespace attune::lm {

/// A tensor to be written: the first `shape[0]` rows of `from`, each value plus `offset` (norm gains), as `dtype`.
struct OutputTensor {
  const io::TensorView* from = nullptr;
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;
  float offset = 0;

  bool is_copy() const noexcept { return from->dtype == dtype && offset == 0; }
  int64_t row_size() const noexcept { return shape.back(); }
  int64_t num_rows() const noexcept;
  uint64_t bytes() const;
};

/// What a tensor lost: sums over all values in double, in one fixed order.
struct TensorError {
  double sum_squares = 0;
  double sum_squared_error = 0;
  /// RMS of the error over RMS of the values; 0 for a tensor of zeros.
  double relative_rms() const noexcept;
};

/// Produces tensors chunk by chunk on all threads of a pool (some 16 MiB of memory a chunk). Use as TensorProducer. Throws
/// kFailedPrecondition naming tensor and row for a value that is infinite or NaN or that the type cannot hold, kCorruptData if the source
/// changed on disk, kCancelled once `stop` asks.
class TensorStream {
 public:
  TensorStream(std::string operation, const std::vector<OutputTensor>& tensors, const io::TensorSource& source, ThreadPool& pool,
               ProgressSink& progress, std::stop_token stop);
  void produce(size_t index, AtomicFile& out);
  /// By tensor; filled by `produce`.
  const std::vector<TensorError>& errors() const noexcept { return errors_; }

 private:
  void convert_rows(const OutputTensor& t, int64_t begin, int64_t end, std::byte* to, TensorError& error) const;

  std::string operation_;
  const std::vector<OutputTensor>& tensors_;
  const io::TensorSource& source_;
  ThreadPool& pool_;
  ProgressSink& progress_;
  std::stop_token stop_;
  std::vector<TensorError> errors_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

/// The tensor of the checkpoint after a check of its shape. Throws kNotFound, kCorruptData.
const io::TensorView& source_tensor(const Checkpoint& from, const TensorSpec& spec);
/// Names of the source's tensors that no spec of the text model asks for (vision tower and the like), as a sentence; "" if there are none.
std::string left_out_note(const Checkpoint& from, const std::vector<TensorSpec>& specs);

/// Rows of the embedding (and head) that go into a GGUF: llama.cpp wants a piece of the vocabulary for each. Says in `notes` what is left out.
int64_t rows_for_gguf(const Checkpoint& from, std::vector<std::string>& notes);

/// Throws kInvalidArgument if `to` is the source, one of its files, or its folder; kFailedPrecondition if it exists and is no empty folder
/// (`force` allows an existing file); kIo if the disk has less than `bytes` free.
void check_target(std::string_view operation, const Checkpoint& from, const Path& to, bool force);
void check_space(std::string_view operation, const Path& to, uint64_t bytes);

/// All metadata of a GGUF: copied from a GGUF source (`general.file_type` and `general.quantization_version` are replaced), made from
/// configuration and tokenizer otherwise.
void add_metadata(const Checkpoint& from, int32_t file_type, bool quantised, io::GgufWriter& writer);
/// `general.file_type` of ggml for files mostly of one type.
int32_t file_type_of(DType dtype);

}  // namespace attune::lm
