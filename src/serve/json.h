// JSON of requests and answers: hostile text in, valid UTF-8 out. (A heavy header: include it in .cpp files only.)
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "core/options.h"

namespace attune::serve {

using Json = nlohmann::json;                 ///< of requests: keys are looked up in O(log n)
using OrderedJson = nlohmann::ordered_json;  ///< of answers: fields stay in the order written

inline constexpr int kMaxJsonDepth = 64;
inline constexpr int kMaxJsonKeys = 100'000;

/// Parses a request body. Throws ApiError 400 for malformed text, invalid UTF-8, depth above 64 or more than 100,000 object keys.
Json parse_json(std::string_view text);
/// The same, and the top must be an object.
Json parse_json_object(std::string_view text);

/// One line of JSON; bytes that are no UTF-8 become U+FFFD.
std::string dump_json(const OrderedJson& value);

/// Sets every option of `list` that `object` holds (null counts as absent). ApiError 400 with `param` for a wrong type or range.
void read_fields(const Json& object, OptionList& list);

/// A required text of 1 to `max_bytes` bytes. ApiError 400 with `param`.
std::string require_text(const Json& object, std::string_view name, size_t max_bytes);
/// The member, or null for absent and null.
const Json* find_member(const Json& object, std::string_view name);
/// "a number", "an array": for messages.
std::string_view json_kind(const Json& value);

}  // namespace attune::serve
