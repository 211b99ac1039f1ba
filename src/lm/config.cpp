#include "lm/config.h"

#include <cmath>

#include "core/checked.h"
#include "core/dtype.h"
#include "core/error.h"
#include "io/gguf.h"
#include "lm/config_internal.h"

namespace attune::lm {
namespace {

/// Reads `gemma3.<key>` integers with range checks that name the key.
class GgufReader {
 public:
  explicit GgufReader(const io::GgufFile& file) : file_(file) {}

  int32_t required_int(const std::string& key) const {
    const auto value = file_.get_int("gemma3." + key);
    check(value.has_value(), ErrorCode::kCorruptData, "[gguf] ", file_.description(), ": key gemma3.", key, " is absent");
    return checked_cast<int32_t>(*value, "[gguf] gemma3." + key);
  }
  int32_t int_or(const std::string& key, int32_t fallback) const {
    const auto value = file_.get_int("gemma3." + key);
    return value ? checked_cast<int32_t>(*value, "[gguf] gemma3." + key) : fallback;
  }
  /// Our exact key goes before the usual one, which holds a float.
  double float_or(const std::string& key, double fallback) const {
    const auto exact = file_.get_float("attune." + key);
    return exact ? *exact : file_.get_float("gemma3." + key).value_or(fallback);
  }

  /// attention.sliding_window_pattern: an integer n (every n-th layer is global) or one bool a layer (true = local).
  std::vector<bool> global_layers(int32_t num_layers) const {
    const std::string key = "gemma3.attention.sliding_window_pattern";
    const io::GgufValue* value = file_.find_metadata(key);
    if (value != nullptr && std::holds_alternative<io::GgufArray>(*value)) {
      const auto local = file_.get_bools(key);
      check(local && static_cast<int32_t>(local->size()) == num_layers, ErrorCode::kCorruptData, "[gguf] ", key, " has ",
            local ? local->size() : 0, " entries, expected ", num_layers);
      std::vector<bool> global(local->size());
      for (size_t i = 0; i < local->size(); ++i) global[i] = !(*local)[i];
      return global;
    }
    return every_nth_global(num_layers, int_or("attention.sliding_window_pattern", kDefaultPattern));
  }

 private:
  const io::GgufFile& file_;
};

void read_rope_scaling(const io::GgufFile& file, const GgufReader& reader, ModelConfig& config) {
  const auto type = file.get_string("gemma3.rope.scaling.type");
  if (!type || *type == "none") return;
  check(*type == "linear", ErrorCode::kUnsupported, "[gguf] gemma3.rope.scaling.type is ", *type, ", expected linear or none");
  config.rope_scaling_factor = reader.float_or("rope.scaling.factor", 1.0);
}

/// A float under the key that everybody reads; where a float does not hold the value, a double of our own beside it.
void add_float(io::GgufWriter& writer, const std::string& key, double value) {
  writer.add_f32("gemma3." + key, static_cast<float>(value));
  if (static_cast<double>(static_cast<float>(value)) != value) writer.add_f64("attune." + key, value);
}

struct Released {
  const char* name;
  int32_t layers, hidden, heads, kv_heads, head_dim, ffn, window, context;
  double scaling, query_scalar;
};
constexpr Released kReleased[] = {
    {"270m", 18, 640, 4, 1, 256, 2048, 512, 32768, 1, 256},      {"1b", 26, 1152, 4, 1, 256, 6912, 512, 32768, 1, 256},
    {"4b", 34, 2560, 8, 4, 256, 10240, 1024, 131072, 8, 256},    {"12b", 48, 3840, 16, 8, 256, 15360, 1024, 131072, 8, 256},
    {"27b", 62, 5376, 32, 16, 128, 21504, 1024, 131072, 8, 168},
};

}  // namespace

std::vector<bool> every_nth_global(int32_t num_layers, int32_t pattern) {
  check(pattern >= 1, ErrorCode::kCorruptData, "[config] sliding_window_pattern is ", pattern, ", expected at least 1");
  std::vector<bool> global(static_cast<size_t>(std::max(num_layers, 0)));
  for (size_t i = 0; i < global.size(); ++i) global[i] = (i + 1) % static_cast<size_t>(pattern) == 0;
  return global;
}

float rounded_embedding_scale(int32_t hidden_size) { return bf16_to_f32(f32_to_bf16(std::sqrt(static_cast<float>(hidden_size)))); }

int64_t ModelConfig::num_global_layers() const noexcept {
  int64_t count = 0;
  for (const bool global : is_global) count += global ? 1 : 0;
  return count;
}

int64_t ModelConfig::num_parameters() const noexcept {
  const int64_t d = hidden_size, h = num_heads, g = num_kv_heads, e = head_dim, f = intermediate_size;
  return int64_t{vocab_size} * d + num_layers * (2 * d * h * e + 2 * d * g * e + 3 * d * f + 4 * d + 2 * e) + d;
}

int64_t ModelConfig::kv_bytes(int64_t length, int64_t bytes_per_value) const noexcept {
  const int64_t local = sliding_window > 0 ? std::min<int64_t>(length, sliding_window) : length;
  return 2 * num_kv_heads * int64_t{head_dim} * bytes_per_value * (num_global_layers() * length + num_local_layers() * local);
}

void ModelConfig::validate() const {
  const auto in_range = [&](const char* field, int64_t value, int64_t low, int64_t high) {
    check(value >= low && value <= high, ErrorCode::kCorruptData, "[config] ", field, " is ", value, ", expected ", low, " to ", high);
  };
  in_range("num_hidden_layers", num_layers, 1, 512);
  in_range("hidden_size", hidden_size, 32, 1 << 20);
  in_range("num_attention_heads", num_heads, 1, 4096);
  in_range("num_key_value_heads", num_kv_heads, 1, num_heads);
  in_range("head_dim", head_dim, 2, 4096);
  in_range("intermediate_size", intermediate_size, 32, 1 << 20);
  in_range("vocab_size", vocab_size, 1, 1 << 22);
  in_range("context_length", context_length, 1, 1 << 24);
  in_range("sliding_window", sliding_window, 0, 1 << 24);
  check(num_heads % num_kv_heads == 0, ErrorCode::kCorruptData, "[config] ", num_heads, " query heads are no multiple of ", num_kv_heads,
        " key/value heads");
  check(head_dim % 2 == 0, ErrorCode::kCorruptData, "[config] head_dim is ", head_dim, ", expected an even number");
  check(hidden_size % 32 == 0 && intermediate_size % 32 == 0 && int64_t{num_heads} * head_dim % 32 == 0, ErrorCode::kUnsupported,
        "[config] row sizes ", hidden_size, ", ", intermediate_size, ", ", int64_t{num_heads} * head_dim, " must be multiples of 32");
  check(static_cast<int32_t>(is_global.size()) == num_layers, ErrorCode::kCorruptData, "[config] layer types has ", is_global.size(),
        " entries, expected ", num_layers);
  check(std::isfinite(rope_scaling_factor) && rope_scaling_factor > 0 && std::isfinite(rope_theta_local) && rope_theta_local > 0 &&
            std::isfinite(rope_theta_global) && rope_theta_global > 0 && std::isfinite(attention_scale) && attention_scale > 0 &&
            std::isfinite(embedding_scale) && rms_norm_eps >= 0 && std::isfinite(rms_norm_eps),
        ErrorCode::kCorruptData, "[config] RoPE, scale and epsilon must be finite and positive");
}

ModelConfig config_from_gguf(const io::GgufFile& file) {
  const auto architecture = file.get_string("general.architecture");
  check(architecture.has_value(), ErrorCode::kCorruptData, "[gguf] ", file.description(), ": key general.architecture is absent");
  check(*architecture == "gemma3", ErrorCode::kUnsupported, "[gguf] architecture is ", *architecture, ", expected gemma3");
  const GgufReader reader(file);
  ModelConfig config;
  config.name = file.get_string("general.name").value_or("gemma3");
  config.num_layers = reader.required_int("block_count");
  config.hidden_size = reader.required_int("embedding_length");
  config.num_heads = reader.required_int("attention.head_count");
  config.num_kv_heads = reader.int_or("attention.head_count_kv", config.num_heads);
  config.intermediate_size = reader.required_int("feed_forward_length");
  config.context_length = reader.required_int("context_length");
  config.head_dim = reader.required_int("attention.key_length");
  const int32_t value_dim = reader.int_or("attention.value_length", config.head_dim);
  check(value_dim == config.head_dim, ErrorCode::kUnsupported, "[gguf] value_length is ", value_dim, ", expected key_length ",
        config.head_dim);
  check(config.num_layers >= 1 && config.num_layers <= 512, ErrorCode::kCorruptData, "[gguf] gemma3.block_count is ", config.num_layers,
        ", expected 1 to 512");
  config.sliding_window = reader.int_or("attention.sliding_window", 0);
  config.is_global =
      config.sliding_window > 0 ? reader.global_layers(config.num_layers) : std::vector<bool>(static_cast<size_t>(config.num_layers), true);
  config.rms_norm_eps = reader.float_or("attention.layer_norm_rms_epsilon", 1e-6);
  config.rope_theta_global = reader.float_or("rope.freq_base", 1e6);
  config.rope_theta_local = reader.float_or("rope.freq_base_swa", 1e4);
  read_rope_scaling(file, reader, config);
  // Files of others do not store the score scale: 27B (62 layers) uses hidden_size / num_heads, the others head_dim.
  const double query_scalar = config.num_layers == 62 && config.num_heads > 0 ? static_cast<double>(config.hidden_size) / config.num_heads
                                                                              : static_cast<double>(config.head_dim);
  config.attention_scale = file.get_float("attune.attention_scale").value_or(1.0 / std::sqrt(query_scalar));
  const auto scale = file.get_float("attune.embedding_scale");
  config.embedding_scale = scale ? static_cast<float>(*scale) : std::sqrt(static_cast<float>(config.hidden_size));
  const io::TensorView* embedding = file.find("token_embd.weight");
  check(embedding != nullptr && embedding->shape.size() == 2, ErrorCode::kCorruptData, "[gguf] ", file.description(),
        ": tensor token_embd.weight is absent or no matrix");
  config.vocab_size = checked_cast<int32_t>(embedding->shape[0], "[gguf] token_embd.weight rows");
  config.validate();
  return config;
}

void config_to_gguf(const ModelConfig& config, io::GgufWriter& writer) {
  const auto add_int = [&](const char* key, int32_t value) { writer.add_u32(cat("gemma3.", key), static_cast<uint32_t>(value)); };
  writer.add_string("general.architecture", "gemma3");
  writer.add_string("general.type", "model");
  writer.add_string("general.name", config.name);
  add_int("context_length", config.context_length);
  add_int("embedding_length", config.hidden_size);
  add_int("block_count", config.num_layers);
  add_int("feed_forward_length", config.intermediate_size);
  add_int("attention.head_count", config.num_heads);
  add_int("attention.head_count_kv", config.num_kv_heads);
  add_int("attention.key_length", config.head_dim);
  add_int("attention.value_length", config.head_dim);
  // Used as a float.
  writer.add_f32("gemma3.attention.layer_norm_rms_epsilon", static_cast<float>(config.rms_norm_eps));
  add_float(writer, "rope.freq_base", config.rope_theta_global);
  if (config.sliding_window > 0) {
    add_int("attention.sliding_window", config.sliding_window);
    add_float(writer, "rope.freq_base_swa", config.rope_theta_local);
    if (config.is_global != every_nth_global(config.num_layers, kDefaultPattern)) {
      std::vector<bool> local = config.is_global;
      local.flip();
      writer.add_bools("gemma3.attention.sliding_window_pattern", std::move(local));
    }
  }
  if (config.rope_scaling_factor != 1) {
    writer.add_string("gemma3.rope.scaling.type", "linear");
    add_float(writer, "rope.scaling.factor", config.rope_scaling_factor);
  }
  writer.add_f32("attune.embedding_scale", config.embedding_scale);
  writer.add_f64("attune.attention_scale", config.attention_scale);
}

ModelConfig released_config(std::string_view size) {
  for (const Released& r : kReleased) {
    if (size != r.name) continue;
    ModelConfig config;
    config.name = std::string("gemma-3-") + r.name;
    config.num_layers = r.layers;
    config.hidden_size = r.hidden;
    config.num_heads = r.heads;
    config.num_kv_heads = r.kv_heads;
    config.head_dim = r.head_dim;
    config.intermediate_size = r.ffn;
    config.vocab_size = 262144;
    config.context_length = r.context;
    config.sliding_window = r.window;
    config.is_global = every_nth_global(r.layers, kDefaultPattern);
    config.rope_scaling_factor = r.scaling;
    config.attention_scale = 1.0 / std::sqrt(r.query_scalar);
    config.embedding_scale = rounded_embedding_scale(r.hidden);
    config.norm_gain_is_offset = true;
    return config;
  }
  std::string known;
  for (const Released& r : kReleased) known += (known.empty() ? "" : ", ") + std::string(r.name);
  fail(ErrorCode::kNotFound, "[config] unknown size ", size, ", known are: ", known);
}

std::vector<std::string> released_config_names() {
  std::vector<std::string> names;
  for (const Released& r : kReleased) names.emplace_back(r.name);
  return names;
}

}  // namespace attune::lm
