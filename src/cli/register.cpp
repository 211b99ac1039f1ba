#include "cli/commands.h"

namespace attune::cli {

// One line a verb, in the order --help shows them.
void register_all(CommandSet& commands) {
  register_env(commands);
}

}  // namespace attune::cli
