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

std::string Checkpoint::name_of(const TensorSpec& spec) const { return file_name(spec, is_gguf(), prefix); }

Checkpoint open_tensors(const Path& path) {
  Checkpoint out;
  out.path = path;
  if (path.extension() == ".gguf") {
    out.gguf = io::GgufFile::open(path);
    out.source = out.gguf;
    out.config = config_from_gguf(*out.gguf);
    return out;
  }
  out.folder = std::filesystem::is_directory(path) ? path : path.parent_path();
  out.source = io::SafetensorsFile::open(path);
  const auto& tensors = out.source->tensors();
  const bool any_bf16 = std::any_of(tensors.begin(), tensors.end(), [](const auto& t) { return t.dtype == DType::kBF16; });
  out.config = config_from_hf(read_file(out.folder / "config.json", kMaxJsonBytes), any_bf16);
  out.prefix = hf_prefix(*out.source);
  return out;
}

std::shared_ptr<const text::Tokenizer> tokenizer_of(const Checkpoint& checkpoint) {
  return checkpoint.is_gguf() ? tokenizer_from_gguf(*checkpoint.gguf) : tokenizer_from_folder(checkpoint.folder);
}

Checkpoint open_checkpoint(const Path& path) {
  return with_context([&] { return "reading model " + path.string(); },
                      [&] {
                        Checkpoint out = open_tensors(path);
                        out.tokenizer = tokenizer_of(out);
                        if (out.is_gguf()) {
                          out.chat_template = out.gguf->get_string("tokenizer.chat_template").value_or("");
                        } else {
                          out.chat_template = chat_template_of_folder(out.folder);
                          if (out.config.name == "gemma3")
                            out.config.name = std::filesystem::weakly_canonical(out.folder).filename().string();
                        }
                        check(!out.tokenizer || out.tokenizer->vocab().size() <= out.config.vocab_size, ErrorCode::kCorruptData,
                              "[model] the tokenizer has ", out.tokenizer ? out.tokenizer->vocab().size() : 0, " pieces, the embedding ",
                              out.config.vocab_size, " rows");
                        return out;
                      });
}

}  // namespace attune::lm
