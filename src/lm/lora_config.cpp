// adapter_config.json of PEFT. What would change the formula of lm/lora.h is refused, never ignored.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "core/error.h"
#include "lm/lora.h"

namespace attune::lm {
namespace {

using Json = nlohmann::json;

/// Absent, null, false, 0, "", [] and {}.
bool is_unset(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return true;
  return found->is_boolean() ? !found->get<bool>() : found->empty() || (found->is_string() && found->get_ref<const std::string&>().empty());
}

double get_number(const Json& json, const char* key) {
  const auto found = json.find(key);
  check(found != json.end() && found->is_number(), ErrorCode::kCorruptData, "[adapter_config.json] ", key, " is ",
        found == json.end() ? "absent" : found->dump(), ", expected a number");
  return found->get<double>();
}

void check_targets(const Json& json) {
  const auto targets = json.find("target_modules");
  if (targets == json.end() || !targets->is_array()) return;  // a pattern: the tensors decide
  for (const Json& target : *targets) {
    check(target.is_string(), ErrorCode::kCorruptData, "[adapter_config.json] target_modules has ", target.dump(), ", expected names");
    const std::string& name = target.get_ref<const std::string&>();
    const std::string last = name.substr(name.rfind('.') + 1);
    constexpr std::string_view kKnown[] = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
    check(std::find(std::begin(kKnown), std::end(kKnown), last) != std::end(kKnown), ErrorCode::kUnsupported,
          "[adapter_config.json] target module ", target.dump(),
          ", expected q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj");
  }
}

}  // namespace

double lora_scale_from_json(std::string_view text, int64_t& rank) {
  const Json json = Json::parse(text, nullptr, false);
  check(json.is_object(), ErrorCode::kCorruptData, "[adapter_config.json] is no JSON object");
  const Json type = json.value("peft_type", Json());
  check(type == "LORA", ErrorCode::kUnsupported, "[adapter_config.json] peft_type is ", type.dump(), ", expected \"LORA\"");
  for (const char* key : {"use_dora", "lora_bias", "fan_in_fan_out", "modules_to_save", "rank_pattern", "alpha_pattern",
                          "layer_replication", "target_parameters", "trainable_token_indices"}) {
    check(is_unset(json, key), ErrorCode::kUnsupported, "[adapter_config.json] ", key, " is set, which is not supported");
  }
  const Json bias = json.value("bias", Json("none"));
  check(bias == "none" || bias.is_null(), ErrorCode::kUnsupported, "[adapter_config.json] bias is ", bias.dump(), ", expected \"none\"");
  check_targets(json);
  const double r = get_number(json, "r"), alpha = get_number(json, "lora_alpha");
  check(r >= 1 && r <= 4096 && r == std::floor(r), ErrorCode::kCorruptData, "[adapter_config.json] r is ", r,
        ", expected a whole number from 1 to 4096");
  check(std::isfinite(alpha), ErrorCode::kCorruptData, "[adapter_config.json] lora_alpha is ", alpha, ", expected a finite number");
  rank = static_cast<int64_t>(r);
  return is_unset(json, "use_rslora") ? alpha / r : alpha / std::sqrt(r);
}

}  // namespace attune::lm
