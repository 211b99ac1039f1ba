#include "cli/model_options.h"

#include <iostream>
#include <iterator>

#include "core/error.h"
#include "core/file.h"

namespace attune::cli {

std::string default_model_path() { return (home_folder() / "models" / "gemma-3-270m-q4_k_m.gguf").string(); }

void ModelOptions::describe(OptionList& list) {
  list.add("model", model, "Model: a .gguf file, a .safetensors file, or a folder of a checkpoint.").alias("-m");
  engine.describe(list);
}

void ModelOptions::describe_lora(OptionList& list) {
  list.add("lora", lora, "Folder of a low-rank adapter as PEFT writes it, added to the model at run time.");
}

std::shared_ptr<const lm::Model> load_model(const ModelOptions& options) {
  if (options.model == default_model_path() && !std::filesystem::exists(options.model)) {
    fail(ErrorCode::kNotFound, "[model] ", options.model, " is absent; run scripts/bootstrap.sh to get it, or name a model with -m");
  }
  return lm::Model::load(options.model);
}

std::unique_ptr<lm::Engine> load_engine(const ModelOptions& options) {
  auto model = load_model(options);
  check(model->tokenizer() != nullptr, ErrorCode::kFailedPrecondition, "[model] ", options.model, " has no tokenizer");
  auto engine = std::make_unique<lm::Engine>(std::move(model), options.engine);
  if (!options.lora.empty()) {
    engine->set_current_weights(engine->publish(Path(options.lora), lm::Publish::kLoraF32, {.probe = false}).id);
  }
  return engine;
}

void TextInput::describe(OptionList& list) {
  list.add("prompt", prompt, "The text.").alias("-p");
  list.add("file", file, "Read the text from a file; - is standard input.").alias("-f");
}

std::string TextInput::read() const {
  constexpr uint64_t kMaxBytes = uint64_t{64} << 20;
  if (file.empty()) return prompt;
  check(prompt.empty(), ErrorCode::kInvalidArgument, "[input] give --prompt or --file, not both");
  if (file != "-") return read_file(file, kMaxBytes);
  std::string text(std::istreambuf_iterator<char>(std::cin), {});
  check(text.size() <= kMaxBytes, ErrorCode::kResource, "[input] standard input holds more than ", kMaxBytes, " bytes");
  return text;
}

}  // namespace attune::cli
