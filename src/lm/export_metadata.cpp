// Metadata of the GGUF files that we write.
#include "core/error.h"
#include "lm/export_internal.h"

namespace attune::lm {
namespace {

void add_tokenizer(const text::Vocab& vocab, const std::string& chat_template, io::GgufWriter& writer) {
  std::vector<int32_t> types;
  types.reserve(vocab.types.size());
  for (const text::PieceType type : vocab.types) types.push_back(static_cast<int32_t>(type));
  writer.add_string("tokenizer.ggml.model", "llama");
  writer.add_string("tokenizer.ggml.pre", "default");
  writer.add_strings("tokenizer.ggml.tokens", vocab.pieces);
  writer.add_f32s("tokenizer.ggml.scores", vocab.scores);
  writer.add_i32s("tokenizer.ggml.token_type", std::move(types));
  const auto add_id = [&](const char* key, int32_t id) {
    if (id >= 0) writer.add_u32(key, static_cast<uint32_t>(id));
  };
  add_id("tokenizer.ggml.bos_token_id", vocab.bos_id);
  add_id("tokenizer.ggml.eos_token_id", vocab.eos_id);
  add_id("tokenizer.ggml.unknown_token_id", vocab.unknown_id);
  add_id("tokenizer.ggml.padding_token_id", vocab.pad_id);
  writer.add_bool("tokenizer.ggml.add_bos_token", vocab.add_bos);
  writer.add_bool("tokenizer.ggml.add_eos_token", false);
  writer.add_bool("tokenizer.ggml.add_space_prefix", false);
  if (!chat_template.empty()) writer.add_string("tokenizer.chat_template", chat_template);
}

}  // namespace

void add_metadata(const Checkpoint& from, int32_t file_type, bool quantised, io::GgufWriter& writer) {
  if (from.is_gguf()) {
    for (const auto& [key, value] : from.gguf->metadata()) {
      if (key != "general.file_type" && key != "general.quantization_version") writer.copy_metadata(*from.gguf, key);
    }
  } else {
    config_to_gguf(from.config, writer);
    if (from.tokenizer) add_tokenizer(from.tokenizer->vocab(), from.chat_template, writer);
  }
  if (quantised) writer.add_u32("general.quantization_version", 2);
  writer.add_u32("general.file_type", static_cast<uint32_t>(file_type));
}

int32_t file_type_of(DType dtype) {
  switch (dtype) {
    case DType::kF32: return 0;
    case DType::kF16: return 1;
    case DType::kBF16: return 32;
    case DType::kQ4_0: return 2;
    case DType::kQ5_0: return 8;
    case DType::kQ8_0: return 7;
    case DType::kQ4_K: return 14;
    case DType::kQ5_K: return 16;
    case DType::kQ6_K: return 18;
  }
  return 0;
}

}  // namespace attune::lm
