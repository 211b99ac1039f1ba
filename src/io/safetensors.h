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

class SafetensorsFile final : public TensorSource {
 public:
  /// A .safetensors file, a model.safetensors.index.json, or a folder that holds one of them. Tensor types other than F32, F16, BF16 are
  /// kept in `unsupported()` and listed, not an error until asked for (then kUnsupported); I64, I32 and U8 tensors can be read with `raw`.
  static std::shared_ptr<const SafetensorsFile> open(const Path& path);
  static std::shared_ptr<const SafetensorsFile> parse(std::span<const std::byte> bytes, std::string name);
  ~SafetensorsFile() override;

  const TensorView* find(std::string_view name) const noexcept override;
  const std::vector<TensorView>& tensors() const noexcept override;
  std::string description() const override;
  bool changed() const noexcept override;

  struct Raw {
    std::string name;
    std::string dtype;  ///< as in the header: "I64", "U8", "F8_E4M3"
    std::vector<int64_t> shape;
    std::span<const std::byte> data;
  };
  /// Tensors of types that DType lacks.
  const std::vector<Raw>& unsupported() const noexcept;
  const Raw* find_raw(std::string_view name) const noexcept;
  const std::map<std::string, std::string>& metadata() const noexcept;

 private:
  struct State;
  explicit SafetensorsFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Writes one file, or shards of at most `max_shard_bytes` plus index (name "model-00001-of-00003.safetensors"), each atomically, the index last.
class SafetensorsWriter {
 public:
  SafetensorsWriter();
  ~SafetensorsWriter();
  /// `dtype`: F32, F16 or BF16. `data` stays valid until written.
  void add_tensor(std::string name, DType dtype, std::vector<int64_t> shape, std::span<const std::byte> data);
  /// Header type given by name (I64, I32, U8).
  void add_raw(std::string name, std::string dtype, std::vector<int64_t> shape, std::span<const std::byte> data);
  void add_metadata(std::string key, std::string value);
  void write(const Path& file) const;
  void write_shards(const Path& folder, uint64_t max_shard_bytes) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace attune::io
