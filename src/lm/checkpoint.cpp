#include "lm/checkpoint.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "lm/tokenizer_files.h"

namespace attune::lm {
namespace {

constexpr uint64_t kMaxJsonBytes = uint64_t{16} << 20;

/// chat_template.jinja, or "chat_template" of tokenizer_config.json: a text, or a list of named texts of which "default" counts.
std::string chat_template_of_folder(const Path& folder) {
  std::error_code ignored;
  if (const Path file = folder / "chat_template.jinja"; std::filesystem::exists(file, ignored)) return read_file(file, kMaxJsonBytes);
  const Path file = folder / "tokenizer_config.json";
  if (!std::filesystem::exists(file, ignored)) return {};
  const auto json = nlohmann::json::parse(read_file(file, kMaxJsonBytes), nullptr, false);
  check(json.is_object(), ErrorCode::kCorruptData, "[", file.string(), "] is no JSON object");
  const auto found = json.find("chat_template");
  if (found == json.end()) return {};
  if (found->is_string()) return found->get<std::string>();
  if (!found->is_array()) return {};
  for (const auto& entry : *found) {
    if (entry.is_object() && entry.value("name", nlohmann::json()) == "default" && entry.contains("template") &&
        entry["template"].is_string()) {
      return entry["template"].get<std::string>();
    }
  }
  return {};
}

}  // namespace

bool Checkpoint::own_head() const { return source->find(is_gguf() ? "output.weight" : "lm_head.weight") != nullptr; }

std::string Checkpoint::name_of(const TensorSpec& spec) const {
  if (is_gguf()) return spec.gguf;
  return spec.role == TensorRole::kHead ? spec.hf : prefix + spec.hf;
}

Checkpoint open_checkpoint(const Path& path) {
  return with_context([&] { return "reading model " + path.string(); },
                      [&] {
                        Checkpoint out;
                        out.path = path;
                        if (path.extension() == ".gguf") {
                          out.gguf = io::GgufFile::open(path);
                          out.source = out.gguf;
                          out.config = config_from_gguf(*out.gguf);
                          out.tokenizer = tokenizer_from_gguf(*out.gguf);
                          out.chat_template = out.gguf->get_string("tokenizer.chat_template").value_or("");
                        } else {
                          const auto file = io::SafetensorsFile::open(path);
                          const Path folder = std::filesystem::is_directory(path) ? path : path.parent_path();
                          const bool any_bf16 = std::any_of(file->tensors().begin(), file->tensors().end(),
                                                            [](const auto& t) { return t.dtype == DType::kBF16; });
                          out.source = file;
                          out.config = config_from_hf(read_file(folder / "config.json", kMaxJsonBytes), any_bf16);
                          out.prefix = hf_prefix(*file);
                          out.tokenizer = tokenizer_from_folder(folder);
                          out.chat_template = chat_template_of_folder(folder);
                          if (out.config.name == "gemma3") out.config.name = std::filesystem::weakly_canonical(folder).filename().string();
                        }
                        check(!out.tokenizer || out.tokenizer->vocab().size() <= out.config.vocab_size, ErrorCode::kCorruptData,
                              "[model] the tokenizer has ", out.tokenizer ? out.tokenizer->vocab().size() : 0, " pieces, the embedding ",
                              out.config.vocab_size, " rows");
                        return out;
                      });
}

}  // namespace attune::lm
