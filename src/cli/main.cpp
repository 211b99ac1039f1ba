#include "cli/command.h"

int main(int argc, char** argv) {
  attune::cli::CommandSet commands;
  attune::cli::register_all(commands);
  return commands.run(argc, argv);
}
