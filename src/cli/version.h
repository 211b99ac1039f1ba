// What `attune --version` and `attune env` say about this build.
#pragma once

#include <string>

namespace attune::cli {

/// "attune 0.1.0 (g++ 12.2.0, Release)".
std::string version_line();
std::string version_number();
std::string compiler_name();
std::string build_type();

}  // namespace attune::cli
