#include "lm/model.h"

#include <algorithm>
#include <cstring>

#include "core/checked.h"
#include "core/error.h"
#include "core/log.h"
#include "io/gguf.h"
#include "io/safetensors.h"
#include "kernels/kernels.h"
#include "lm/tokenizer_files.h"

namespace attune::lm {
namespace {

/// One tensor of a layer in both naming schemes (docs/methods/gemma3.md, "File formats"). In HF names "post_attention_layernorm" is the norm
/// of the attention branch's output here.
struct LayerName {
  const char* gguf;
  const char* hf;
};
constexpr LayerName kQ{"attn_q", "self_attn.q_proj"}, kK{"attn_k", "self_attn.k_proj"}, kV{"attn_v", "self_attn.v_proj"},
    kO{"attn_output", "self_attn.o_proj"}, kGate{"ffn_gate", "mlp.gate_proj"}, kUp{"ffn_up", "mlp.up_proj"}, kDown{"ffn_down", "mlp.down_proj"},
    kAttnNorm{"attn_norm", "input_layernorm"}, kQNorm{"attn_q_norm", "self_attn.q_norm"}, kKNorm{"attn_k_norm", "self_attn.k_norm"},
    kPostAttnNorm{"post_attention_norm", "post_attention_layernorm"}, kFfnNorm{"ffn_norm", "pre_feedforward_layernorm"},
    kPostFfnNorm{"post_ffw_norm", "post_feedforward_layernorm"};

}  // namespace

/// Looks tensors up under the file's naming scheme, checks their shapes and copies them into the model's arena.
class Model::Binder {
 public:
  Binder(Model& model, const io::TensorSource& source, bool is_gguf) : model_(model), source_(source), is_gguf_(is_gguf) {
    if (!is_gguf_) {
      for (const char* prefix : {"model.", "language_model.model.", "model.language_model.", ""}) {
        if (source_.find(std::string(prefix) + "embed_tokens.weight") != nullptr) {
          prefix_ = prefix;
          break;
        }
      }
    }
  }

  void bind_all() {
    size_t total = 0;
    for (const io::TensorView& tensor : source_.tensors()) total += Arena::padded(tensor.data.size());
    model_.arena_ = Arena(total);
    const ModelConfig& c = model_.config_;
    model_.embedding_ = matrix(is_gguf_ ? "token_embd.weight" : prefix_ + "embed_tokens.weight", c.vocab_size, c.hidden_size);
    model_.final_norm_ = gain(is_gguf_ ? "output_norm.weight" : prefix_ + "norm.weight", c.hidden_size);
    const std::string head = is_gguf_ ? "output.weight" : "lm_head.weight";
    model_.head_ = source_.find(head) != nullptr ? matrix(head, c.vocab_size, c.hidden_size) : model_.embedding_;
    for (int layer = 0; layer < c.num_layers; ++layer) model_.layers_.push_back(bind_layer(layer));
  }

 private:
  LayerWeights bind_layer(int layer) {
    const ModelConfig& c = model_.config_;
    const int64_t d = c.hidden_size, q = int64_t{c.num_heads} * c.head_dim, kv = int64_t{c.num_kv_heads} * c.head_dim, f = c.intermediate_size;
    const auto name = [&](const LayerName& n) {
      return is_gguf_ ? cat("blk.", layer, ".", n.gguf, ".weight") : cat(prefix_, "layers.", layer, ".", n.hf, ".weight");
    };
    LayerWeights w;
    w.q = matrix(name(kQ), q, d);
    w.k = matrix(name(kK), kv, d);
    w.v = matrix(name(kV), kv, d);
    w.o = matrix(name(kO), d, q);
    w.gate = matrix(name(kGate), f, d);
    w.up = matrix(name(kUp), f, d);
    w.down = matrix(name(kDown), d, f);
    w.attn_norm = gain(name(kAttnNorm), d);
    w.q_norm = gain(name(kQNorm), c.head_dim);
    w.k_norm = gain(name(kKNorm), c.head_dim);
    w.post_attn_norm = gain(name(kPostAttnNorm), d);
    w.ffn_norm = gain(name(kFfnNorm), d);
    w.post_ffn_norm = gain(name(kPostFfnNorm), d);
    return w;
  }

  Matrix matrix(const std::string& name, int64_t rows, int64_t cols) {
    const io::TensorView& tensor = source_.get(name);
    check(tensor.shape == std::vector<int64_t>{rows, cols}, ErrorCode::kCorruptData, "[model] tensor ", name, " is ",
          shape_string(tensor.shape), ", expected ", shape_string({rows, cols}));
    std::byte* copy = model_.arena_.take(tensor.data.size());
    std::memcpy(copy, tensor.data.data(), tensor.data.size());
    model_.weight_bytes_ += static_cast<int64_t>(tensor.data.size());
    return {tensor.dtype, rows, cols, copy};
  }

  std::vector<float> gain(const std::string& name, int64_t size) {
    const io::TensorView& tensor = source_.get(name);
    check(tensor.shape == std::vector<int64_t>{size}, ErrorCode::kCorruptData, "[model] tensor ", name, " is ", shape_string(tensor.shape),
          ", expected ", shape_string({size}));
    std::vector<float> out(static_cast<size_t>(size));
    kernels::ops_for(kernels::Isa::kScalar).dequantize_row(tensor.dtype, tensor.data.data(), out.data(), size);
    if (model_.config_.norm_gain_is_offset) {
      for (float& value : out) value += 1.0f;
    }
    model_.weight_bytes_ += static_cast<int64_t>(tensor.data.size());
    return out;
  }

  Model& model_;
  const io::TensorSource& source_;
  bool is_gguf_;
  std::string prefix_;
};

void Model::set_tokenizer(std::shared_ptr<const text::Tokenizer> tokenizer) {
  tokenizer_ = std::move(tokenizer);
  stop_ids_ = {1};
  if (!tokenizer_) return;
  const text::Vocab& vocab = tokenizer_->vocab();
  check(vocab.size() <= config_.vocab_size, ErrorCode::kCorruptData, "[model] the tokenizer has ", vocab.size(), " pieces, the embedding ",
        config_.vocab_size, " rows");
  stop_ids_ = {vocab.eos_id};
  if (const auto end_of_turn = tokenizer_->find("<end_of_turn>"); end_of_turn && *end_of_turn != vocab.eos_id) stop_ids_.push_back(*end_of_turn);
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
  return with_context([&] { return "loading model " + path.string(); }, [&] {
    std::shared_ptr<Model> model(new Model);
    model->name_ = path.stem().string();
    if (path.extension() == ".gguf") {
      const auto file = io::GgufFile::open(path);
      model->config_ = config_from_gguf(*file);
      Binder(*model, *file, true).bind_all();
      model->set_tokenizer(tokenizer_from_gguf(*file));
      model->instruction_tuned_ = name_says_instruction_tuned(model->name_) || name_says_instruction_tuned(model->config_.name);
      return std::shared_ptr<const Model>(model);
    }
    const Path folder = std::filesystem::is_directory(path) ? path : path.parent_path();
    const auto file = io::SafetensorsFile::open(path);
    const bool any_bf16 = std::any_of(file->tensors().begin(), file->tensors().end(), [](const auto& t) { return t.dtype == DType::kBF16; });
    model->config_ = config_from_hf(read_file(folder / "config.json", uint64_t{16} << 20), any_bf16);
    Binder(*model, *file, false).bind_all();
    model->set_tokenizer(tokenizer_from_folder(folder));
    model->instruction_tuned_ = name_says_instruction_tuned(std::filesystem::weakly_canonical(folder).filename().string());
    return std::shared_ptr<const Model>(model);
  });
}

}  // namespace attune::lm
