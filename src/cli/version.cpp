#include "cli/version.h"

namespace attune::cli {

std::string version_number() { return ATTUNE_VERSION; }

std::string compiler_name() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

std::string build_type() { return ATTUNE_BUILD_TYPE; }

std::string version_line() { return "attune " + version_number() + " (" + compiler_name() + ", " + build_type() + ")"; }

}  // namespace attune::cli
