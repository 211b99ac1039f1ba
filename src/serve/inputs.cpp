#include "serve/inputs.h"

#include "core/error.h"
#include "serve/api_error.h"

namespace attune::serve {
namespace {

std::vector<int32_t> read_ids(const Json& list, const std::string& field) {
  std::vector<int32_t> ids;
  for (const Json& id : list) {
    if (!id.is_number_integer() || id.get<int64_t>() < 0 || id.get<int64_t>() > INT32_MAX ||
        (id.is_number_unsigned() && id.get<uint64_t>() > INT32_MAX)) {
      throw ApiError(400, cat("'", field, "' holds ", id.dump().substr(0, 32), ", expected token ids"), field, "invalid_value");
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

}  // namespace

Inputs read_inputs(const Json& body, const std::string& field, int64_t max_count, int64_t max_bytes) {
  const auto refuse = [&](const std::string& message, const char* code = "invalid_value") -> ApiError {
    return {400, cat("'", field, "' ", message), field, code};
  };
  const Json* given = find_member(body, field);
  if (given == nullptr) throw refuse("is required", "missing_required_parameter");
  Inputs out;
  if (given->is_string()) {
    out.texts = {given->get<std::string>()};
  } else if (!given->is_array()) {
    throw refuse(cat("must be a string or a list, found ", json_kind(*given)), "invalid_type");
  } else if (!given->empty() && given->front().is_number()) {
    out.ids.push_back(read_ids(*given, field));
  } else {
    for (const Json& entry : *given) {
      if (entry.is_string() && out.ids.empty()) {
        out.texts.push_back(entry.get<std::string>());
      } else if (entry.is_array() && out.texts.empty()) {
        out.ids.push_back(read_ids(entry, field));
      } else {
        throw refuse("must hold strings, or lists of token ids, not both", "invalid_type");
      }
    }
  }
  if (out.size() < 1 || out.size() > max_count) throw refuse(cat("must have 1 to ", max_count, " entries, found ", out.size()));
  int64_t bytes = 0;
  for (const auto& text : out.texts) bytes += static_cast<int64_t>(text.size());
  if (bytes > max_bytes) throw refuse(cat("holds ", bytes, " bytes of text, expected at most ", max_bytes), "prompt_too_long");
  return out;
}

}  // namespace attune::serve
