#include "eval/claim.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>

#include "core/error.h"
#include "core/number.h"

namespace attune::eval {
namespace {

/// Seeds of one claim, each with what it gave or why not.
struct SeedRuns {
  std::vector<Measured> measured;
  std::string failure;  ///< of the first seed that failed
};

void check_shape(const Claim& claim, const Measured& measured) {
  check(measured.values.size() == claim.parts.size(), ErrorCode::kInternal, "[claim ", claim.id, "] ", measured.values.size(),
        " parts measured, expected ", claim.parts.size());
  for (const auto& values : measured.values) {
    for (const double value : values) check(std::isfinite(value), ErrorCode::kInternal, "[claim ", claim.id, "] a value is not finite");
  }
}

SeedRuns run_seeds(const Claim& claim, const MeasureSeed& measure, const ClaimContext& context, const ClaimOptions& options,
                   ProgressSink& progress) {
  const int32_t count = options.num_seeds(claim);
  SeedRuns out;
  out.measured.resize(static_cast<size_t>(count));
  std::vector<std::string> failures(out.measured.size());
  std::mutex mutex;
  int64_t done = 0;
  const std::string what = cat("seeds of ", claim.id);
  progress.update(what, 0, count);
  context.pool.run(count, [&](int k) {
    const auto n = static_cast<size_t>(k);
    try {
      out.measured[n] = measure(options.first_seed + n);
      check_shape(claim, out.measured[n]);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::kCancelled) throw;
      failures[n] = cat("seed ", options.first_seed + n, ": ", error.what());
    }
    const std::lock_guard lock(mutex);
    progress.update(what, ++done, count);
  });
  for (const auto& failure : failures) {
    if (out.failure.empty()) out.failure = failure;
  }
  return out;
}

/// Values of a part: one a seed, or unit by unit the mean over seeds.
struct PartValues {
  std::vector<double> values;
  int32_t seeds = 0;
  bool by_units = false;
};

PartValues part_values(const Claim& claim, size_t part, std::span<const Measured> seeds) {
  PartValues out;
  size_t units = 0;
  for (const auto& seed : seeds) units = std::max(units, seed.values[part].size());
  out.by_units = units > 1;
  if (out.by_units) out.values.assign(units, 0);
  for (const auto& seed : seeds) {
    const auto& values = seed.values[part];
    if (values.empty()) continue;
    ++out.seeds;
    check(values.size() == units, ErrorCode::kInternal, "[claim ", claim.id, "] seeds gave ", values.size(), " and ", units, " units");
    if (!out.by_units) out.values.push_back(values[0]);
    for (size_t n = 0; out.by_units && n < units; ++n) out.values[n] += values[n];
  }
  for (size_t n = 0; out.by_units && n < units; ++n) out.values[n] /= out.seeds;
  return out;
}

/// [columns][seeds] of a part with a statistic.
std::vector<std::vector<double>> part_columns(const Claim& claim, size_t part, std::span<const Measured> seeds) {
  std::vector<std::vector<double>> out;
  for (const auto& seed : seeds) {
    const auto& values = seed.values[part];
    if (values.empty()) continue;
    if (out.empty()) out.resize(values.size());
    check(values.size() == out.size(), ErrorCode::kInternal, "[claim ", claim.id, "] seeds gave ", values.size(), " and ", out.size(),
          " numbers");
    for (size_t n = 0; n < out.size(); ++n) out[n].push_back(values[n]);
  }
  return out;
}

/// "ceiling 0.841, users 1203": means over the seeds that have the number.
std::string extras_text(std::span<const Measured> seeds) {
  std::vector<std::pair<std::string, std::pair<double, int>>> sums;
  for (const auto& seed : seeds) {
    for (const auto& [name, value] : seed.extras) {
      auto found = std::find_if(sums.begin(), sums.end(), [&](const auto& entry) { return entry.first == name; });
      if (found == sums.end()) found = sums.insert(sums.end(), {name, {0, 0}});
      found->second.first += value;
      ++found->second.second;
    }
  }
  std::string out;
  for (const auto& [name, sum] : sums) {
    const double mean = sum.first / sum.second;
    out += cat(out.empty() ? "" : ", ", name, " ", fixed(mean, std::abs(mean) >= 100 ? 0 : std::abs(mean) >= 10 ? 1 : 3));
  }
  return out;
}

void add_curves(const Claim& claim, std::span<const Measured> seeds, std::vector<CurveResult>& out) {
  for (size_t c = 0; c < seeds[0].curves.size(); ++c) {
    const Curve& first = seeds[0].curves[c];
    CurveResult result{cat(claim.id, " ", first.plot), first.name, {}, first.x_step, first.x_label, first.y_label};
    for (size_t step = 0; step < first.y.size(); ++step) {
      std::vector<double> values;
      for (const auto& seed : seeds) {
        check(c < seed.curves.size() && seed.curves[c].name == first.name && seed.curves[c].y.size() == first.y.size(),
              ErrorCode::kInternal, "[claim ", claim.id, "] curve ", first.name, " differs between seeds");
        values.push_back(seed.curves[c].y[step]);
      }
      result.points.push_back(stats::t_interval(values));
    }
    out.push_back(std::move(result));
  }
}

void add_cells(const Claim& claim, std::span<const Measured> seeds, std::vector<CellResult>& out) {
  for (size_t c = 0; c < seeds[0].cells.size(); ++c) {
    const TableCell& first = seeds[0].cells[c];
    const auto same = [&](const auto& other) {
      return other.table == first.table && other.row == first.row && other.column == first.column;
    };
    std::vector<double> values;
    for (const auto& seed : seeds) {
      check(c < seed.cells.size() && same(seed.cells[c]), ErrorCode::kInternal, "[claim ", claim.id, "] table ", first.table,
            " differs between seeds");
      values.push_back(seed.cells[c].value);
    }
    CellResult result{first.table, first.row, first.column, stats::t_interval(values), std::nullopt};
    const auto found = std::find_if(claim.references.begin(), claim.references.end(), same);
    if (found != claim.references.end()) result.reference = found->value;
    out.push_back(std::move(result));
  }
}

std::string joined(std::string_view a, std::string_view b) { return cat(a, !a.empty() && !b.empty() ? "; " : "", b); }

std::vector<ClaimResult> not_run(const Claim& claim, const std::string& reason, bool failed) {
  std::vector<ClaimResult> out;
  for (const auto& part : claim.parts) {
    out.push_back({claim.id, claim.title, part, std::nullopt, {}, 0, false, cat("not run: ", reason), failed});
  }
  return out;
}

/// The interval of a part, n below 2 if there are too few values; sets seeds and by_units.
stats::Interval part_interval(const Claim& claim, size_t p, std::span<const Measured> seeds, ClaimResult& result) {
  const ClaimPart& part = claim.parts[p];
  const stats::BootstrapOptions bootstrap{.resamples = 4000, .level = part.level};
  if (part.statistic) {
    const auto columns = part_columns(claim, p, seeds);
    result.seeds = columns.empty() ? 0 : static_cast<int32_t>(columns[0].size());
    return result.seeds < 2 ? stats::Interval{} : stats::bootstrap_statistic(columns, part.statistic, bootstrap);
  }
  const auto [values, count, by_units] = part_values(claim, p, seeds);
  result.seeds = count;
  result.by_units = by_units;
  if (values.size() < 2) return {};
  return by_units ? stats::bootstrap_mean(values, bootstrap) : stats::t_interval(values, part.level);
}

std::vector<ClaimResult> judge(const Claim& claim, std::span<const Measured> seeds) {
  const std::string extras = extras_text(seeds);
  std::vector<ClaimResult> out;
  for (size_t p = 0; p < claim.parts.size(); ++p) {
    const ClaimPart& part = claim.parts[p];
    ClaimResult result{claim.id, claim.title, part, std::nullopt, {}, 0, false, joined(extras, claim.note)};
    result.interval = part_interval(claim, p, seeds, result);
    if (result.interval.n >= 2) {
      result.holds = keeps_bound(part, result.interval);
    } else {
      result.note = cat("not run: ", result.seeds, " of ", seeds.size(), " seeds gave a value, an interval needs 2");
    }
    out.push_back(std::move(result));
  }
  return out;
}

std::vector<ClaimResult> run_claim(const Claim& claim, const ClaimContext& context, const ClaimOptions& options, ProgressSink& progress,
                                   ClaimRun& run) {
  try {
    const MeasureSeed measure = claim.prepare(context);
    const SeedRuns runs = run_seeds(claim, measure, context, options, progress);
    if (!runs.failure.empty()) return not_run(claim, runs.failure, true);
    add_curves(claim, runs.measured, run.curves);
    add_cells(claim, runs.measured, run.cells);
    return judge(claim, runs.measured);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kCancelled) throw;
    const bool absent = error.code() == ErrorCode::kNotFound || error.code() == ErrorCode::kUnsupported;
    return not_run(claim, error.what(), !absent);
  }
}

void check_only(const ClaimSet& set, const std::vector<std::string>& only) {
  for (const auto& id : only) {
    if (std::any_of(set.claims.begin(), set.claims.end(), [&](const Claim& claim) { return claim.id == id; })) continue;
    std::string known;
    for (const auto& claim : set.claims) known += (known.empty() ? "" : ", ") + claim.id;
    fail(ErrorCode::kNotFound, "[reproduce ", set.name, "] unknown claim ", id, ", known are: ", known);
  }
}

}  // namespace

void ClaimOptions::describe(OptionList& list) {
  list.add("quick", quick, "Small worlds and few seeds: shows that everything works; the bounds are meant for full runs.");
  list.add("seeds", seeds, "Seeds a claim; 0 = as many as it asks for (mostly 10, or 3 with --quick).").range(0, 1000);
  list.add("first-seed", first_seed, "The first seed; the others follow it.");
  list.add("only", only, "Claims to run, by id; all if absent.");
}

bool keeps_bound(const ClaimPart& part, const stats::Interval& interval) noexcept {
  switch (part.bound) {
    case Bound::kLowAbove: return interval.low > part.threshold;
    case Bound::kHighAtMost: return interval.high <= part.threshold;
    case Bound::kHighBelow: return interval.high < part.threshold;
    case Bound::kInside: return interval.low >= part.threshold && interval.high <= part.threshold_high;
    default: return interval.low >= part.threshold;
  }
}

ClaimRun run_claims(const ClaimSet& set, const ClaimContext& context, const ClaimOptions& options, ProgressSink& progress) {
  check(options.seeds != 1, ErrorCode::kInvalidArgument, "[reproduce ", set.name, "] 1 seed, expected at least 2: an interval needs them");
  check_only(set, options.only);
  ClaimRun out;
  out.quick = context.quick;
  for (const auto& claim : set.claims) {
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), claim.id) == options.only.end()) continue;
    const auto begin = std::chrono::steady_clock::now();
    auto results = run_claim(claim, context, options, progress, out);
    out.results.insert(out.results.end(), std::make_move_iterator(results.begin()), std::make_move_iterator(results.end()));
    out.seconds.emplace_back(claim.id, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return out;
}

}  // namespace attune::eval
