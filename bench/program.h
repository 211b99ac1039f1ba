// What our benchmark programs share: options from the command line, and how a program ends.
#pragma once

#include <cstdio>
#include <exception>
#include <string>

#include "core/error.h"
#include "core/options.h"

namespace attune::bench {

/// Reads --NAME VALUE pairs, and --help, which the list may have, alone. Throws kInvalidArgument.
inline void parse_options(OptionList& list, int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    std::string name = argv[i];
    check(name.starts_with("--"), ErrorCode::kInvalidArgument, "[bench] expected --NAME VALUE, found '", name, "'");
    name = name.substr(2);
    for (char& c : name) c = c == '-' ? '_' : c;
    if (name == "help") {
      list.get(name).set_bool(true);
      continue;
    }
    check(i + 1 < argc, ErrorCode::kInvalidArgument, "[bench] --", name, " has no value");
    list.get(name).set_text(argv[++i]);
  }
}

/// The exit code of `run(argc, argv)`; 1 after an error, which goes to stderr with the program's name.
template <class Run>
int run_program(const char* name, const Run& run, int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", name, error.what());
    return 1;
  }
}

}  // namespace attune::bench
