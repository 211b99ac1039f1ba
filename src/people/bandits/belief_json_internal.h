// What the JSON documents of all beliefs share.
#pragma once

#include <string_view>
#include <vector>

#include "core/rng.h"
#include "people/bandits/json_internal.h"

namespace attune::people::bandit_json {

/// The object of a saved belief, after its head was checked. Throws kCorruptData (no such document, another kind), kFailedPrecondition
/// (another format, another version of the model).
Json parse_belief(std::string_view text, const char* kind, int64_t format, std::string_view version);
/// [size], each at least 0, with a sum within 1e-6 of 1; not divided by it.
std::vector<double> distribution(const Json& value, size_t size, const char* name, std::string_view what);
/// [seed, stream, position].
Rng read_rng(const Json& value, std::string_view what);

}  // namespace attune::people::bandit_json
