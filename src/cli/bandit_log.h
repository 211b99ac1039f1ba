// What `attune learn bandit` and `attune eval bandit` share: reading a log and saying what was found in it.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "cli/command.h"
#include "people/bandits/bandit_log.h"

namespace attune::cli {

/// Reads the log and tells a person how large it is, which lines were skipped and why, and what its times look like.
people::BanditLog open_bandit_log(const CommandContext& context, const std::string& path, const people::BanditLogOptions& options);
/// The same as members of the verb's JSON object.
nlohmann::ordered_json bandit_log_json(const people::BanditLog& log);

}  // namespace attune::cli
