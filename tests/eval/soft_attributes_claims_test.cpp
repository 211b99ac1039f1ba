// Two of the claims about soft attributes as quick runs, the set itself, and what happens without data.
#include <gtest/gtest.h>

#include <set>

#include "eval/claim_sets.h"
#include "tests/expect_error.h"

namespace attune::eval {
namespace {

ClaimRun quick(std::vector<std::string> only, int threads = 2) {
  ThreadPool pool(threads);
  const ClaimContext context{true, "/nonexistent/real", "/nonexistent/datasets", pool};
  ClaimOptions options;
  options.quick = true;
  options.only = std::move(only);
  return run_claims(claim_set("soft-attributes"), context, options, no_progress());
}

TEST(SoftAttributeClaims, PartsHaveIdsOfTheirOwn) {
  std::set<std::string> claims, parts;
  for (const auto& claim : claim_set("soft-attributes").claims) {
    EXPECT_TRUE(claims.insert(claim.id).second) << claim.id;
    for (const auto& part : claim.parts) EXPECT_TRUE(parts.insert(part.id).second) << part.id;
  }
  for (const char* id : {"C1a", "C2a", "C3a", "C4", "C5a", "C6a", "C7a", "C7b", "C8a", "C9a", "C10a"})
    EXPECT_TRUE(parts.contains(id)) << id;
  test::expect_error(ErrorCode::kNotFound, "soft-attributes", [] { claim_set("nothing"); });
}

TEST(SoftAttributeClaims, OrderAndSensesInSmallWorlds) {
  const auto run = quick({"C1", "C3"});
  ASSERT_EQ(run.results.size(), 6u);
  for (const auto& result : run.results) {
    ASSERT_TRUE(result.holds.has_value()) << result.note;
    EXPECT_EQ(result.seeds, 3);
  }
  EXPECT_GT(run.results[2].interval.mean, 0.85);  // C1c: share of the ceiling
  EXPECT_LE(run.results[2].interval.mean, 1.02);
  EXPECT_GT(run.results[3].interval.mean, 0.5);  // C3a: right number of senses
  EXPECT_GT(run.results[5].interval.mean, 0.5);  // C3c: adjusted Rand index
  const auto again = quick({"C1", "C3"}, 1);
  for (size_t k = 0; k < run.results.size(); ++k) EXPECT_EQ(claim_json(run.results[k], true), claim_json(again.results[k], true));
}

TEST(SoftAttributeClaims, CritiquesGiveCurves) {
  const auto run = quick({"C8"});
  ASSERT_EQ(run.curves.size(), 6u);
  for (const auto& curve : run.curves) {
    ASSERT_EQ(curve.points.size(), 11u);
    EXPECT_EQ(curve.points[0].mean, 0) << curve.name;
    EXPECT_LE(curve.points[10].mean, 1) << curve.name;
  }
  EXPECT_EQ(run.curves[3].name, "no update");
  EXPECT_EQ(run.curves[3].points[10].mean, 0);
  EXPECT_GT(run.results[2].interval.mean, 0);  // own sense over no update
}

TEST(SoftAttributeClaims, WithoutDataNotRun) {
  for (const char* id : {"C6b", "C6c", "C10", "P1", "P2"}) {
    for (const auto& result : quick({id}).results) {
      EXPECT_FALSE(result.holds.has_value()) << id;
      EXPECT_FALSE(result.failed) << result.note;
      EXPECT_NE(result.note.find("not run: data absent"), std::string::npos) << result.note;
    }
  }
  const auto network = quick({"C7b"}).results[0];
  EXPECT_FALSE(network.holds.has_value() || network.failed);
}

}  // namespace
}  // namespace attune::eval
