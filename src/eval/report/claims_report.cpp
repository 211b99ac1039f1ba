#include "eval/report/claims_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number.h"
#include "eval/report/plot.h"

namespace attune::eval {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxFileBytes = uint64_t{64} << 20;
constexpr int kHolds = 2, kDoesNot = 1;  // colours

/// Calls `read` with each line's object; any fault of one is kCorruptData with file and line.
void read_lines(const Path& file, const std::function<void(const Json&)>& read) {
  const std::string text = read_file(file, kMaxFileBytes);
  int64_t number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    ++number;
    try {
      read(Json::parse(text.begin() + static_cast<int64_t>(at), text.begin() + static_cast<int64_t>(end)));
    } catch (const nlohmann::json::exception& error) {
      fail(ErrorCode::kCorruptData, "[report] ", file.filename().string(), ", line ", number, ": ", error.what());
    } catch (Error& error) {
      error.add_context(cat(file.filename().string(), ", line ", number));
      throw;
    }
    at = end + 1;
  }
}

double finite(const Json& value) {
  const double out = value.get<double>();
  check(std::isfinite(out), ErrorCode::kCorruptData, "[report] a number is not finite");
  return out;
}

ClaimResult read_result(const Json& line) {
  ClaimResult out;
  out.part.id = line.at("claim").get<std::string>();
  out.part.what = line.at("what").get<std::string>();
  out.part.threshold = finite(line.at("threshold"));
  out.part.level = finite(line.at("level"));
  const auto bound = line.at("bound").get<std::string>();
  out.part.bound = bound.starts_with("inside")     ? Bound::kInside
                   : bound.starts_with("low > ")   ? Bound::kLowAbove
                   : bound.starts_with("high < ")  ? Bound::kHighBelow
                   : bound.starts_with("high <= ") ? Bound::kHighAtMost
                                                   : Bound::kLowAtLeast;
  if (out.part.bound == Bound::kInside) out.part.threshold_high = finite(line.at("threshold_high"));
  out.title = line.at("title").get<std::string>();
  out.note = line.at("note").get<std::string>();
  out.seeds = line.at("seeds").get<int32_t>();
  if (line.contains("units")) {
    out.by_units = true;
    out.interval.n = line["units"].get<int64_t>();
  }
  if (line.at("holds").is_null()) return out;
  out.holds = line["holds"].get<bool>();
  out.interval.mean = finite(line.at("value"));
  out.interval.low = finite(line.at("low"));
  out.interval.high = finite(line.at("high"));
  return out;
}

CurveResult read_curve(const Json& line) {
  CurveResult out{line.at("plot").get<std::string>(), line.at("name").get<std::string>(), {}};
  if (line.contains("x_step")) {
    out.x_step = finite(line["x_step"]);
    out.x_label = line.at("x_label").get<std::string>();
    out.y_label = line.at("y_label").get<std::string>();
  }
  const auto &mean = line.at("mean"), &low = line.at("low"), &high = line.at("high");
  check(mean.is_array() && !mean.empty() && low.size() == mean.size() && high.size() == mean.size(), ErrorCode::kCorruptData,
        "[report] curve ", out.name, ": ", mean.size(), " means, ", low.size(), " low, ", high.size(), " high ends");
  for (size_t n = 0; n < mean.size(); ++n) out.points.push_back({finite(mean[n]), finite(low[n]), finite(high[n])});
  return out;
}

CellResult read_cell(const Json& line) {
  CellResult out{line.at("table").get<std::string>(), line.at("row").get<std::string>(), line.at("column").get<std::string>(), {}, {}};
  out.interval.mean = finite(line.at("value"));
  out.interval.low = finite(line.at("low"));
  out.interval.high = finite(line.at("high"));
  if (!line.at("reference").is_null()) out.reference = finite(line["reference"]);
  return out;
}

/// How far the value and its interval lie on the good side of the bound; above 0 throughout = holds.
PlotRow margin_row(const ClaimResult& result) {
  PlotRow out{result.part.id};
  if (result.part.bound == Bound::kInside) {
    const double centre = (result.part.threshold + result.part.threshold_high) / 2, half = result.part.threshold_high - centre;
    const auto margin = [&](double x) { return half - std::abs(x - centre); };
    out.value = margin(result.interval.mean);
    out.low = std::min(margin(result.interval.low), margin(result.interval.high));
    const bool across = result.interval.low <= centre && centre <= result.interval.high;
    out.high = across ? half : std::max(margin(result.interval.low), margin(result.interval.high));
  } else if (result.part.bound == Bound::kHighAtMost || result.part.bound == Bound::kHighBelow) {
    out.value = result.part.threshold - result.interval.mean;
    out.low = result.part.threshold - result.interval.high;
    out.high = result.part.threshold - result.interval.low;
  } else {
    out.value = result.interval.mean - result.part.threshold;
    out.low = result.interval.low - result.part.threshold;
    out.high = result.interval.high - result.part.threshold;
  }
  for (double* end : {&out.value, &out.low, &out.high}) *end = std::clamp(*end, -1.0, 1.0);  // few seeds give intervals of any width
  out.color = *result.holds ? kHolds : kDoesNot;
  return out;
}

std::string verdict(const ClaimResult& result) { return !result.holds ? "not run" : *result.holds ? "holds" : "does not hold"; }

void add_margins(ReportPage& page, const ClaimRun& run, const Path& pictures) {
  RowChart chart{"Distance to the bound", "distance on the good side of the bound, with its interval, cut at 1", false, {}};
  for (const auto& result : run.results) {
    if (result.holds) chart.rows.push_back(margin_row(result));
  }
  if (chart.rows.empty()) return;
  page.paragraph("A claim holds if its whole interval lies right of 0 (green); orange ones do not.");
  page.picture(draw(RowPlot{{chart}}, pictures / "claims.svg"), "Distance of each claim's value from its bound, as in the table below");
}

void add_curves(ReportPage& page, const ClaimRun& run, const Path& pictures) {
  std::vector<std::string> plots;
  for (const auto& curve : run.curves) {
    if (std::find(plots.begin(), plots.end(), curve.plot) == plots.end()) plots.push_back(curve.plot);
  }
  for (size_t p = 0; p < plots.size(); ++p) {
    LinePlot plot{plots[p], "", "", {}};
    for (const auto& curve : run.curves) {
      if (curve.plot != plots[p]) continue;
      plot.x_label = curve.x_label;
      plot.y_label = curve.y_label;
      PlotLine line{curve.name, {}, {}, {}, {}};
      for (size_t n = 0; n < curve.points.size(); ++n) {
        line.x.push_back(static_cast<double>(n) * curve.x_step);
        line.y.push_back(curve.points[n].mean);
        line.low.push_back(curve.points[n].low);
        line.high.push_back(curve.points[n].high);
      }
      plot.lines.push_back(std::move(line));
    }
    page.picture(draw(plot, pictures / cat("curves-", p + 1, ".svg")), cat(plots[p], ": means over seeds with 95% intervals, by step"));
  }
}

void add_tables(ReportPage& page, const ClaimRun& run) {
  for (const auto& table : distinct(run.cells, "", &CellResult::table)) {
    page.paragraph(table);
    const auto columns = distinct(run.cells, table, &CellResult::column);
    std::vector<std::vector<std::string>> rows = {{""}};
    rows[0].insert(rows[0].end(), columns.begin(), columns.end());
    for (const auto& row : distinct(run.cells, table, &CellResult::row)) {
      rows.push_back({row});
      for (const auto& column : columns) rows.back().push_back(cell_text(run.cells, table, row, column));
    }
    page.table(rows);
  }
}

}  // namespace

ClaimRun read_claim_run(const Path& folder) {
  ClaimRun out;
  read_lines(folder / "results.jsonl", [&](const Json& line) {
    out.results.push_back(read_result(line));
    out.quick = line.at("quick").get<bool>();
  });
  read_lines(folder / "curves.jsonl", [&](const Json& line) { out.curves.push_back(read_curve(line)); });
  if (std::filesystem::exists(folder / "cells.jsonl")) {
    read_lines(folder / "cells.jsonl", [&](const Json& line) { out.cells.push_back(read_cell(line)); });
  }
  check(!out.results.empty(), ErrorCode::kCorruptData, "[report] results.jsonl holds no result");
  return out;
}

void add_claims(ReportPage& page, const ClaimRun& run, const Path& pictures) {
  page.heading("Claims");
  if (run.quick) page.paragraph("Quick run: small worlds and few seeds; the bounds are meant for full runs.");
  add_margins(page, run, pictures);
  add_curves(page, run, pictures);
  std::vector<std::vector<std::string>> rows = {{"claim", "what", "value", "interval", "bound", "over", "verdict"}};
  for (const auto& result : run.results) {
    const auto& i = result.interval;
    rows.push_back({result.part.id, result.part.what, result.holds ? fixed(i.mean, 3) : "-",
                    result.holds ? cat(fixed(i.low, 3), " to ", fixed(i.high, 3)) : "-", bound_text(result.part),
                    result.by_units ? cat(i.n, " units, ", result.seeds, " seeds") : cat(result.seeds, " seeds"), verdict(result)});
  }
  page.table(rows);
  std::string last;
  for (const auto& result : run.results) {
    const std::string line = cat(result.title, ": ", result.note);
    if (line != last && !result.note.empty()) page.paragraph(line);
    last = line;
  }
  add_tables(page, run);
}

}  // namespace attune::eval
