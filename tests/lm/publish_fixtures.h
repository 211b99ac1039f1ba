// Weights in memory, changed weights as models of their own, and adapters, for the tests of publishing.
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "core/error.h"
#include "io/safetensors.h"
#include "kernels/kernels.h"
#include "tests/lm/fixtures.h"

namespace attune::lm::testing {

/// Named F32 tensors.
class MemorySource final : public io::TensorSource {
 public:
  struct Tensor {
    std::vector<int64_t> shape;
    std::vector<float> values;
  };

  MemorySource() = default;
  /// All tensors of a file, as floats.
  explicit MemorySource(const io::TensorSource& source) {
    for (const auto& t : source.tensors()) {
      Tensor& out = at(t.name);
      out.shape = t.shape;
      out.values.resize(static_cast<size_t>(t.num_elements()));
      kernels::ops_for(kernels::Isa::kScalar).dequantize_row(t.dtype, t.data.data(), out.values.data(), t.num_elements());
    }
    seal();
  }
  MemorySource(const MemorySource& other) : data_(other.data_) { seal(); }
  MemorySource& operator=(const MemorySource&) = delete;

  Tensor& at(const std::string& name) { return data_[name]; }
  void erase(const std::string& name) { data_.erase(name); }
  std::map<std::string, Tensor>& data() { return data_; }
  const std::map<std::string, Tensor>& data() const { return data_; }
  /// After changes of names, shapes or sizes.
  void seal() {
    views_.clear();
    for (auto& [name, t] : data_) views_.push_back({name, DType::kF32, t.shape, std::as_bytes(std::span(t.values))});
  }

  const std::vector<io::TensorView>& tensors() const noexcept override { return views_; }
  const io::TensorView* find(std::string_view name) const noexcept override {
    for (const auto& view : views_) {
      if (view.name == name) return &view;
    }
    return nullptr;
  }
  std::string description() const override { return "tensors in memory"; }
  bool changed() const noexcept override { return false; }

 private:
  std::map<std::string, Tensor> data_;
  std::vector<io::TensorView> views_;
};

inline MemorySource tiny_tensors() { return MemorySource(*io::SafetensorsFile::open(data_path("tiny"))); }

/// A folder that is removed again.
struct TempFolder {
  Path path;
  explicit TempFolder(const std::string& name)
      : path(std::filesystem::temp_directory_path() / ("attune-publish-" + std::to_string(::getpid()) + "-" + name)) {
    std::filesystem::remove_all(path);
    std::filesystem::create_directories(path);
  }
  ~TempFolder() { std::filesystem::remove_all(path); }
};

inline void write_tensors(const MemorySource& source, const Path& file) {
  io::SafetensorsWriter writer;
  for (const auto& [name, t] : source.data()) writer.add_tensor(name, DType::kF32, t.shape, std::as_bytes(std::span(t.values)));
  writer.write(file);
}

/// A model of its own with these weights and the configuration of data/tiny.
inline std::shared_ptr<const Model> model_of(const MemorySource& source) {
  const TempFolder folder("model");
  write_tensors(source, folder.path / "model.safetensors");
  for (const char* name : {"config.json", "tokenizer.json", "tokenizer.model"}) {
    std::filesystem::copy_file(data_path("tiny") / name, folder.path / name);
  }
  return Model::load(folder.path);
}

inline bool is_projection(const std::string& name) { return name.ends_with("_proj.weight"); }

/// Every matrix of every layer moves by `relative` of its norm, in a random direction.
inline MemorySource changed_tensors(double relative, uint64_t seed) {
  MemorySource out = tiny_tensors();
  Rng rng(seed, "change");
  for (auto& [name, t] : out.data()) {
    if (!is_projection(name)) continue;
    double squares = 0;
    for (const float x : t.values) squares += static_cast<double>(x) * x;
    const double step = relative * std::sqrt(squares / static_cast<double>(t.values.size()));
    for (float& x : t.values) x += static_cast<float>(step * rng.normal());
  }
  return out;
}

/// An adapter of all seven matrices of every layer in PEFT's names, whose B A has `relative` of each matrix's norm; B = 0 for 0.
inline MemorySource adapter_tensors(double relative, int64_t rank, uint64_t seed) {
  MemorySource out;
  Rng rng(seed, "adapter");
  const MemorySource base = tiny_tensors();
  for (const auto& [name, t] : base.data()) {
    if (!is_projection(name)) continue;
    const std::string stem = "base_model.model." + name.substr(0, name.size() - std::string(".weight").size());
    double squares = 0;
    for (const float x : t.values) squares += static_cast<double>(x) * x;
    const double element = relative * std::sqrt(squares / static_cast<double>(t.values.size()) / static_cast<double>(rank));
    auto& a = out.at(stem + ".lora_A.weight");
    auto& b = out.at(stem + ".lora_B.weight");
    a.shape = {rank, t.shape[1]};
    b.shape = {t.shape[0], rank};
    a.values.resize(static_cast<size_t>(rank * t.shape[1]));
    b.values.resize(static_cast<size_t>(rank * t.shape[0]));
    for (float& x : a.values) x = static_cast<float>(rng.normal());
    for (float& x : b.values) x = static_cast<float>(element * rng.normal());
  }
  out.seal();
  return out;
}

/// A folder as PEFT writes it, of an adapter of adapter_tensors.
inline void write_peft_folder(const MemorySource& adapter, int64_t rank, double alpha, const Path& folder) {
  write_tensors(adapter, folder / "adapter_model.safetensors");
  const nlohmann::json config = {{"peft_type", "LORA"},
                                 {"r", rank},
                                 {"lora_alpha", alpha},
                                 {"bias", "none"},
                                 {"target_modules", {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}}};
  write_file_atomic(folder / "adapter_config.json", config.dump());
}

/// data/tiny with the adapter's `scale` B A added to its matrices, summed in double.
inline MemorySource merged_tensors(const MemorySource& adapter, double scale) {
  MemorySource out = tiny_tensors();
  for (const auto& [name, a] : adapter.data()) {
    const size_t at = name.find(".lora_A.weight");
    if (at == std::string::npos) continue;
    const auto& b = adapter.data().at(name.substr(0, at) + ".lora_B.weight");
    auto& w = out.at(name.substr(17, at - 17) + ".weight");
    const int64_t rank = a.shape[0], in = a.shape[1];
    for (int64_t r = 0; r < b.shape[0]; ++r) {
      for (int64_t c = 0; c < in; ++c) {
        double sum = 0;
        for (int64_t i = 0; i < rank; ++i) {
          sum += static_cast<double>(b.values[static_cast<size_t>(r * rank + i)]) * a.values[static_cast<size_t>(i * in + c)];
        }
        float& x = w.values[static_cast<size_t>(r * in + c)];
        x = static_cast<float>(x + scale * sum);
      }
    }
  }
  return out;
}

}  // namespace attune::lm::testing
