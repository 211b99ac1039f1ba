// Fixture models of data/ and the temporary folders that tests work in.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "core/file.h"
#include "core/rng.h"
#include "lm/engine.h"

namespace attune::lm::testing {

inline Path data_path(const std::string& name) { return Path(ATTUNE_SOURCE_DIR) / "data" / name; }
inline Path real_model_path() { return Path(ATTUNE_SOURCE_DIR) / "models" / "gemma-3-270m-q4_k_m.gguf"; }

inline nlohmann::json read_json(const std::string& name) { return nlohmann::json::parse(read_file(data_path(name))); }

inline std::shared_ptr<const Model> tiny_model() {
  static const auto model = Model::load(data_path("tiny.gguf"));
  return model;
}

/// data/tiny with another config.json.
inline std::shared_ptr<const Model> tiny_with_config(const std::string& config) {
  const Path folder = std::filesystem::temp_directory_path() / ("attune-lm-" + std::to_string(::getpid()) + "-" + config);
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(data_path("tiny/model.safetensors"), folder / "model.safetensors", std::filesystem::copy_options::overwrite_existing);
  std::filesystem::copy_file(data_path("tiny/" + config), folder / "config.json", std::filesystem::copy_options::overwrite_existing);
  auto model = Model::load(folder);
  std::filesystem::remove_all(folder);
  return model;
}

inline EngineOptions f32_options() {
  EngineOptions options;
  options.compute = "f32";
  options.threads = 2;
  return options;
}

inline SamplerOptions greedy() {
  SamplerOptions options;
  options.temperature = 0;
  return options;
}

inline std::vector<int32_t> random_ids(int64_t n, uint64_t seed, int32_t vocab = 512) {
  Rng rng(seed, "ids");
  std::vector<int32_t> ids{2};
  while (static_cast<int64_t>(ids.size()) < n) ids.push_back(static_cast<int32_t>(rng.below(static_cast<uint64_t>(vocab))));
  return ids;
}

}  // namespace attune::lm::testing
