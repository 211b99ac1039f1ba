// The log of a bandit's decisions: JSON lines, one decision each (docs/formats/bandit_log.md). What learning and off-policy evaluation read.
//
// Nothing in a log is trusted: a bad line is counted, listed and skipped; more than 1 % of them is an error. Lines of a user that are out of
// order are sorted by time and counted. Plain data after reading; const functions are thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"
#include "core/options.h"
#include "people/bandits/baum_welch.h"
#include "people/bandits/policy.h"

namespace attune::people {

struct BanditLogOptions {
  int32_t num_arms = 0;
  double time_unit = 1;
  bool fractions = false;

  void describe(OptionList& list);
};

struct LoggedDecision {
  double time = 0;  ///< as logged; 0 in a log without times
  double dt = 1;  ///< rounds since the decision before of the same user; a user's first: 1
  int64_t first = -1;  ///< where the offered arms and features begin (in actions); -1: all arms were offered and none is listed
  int32_t num_actions = 0;
  int32_t action = 0;  ///< what was played, below num_actions
  double propensity = 0;  ///< in (0, 1]; NaN = unknown
  double reward = 0;  ///< NaN = none
  int32_t policy = -1;  ///< index into policies; -1 = unknown
  int32_t model = -1;  ///< index into models; -1 = unknown
};

struct BanditLogReport {
  int64_t num_lines = 0;
  int64_t num_bad = 0;
  std::vector<std::string> bad;  ///< the first 20: "[FILE:LINE] ..."
  int64_t num_out_of_order = 0;  ///< lines whose time lies before an earlier line of the user
  int64_t num_gaps = 0;  ///< decisions that come more than one round after the one before
  double greatest_gap = 0;  ///< rounds
  int64_t num_rewards = 0;
  int64_t num_propensities = 0;
  bool has_times = false;
};

struct BanditLog {
  int32_t num_arms = 0;  ///< K: given, or one more than the greatest arm; 0 if only features are known
  int32_t d = 0;  ///< features of an action; 0: none
  double time_unit = 1;  ///< length of a round on the log's clock; 0: times only order
  std::vector<std::string> users;
  std::vector<int64_t> offsets{0};  ///< [U + 1] first decision of a user
  std::vector<LoggedDecision> decisions;  ///< by user, then by time
  std::vector<int32_t> arms;  ///< offered arms, decision by decision
  std::vector<double> features;  ///< offered features [actions, d]
  std::vector<std::string> policies, models;
  BanditLogReport report;

  int64_t num_users() const noexcept { return static_cast<int64_t>(users.size()); }
  /// Decision `index` as a policy sees it; t counts the user's decisions from 0 on. The spans point into the log.
  Round round(int64_t index, int64_t t) const;
  /// What Baum-Welch learns from. O(size).
  BanditSequences sequences() const;
};

/// `name` stands in messages. Throws kCorruptData: over 1 % bad lines (with the first), no good line; kInvalidArgument: options.
BanditLog parse_bandit_log(std::string_view text, std::string_view name, const BanditLogOptions& options = {});
/// Also kNotFound, kIo.
BanditLog read_bandit_log(const Path& path, const BanditLogOptions& options = {});

/// One line, with its line break. Arms and features are listed as far as the round has them. NaN propensity and nullopt reward are left out.
std::string bandit_log_line(std::string_view user, double time, const Round& round, const Choice& choice, std::optional<double> reward,
                            std::string_view policy, std::string_view model);
/// The whole log, user by user; times are counted in rounds if the log has none.
std::string bandit_log_text(const BanditLog& log);

}  // namespace attune::people
