#include "lm/model.h"

#include <algorithm>
#include <future>

#include "core/error.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "lm/tokenizer_files.h"

namespace attune::lm {

void Model::set_tokenizer(std::shared_ptr<const text::Tokenizer> tokenizer) {
  tokenizer_ = std::move(tokenizer);
  stop_ids_ = {1};
  if (!tokenizer_) return;
  const text::Vocab& vocab = tokenizer_->vocab();
  check(vocab.size() <= config_.vocab_size, ErrorCode::kCorruptData, "[model] the tokenizer has ", vocab.size(), " pieces, the embedding ",
        config_.vocab_size, " rows");
  stop_ids_ = {vocab.eos_id};
  if (const auto end_of_turn = tokenizer_->find("<end_of_turn>"); end_of_turn && *end_of_turn != vocab.eos_id)
    stop_ids_.push_back(*end_of_turn);
  for (const char* marker : {"<start_of_image>", "<end_of_image>"}) {
    if (const auto id = tokenizer_->find(marker)) forbidden_ids_.push_back(*id);
  }
  // Rows behind the vocabulary (64 padding rows of multimodal checkpoints) have no text.
  for (int64_t id = vocab.size(); id < config_.vocab_size; ++id) forbidden_ids_.push_back(static_cast<int32_t>(id));
}

namespace {

/// "-it" in the file's or the model's name marks an instruction-tuned release; nothing in the weights does.
bool name_says_instruction_tuned(std::string_view name) {
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  for (const char* mark : {"-it-", "-it.", "_it_", "instruct", "-it_"}) {
    if (lower.find(mark) != std::string::npos) return true;
  }
  return lower.size() >= 3 && (lower.ends_with("-it") || lower.ends_with("_it"));
}

}  // namespace

std::shared_ptr<const Model> Model::load(const Path& path) {
  return with_context(
      [&] { return "loading model " + path.string(); },
      [&] {
        std::shared_ptr<Model> model(new Model);
        model->name_ = path.stem().string();
        if (path.extension() == ".gguf") {
          const auto file = io::GgufFile::open(path);
          model->config_ = config_from_gguf(*file);
          auto tokenizer = std::async(std::launch::async, [&] { return tokenizer_from_gguf(*file); });
          model->weights_ = Weights::bind(model->config_, *file, Weights::Naming::kGguf);
          model->set_tokenizer(tokenizer.get());
          model->instruction_tuned_ = name_says_instruction_tuned(model->name_) || name_says_instruction_tuned(model->config_.name);
          return std::shared_ptr<const Model>(model);
        }
        const Path folder = std::filesystem::is_directory(path) ? path : path.parent_path();
        const auto file = io::SafetensorsFile::open(path);
        const bool any_bf16 =
            std::any_of(file->tensors().begin(), file->tensors().end(), [](const auto& t) { return t.dtype == DType::kBF16; });
        model->config_ = config_from_hf(read_file(folder / "config.json", uint64_t{16} << 20), any_bf16);
        auto tokenizer = std::async(std::launch::async, [&] { return tokenizer_from_folder(folder); });
        model->weights_ = Weights::bind(model->config_, *file, Weights::Naming::kHf);
        model->set_tokenizer(tokenizer.get());
        model->instruction_tuned_ = name_says_instruction_tuned(std::filesystem::weakly_canonical(folder).filename().string()) ||
                                    name_says_instruction_tuned(model->config_.name);
        return std::shared_ptr<const Model>(model);
      });
}

}  // namespace attune::lm
