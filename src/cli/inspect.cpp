// attune inspect: what a model file holds.
#include <map>
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "lm/checkpoint.h"
#include "lm/kv_cache.h"

namespace attune::cli {
namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string model = default_model_path();
  bool tensors = false;

  void describe(OptionList& list) {
    list.add("model", model, "Model file or folder.").positional();
    list.add("tensors", tensors, "List every tensor.");
  }
};

Json value_json(const io::GgufValue& value) {
  return std::visit(
      [](const auto& v) -> Json {
        if constexpr (std::is_same_v<std::decay_t<decltype(v)>, io::GgufArray>) {
          return std::visit([](const auto& array) -> Json { return cat("array of ", array.size()); }, v);
        } else {
          return v;
        }
      },
      value);
}

Json tensor_json(const io::TensorView& tensor) {
  return {{"name", tensor.name}, {"type", std::string(dtype_name(tensor.dtype))}, {"shape", tensor.shape}, {"bytes", tensor.data.size()}};
}

Json inspect_source(const io::TensorSource& source) {
  std::map<std::string, int64_t> types;
  int64_t bytes = 0;
  int64_t elements = 0;
  Json tensors = Json::array();
  for (const auto& tensor : source.tensors()) {
    ++types[std::string(dtype_name(tensor.dtype))];
    bytes += static_cast<int64_t>(tensor.data.size());
    elements += tensor.num_elements();
    tensors.push_back(tensor_json(tensor));
  }
  return {{"file", source.description()}, {"num_tensors", source.tensors().size()}, {"parameters", elements}, {"bytes", bytes},
          {"types", types}, {"tensors", std::move(tensors)}};
}

/// Bytes that one sequence's keys and values take in the engine by type and length (lm/kv_cache.h); null if the file is no Gemma 3 model.
Json kv_cache_json(const Path& path) {
  Json report;
  try {
    const lm::ModelConfig config = lm::open_tensors(path).config;
    for (const auto& [name, type] : {std::pair{"f16", kernels::KvType::kF16}, std::pair{"q8_0", kernels::KvType::kQ8_0}}) {
      if (type == kernels::KvType::kQ8_0 && config.head_dim % 32 != 0) continue;
      const lm::KvPool pool(config, type, lm::EngineOptions().rewind_margin, 0);
      for (int64_t length = 1024; length < config.context_length; length *= 4)
        report[name][std::to_string(length)] = pool.bytes_for(length);
      report[name][std::to_string(config.context_length)] = pool.bytes_for(config.context_length);
    }
  } catch (const Error&) {  // what the file holds is shown all the same
    return nullptr;
  }
  return report;
}

int inspect(const CommandContext& context, const InspectOptions& options) {
  const Path path = options.model;
  Json report;
  Json metadata = Json::object();
  if (path.extension() == ".gguf") {
    const auto file = io::GgufFile::open(path);
    report = inspect_source(*file);
    for (const auto& [key, value] : file->metadata()) metadata[key] = value_json(value);
  } else {
    const auto file = io::SafetensorsFile::open(path);
    report = inspect_source(*file);
    for (const auto& [key, value] : file->metadata()) metadata[key] = value;
    for (const auto& raw : file->unsupported()) report["unsupported"].push_back({{"name", raw.name}, {"type", raw.dtype}, {"shape", raw.shape}});
  }
  if (Json kv = kv_cache_json(path); !kv.is_null()) report["kv_bytes"] = std::move(kv);
  report["metadata"] = std::move(metadata);
  const auto replace = nlohmann::json::error_handler_t::replace;
  if (context.common.json) {
    context.print(report.dump(-1, ' ', false, replace));
    return 0;
  }
  for (const auto& [key, value] : report["metadata"].items()) context.print(cat(key, ": ", value.dump(-1, ' ', false, replace)));
  for (const auto& [key, value] : report.items()) {
    if (key != "metadata" && key != "tensors") context.print(cat(key, ": ", value.dump(-1, ' ', false, replace)));
  }
  if (options.tensors) {
    for (const auto& tensor : report["tensors"]) {
      context.print(cat(tensor["name"].get<std::string>(), "  ", tensor["type"].get<std::string>(), "  ", tensor["shape"].dump()));
    }
  }
  return 0;
}

}  // namespace

void register_inspect(CommandSet& commands) {
  commands.add("inspect", "Show metadata, tensor types and sizes of a model file.", [](CommandSpec& spec) {
    auto& options = spec.options<InspectOptions>();
    spec.example("attune inspect models/gemma-3-270m-q4_k_m.gguf --tensors");
    return [&options](const CommandContext& context) { return inspect(context, options); };
  });
}

}  // namespace attune::cli
