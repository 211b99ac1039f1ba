// attune docs: the command-line reference, made from the option lists (docs/cli.md).
#include "cli/commands.h"

namespace attune::cli {
namespace {

struct DocsOptions {
  void describe(OptionList&) {}
};

}  // namespace

void register_docs(CommandSet& commands) {
  commands.add("docs", "Print the command-line reference as Markdown.", [&commands](CommandSpec& spec) {
    spec.options<DocsOptions>();
    spec.example("attune docs > docs/cli.md");
    return [&commands](const CommandContext& context) {
      context.print(commands.markdown());
      return 0;
    };
  });
}

}  // namespace attune::cli
