// Reading JSON that is not trusted: members by name and type, numbers finite and in range, lists of known sizes. Every function throws
// kCorruptData that names `what` (the document) and the field.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace attune::people::bandit_json {

using Json = nlohmann::ordered_json;

Json parse_object(std::string_view text, std::string_view what);
const Json& member(const Json& object, const char* name, std::string_view what);
/// Finite.
double number(const Json& value, const char* name, std::string_view what);
/// In [low, high].
int64_t whole(const Json& value, int64_t low, int64_t high, const char* name, std::string_view what);
std::string text(const Json& value, size_t max_bytes, const char* name, std::string_view what);
/// A list of `size` elements; returns `value`.
const Json& list(const Json& value, size_t size, const char* name, std::string_view what);
/// Lists of lists with `shape` as one vector, row by row.
std::vector<double> numbers(const Json& value, const std::vector<size_t>& shape, const char* name, std::string_view what);
/// The inverse.
Json nested(const std::vector<double>& values, const std::vector<size_t>& shape);

}  // namespace attune::people::bandit_json
