// Claims: statements about a method that a run can confirm or refute, each with a bound, seeds and an interval.
//
// A claim measures one value a seed for each of its parts (or one a unit, such as a word, where seeds are not what varies). A part holds if its
// interval keeps the bound: 95% (or the part's level), Student's t over seeds; by bootstrap over units if a seed gives several values, which
// are averaged over seeds unit by unit first. Comparisons are differences inside one seed, so what the two sides share cancels.
// Ratios and slopes: a part with a `statistic` takes several numbers a seed and is that function of their means over seeds, with a bootstrap interval
// over whole seeds, so that what the numbers of a seed share cancels there too.
// A part without a value is "not run", with the reason. Bounds are constants of the claim and are printed beside every value.
// Deterministic in the seeds, whatever the number of threads: seeds run side by side, and what a seed calls runs on its own thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/options.h"
#include "core/progress.h"
#include "core/thread_pool.h"
#include "stats/bootstrap.h"

namespace attune::eval {

enum class Bound {
  kLowAtLeast,  ///< the interval's low end is at least the threshold
  kLowAbove,  ///< the same, and above it
  kHighAtMost,  ///< the interval's high end is at most the threshold
  kHighBelow,  ///< the same, and below it
  kInside,  ///< the whole interval lies in [threshold, threshold_high]
};

/// One line of the table.
struct ClaimPart {
  std::string id;  ///< "C1a"
  std::string what;  ///< what the value is, for a person
  Bound bound = Bound::kLowAtLeast;
  double threshold = 0;
  double threshold_high = 0;  ///< kInside
  double level = 0.95;  ///< 0.9 for a one-sided test, or two of them, at 5%
  std::function<double(std::span<const double>)> statistic{};  ///< of the means over seeds; empty: the mean of the one number
};

/// A line over steps for pictures: the same name and length from every seed.
struct Curve {
  std::string plot;  ///< curves of one plot are drawn together
  std::string name;
  std::vector<double> y;  ///< by step from 0
  double x_step = 1;  ///< between two of y
  std::string x_label = "critiques";
  std::string y_label = "share of the way to the best list";
};

/// A number of a table: its mean over seeds is printed with its interval.
struct TableCell {
  std::string table;  ///< heading
  std::string row;
  std::string column;
  double value = 0;
};

/// What was published, or computed by others, for a cell: printed beside it.
struct TableReference {
  std::string table;
  std::string row;
  std::string column;
  double value = 0;
};

/// What one seed gave.
struct Measured {
  std::vector<std::vector<double>> values;  ///< [parts][units]; a part may be empty: not measurable with this seed
  std::vector<std::pair<std::string, double>> extras;  ///< numbers beside the values, averaged over seeds into the note
  std::vector<Curve> curves;
  std::vector<TableCell> cells{};  ///< the same ones in the same order from every seed
};

/// Where and how claims run.
struct ClaimContext {
  bool quick = false;  ///< small worlds, for a look whether everything works; bounds are for full runs
  Path real_data;  ///< folder of real tags and judgements (ml-latest-small, soft-attributes)
  Path datasets;  ///< folder of ratings (ml-100k)
  ThreadPool& pool;
};

using MeasureSeed = std::function<Measured(uint64_t seed)>;

struct Claim {
  std::string id;  ///< "C1"
  std::string title;  ///< a few words
  std::vector<ClaimPart> parts;
  std::string note;  ///< what the numbers do not say: choices, what was looked for where it does not hold
  /// Loads what all seeds share. Throwing kNotFound or kUnsupported means "not run" with the message as the reason.
  std::function<MeasureSeed(const ClaimContext&)> prepare;
  int32_t seeds = 10;  ///< unless options say otherwise
  int32_t quick_seeds = 3;
  std::vector<TableReference> references{};
};

struct ClaimSet {
  std::string name;  ///< "soft-attributes"
  std::string help;
  std::vector<Claim> claims;
};

/// One line of results.
struct ClaimResult {
  std::string id;
  std::string title;  ///< of the claim
  ClaimPart part;
  std::optional<bool> holds;  ///< nullopt: not run
  stats::Interval interval;  ///< meaningful if `holds` has a value
  int32_t seeds = 0;  ///< that gave a value
  bool by_units = false;  ///< interval over units instead of seeds
  std::string note;
  bool failed = false;  ///< not run because of an error
};

/// Mean of a curve over seeds with its 95% interval.
struct CurveResult {
  std::string plot;
  std::string name;
  std::vector<stats::Interval> points;
  double x_step = 1;
  std::string x_label = "critiques";
  std::string y_label = "share of the way to the best list";
};

/// A cell of a table, over seeds.
struct CellResult {
  std::string table;
  std::string row;
  std::string column;
  stats::Interval interval;
  std::optional<double> reference;
};

struct ClaimRun {
  std::vector<ClaimResult> results;  ///< in the order of the set
  std::vector<CurveResult> curves;
  std::vector<CellResult> cells;
  std::vector<std::pair<std::string, double>> seconds;  ///< wall time by claim
  bool quick = false;
};

struct ClaimOptions {
  bool quick = false;
  int32_t seeds = 0;  ///< 0 = what the claim says: 10, or 3 when quick, unless it needs more
  uint64_t first_seed = 1;
  std::vector<std::string> only;  ///< claims by id; empty = all

  void describe(OptionList& list);
  int32_t num_seeds(const Claim& claim) const noexcept { return seeds > 0 ? seeds : (quick ? claim.quick_seeds : claim.seeds); }
};

/// Runs claims one after the other, their seeds in parallel. An error in a claim makes its parts "not run" and `failed`; kCancelled is thrown.
/// Throws kNotFound for an unknown id in `only` (lists the known ones), kInvalidArgument for a seed count below 2.
ClaimRun run_claims(const ClaimSet& set, const ClaimContext& context, const ClaimOptions& options, ProgressSink& progress);

/// What the interval says about the bound.
bool keeps_bound(const ClaimPart& part, const stats::Interval& interval) noexcept;
/// "low >= 0.97", "inside [0.47, 0.53]".
std::string bound_text(const ClaimPart& part);

/// One JSON object a part: claim, holds (true, false, null), value, low, high, threshold, seeds, note; also title, what, bound, level,
/// threshold_high (where there is one), units (where the interval is over units), quick.
std::string claim_json(const ClaimResult& result, bool quick);
/// One JSON object a curve: plot, name, mean, low, high (arrays by step).
std::string curve_json(const CurveResult& curve);
/// One JSON object a cell: table, row, column, value, low, high, reference (null if there is none).
std::string cell_json(const CellResult& cell);
/// Distinct values of a field of the cells of one table, in order of first sight.
std::vector<std::string> distinct(std::span<const CellResult> cells, std::string_view table, std::string CellResult::* field);
/// "133 +- 4 (reference 133)" of the cell in this place; "" if there is none.
std::string cell_text(std::span<const CellResult> cells, std::string_view table, std::string_view row, std::string_view column);
/// The table, the notes below it and the tables of cells, between markers that name the set, as the method's page holds it.
std::string claims_markdown(const ClaimSet& set, const ClaimRun& run);

}  // namespace attune::eval
