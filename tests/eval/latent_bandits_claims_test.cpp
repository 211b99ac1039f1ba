// The claims about latent bandits on small problems: that they run, and that what they are about shows (weak bounds, few seeds).
#include <gtest/gtest.h>

#include <set>

#include "core/error.h"
#include "eval/claim_sets.h"

namespace attune::eval {
namespace {

ClaimRun run_quick(const std::string& id, int32_t seeds) {
  ThreadPool pool(2);
  const ClaimContext context{true, "/nowhere", "/nowhere", pool};
  ClaimOptions options;
  options.quick = true;
  options.seeds = seeds;
  options.only = {id};
  return run_claims(claim_set("latent-bandits"), context, options, no_progress());
}

double value(const ClaimRun& run, const std::string& part) {
  for (const auto& result : run.results) {
    if (result.part.id != part) continue;
    EXPECT_TRUE(result.holds.has_value()) << part << ": " << result.note;
    return result.interval.mean;
  }
  ADD_FAILURE() << "no part " << part;
  return 0;
}

double cell(const ClaimRun& run, const std::string& row, const std::string& column) {
  for (const auto& found : run.cells) {
    if (found.row == row && found.column == column) return found.interval.mean;
  }
  ADD_FAILURE() << "no cell " << row << ", " << column;
  return 0;
}

TEST(LatentBanditClaims, IdsAndBoundsAreThoseOfTheMethod) {
  std::set<std::string> ids;
  for (const auto& claim : claim_set("latent-bandits").claims) {
    for (const auto& part : claim.parts) {
      EXPECT_TRUE(ids.insert(part.id).second) << part.id;
      EXPECT_EQ(part.level, 0.95);
      EXPECT_TRUE(part.statistic) << part.id;
    }
    EXPECT_EQ(claim.seeds, claim.id.starts_with("R4") ? 100 : 200);
  }
  EXPECT_EQ(ids.size(), 5u + 5 + 1 + 11 + 11 + 1);
}

TEST(LatentBanditClaims, KnownModelBeatsBaselines) {
  const auto run = run_quick("R1", 8);
  for (const char* part : {"R1a", "R1b", "R1c", "R1d", "R1e"}) EXPECT_LT(value(run, part), 0.9) << part;
  ASSERT_EQ(run.curves.size(), 6u);
  for (const auto& curve : run.curves) {
    EXPECT_EQ(curve.points.size(), 51u);
    EXPECT_EQ(curve.points[0].mean, 0);
    for (size_t n = 1; n < curve.points.size(); ++n) EXPECT_GE(curve.points[n].mean, curve.points[n - 1].mean);  // regret never falls
    EXPECT_EQ(curve.y_label, "regret");
  }
}

TEST(LatentBanditClaims, DoubtHelpsWhenTheModelIsOff) {
  const auto run = run_quick("R2", 8);
  EXPECT_LT(value(run, "R2b"), 0.9);
  EXPECT_GT(cell(run, "s0 = 0.4", "mts"), cell(run, "s0 = 0", "mts"));
  EXPECT_LT(cell(run, "s0 = 0.4", "mmts"), cell(run, "s0 = 0.4", "mts"));
}

TEST(LatentBanditClaims, RegretGrowsWithChanges) {
  const auto run = run_quick("R3", 8);
  EXPECT_GT(value(run, "R3"), 0.2);
  EXPECT_LT(value(run, "R3"), 1);
  EXPECT_LT(cell(run, "L = 5", "mts"), cell(run, "L = 50", "mts"));
  EXPECT_LT(cell(run, "L = 10", "mts"), cell(run, "L = 10", "mts-stationary"));
  EXPECT_LT(cell(run, "L = 10", "ucb1"), cell(run, "L = 10", "random"));
}

TEST(LatentBanditClaims, SuperusersOfGeneratedRatings) {
  const auto run = run_quick("R4s", 3);
  const double random = cell(run, "random", "lambda = 0.1");
  for (const char* name : {"mts", "mmts", "lints", "d-lints"}) EXPECT_LT(cell(run, name, "lambda = 0.1"), 0.8 * random) << name;
  EXPECT_LT(cell(run, "mmts", "lambda = 10"), cell(run, "lints", "lambda = 10"));
  const auto absent = run_quick("R4", 2);
  for (const auto& result : absent.results) {
    EXPECT_FALSE(result.holds.has_value() || result.failed);
    EXPECT_NE(result.note.find("data absent"), std::string::npos);
  }
}

TEST(LatentBanditClaims, LearnedModelIsNearlyAsGood) { EXPECT_LT(value(run_quick("R5", 3), "R5"), 1.5); }

}  // namespace
}  // namespace attune::eval
