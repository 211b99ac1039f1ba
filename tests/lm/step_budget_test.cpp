// The budget of prompt rows beside decoding: arithmetic on given times, no clock.
#include "lm/step_budget.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace attune::lm {
namespace {

TEST(StepBudget, WithoutDecodingOrLimitAllRowsAreFree) {
  StepBudget limited(0.1, 256);
  limited.observe(0, 100, 50.0);  // very slow
  EXPECT_EQ(limited.prompt_rows(0), 256);
  StepBudget unlimited(0, 256);
  unlimited.observe(4, 100, 50.0);
  EXPECT_EQ(unlimited.prompt_rows(4), 256);
}

TEST(StepBudget, FewRowsBeforeAnythingWasMeasured) {
  EXPECT_EQ(StepBudget(0.15, 256).prompt_rows(1), 8);
  EXPECT_EQ(StepBudget(0.15, 5).prompt_rows(1), 5);
}

// A machine with a decode step of `decode` seconds and `row` seconds a prompt row: the budget settles where a step takes most of the limit
// and not more.
TEST(StepBudget, SettlesBelowTheLimit) {
  for (const double row : {0.0005, 0.002, 0.01}) {
    const double decode = 0.012;
    StepBudget budget(0.15, 4096);
    for (int i = 0; i < 8; ++i) budget.observe(4, 0, decode);
    double seconds = 0;
    for (int i = 0; i < 60; ++i) {
      const int64_t rows = budget.prompt_rows(4);
      seconds = decode + row * static_cast<double>(rows);
      EXPECT_LE(seconds, 0.15) << row << ", step " << i;
      budget.observe(4, rows, seconds);
    }
    EXPECT_GT(seconds, 0.5 * 0.15) << row;
    EXPECT_NEAR(budget.seconds_per_row(), row, 0.02 * row);
  }
}

// Steps that vary by up to 15 % stay below the limit: the budget leaves a margin.
TEST(StepBudget, LeavesAMargin) {
  StepBudget budget(0.15, 4096);
  for (int i = 0; i < 8; ++i) budget.observe(4, 0, 0.012);
  for (int i = 0; i < 200; ++i) {
    const int64_t rows = budget.prompt_rows(4);
    const double seconds = (0.012 + 0.002 * static_cast<double>(rows)) * (1 + 0.15 * std::sin(1.7 * i));
    EXPECT_LE(seconds, 0.15) << i;
    budget.observe(4, rows, seconds);
  }
}

TEST(StepBudget, BelievesBadNewsAtOnceAndGoodNewsSlowly) {
  StepBudget budget(0.15, 4096);
  budget.observe(0, 100, 0.1);
  const double before = budget.seconds_per_row();
  budget.observe(0, 100, 0.3);
  EXPECT_NEAR(budget.seconds_per_row(), before + 0.5 * (0.003 - before), 1e-12);
  const double slow = budget.seconds_per_row();
  budget.observe(0, 100, 0.1);
  EXPECT_NEAR(budget.seconds_per_row(), slow + 0.25 * (0.001 - slow), 1e-12);
}

TEST(StepBudget, PromptsAdvanceWhateverTheLimitIs) {
  StepBudget budget(0.001, 256);
  budget.observe(8, 0, 10.0);
  budget.observe(8, 16, 20.0);
  EXPECT_EQ(budget.prompt_rows(8), 8);
  StepBudget narrow(0.001, 4);  // fewer rows than the least
  narrow.observe(8, 0, 10.0);
  narrow.observe(8, 4, 20.0);
  EXPECT_EQ(narrow.prompt_rows(8), 4);
}

// A few rows at a prompt's end cost a whole pass over the weights: they say nothing of the price of a row.
TEST(StepBudget, ShortEndsOfPromptsDoNotCount) {
  StepBudget budget(0.15, 256);
  budget.observe(2, 0, 0.01);
  budget.observe(2, 64, 0.01 + 0.064);
  const int64_t rows = budget.prompt_rows(2);
  for (int i = 0; i < 20; ++i) budget.observe(2, 1, 0.02);
  EXPECT_EQ(budget.prompt_rows(2), rows);
}

TEST(StepBudget, MoreSequencesThanMeasuredCostInProportion) {
  StepBudget budget(0.1, 1 << 20);
  budget.observe(10, 0, 0.02);
  budget.observe(0, 100, 0.1);
  const int64_t at_ten = budget.prompt_rows(10);
  EXPECT_EQ(budget.prompt_rows(1), at_ten);  // not less than was measured
  EXPECT_LT(budget.prompt_rows(20), at_ten);
  EXPECT_EQ(budget.prompt_rows(1000), 8);
}

TEST(StepBudget, SenselessTimesAreIgnored) {
  StepBudget budget(0.15, 256);
  budget.observe(2, 0, 0.01);
  budget.observe(2, 64, 0.074);
  const int64_t rows = budget.prompt_rows(2);
  budget.observe(2, 64, 0);
  budget.observe(2, 64, -1);
  budget.observe(2, 64, std::numeric_limits<double>::quiet_NaN());
  budget.observe(0, 0, 1);
  EXPECT_EQ(budget.prompt_rows(2), rows);
  StepBudget tiny_rows(0.15, 256);
  tiny_rows.observe(0, 256, 1e-300);  // the quotient is huge
  EXPECT_EQ(tiny_rows.prompt_rows(1), 256);
}

}  // namespace
}  // namespace attune::lm
