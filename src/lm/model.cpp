#include "lm/model.h"

#include <algorithm>
#include <future>

#include "core/error.h"
#include "lm/checkpoint.h"

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
  return with_context([&] { return "loading model " + path.string(); },
                      [&] {
                        std::shared_ptr<Model> model(new Model);
                        model->name_ = path.stem().string();
                        const Checkpoint checkpoint = open_tensors(path);
                        model->config_ = checkpoint.config;
                        auto tokenizer = std::async(std::launch::async, [&] { return tokenizer_of(checkpoint); });
                        const auto naming = checkpoint.is_gguf() ? Weights::Naming::kGguf : Weights::Naming::kHf;
                        model->weights_ = Weights::bind(model->config_, *checkpoint.source, naming);
                        model->set_tokenizer(tokenizer.get());
                        const std::string name =
                            checkpoint.is_gguf() ? model->name_ : std::filesystem::weakly_canonical(checkpoint.folder).filename().string();
                        model->instruction_tuned_ = name_says_instruction_tuned(name) || name_says_instruction_tuned(model->config_.name);
                        return std::shared_ptr<const Model>(model);
                      });
}

}  // namespace attune::lm
