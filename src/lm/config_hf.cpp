// HF config.json of Gemma 3. Read are both the older keys (rope_theta, rope_local_base_freq, rope_scaling), which we write too, and the newer
// rope_parameters. Absent fields take the defaults of the reference configuration class: released checkpoints rely on them.
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number.h"
#include "lm/config.h"
#include "lm/config_internal.h"

namespace attune::lm {
namespace {

using Json = nlohmann::json;

constexpr const char* kEmbeddingScaleKey = "attune_embedding_scale";
constexpr const char* kAttentionScaleKey = "attune_attention_scale";

int32_t get_int(const Json& json, const char* key, int32_t fallback) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return fallback;
  check(found->is_number_integer(), ErrorCode::kCorruptData, "[config.json] ", key, " is no integer");
  const int64_t value = found->get<int64_t>();
  check(value >= 0 && value <= (int64_t{1} << 30), ErrorCode::kCorruptData, "[config.json] ", key, " is ", value, ", out of range");
  return static_cast<int32_t>(value);
}

double get_double(const Json& json, const char* key, double fallback) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return fallback;
  check(found->is_number(), ErrorCode::kCorruptData, "[config.json] ", key, " is no number");
  return found->get<double>();
}

std::string get_string(const Json& json, const char* key, const char* fallback) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return fallback;
  check(found->is_string(), ErrorCode::kCorruptData, "[config.json] ", key, " is no string");
  return found->get<std::string>();
}

/// {"rope_type": "linear", "factor": 8}; older files spell the key "type".
double scaling_factor(const Json& rope) {
  const std::string type = get_string(rope, "rope_type", get_string(rope, "type", "default").c_str());
  if (type == "default") return 1;
  check(type == "linear", ErrorCode::kUnsupported, "[config.json] RoPE scaling type is ", type, ", expected linear or default");
  return get_double(rope, "factor", 1);
}

void read_rope(const Json& json, ModelConfig& config) {
  config.rope_theta_global = get_double(json, "rope_theta", 1e6);
  config.rope_theta_local = get_double(json, "rope_local_base_freq", 1e4);
  if (const auto scaling = json.find("rope_scaling");
      scaling != json.end() && scaling->is_object() && !scaling->contains("full_attention")) {
    config.rope_scaling_factor = scaling_factor(*scaling);
  }
  const auto parameters = json.find("rope_parameters");
  if (parameters == json.end() || !parameters->is_object()) return;
  if (const auto full = parameters->find("full_attention"); full != parameters->end() && full->is_object()) {
    config.rope_theta_global = get_double(*full, "rope_theta", config.rope_theta_global);
    config.rope_scaling_factor = scaling_factor(*full);
  }
  if (const auto local = parameters->find("sliding_attention"); local != parameters->end() && local->is_object()) {
    config.rope_theta_local = get_double(*local, "rope_theta", config.rope_theta_local);
    check(scaling_factor(*local) == 1, ErrorCode::kUnsupported, "[config.json] RoPE scaling of sliding_attention layers is not supported");
  }
}

std::vector<bool> read_layer_types(const Json& json, int32_t num_layers) {
  const auto types = json.find("layer_types");
  if (types == json.end() || types->is_null())
    return every_nth_global(num_layers, get_int(json, "sliding_window_pattern", kDefaultPattern));
  check(types->is_array(), ErrorCode::kCorruptData, "[config.json] layer_types is no array");
  std::vector<bool> global;
  for (const Json& type : *types) {
    check(type == "full_attention" || type == "sliding_attention", ErrorCode::kUnsupported, "[config.json] layer type ", type.dump(),
          ", expected full_attention or sliding_attention");
    global.push_back(type == "full_attention");
  }
  return global;
}

/// The number with 1 / sqrt(number) = scale: a whole one where that is so to the precision of a float, as released configurations have it.
Json query_scalar(double scale) {
  const double exact = 1 / (scale * scale);
  const double whole = std::round(exact);
  if (whole >= 1 && whole < 1e9 && static_cast<float>(1 / std::sqrt(whole)) == static_cast<float>(scale))
    return static_cast<int64_t>(whole);
  return exact;
}

}  // namespace

ModelConfig config_from_hf(std::string_view text, bool weights_are_bf16) {
  Json root = Json::parse(text, nullptr, false);
  check(root.is_object(), ErrorCode::kCorruptData, "[config.json] is no JSON object");
  const std::string type = get_string(root, "model_type", "");
  check(type == "gemma3_text" || type == "gemma3", ErrorCode::kUnsupported, "[config.json] model_type is \"", type,
        "\", expected gemma3_text or gemma3");
  const Json json = root.contains("text_config") && root["text_config"].is_object() ? root["text_config"] : root;
  ModelConfig config;
  config.name = get_string(root, "_name_or_path", "gemma3");
  config.num_layers = get_int(json, "num_hidden_layers", 26);
  check(config.num_layers >= 1 && config.num_layers <= 512, ErrorCode::kCorruptData, "[config.json] num_hidden_layers is ",
        config.num_layers, ", expected 1 to 512");
  config.hidden_size = get_int(json, "hidden_size", 2304);
  config.num_heads = get_int(json, "num_attention_heads", 8);
  config.num_kv_heads = get_int(json, "num_key_value_heads", 4);
  config.head_dim = get_int(json, "head_dim", 256);
  config.intermediate_size = get_int(json, "intermediate_size", 9216);
  config.vocab_size = get_int(json, "vocab_size", 262208);
  config.context_length = get_int(json, "max_position_embeddings", 131072);
  config.sliding_window = get_int(json, "sliding_window", 4096);
  config.is_global = read_layer_types(json, config.num_layers);
  if (config.sliding_window == 0) config.is_global.assign(static_cast<size_t>(config.num_layers), true);
  config.rms_norm_eps = get_double(json, "rms_norm_eps", 1e-6);
  read_rope(json, config);
  for (const char* cap : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    check(!json.contains(cap) || json[cap].is_null(), ErrorCode::kUnsupported, "[config.json] ", cap, " is set; Gemma 3 has none");
  }
  config.attention_scale = 1.0 / std::sqrt(get_double(json, "query_pre_attn_scalar", 256));
  config.embedding_scale =
      weights_are_bf16 ? rounded_embedding_scale(config.hidden_size) : std::sqrt(static_cast<float>(config.hidden_size));
  config.embedding_scale = static_cast<float>(get_double(json, kEmbeddingScaleKey, config.embedding_scale));
  config.attention_scale = get_double(json, kAttentionScaleKey, config.attention_scale);
  config.norm_gain_is_offset = true;
  config.validate();
  return config;
}

std::string config_to_hf(const ModelConfig& config, std::string_view dtype, const HfTokenIds& ids, bool tied_head) {
  nlohmann::ordered_json json{{"architectures", {"Gemma3ForCausalLM"}},
                              {"model_type", "gemma3_text"},
                              {"_name_or_path", config.name},
                              {"torch_dtype", dtype},
                              {"num_hidden_layers", config.num_layers},
                              {"hidden_size", config.hidden_size},
                              {"num_attention_heads", config.num_heads},
                              {"num_key_value_heads", config.num_kv_heads},
                              {"head_dim", config.head_dim},
                              {"intermediate_size", config.intermediate_size},
                              {"vocab_size", config.vocab_size},
                              {"max_position_embeddings", config.context_length},
                              {"sliding_window", config.sliding_window}};
  for (const bool global : config.is_global) json["layer_types"].push_back(global ? "full_attention" : "sliding_attention");
  json["rms_norm_eps"] = shortest_double(static_cast<float>(config.rms_norm_eps));
  json["query_pre_attn_scalar"] = query_scalar(config.attention_scale);
  json["hidden_activation"] = "gelu_pytorch_tanh";
  json["rope_theta"] = config.rope_theta_global;
  json["rope_local_base_freq"] = config.rope_theta_local;
  json["rope_scaling"] = nullptr;
  if (config.rope_scaling_factor != 1) json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", config.rope_scaling_factor}};
  json["attention_bias"] = false;
  json["attention_dropout"] = 0.0;
  json["attn_logit_softcapping"] = nullptr;
  json["final_logit_softcapping"] = nullptr;
  json["tie_word_embeddings"] = tied_head;
  if (ids.bos >= 0) json["bos_token_id"] = ids.bos;
  if (ids.eos >= 0) json["eos_token_id"] = ids.eos;
  if (ids.pad >= 0) json["pad_token_id"] = ids.pad;
  json[kEmbeddingScaleKey] = config.embedding_scale;
  json[kAttentionScaleKey] = config.attention_scale;
  return json.dump(1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace attune::lm
