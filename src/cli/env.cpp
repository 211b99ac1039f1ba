#include <sys/utsname.h>

#include <nlohmann/json.hpp>

#include "cli/commands.h"
#include "cli/version.h"
#include "core/error.h"
#include "core/file.h"
#include "core/thread_pool.h"
#include "kernels/kernels.h"
#include "kernels/probe.h"

namespace attune::cli {
namespace {

struct EnvOptions {
  void describe(OptionList&) {}
};

int show_env(const CommandContext& context) {
  utsname system{};
  ::uname(&system);
  const Path home = home_folder();
  std::vector<std::string> isas;
  for (const auto isa : kernels::available_isas()) isas.emplace_back(kernels::isa_name(isa));
  const nlohmann::ordered_json report = {
      {"version", version_number()},
      {"compiler", compiler_name()},
      {"build_type", build_type()},
      {"system", cat(system.sysname, " ", system.release, " ", system.machine)},
      {"cpu", kernels::cpu_model()},
      {"cores", usable_cores()},
      {"isa", kernels::isa_name(kernels::ops().isa)},
      {"isas", isas},
      {"cpu_features", kernels::cpu_features()},
      {"paths", {{"home", home.string()}, {"models", (home / "models").string()}, {"datasets", (home / "datasets").string()}}},
  };
  if (context.common.json) {
    context.print(report.dump());
    return 0;
  }
  for (const auto& [key, value] : report.items()) context.print(cat(key, ": ", value.is_string() ? value.get<std::string>() : value.dump()));
  return 0;
}

}  // namespace

void register_env(CommandSet& commands) {
  commands.add("env", "Versions, instruction set and paths, for bug reports.", [](CommandSpec& spec) {
    spec.options<EnvOptions>();
    spec.example("attune env --json");
    return [](const CommandContext& context) { return show_env(context); };
  });
}

}  // namespace attune::cli
