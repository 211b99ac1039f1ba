#include "lm/tokenizer_files.h"

#include "core/checked.h"
#include "core/error.h"
#include "io/gguf.h"
#if __has_include("text/hf_tokenizer.h")
#include "text/hf_tokenizer.h"
#endif

namespace attune::lm {
namespace {

int32_t id_or(const io::GgufFile& file, const char* key, int32_t fallback) {
  const auto value = file.get_int(key);
  return value ? checked_cast<int32_t>(*value, std::string("[gguf] ") + key) : fallback;
}

text::PieceType piece_type(int64_t value, size_t id) {
  check(value >= 1 && value <= 6, ErrorCode::kCorruptData, "[gguf] tokenizer.ggml.token_type of piece ", id, " is ", value, ", expected 1 to 6");
  return static_cast<text::PieceType>(value);
}

}  // namespace

std::shared_ptr<const text::Tokenizer> tokenizer_from_gguf(const io::GgufFile& file) {
  const auto* pieces = file.get_strings("tokenizer.ggml.tokens");
  if (pieces == nullptr) return nullptr;
  const auto kind = file.get_string("tokenizer.ggml.model");
  check(!kind || *kind == "llama", ErrorCode::kUnsupported, "[gguf] tokenizer.ggml.model is ", kind.value_or(""), ", expected llama");
  const auto* scores = file.get_floats("tokenizer.ggml.scores");
  const auto types = file.get_ints("tokenizer.ggml.token_type");
  check(scores != nullptr && types && scores->size() == pieces->size() && types->size() == pieces->size(), ErrorCode::kCorruptData,
        "[gguf] the vocabulary has ", pieces->size(), " pieces, ", scores ? scores->size() : 0, " scores and ", types ? types->size() : 0,
        " types; expected as many of each");
  text::Vocab vocab;
  vocab.pieces = *pieces;
  vocab.scores.assign(scores->begin(), scores->end());
  vocab.types.reserve(types->size());
  for (size_t id = 0; id < types->size(); ++id) vocab.types.push_back(piece_type((*types)[id], id));
  vocab.bos_id = id_or(file, "tokenizer.ggml.bos_token_id", 2);
  vocab.eos_id = id_or(file, "tokenizer.ggml.eos_token_id", 1);
  vocab.unknown_id = id_or(file, "tokenizer.ggml.unknown_token_id", 3);
  vocab.pad_id = id_or(file, "tokenizer.ggml.padding_token_id", 0);
  vocab.add_bos = file.get_bool("tokenizer.ggml.add_bos_token").value_or(true);
  return std::make_shared<const text::Tokenizer>(std::move(vocab));
}

std::shared_ptr<const text::Tokenizer> tokenizer_from_folder(const Path& folder) {
  constexpr uint64_t kMaxBytes = uint64_t{256} << 20;
  std::error_code ignored;
  if (const Path model = folder / "tokenizer.model"; std::filesystem::exists(model, ignored)) {
    return with_context([&] { return "reading " + model.string(); }, [&] {
      return std::make_shared<const text::Tokenizer>(text::vocab_from_sentencepiece(read_file(model, kMaxBytes)));
    });
  }
  if (const Path json = folder / "tokenizer.json"; std::filesystem::exists(json, ignored)) {
    return with_context([&] { return "reading " + json.string(); }, [&] {
      return std::make_shared<const text::Tokenizer>(text::vocab_from_tokenizer_json(read_file(json, kMaxBytes)));
    });
  }
  return nullptr;
}

}  // namespace attune::lm
