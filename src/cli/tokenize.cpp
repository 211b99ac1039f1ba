// attune tokenize: text to token ids.
#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "core/error.h"
#include "io/gguf.h"
#include "lm/tokenizer_files.h"

namespace attune::cli {
namespace {

struct TokenizeOptions {
  std::string model = default_model_path();
  TextInput input;
  bool no_bos = false;
  bool special = false;

  void describe(OptionList& list) {
    list.add("model", model, "Model whose tokenizer is used.").alias("-m");
    input.describe(list);
    list.add("no_bos", no_bos, "Do not put the beginning-of-sequence token in front.");
    list.add("special", special, "Let control pieces in the text (<end_of_turn>) become their ids.");
  }
};

std::shared_ptr<const text::Tokenizer> load_tokenizer(const Path& path) {
  auto tokenizer = path.extension() == ".gguf" ? lm::tokenizer_from_gguf(*io::GgufFile::open(path))
                                               : lm::tokenizer_from_folder(std::filesystem::is_directory(path) ? path : path.parent_path());
  check(tokenizer != nullptr, ErrorCode::kNotFound, "[tokenize] ", path.string(), " has no tokenizer");
  return tokenizer;
}

int tokenize(const CommandContext& context, const TokenizeOptions& options) {
  const auto tokenizer = load_tokenizer(options.model);
  const auto ids = tokenizer->encode(options.input.read(), {.add_bos = !options.no_bos && tokenizer->vocab().add_bos,
                                                             .allow_control = options.special,
                                                             .allow_image_tokens = options.special});
  if (context.common.json) {
    context.print(nlohmann::json{{"ids", ids}}.dump());
    return 0;
  }
  for (const int32_t id : ids) {
    context.print(cat(id, "\t", nlohmann::json(tokenizer->piece_bytes(id, true)).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
  }
  return 0;
}

}  // namespace

void register_tokenize(CommandSet& commands) {
  commands.add("tokenize", "Show the tokens of a text.", [](CommandSpec& spec) {
    auto& options = spec.options<TokenizeOptions>();
    spec.example("attune tokenize -p \"Hello world\" --json");
    return [&options](const CommandContext& context) { return tokenize(context, options); };
  });
}

}  // namespace attune::cli
