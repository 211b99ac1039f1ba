// The frame of claims: values to intervals to verdicts, claims that cannot run or fail, the same results on any number of threads, and texts.
#include "eval/claim.h"

#include <gtest/gtest.h>

#include <atomic>
#include <nlohmann/json.hpp>

#include "core/rng.h"
#include "tests/expect_error.h"

namespace attune::eval {
namespace {

using Json = nlohmann::json;

Claim claim_of(std::string id, std::vector<ClaimPart> parts, MeasureSeed measure) {
  return {std::move(id), "a title", std::move(parts), "", [measure](const ClaimContext&) { return measure; }};
}

ClaimRun run(std::vector<Claim> claims, ClaimOptions options = {}, int threads = 2) {
  ThreadPool pool(threads);
  const ClaimContext context{options.quick, "", "", pool};
  return run_claims({"test", "", std::move(claims)}, context, options, no_progress());
}

/// 10 seeds with the values 1 to 10: mean 5.5, sd 3.0277, t(9) = 2.2622 at 95% and 1.8331 at 90%.
Measured seed_number(uint64_t seed) { return {{{static_cast<double>(seed)}}, {{"twice", 2.0 * static_cast<double>(seed)}}, {}}; }

TEST(Claims, IntervalIsStudentsOverSeeds) {
  const auto out = run({claim_of("T", {{"T", "seeds", Bound::kLowAtLeast, 3.3}}, seed_number)});
  ASSERT_EQ(out.results.size(), 1u);
  const auto& result = out.results[0];
  EXPECT_DOUBLE_EQ(result.interval.mean, 5.5);
  EXPECT_NEAR(result.interval.low, 5.5 - 2.2622 * 3.0277 / std::sqrt(10.0), 1e-3);
  EXPECT_EQ(result.seeds, 10);
  EXPECT_FALSE(result.by_units);
  EXPECT_EQ(result.holds, true);
  EXPECT_EQ(result.note, "twice 11.0");
}

TEST(Claims, BoundsAndLevels) {
  const auto holds = [](ClaimPart part) {
    part.id = "T";
    return *run({claim_of("T", {part}, seed_number)}).results[0].holds;
  };
  EXPECT_TRUE(holds({"", "", Bound::kLowAtLeast, 3.33}));
  EXPECT_FALSE(holds({"", "", Bound::kLowAtLeast, 3.34}));
  EXPECT_TRUE(holds({"", "", Bound::kLowAtLeast, 3.74, 0, 0.9}));  // narrower: 5.5 - 1.755
  EXPECT_FALSE(holds({"", "", Bound::kLowAtLeast, 3.75, 0, 0.9}));
  EXPECT_TRUE(holds({"", "", Bound::kInside, 3.3, 7.7}));
  EXPECT_FALSE(holds({"", "", Bound::kInside, 3.3, 7.6}));
  EXPECT_FALSE(holds({"", "", Bound::kInside, 3.4, 7.7}));
  const stats::Interval at{1, 1, 1};
  EXPECT_TRUE(keeps_bound({"", "", Bound::kLowAtLeast, 1}, at));
  EXPECT_FALSE(keeps_bound({"", "", Bound::kLowAbove, 1}, at));
}

TEST(Claims, UnitsAreAveragedOverSeedsFirst) {
  // Units 0..49 with a seed effect that cancels in no way but the mean: interval over units, not over seeds.
  const auto units = [](uint64_t seed) {
    std::vector<double> values;
    for (int k = 0; k < 50; ++k) values.push_back(k + (seed % 2 == 0 ? 1000.0 : -1000.0));
    return Measured{{values}, {}, {}};
  };
  const auto result = run({claim_of("T", {{"T", "", Bound::kLowAtLeast, 0}}, units)}).results[0];
  EXPECT_TRUE(result.by_units);
  EXPECT_EQ(result.interval.n, 50);
  EXPECT_EQ(result.seeds, 10);
  EXPECT_NEAR(result.interval.mean, 24.5, 1e-9);
  EXPECT_GT(result.interval.low, 18);
  EXPECT_LT(result.interval.high, 31);
}

TEST(Claims, RatioOfMeansWithABootstrapOverSeeds) {
  // Denominators differ by a factor of 5 between seeds, the ratio by a tenth: paired resampling sees the tenth.
  const auto pairs = [](uint64_t seed) {
    const double below = static_cast<double>(1 + seed % 5);
    return Measured{{{below * (seed % 2 == 0 ? 0.45 : 0.55), below}}, {}, {}};
  };
  ClaimPart part{"T", "ratio", Bound::kHighAtMost, 0.55};
  part.statistic = [](std::span<const double> means) { return means[0] / means[1]; };
  const auto result = run({claim_of("T", {part}, pairs)}).results[0];
  EXPECT_EQ(result.holds, true);
  EXPECT_EQ(result.seeds, 10);
  EXPECT_FALSE(result.by_units);
  // Seeds 1 to 10: sum of numerators 15.0 (each denominator once odd, once even), of denominators 30.
  EXPECT_NEAR(result.interval.mean, 0.5, 1e-12);
  EXPECT_LT(result.interval.low, 0.49);
  EXPECT_GT(result.interval.low, 0.45);
  EXPECT_LT(result.interval.high, 0.55);
  part.threshold = 0.5;
  EXPECT_EQ(run({claim_of("T", {part}, pairs)}).results[0].holds, false);
  const auto zero = [](uint64_t) { return Measured{{{1, 0}}, {}, {}}; };
  EXPECT_TRUE(run({claim_of("T", {part}, zero)}).results[0].failed);
  const auto uneven = [](uint64_t seed) { return Measured{{std::vector<double>(seed == 1 ? 3 : 2, 1.0)}, {}, {}}; };
  EXPECT_TRUE(run({claim_of("T", {part}, uneven)}).results[0].failed);
  const auto one = [](uint64_t seed) { return Measured{{seed == 1 ? std::vector<double>{1, 2} : std::vector<double>{}}, {}, {}}; };
  EXPECT_FALSE(run({claim_of("T", {part}, one)}).results[0].holds.has_value());
}

TEST(Claims, UpperBounds) {
  const stats::Interval at{0.9, 0.8, 1};
  EXPECT_TRUE(keeps_bound({"", "", Bound::kHighAtMost, 1}, at));
  EXPECT_FALSE(keeps_bound({"", "", Bound::kHighAtMost, 0.99}, at));
  EXPECT_FALSE(keeps_bound({"", "", Bound::kHighBelow, 1}, at));
  EXPECT_TRUE(keeps_bound({"", "", Bound::kHighBelow, 1.01}, at));
  EXPECT_EQ(bound_text({"", "", Bound::kHighAtMost, 0.35}), "high <= 0.35");
  EXPECT_EQ(bound_text({"", "", Bound::kHighBelow, 1}), "high < 1");
}

TEST(Claims, TablesOfCells) {
  const auto cells = [](uint64_t seed) {
    const auto x = static_cast<double>(seed);
    return Measured{{{x}}, {}, {}, {{"A table", "r1", "c1", 100 + x}, {"A table", "r1", "c2", x}, {"A table", "r|2", "c1", x / 10}}};
  };
  Claim claim = claim_of("T", {{"T", "", Bound::kLowAtLeast, 0}}, cells);
  claim.references = {{"A table", "r1", "c1", 105}};
  const auto out = run({claim});
  ASSERT_EQ(out.cells.size(), 3u);
  EXPECT_DOUBLE_EQ(out.cells[0].interval.mean, 105.5);
  EXPECT_EQ(out.cells[0].reference, 105);
  EXPECT_FALSE(out.cells[1].reference.has_value());
  const auto text = claims_markdown({"test", "", {claim}}, out);
  EXPECT_NE(
      text.find(
          "\nA table\n\n| | c1 | c2 |\n|---|---|---|\n| r1 | 106 +- 2 (105) | 5.5 +- 2.2 |\n| r\\|2 | 0.550 +- 0.217 |  |\n<!-- end -->\n"),
      std::string::npos)
      << text;
  const auto json = Json::parse(cell_json(out.cells[0]));
  EXPECT_EQ(json["reference"], 105);
  EXPECT_EQ(json["row"], "r1");
  EXPECT_TRUE(Json::parse(cell_json(out.cells[1]))["reference"].is_null());
  const auto differing = [&](uint64_t seed) {
    Measured measured = cells(seed);
    if (seed == 3) measured.cells[1].row = "other";
    return measured;
  };
  EXPECT_TRUE(run({claim_of("T", {{"T", "", Bound::kLowAtLeast, 0}}, differing)}).results[0].failed);
}

TEST(Claims, SeedsWithoutAValueAreLeftOut) {
  const auto odd = [](uint64_t seed) { return Measured{{seed % 2 == 1 ? std::vector<double>{1.0} : std::vector<double>{}}, {}, {}}; };
  EXPECT_EQ(run({claim_of("T", {{"T", "", Bound::kLowAtLeast, 1}}, odd)}).results[0].seeds, 5);
  const auto one = [](uint64_t seed) { return Measured{{seed == 1 ? std::vector<double>{1.0} : std::vector<double>{}}, {}, {}}; };
  const auto result = run({claim_of("T", {{"T", "", Bound::kLowAtLeast, 0}}, one)}).results[0];
  EXPECT_FALSE(result.holds.has_value());
  EXPECT_NE(result.note.find("1 of 10 seeds"), std::string::npos);
}

TEST(Claims, AbsentDataIsNotRunAndAnErrorFails) {
  Claim absent = claim_of("A", {{"Aa", "", Bound::kLowAtLeast, 0}, {"Ab", "", Bound::kLowAtLeast, 0}}, seed_number);
  absent.prepare = [](const ClaimContext&) -> MeasureSeed { fail(ErrorCode::kNotFound, "data absent: somewhere"); };
  const Claim broken = claim_of("B", {{"B", "", Bound::kLowAtLeast, 0}}, [](uint64_t seed) -> Measured {
    check(seed != 4, ErrorCode::kInvalidArgument, "[test] four");
    return seed_number(seed);
  });
  const Claim wrong_shape = claim_of("C", {{"C", "", Bound::kLowAtLeast, 0}}, [](uint64_t) { return Measured{}; });
  const Claim not_finite = claim_of("D", {{"D", "", Bound::kLowAtLeast, 0}}, [](uint64_t) { return Measured{{{NAN}}, {}, {}}; });
  const Claim good = claim_of("E", {{"E", "", Bound::kLowAtLeast, 0}}, seed_number);
  const auto results = run({absent, broken, wrong_shape, not_finite, good}).results;
  ASSERT_EQ(results.size(), 6u);
  for (size_t k : {0u, 1u}) {
    EXPECT_FALSE(results[k].holds.has_value());
    EXPECT_FALSE(results[k].failed);
    EXPECT_EQ(results[k].note, "not run: data absent: somewhere");
  }
  for (size_t k : {2u, 3u, 4u}) EXPECT_TRUE(results[k].failed && !results[k].holds) << k;
  EXPECT_NE(results[2].note.find("seed 4"), std::string::npos);
  EXPECT_TRUE(results[5].holds.has_value());
}

TEST(Claims, CancellingEndsTheRun) {
  const Claim claim =
      claim_of("T", {{"T", "", Bound::kLowAtLeast, 0}}, [](uint64_t) -> Measured { fail(ErrorCode::kCancelled, "[test] stop"); });
  test::expect_error(ErrorCode::kCancelled, "stop", [&] { run({claim}); });
}

TEST(Claims, OnlySeedsAndQuick) {
  std::atomic<int> calls = 0;
  const auto count = [&](uint64_t seed) {
    ++calls;
    return seed_number(seed);
  };
  const std::vector<Claim> two = {claim_of("A", {{"A", "", Bound::kLowAtLeast, 0}}, count),
                                  claim_of("B", {{"B", "", Bound::kLowAtLeast, 0}}, count)};
  ClaimOptions options;
  options.only = {"B"};
  options.seeds = 4;
  options.first_seed = 7;
  const auto out = run(two, options);
  ASSERT_EQ(out.results.size(), 1u);
  EXPECT_EQ(out.results[0].part.id, "B");
  EXPECT_EQ(calls, 4);
  EXPECT_DOUBLE_EQ(out.results[0].interval.mean, 8.5);
  options = {};
  options.quick = true;
  EXPECT_EQ(options.num_seeds(two[0]), 3);
  Claim large = two[0];
  large.seeds = 200;
  large.quick_seeds = 5;
  EXPECT_EQ(options.num_seeds(large), 5);
  EXPECT_EQ(ClaimOptions{}.num_seeds(large), 200);
  options.seeds = 7;
  EXPECT_EQ(options.num_seeds(large), 7);
  options.seeds = 0;
  options.only = {"C"};
  test::expect_error(ErrorCode::kNotFound, "known are: A, B", [&] { run(two, options); });
  options.only = {};
  options.seeds = 1;
  test::expect_error(ErrorCode::kInvalidArgument, "at least 2", [&] { run(two, options); });
}

TEST(Claims, SameResultsOnAnyNumberOfThreads) {
  const auto noisy = [](uint64_t seed) {
    Rng rng(seed, "noise");
    return Measured{{{rng.normal()}}, {{"extra", rng.normal()}}, {{"plot", "line", {rng.normal(), rng.normal()}}}};
  };
  const auto claim = claim_of("T", {{"T", "", Bound::kLowAtLeast, 0}}, noisy);
  const auto one = run({claim}, {}, 1), four = run({claim}, {}, 4);
  EXPECT_EQ(claim_json(one.results[0], false), claim_json(four.results[0], false));
  ASSERT_EQ(one.curves.size(), 1u);
  EXPECT_EQ(curve_json(one.curves[0]), curve_json(four.curves[0]));
  EXPECT_EQ(one.curves[0].plot, "T plot");
  EXPECT_EQ(one.curves[0].points.size(), 2u);
}

TEST(Claims, JsonHasTheContractsFields) {
  auto result = run({claim_of("T", {{"Ta", "what it is", Bound::kInside, 3, 8}}, seed_number)}).results[0];
  const Json json = Json::parse(claim_json(result, true));
  EXPECT_EQ(json["claim"], "Ta");
  EXPECT_EQ(json["holds"], true);
  EXPECT_EQ(json["value"], 5.5);
  EXPECT_EQ(json["threshold"], 3);
  EXPECT_EQ(json["threshold_high"], 8);
  EXPECT_EQ(json["seeds"], 10);
  EXPECT_EQ(json["bound"], "inside [3, 8]");
  EXPECT_EQ(json["quick"], true);
  EXPECT_TRUE(json["low"].is_number() && json["high"].is_number() && json["note"].is_string());
  result.holds = std::nullopt;
  result.note = "not run: \"quoted\" \xff";
  const Json none = Json::parse(claim_json(result, false));
  EXPECT_TRUE(none["holds"].is_null() && none["value"].is_null() && none["low"].is_null() && none["high"].is_null());
}

TEST(Claims, MarkdownTable) {
  const ClaimSet set{"test", "", {}};
  auto out = run({claim_of("T", {{"Ta", "a | b", Bound::kLowAtLeast, 3}, {"Tb", "c", Bound::kLowAbove, 9, 0, 0.9}},
                           [](uint64_t seed) { return Measured{{{static_cast<double>(seed)}, {0.0}}, {}, {}}; })});
  const std::string text = claims_markdown(set, out);
  EXPECT_NE(text.find("<!-- begin: attune reproduce test --markdown -->\n| claim |"), std::string::npos);
  EXPECT_NE(text.find("| Ta: a \\| b | 5.500 [3.334, 7.666] | low >= 3 | 10 seeds | holds |\n"), std::string::npos) << text;
  EXPECT_NE(text.find("| low > 9 (90%) | 10 seeds | **does not hold** |\n"), std::string::npos) << text;
  EXPECT_TRUE(text.ends_with("<!-- end -->\n"));
  out.quick = true;
  EXPECT_NE(claims_markdown(set, out).find("Quick run"), std::string::npos);
}

}  // namespace
}  // namespace attune::eval
