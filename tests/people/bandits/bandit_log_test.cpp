// Logs of decisions: what a good one becomes, and every way in which a line may be bad.
#include "people/bandits/bandit_log.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/error.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

namespace attune::people {
namespace {

using test::expect_error;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

TEST(BanditLog, LinesBecomeDecisionsByUserAndTime) {
  const auto log = parse_bandit_log(
      "\xef\xbb\xbf{\"user\": \"b\", \"time\": 10, \"action\": 2, \"propensity\": 0.5, \"reward\": 1, \"policy\": \"mts\", \"model\": \"m1\"}\r\n"
      "\n"
      "{\"user\": 7, \"t\": 1, \"arms\": [4, 0], \"action\": 0, \"reward\": null, \"other\": {\"x\": []}}\n"
      "{\"user\": \"b\", \"time\": 4.4, \"action\": 0, \"propensity\": 1, \"reward\": -2.5}\n"
      "{\"user\": \"7\", \"time\": 1, \"arms\": [1], \"action\": 0, \"propensity\": null}",
      "x.jsonl");
  EXPECT_EQ(log.users, (std::vector<std::string>{"b", "7"}));
  EXPECT_EQ(log.offsets, (std::vector<int64_t>{0, 2, 4}));
  EXPECT_EQ(log.num_arms, 5);
  EXPECT_EQ(log.d, 0);
  EXPECT_EQ(log.report.num_lines, 4);
  EXPECT_EQ(log.report.num_bad, 0);
  EXPECT_EQ(log.report.num_out_of_order, 1);
  EXPECT_EQ(log.report.num_rewards, 2);
  EXPECT_EQ(log.report.num_propensities, 2);
  EXPECT_EQ(log.report.num_gaps, 1);
  EXPECT_EQ(log.report.greatest_gap, 6);
  EXPECT_EQ(log.decisions[0].action, 0);  // sorted: time 4.4 before 10
  EXPECT_EQ(log.decisions[0].num_actions, 5);
  EXPECT_EQ(log.decisions[1].dt, 6);
  EXPECT_EQ(log.policies[static_cast<size_t>(log.decisions[1].policy)], "mts");
  EXPECT_EQ(log.decisions[0].policy, -1);
  EXPECT_EQ(log.decisions[3].dt, 0);
  EXPECT_TRUE(std::isnan(log.decisions[3].propensity));
  const Round round = log.round(2, 0);
  EXPECT_EQ(round.num_actions, 2);
  EXPECT_EQ(round.arm(0), 4);
  EXPECT_EQ(log.round(0, 0).arm(3), 3);
  const auto data = log.sequences();
  EXPECT_EQ(data.arms, (std::vector<int32_t>{0, 2, 4, 1}));
  EXPECT_EQ(data.dt, (std::vector<double>{1, 6, 1, 0}));
  EXPECT_EQ(data.rewards[0], -2.5);
  data.check();
}

TEST(BanditLog, FeaturesOfWhatWasPlayed) {
  const auto log = parse_bandit_log(
      "{\"user\": \"u\", \"features\": [[1, 2], [3, 4]], \"action\": 1, \"reward\": 1}\n"
      "{\"user\": \"u\", \"features\": [[5, 6.5]], \"arms\": [9], \"action\": 0, \"reward\": 0}\n",
      "x");
  EXPECT_EQ(log.d, 2);
  EXPECT_FALSE(log.report.has_times);
  const auto data = log.sequences();
  EXPECT_EQ(data.features, (std::vector<double>{3, 4, 5, 6.5}));
  EXPECT_EQ(data.num_arms, 0);
  EXPECT_EQ(data.dt, (std::vector<double>{1, 1}));
  data.check();
  EXPECT_EQ(log.round(1, 1).arm(0), 9);
  EXPECT_TRUE(log.round(0, 0).arms.empty());
  EXPECT_EQ(log.round(0, 0).features_of(1)[0], 3);
}

TEST(BanditLog, TimesBecomeRounds) {
  const std::string text =
      "{\"user\": 1, \"time\": 0, \"action\": 0}\n{\"user\": 1, \"time\": 90, \"action\": 0}\n{\"user\": 1, \"time\": 100, \"action\": 0}\n";
  EXPECT_EQ(parse_bandit_log(text, "x", {.time_unit = 60}).sequences().dt, (std::vector<double>{1, 2, 0}));
  EXPECT_EQ(parse_bandit_log(text, "x", {.time_unit = 60, .fractions = true}).sequences().dt[1], 1.5);
  EXPECT_EQ(parse_bandit_log(text, "x", {.time_unit = 0}).sequences().dt, (std::vector<double>{1, 1, 1}));
  EXPECT_EQ(parse_bandit_log(text, "x", {.num_arms = 3}).decisions[0].num_actions, 3);
}

/// `bad` after 100 good lines.
BanditLog with(const std::string& bad, const std::string& good = R"({"user": "a", "time": 1, "action": 0, "propensity": 0.5})") {
  std::string text;
  for (int i = 0; i < 99; ++i) text += good + "\n";
  return parse_bandit_log(text + bad + "\n", "log.jsonl", {.num_arms = 4});
}

TEST(BanditLog, BadLinesAreCountedListedAndSkipped) {
  const std::pair<const char*, const char*> cases[] = {
      {"[1]", "expected a JSON object"},
      {"{\"user\": \"a\"", "expected a JSON object"},
      {"{\"user\": \"a\", \"time\": NaN, \"action\": 0}", "expected a JSON object"},
      {"{\"user\": \"a\", \"time\": 1e999, \"action\": 0}", "expected a JSON object"},
      {"{\"user\": \"\xff\", \"time\": 1, \"action\": 0}", "expected a JSON object"},
      {"{\"time\": 1, \"action\": 0}", "user is missing"},
      {"{\"user\": \"\", \"time\": 1, \"action\": 0}", "user: expected 1 to 256"},
      {"{\"user\": 1.5, \"time\": 1, \"action\": 0}", "user: expected a text"},
      {"{\"user\": \"a\", \"time\": \"1\", \"action\": 0}", "time: expected a number"},
      {"{\"user\": \"a\", \"time\": 1e16, \"action\": 0}", "time: expected at most"},
      {"{\"user\": \"a\", \"action\": 0}", "time: expected one"},
      {"{\"user\": \"a\", \"time\": 1}", "action is missing"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 4}", "action: expected 0 to 3, found 4"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": -1}", "action: expected 0 to 3, found -1"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0.5}", "action: expected a whole number"},
      {"{\"user\": \"a\", \"time\": 1, \"arms\": [0, 4], \"action\": 0}", "arms: expected 0 to 3, found 4"},
      {"{\"user\": \"a\", \"time\": 1, \"arms\": [], \"action\": 0}", "arms: expected a list of 1"},
      {"{\"user\": \"a\", \"time\": 1, \"arms\": [1], \"action\": 1}", "action: expected 0 to 0, found 1"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"features\": [[1]]}", "features: expected 0 an action, found 1"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"features\": [[1], [1, 2]]}", "features: expected a list of 1, found 2"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"features\": [3]}", "features: expected a list of 1 to"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"arms\": [1, 2], \"features\": [[1]]}", "2 arms and 1 rows of features"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"propensity\": 0}", "propensity: expected above 0, at most 1, found 0"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"propensity\": 1.0001}", "propensity: expected above 0"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"propensity\": -0.5}", "propensity: expected above 0"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"propensity\": \"x\"}", "propensity: expected a number"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"reward\": []}", "reward: expected a number"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"policy\": 3.5}", "policy: expected a text"},
      {"{\"user\": \"a\", \"time\": 1, \"action\": 0, \"model\": \"\"}", "model: expected 1 to 256"},
  };
  for (const auto& [line, part] : cases) {
    SCOPED_TRACE(line);
    const auto log = with(line);
    EXPECT_EQ(log.report.num_bad, 1);
    EXPECT_EQ(log.decisions.size(), 99u);
    ASSERT_EQ(log.report.bad.size(), 1u);
    EXPECT_NE(log.report.bad[0].find("[log.jsonl:100]"), std::string::npos) << log.report.bad[0];
    EXPECT_NE(log.report.bad[0].find(part), std::string::npos) << log.report.bad[0];
  }
  EXPECT_NE(with("{\"user\": 1, \"time\": 1, \"action\": 0}", "{\"user\": 1, \"action\": 0}").report.bad[0].find("expected none"),
            std::string::npos);
}

TEST(BanditLog, MoreThanOnePercentIsAnError) {
  std::string text;
  for (int i = 0; i < 198; ++i) text += "{\"user\": 1, \"action\": 0}\n";
  EXPECT_EQ(parse_bandit_log(text + "x\nx\n", "l").report.num_bad, 2);
  expect_error(ErrorCode::kCorruptData, "3 of 201 lines are bad", [&] { parse_bandit_log(text + "x\nx\nx\n", "l"); });
  expect_error(ErrorCode::kCorruptData, "the first: [l:1]", [] { parse_bandit_log("x\n", "l"); });
  expect_error(ErrorCode::kCorruptData, "found none", [] { parse_bandit_log("\n\n", "l"); });
  expect_error(ErrorCode::kInvalidArgument, "time_unit", [&] { parse_bandit_log(text, "l", {.time_unit = kNone}); });
  expect_error(ErrorCode::kInvalidArgument, "num_arms", [&] { parse_bandit_log(text, "l", {.num_arms = -1}); });
  expect_error(ErrorCode::kNotFound, "absent", [] { read_bandit_log("/absent.jsonl"); });
}

TEST(BanditLog, WhatIsWrittenIsRead) {
  const std::string text =
      std::string(
          R"({"user":"a","time":0.0,"arms":[3,1],"action":1,"propensity":0.1,"reward":0.30000000000000004,"policy":"p","model":"m"})") +
      "\n" + R"({"user":"a","time":2.0,"arms":[0],"action":0})" + "\n";
  const test::TempFolder folder("bandit-log");
  write_file_atomic(folder.path() / "l.jsonl", text);
  const auto log = read_bandit_log(folder.path() / "l.jsonl");
  EXPECT_EQ(bandit_log_text(log), text);
  const std::vector<double> x = {0.5, -1, 2, 3};
  Round round;
  round.num_actions = 2;
  round.features = x;
  const auto line = bandit_log_line("u", 1.5, round, {1, 0.25}, 2.0, "", "");
  const auto again = parse_bandit_log(line, "x");
  EXPECT_EQ(again.features, x);
  EXPECT_EQ(bandit_log_text(again), line);
}

}  // namespace
}  // namespace attune::people
