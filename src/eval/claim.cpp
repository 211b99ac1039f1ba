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
  const int32_t count = options.num_seeds();
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
    CurveResult result{cat(claim.id, " ", first.plot), first.name, {}};
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

std::string joined(std::string_view a, std::string_view b) { return cat(a, !a.empty() && !b.empty() ? "; " : "", b); }

std::vector<ClaimResult> not_run(const Claim& claim, const std::string& reason, bool failed) {
  std::vector<ClaimResult> out;
  for (const auto& part : claim.parts) {
    out.push_back({claim.id, claim.title, part, std::nullopt, {}, 0, false, cat("not run: ", reason), failed});
  }
  return out;
}

std::vector<ClaimResult> judge(const Claim& claim, std::span<const Measured> seeds) {
  const std::string extras = extras_text(seeds);
  std::vector<ClaimResult> out;
  for (size_t p = 0; p < claim.parts.size(); ++p) {
    const ClaimPart& part = claim.parts[p];
    const auto [values, count, by_units] = part_values(claim, p, seeds);
    ClaimResult result{claim.id, claim.title, part, std::nullopt, {}, count, by_units, joined(extras, claim.note)};
    if (values.size() < 2) {
      result.note = cat("not run: ", count, " of ", seeds.size(), " seeds gave a value, an interval needs 2");
    } else {
      result.interval =
          by_units ? stats::bootstrap_mean(values, {.resamples = 4000, .level = part.level}) : stats::t_interval(values, part.level);
      result.holds = keeps_bound(part, result.interval);
    }
    out.push_back(std::move(result));
  }
  return out;
}

std::vector<ClaimResult> run_claim(const Claim& claim, const ClaimContext& context, const ClaimOptions& options, ProgressSink& progress,
                                   std::vector<CurveResult>& curves) {
  try {
    const MeasureSeed measure = claim.prepare(context);
    const SeedRuns runs = run_seeds(claim, measure, context, options, progress);
    if (!runs.failure.empty()) return not_run(claim, runs.failure, true);
    add_curves(claim, runs.measured, curves);
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
  list.add("seeds", seeds, "Seeds a claim; 0 = 10, or 3 with --quick.").range(0, 1000);
  list.add("first-seed", first_seed, "The first seed; the others follow it.");
  list.add("only", only, "Claims to run, by id; all if absent.");
}

bool keeps_bound(const ClaimPart& part, const stats::Interval& interval) noexcept {
  switch (part.bound) {
    case Bound::kLowAbove: return interval.low > part.threshold;
    case Bound::kInside: return interval.low >= part.threshold && interval.high <= part.threshold_high;
    default: return interval.low >= part.threshold;
  }
}

ClaimRun run_claims(const ClaimSet& set, const ClaimContext& context, const ClaimOptions& options, ProgressSink& progress) {
  check(options.num_seeds() >= 2, ErrorCode::kInvalidArgument, "[reproduce ", set.name, "] ", options.num_seeds(),
        " seeds, expected at least 2: an interval needs them");
  check_only(set, options.only);
  ClaimRun out;
  out.quick = context.quick;
  for (const auto& claim : set.claims) {
    if (!options.only.empty() && std::find(options.only.begin(), options.only.end(), claim.id) == options.only.end()) continue;
    const auto begin = std::chrono::steady_clock::now();
    auto results = run_claim(claim, context, options, progress, out.curves);
    out.results.insert(out.results.end(), std::make_move_iterator(results.begin()), std::make_move_iterator(results.end()));
    out.seconds.emplace_back(claim.id, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return out;
}

}  // namespace attune::eval
