// Scratch folders and small model files for the tests of conversion and quantisation.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "lm/tensor_list.h"
#include "tests/lm/fixtures.h"

namespace attune::lm::testing {

/// A folder of its own, removed afterwards.
class Scratch {
 public:
  Scratch() {
    static int count = 0;
    path_ = std::filesystem::temp_directory_path() / cat("attune-models-", ::getpid(), "-", count++);
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  Path operator/(const std::string& name) const { return path_ / name; }
  /// Names in the folder, sorted.
  std::vector<std::string> names() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(path_)) out.push_back(entry.path().filename().string());
    std::sort(out.begin(), out.end());
    return out;
  }

 private:
  Path path_;
};

/// The error that `body` throws, as "code message"; "" if none.
inline std::string error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return cat(error_code_name(error.code()), " ", error.what());
  }
  return "";
}

inline std::vector<float> logits_of(const Path& path, const std::string& compute = "f32") {
  EngineOptions options = f32_options();
  options.compute = compute;
  const auto model = Model::load(path);
  Engine engine(model, options);
  Sequence sequence = engine.start();
  sequence.append(random_ids(24, 7, std::min<int32_t>(model->config().vocab_size, 128)));
  engine.prefill(sequence);
  return engine.logits(sequence);
}

/// Copies a fixture folder with another config.json.
inline void copy_checkpoint(const std::string& name, const Path& to, const std::string& config = "config.json") {
  std::filesystem::create_directories(to);
  for (const char* file : {"model.safetensors", "tokenizer.json"}) {
    if (std::filesystem::exists(data_path(name + "/" + file))) std::filesystem::copy_file(data_path(name + "/" + file), to / file);
  }
  std::filesystem::copy_file(data_path(name + "/" + config), to / "config.json");
}

/// data/tiny.gguf with one tensor replaced: another type, shape and bytes. An empty shape leaves the tensor out.
inline void write_changed_gguf(const Path& to, const std::string& tensor, DType dtype, const std::vector<int64_t>& shape,
                               std::span<const std::byte> bytes) {
  const auto file = io::GgufFile::open(data_path("tiny.gguf"));
  io::GgufWriter writer;
  for (const auto& [key, value] : file->metadata()) writer.copy_metadata(*file, key);
  for (const io::TensorView& t : file->tensors()) {
    if (t.name != tensor) {
      writer.add_tensor(t.name, t.dtype, t.shape, t.data);
    } else if (!shape.empty()) {
      writer.add_tensor(t.name, dtype, shape, bytes);
    }
  }
  writer.write(to);
}

/// A GGUF without tokenizer of random F32 weights; names in `left_out` begin keys that it lacks.
inline void write_random_model(const ModelConfig& config, const Path& to, const std::string& left_out = "attune.") {
  io::GgufWriter keys;
  config_to_gguf(config, keys);
  keys.write(to);
  io::GgufWriter writer;
  {
    const auto file = io::GgufFile::open(to);
    for (const auto& [key, value] : file->metadata()) {
      if (!key.starts_with(left_out)) writer.copy_metadata(*file, key);
    }
  }
  std::vector<std::vector<float>> values;
  Rng rng(1, "weights");
  for (const TensorSpec& spec : model_tensors(config, false)) {
    std::vector<float>& v = values.emplace_back(static_cast<size_t>(spec.shape[0] * (spec.shape.size() > 1 ? spec.shape[1] : 1)));
    const double size = spec.role == TensorRole::kGain ? 0 : 1 / std::sqrt(static_cast<double>(spec.shape.back()));
    for (float& x : v) x = size == 0 ? 1.0f : static_cast<float>(size * rng.normal());
    writer.add_tensor(spec.gguf, DType::kF32, spec.shape, std::as_bytes(std::span<const float>(v)));
  }
  writer.write(to);
}

inline std::span<const std::byte> bytes_of(const std::vector<float>& values) { return std::as_bytes(std::span<const float>(values)); }

}  // namespace attune::lm::testing
