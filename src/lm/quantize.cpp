#include "lm/quantize.h"

#include <fnmatch.h>

#include <algorithm>
#include <map>

#include "core/error.h"
#include "lm/export_internal.h"

namespace attune::lm {
namespace {

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

struct Mix {
  const char* name;
  DType base;
  int32_t file_type;  ///< ggml's number
};
constexpr Mix kMixes[] = {{"Q4_K_M", DType::kQ4_K, 15}, {"Q5_K_M", DType::kQ5_K, 17}};

const Mix* find_mix(const std::string& type) {
  for (const Mix& mix : kMixes) {
    if (type == mix.name) return &mix;
  }
  return nullptr;
}

DType parse_type(const std::string& name) {
  const auto found = dtype_from_name(name);
  check(found.has_value(), ErrorCode::kInvalidArgument, "[quantize] type is ", name,
        ", expected F32, F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q5_K or Q6_K, or for --type a mix: Q4_K_M, Q5_K_M");
  return *found;
}

struct Override {
  std::string pattern;
  DType type;
  int64_t num_matches = 0;
};

std::vector<Override> parse_overrides(const std::vector<std::string>& texts) {
  std::vector<Override> out;
  for (const std::string& text : texts) {
    const size_t at = text.rfind('=');
    check(at != std::string::npos && at > 0, ErrorCode::kInvalidArgument, "[quantize] --tensor ", text, ", expected PATTERN=TYPE");
    out.push_back({text.substr(0, at), parse_type(upper(text.substr(at + 1)))});
  }
  return out;
}

/// Where a mix spends more bits.
bool use_more_bits(int32_t layer, int32_t num_layers) {
  return layer < num_layers / 8 || layer >= 7 * num_layers / 8 || (layer - num_layers / 8) % 3 == 2;
}

class Quantizer {
 public:
  Quantizer(const Path& from, const Path& to, const QuantizeOptions& options)
      : from_(open_checkpoint(from)), to_(to), options_(options), type_(upper(options.type)), overrides_(parse_overrides(options.tensor)) {
    check(to.extension() == ".gguf", ErrorCode::kInvalidArgument, "[quantize] expected a name ending in .gguf to write, found ",
          to.string());
    check_target("quantize", from_, to_, options.force);
    check(from_.tokenizer || from_.is_gguf(), ErrorCode::kFailedPrecondition, "[quantize] ", from.string(),
          " has no tokenizer; attune convert --no-tokenizer makes a file without one");
    plan();
  }

  QuantizeReport run(ProgressSink& progress, std::stop_token stop) {
    ThreadPool pool(options_.threads);
    TensorStream stream("quantize", tensors_, *from_.source, pool, progress, std::move(stop));
    io::GgufWriter writer;
    const Mix* mix = find_mix(type_);
    add_metadata(from_, mix != nullptr ? mix->file_type : file_type_of(parse_type(type_)), true, writer);
    for (const OutputTensor& t : tensors_) writer.declare_tensor(t.name, t.dtype, t.shape);
    check_space("quantize", to_, writer.file_bytes());
    writer.write(to_, [&](size_t index, AtomicFile& out) { stream.produce(index, out); });
    for (size_t i = 0; i < tensors_.size(); ++i) report_.tensors[i].relative_rms = stream.errors()[i].relative_rms();
    return std::move(report_);
  }

 private:
  DType wanted_type(const TensorSpec& spec) {
    DType wanted = type_of_matrix(type_, spec, from_.config, from_.own_head());
    for (Override& o : overrides_) {
      if (::fnmatch(o.pattern.c_str(), spec.gguf.c_str(), 0) != 0) continue;
      ++o.num_matches;
      wanted = o.type;
    }
    return wanted;
  }

  void plan() {
    const auto specs = model_tensors(from_.config, from_.own_head());
    if (auto text = left_out_note(from_, specs); !text.empty()) report_.notes.push_back(std::move(text));
    const int64_t rows = rows_for_gguf(from_, report_.notes);
    int64_t num_values = 0, num_again = 0;
    for (const TensorSpec& spec : specs) {
      OutputTensor t{&source_tensor(from_, spec), spec.gguf, DType::kF32, spec.shape, 0};
      DType wanted = DType::kF32;
      if (spec.role == TensorRole::kGain) {
        t.offset = from_.config.norm_gain_is_offset ? 1.0f : 0.0f;
      } else {
        if (spec.role != TensorRole::kMatrix) t.shape[0] = rows;
        wanted = wanted_type(spec);
        t.dtype = fitting_type(wanted, t.row_size());
        num_again += dtype_info(t.from->dtype).block_size > 1 && t.from->dtype != t.dtype ? 1 : 0;
      }
      report_.tensors.push_back({t.name, t.shape, t.from->dtype, t.dtype, wanted, t.bytes(), 0});
      report_.bytes_before += t.from->data.size();
      report_.bytes += t.bytes();
      num_values += t.num_rows() * t.row_size();
      tensors_.push_back(std::move(t));
    }
    report_.bits_per_weight = 8.0 * static_cast<double>(report_.bytes) / static_cast<double>(num_values);
    for (const Override& o : overrides_) {
      check(o.num_matches > 0, ErrorCode::kInvalidArgument, "[quantize] pattern ", o.pattern, " matches no matrix of the model");
    }
    note_fallbacks();
    if (num_again > 0) {
      report_.notes.push_back(
          cat(num_again, " matrices come from a block format already: errors add up; a source of F32, F16 or BF16 gives a better model"));
    }
  }

  void note_fallbacks() {
    std::map<std::pair<DType, DType>, int64_t> counts;
    for (const QuantizedTensor& t : report_.tensors) {
      if (t.to != t.wanted) ++counts[{t.wanted, t.to}];
    }
    for (const auto& [types, count] : counts) {
      report_.notes.push_back(cat(count, " matrices are ", dtype_name(types.second), " instead of ", dtype_name(types.first),
                                  ": their rows are no multiple of ", dtype_info(types.first).block_size));
    }
  }

  Checkpoint from_;
  Path to_;
  const QuantizeOptions& options_;
  std::string type_;
  std::vector<Override> overrides_;
  std::vector<OutputTensor> tensors_;
  QuantizeReport report_;
};

}  // namespace

DType type_of_matrix(const std::string& type, const TensorSpec& spec, const ModelConfig& config, bool own_head) {
  const Mix* mix = find_mix(type);
  const DType base = mix != nullptr ? mix->base : parse_type(type);
  const bool is_head = spec.role == TensorRole::kHead || (spec.role == TensorRole::kEmbedding && !own_head);
  const bool few_bits = dtype_info(base).block_size > 1 && base != DType::kQ8_0;
  if (is_head && few_bits) return DType::kQ6_K;
  const bool sensitive = spec.part == "attn_v" || spec.part == "ffn_down";
  return mix != nullptr && sensitive && use_more_bits(spec.layer, config.num_layers) ? DType::kQ6_K : base;
}

DType fitting_type(DType wanted, int64_t cols) noexcept {
  if (cols % dtype_info(wanted).block_size == 0) return wanted;
  return wanted == DType::kQ4_K ? DType::kQ5_0 : DType::kQ8_0;
}

void QuantizeOptions::describe(OptionList& list) {
  list.add("type", type, "F32, F16, BF16, Q8_0, Q4_0, Q5_0, Q4_K, Q5_K or Q6_K for every matrix, or a mix: Q4_K_M, Q5_K_M.");
  list.add("tensor", tensor, "PATTERN=TYPE for tensors by name, as blk.*.ffn_down.weight=Q8_0; the last one that matches counts.");
  list.add("force", force, "Replace a .gguf file that is there already.");
  list.add("threads", threads, "Threads; 0 takes all usable cores. Results do not depend on it.").alias("-t").range(0, 1024);
}

QuantizeReport quantize_model(const Path& from, const Path& to, const QuantizeOptions& options, ProgressSink& progress,
                              std::stop_token stop) {
  return Quantizer(from, to, options).run(progress, std::move(stop));
}

}  // namespace attune::lm
