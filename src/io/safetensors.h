// safetensors: single files and sharded checkpoints with model.safetensors.index.json (docs/formats/safetensors.md).
//
// The format's own rules are enforced: header at most 100 MiB and smaller than the file, one JSON object without duplicate keys, offsets
// in order without holes, overlap or tail, shape product equal to the span. Shard names may not leave the folder. Errors: kCorruptData
// naming file and key.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/file.h"
#include "io/tensor.h"

namespace attune::io {

struct SafetensorsLimits {
  uint64_t max_header_bytes = uint64_t{100} << 20;  ///< JSON header of one file
  uint64_t max_index_bytes = uint64_t{100} << 20;   ///< model.safetensors.index.json
  uint64_t max_tensors = 1000000;                   ///< of one file
  uint64_t max_shards = 4096;
};

class SafetensorsFile final : public TensorSource {
 public:
  /// A .safetensors file, an index (name ending in .json), or a folder that holds model.safetensors or model.safetensors.index.json (both:
  /// kFailedPrecondition, since one of them is stale). Of a sharded checkpoint, every tensor must lie in the shard that the index names.
  /// Tensors of other types than F32, F16 and BF16, without elements, or of more than 4 dimensions are kept in `unsupported()`: no error
  /// until asked for by `get` (kUnsupported); their bytes are there for `find_raw` (I64, I32, U8, ...). A tensor that the file does not
  /// align to its element size is copied. Throws kNotFound, kIo, kCorruptData.
  static std::shared_ptr<const SafetensorsFile> open(const Path& path, const SafetensorsLimits& limits = {});
  /// One file's bytes in memory (tests, fuzzing), which must outlive the result. `name` stands in messages.
  static std::shared_ptr<const SafetensorsFile> parse(std::span<const std::byte> bytes, std::string name,
                                                      const SafetensorsLimits& limits = {});
  ~SafetensorsFile() override;

  const TensorView* find(std::string_view name) const noexcept override;
  const std::vector<TensorView>& tensors() const noexcept override;
  std::string description() const override;
  bool changed() const noexcept override;
  void release(std::span<const std::byte> data) const noexcept override;

  struct Raw {
    std::string name;
    std::string dtype;  ///< as in the header: "I64", "U8", "F8_E4M3"
    std::vector<int64_t> shape;
    std::span<const std::byte> data;
  };
  /// Tensors that a TensorView cannot hold (see `open`).
  const std::vector<Raw>& unsupported() const noexcept;
  /// A tensor of `unsupported()` by name; null if absent.
  const Raw* find_raw(std::string_view name) const noexcept;
  /// The `__metadata__` of the file, or of all shards together (the first shard wins).
  const std::map<std::string, std::string>& metadata() const noexcept;

 protected:
  [[noreturn]] void fail_missing(std::string_view name) const override;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes one file, or shards of at most `max_shard_bytes` of data plus index (model-00001-of-00003.safetensors), each file atomically and
/// the index last. Tensors go by falling element size, otherwise in the order added, so that every one is aligned. Not thread-safe.
class SafetensorsWriter {
 public:
  SafetensorsWriter();
  ~SafetensorsWriter();
  /// `dtype`: F32, F16 or BF16. `data` stays valid until written; its size must equal rows * row_bytes. Throws kInvalidArgument, also for
  /// a name that is empty, no UTF-8, "__metadata__" or there already.
  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data);
  /// A tensor whose bytes a producer makes while the file is written (F32, F16 or BF16). Checks as `add_tensor`.
  void declare_tensor(std::string name, DType dtype, std::vector<int64_t> shape);
  /// Header type given by name: I64, I32, I16, I8, U8, BOOL, F64 and the others of docs/formats/safetensors.md.
  void add_raw(std::string name, std::string dtype, std::vector<int64_t> shape, std::span<const std::byte> data);
  /// Throws kInvalidArgument for a key given twice or text that is no UTF-8.
  void add_metadata(std::string key, std::string value);
  /// Bytes of all tensors.
  uint64_t data_bytes() const noexcept;
  /// Throws kIo, kFailedPrecondition for declared tensors without `produce`, and what `produce` throws; then no file is left.
  void write(const Path& file, const TensorProducer& produce = {}) const;
  /// Writes into `folder`, which must exist. A tensor larger than `max_shard_bytes` gets a shard of its own. Shards of an earlier set of
  /// the same count are replaced one by one: write into a fresh folder where a reader may come in between.
  void write_shards(const Path& folder, uint64_t max_shard_bytes, const TensorProducer& produce = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::io
