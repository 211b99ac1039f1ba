// The frame of the command line: one file per verb registers itself here; flags, --help and docs come from each verb's OptionList.
//
// Exit codes: 0 done, 1 failed (one line on stderr), 2 usage. Results go to stdout, progress and logs to stderr.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/options.h"
#include "core/progress.h"

namespace attune::cli {

/// What every verb understands besides its own options.
struct CommonOptions {
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

struct CommandContext {
  CommonOptions common;
  ProgressSink& progress;
  /// Writes a line of results to stdout.
  void print(std::string_view line) const;
  /// Writes a line for a person to stderr, unless --quiet.
  void note(std::string_view line) const;
};

/// Runs the verb after its options were parsed; returns the exit code.
using CommandBody = std::function<int(const CommandContext&)>;

class CommandSpec {
 public:
  /// Creates the verb's option struct (kept alive by the spec) and lists its fields through `describe(OptionList&)`.
  template <class Options>
  Options& options() {
    auto owned = std::make_shared<Options>();
    Options& out = *owned;
    holder_ = std::move(owned);
    out.describe(list_);
    return out;
  }
  /// A line shown under "Examples" of --help.
  void example(std::string line) { examples_.push_back(std::move(line)); }

  OptionList& list() noexcept { return list_; }
  const std::vector<std::string>& examples() const noexcept { return examples_; }

 private:
  std::shared_ptr<void> holder_;
  OptionList list_;
  std::vector<std::string> examples_;
};

class CommandSet {
 public:
  /// `name` may hold one space: "learn ratings". `setup` fills the spec and returns the body.
  void add(std::string name, std::string help, std::function<CommandBody(CommandSpec&)> setup);

  /// Parses and runs. Never throws.
  int run(int argc, const char* const* argv) const;
  /// Markdown reference of all verbs: docs/cli.md.
  std::string markdown() const;

 private:
  struct Entry {
    std::string name;
    std::string help;
    std::function<CommandBody(CommandSpec&)> setup;
  };
  std::vector<Entry> entries_;
};

/// All verbs: the explicit list in register.cpp.
void register_all(CommandSet& commands);

}  // namespace attune::cli
