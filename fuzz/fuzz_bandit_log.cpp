// Any text as a log of decisions, and as a bandit model; the first byte chooses the options.
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "core/error.h"
#include "people/bandits/bandit_log.h"
#include "people/bandits/latent_model_files.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace attune::people;
  if (size < 1) return 0;
  BanditLogOptions options;
  if ((data[0] & 1) != 0) options.num_arms = 3;
  if ((data[0] & 2) != 0) options.time_unit = 60;
  options.fractions = (data[0] & 4) != 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    const BanditLog log = parse_bandit_log(text, "fuzz", options);
    if (log.offsets.size() != log.users.size() + 1 || log.offsets.back() != static_cast<int64_t>(log.decisions.size())) std::abort();
    if (log.report.num_bad + static_cast<int64_t>(log.decisions.size()) != log.report.num_lines) std::abort();
    for (const LoggedDecision& decision : log.decisions) {
      if (decision.action < 0 || decision.action >= decision.num_actions) std::abort();
      if (!(std::isnan(decision.propensity) || (decision.propensity > 0 && decision.propensity <= 1))) std::abort();
      if (!(decision.dt >= 0)) std::abort();
    }
    log.sequences().check();
    if (parse_bandit_log(bandit_log_text(log), "again").decisions.size() != log.decisions.size()) std::abort();
  } catch (const attune::Error&) {
  }
  try {
    LatentModelFile file = parse_latent_model(text);
    if (parse_latent_model(latent_model_json(file)).model.version != file.model.version) std::abort();
  } catch (const attune::Error&) {
  }
  return 0;
}
