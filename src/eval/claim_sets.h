// The sets of claims that `attune reproduce` knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "eval/claim.h"

namespace attune::eval {

/// Throws kNotFound listing the known sets.
ClaimSet claim_set(std::string_view name);
std::vector<std::string> claim_set_names();

}  // namespace attune::eval
