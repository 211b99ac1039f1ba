// One registration function a verb; each lives in the file of its name.
#pragma once

#include "cli/command.h"

namespace attune::cli {

void register_env(CommandSet& commands);

}  // namespace attune::cli
