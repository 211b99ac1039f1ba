#include "lm/convert.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "io/safetensors.h"
#include "kernels/kernels.h"
#include "lm/export_internal.h"
#include "text/hf_tokenizer.h"

namespace attune::lm {
namespace {

constexpr uint64_t kMaxShardBytes = uint64_t{5} << 30;

bool is_plain(DType dtype) { return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16; }

/// The type asked for; `fallback` is kept for "source".
DType wanted_type(const std::string& name, DType fallback) {
  if (name == "source") return fallback;
  if (name == "f32") return DType::kF32;
  return name == "f16" ? DType::kF16 : DType::kBF16;
}

float rounded(float value, DType dtype) {
  if (dtype == DType::kF16) return f16_to_f32(f32_to_f16(value));
  return dtype == DType::kBF16 ? bf16_to_f32(f32_to_bf16(value)) : value;
}

class Converter {
 public:
  Converter(const Path& from, const Path& to, const ConvertOptions& options)
      : from_(open_checkpoint(from)), to_(to), options_(options), to_gguf_(to.extension() == ".gguf") {
    check(from_.is_gguf() || to_gguf_, ErrorCode::kInvalidArgument,
          "[convert] both models are folders; expected a .gguf file on at least one side");
    check_target("convert", from_, to_, options.force);
    check(from_.tokenizer || options.no_tokenizer, ErrorCode::kFailedPrecondition, "[convert] ", from.string(),
          " has no tokenizer; --no-tokenizer goes on without");
    plan();
  }

  ConvertReport run(ProgressSink& progress, std::stop_token stop) {
    ThreadPool pool(options_.threads);
    TensorStream stream("convert", tensors_, *from_.source, pool, progress, std::move(stop));
    const io::TensorProducer produce = [&](size_t index, AtomicFile& out) { stream.produce(index, out); };
    check_space("convert", to_, report_.bytes);
    if (to_gguf_) {
      write_gguf(produce);
    } else {
      write_folder(produce);
    }
    return std::move(report_);
  }

 private:
  void note(std::string text) {
    if (!text.empty()) report_.notes.push_back(std::move(text));
  }

  void plan() {
    const auto specs = model_tensors(from_.config, from_.own_head());
    note(left_out_note(from_, specs));
    const int64_t rows = to_gguf_ ? rows_for_gguf(from_, report_.notes) : int64_t{from_.config.vocab_size};
    for (const TensorSpec& spec : specs) {
      OutputTensor t{&source_tensor(from_, spec), "", DType::kF32, spec.shape, 0};
      t.name = to_gguf_ ? spec.gguf : spec.role == TensorRole::kHead ? spec.hf : "model." + spec.hf;
      if (spec.role == TensorRole::kGain) {
        plan_gain(t);
      } else {
        if (spec.role != TensorRole::kMatrix) t.shape[0] = rows;
        const DType kept = to_gguf_ || is_plain(t.from->dtype) ? t.from->dtype : DType::kF32;
        t.dtype = wanted_type(options_.dtype, kept);
      }
      report_.bytes += t.bytes();
      ++report_.types[std::string(dtype_name(t.dtype))];
      tensors_.push_back(std::move(t));
    }
    report_.num_tensors = static_cast<int64_t>(tensors_.size());
    if (num_inexact_gains_ > 0) {
      note(
          cat(num_inexact_gains_, " norm gains differ in the last bit: the checkpoint stores g - 1, which a float does not hold for them"));
    }
    if (num_wide_gains_ > 0) {
      note(cat(num_wide_gains_, " norm tensors are kept in F32, since ", options_.dtype, " does not hold their g - 1 exactly"));
    }
  }

  /// GGUF stores g as F32, the folder g - 1 in the type asked for where that gives the same g, else in F32.
  void plan_gain(OutputTensor& t) {
    if (to_gguf_) {
      t.offset = from_.config.norm_gain_is_offset ? 1.0f : 0.0f;
      return;
    }
    t.offset = -1.0f;
    const DType wanted = wanted_type(options_.dtype, DType::kF32);
    int64_t inexact = 0;
    bool fits = true;
    for (const float gain : values_of(*t.from)) {
      const float stored = gain - 1.0f;
      inexact += stored + 1.0f != gain ? 1 : 0;
      fits = fits && rounded(stored, wanted) + 1.0f == stored + 1.0f;
    }
    num_inexact_gains_ += inexact;
    num_wide_gains_ += fits ? 0 : 1;
    t.dtype = fits ? wanted : DType::kF32;
  }

  /// The type of most values.
  DType main_type() const {
    std::map<DType, uint64_t> values;
    for (const OutputTensor& t : tensors_) values[t.dtype] += static_cast<uint64_t>(t.num_rows() * t.row_size());
    return std::max_element(values.begin(), values.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
  }

  void write_gguf(const io::TensorProducer& produce) {
    io::GgufWriter writer;
    const bool quantised = std::any_of(tensors_.begin(), tensors_.end(), [](const OutputTensor& t) { return !is_plain(t.dtype); });
    // The mix of a quantised source keeps its name.
    const auto kept = options_.dtype == "source" && from_.is_gguf() ? from_.gguf->get_int("general.file_type") : std::nullopt;
    add_metadata(from_, kept && *kept >= 0 && *kept < 1024 ? static_cast<int32_t>(*kept) : file_type_of(main_type()), quantised, writer);
    for (const OutputTensor& t : tensors_) writer.declare_tensor(t.name, t.dtype, t.shape);
    writer.write(to_, produce);
  }

  void write_folder(const io::TensorProducer& produce) {
    Path folder = std::filesystem::absolute(to_).lexically_normal();
    if (!folder.has_filename()) folder = folder.parent_path();  // "name/"
    Path temporary = folder;
    temporary += cat(".tmp-", ::getpid());
    std::error_code error;
    check(std::filesystem::create_directory(temporary, error), ErrorCode::kIo, "[convert] cannot make folder ", temporary.string(), ": ",
          error ? error.message() : "it is there already");
    try {
      write_files(temporary, produce);
      sync_folder(temporary);
      std::filesystem::rename(temporary, folder, error);  // over an empty folder, too
      check(!error, ErrorCode::kIo, "[convert] cannot rename ", temporary.string(), " to ", folder.string(), ": ", error.message());
    } catch (...) {
      std::filesystem::remove_all(temporary, error);
      throw;
    }
    sync_folder(folder.parent_path());
  }

  void write_files(const Path& folder, const io::TensorProducer& produce) {
    const DType type = main_type();
    HfTokenIds ids;
    if (from_.tokenizer) {
      const text::Vocab& vocab = from_.tokenizer->vocab();
      ids = {vocab.bos_id, vocab.eos_id, vocab.pad_id};
      write_tokenizer(folder, vocab);
    }
    const char* name = type == DType::kF32 ? "float32" : type == DType::kF16 ? "float16" : "bfloat16";
    write_file_atomic(folder / "config.json", config_to_hf(from_.config, name, ids, !from_.own_head()));
    io::SafetensorsWriter writer;
    writer.add_metadata("format", "pt");
    for (const OutputTensor& t : tensors_) writer.declare_tensor(t.name, t.dtype, t.shape);
    if (report_.bytes <= kMaxShardBytes) {
      writer.write(folder / "model.safetensors", produce);
    } else {
      writer.write_shards(folder, kMaxShardBytes, produce);
    }
  }

  void write_tokenizer(const Path& folder, const text::Vocab& vocab) {
    const auto tokenizer = text::tokenizer_json_from_vocab(vocab);
    if (tokenizer.num_unreachable + tokenizer.num_tied > 0) {
      note(cat("tokenizer.json cannot say all of the vocabulary: ", tokenizer.num_unreachable, " pieces that no two others make up, ",
               tokenizer.num_tied, " pieces of equal score"));
    }
    write_file_atomic(folder / "tokenizer.json", tokenizer.text);
    nlohmann::ordered_json config{{"tokenizer_class", "PreTrainedTokenizerFast"},
                                  {"clean_up_tokenization_spaces", false},
                                  {"add_bos_token", vocab.add_bos},
                                  {"add_eos_token", false},
                                  {"model_max_length", from_.config.context_length}};
    const auto name_piece = [&](const char* key, int32_t id) {
      if (id >= 0) config[key] = vocab.pieces[static_cast<size_t>(id)];
    };
    name_piece("bos_token", vocab.bos_id);
    name_piece("eos_token", vocab.eos_id);
    name_piece("unk_token", vocab.unknown_id);
    name_piece("pad_token", vocab.pad_id);
    if (!from_.chat_template.empty()) config["chat_template"] = from_.chat_template;
    write_file_atomic(folder / "tokenizer_config.json", config.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }

  Checkpoint from_;
  Path to_;
  const ConvertOptions& options_;
  bool to_gguf_;
  std::vector<OutputTensor> tensors_;
  ConvertReport report_;
  int64_t num_inexact_gains_ = 0;
  int64_t num_wide_gains_ = 0;
};

}  // namespace

void ConvertOptions::describe(OptionList& list) {
  list.add("dtype", dtype,
           "Type of the matrices; source keeps each one's, which in a folder means F32 for block formats. Norms are F32 in GGUF.")
      .choices({"source", "f32", "f16", "bf16"});
  list.add("force", force, "Replace a .gguf file that is there already.");
  list.add("no_tokenizer", no_tokenizer, "Go on if the source has no tokenizer.");
  list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
}

ConvertReport convert_model(const Path& from, const Path& to, const ConvertOptions& options, ProgressSink& progress, std::stop_token stop) {
  return Converter(from, to, options).run(progress, std::move(stop));
}

}  // namespace attune::lm
