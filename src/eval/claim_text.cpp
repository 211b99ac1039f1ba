// Results of claims as JSON lines and as a table.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/number.h"
#include "eval/claim.h"

namespace attune::eval {
namespace {

using Json = nlohmann::ordered_json;

std::string verdict(const ClaimResult& result) {
  if (!result.holds) return result.failed ? "failed" : "not run";
  return *result.holds ? "holds" : "**does not hold**";
}

/// Cells must not hold the bar that separates them.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

std::string value_text(const ClaimResult& result) {
  if (!result.holds) return "-";
  return cat(fixed(result.interval.mean, 3), " [", fixed(result.interval.low, 3), ", ", fixed(result.interval.high, 3), "]");
}

std::string over_text(const ClaimResult& result) {
  return result.by_units ? cat(result.interval.n, " units, ", result.seeds, " seeds") : cat(result.seeds, " seeds");
}

}  // namespace

std::string bound_text(const ClaimPart& part) {
  switch (part.bound) {
    case Bound::kLowAbove: return cat("low > ", part.threshold);
    case Bound::kHighAtMost: return cat("high <= ", part.threshold);
    case Bound::kHighBelow: return cat("high < ", part.threshold);
    case Bound::kInside: return cat("inside [", part.threshold, ", ", part.threshold_high, "]");
    default: return cat("low >= ", part.threshold);
  }
}

std::string claim_json(const ClaimResult& result, bool quick) {
  Json out;
  out["claim"] = result.part.id;
  out["holds"] = result.holds ? Json(*result.holds) : Json(nullptr);
  const auto number = [&](double value) { return result.holds ? Json(value) : Json(nullptr); };
  out["value"] = number(result.interval.mean);
  out["low"] = number(result.interval.low);
  out["high"] = number(result.interval.high);
  out["threshold"] = result.part.threshold;
  if (result.part.bound == Bound::kInside) out["threshold_high"] = result.part.threshold_high;
  out["seeds"] = result.seeds;
  out["note"] = result.note;
  out["title"] = result.title;
  out["what"] = result.part.what;
  out["bound"] = bound_text(result.part);
  out["level"] = result.part.level;
  if (result.by_units) out["units"] = result.interval.n;
  out["quick"] = quick;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string curve_json(const CurveResult& curve) {
  Json out = {{"plot", curve.plot}, {"name", curve.name}, {"mean", Json::array()}, {"low", Json::array()}, {"high", Json::array()}};
  out["x_step"] = curve.x_step;
  out["x_label"] = curve.x_label;
  out["y_label"] = curve.y_label;
  for (const auto& point : curve.points) {
    out["mean"].push_back(point.mean);
    out["low"].push_back(point.low);
    out["high"].push_back(point.high);
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string cell_json(const CellResult& cell) {
  Json out = {{"table", cell.table}, {"row", cell.row}, {"column", cell.column}, {"value", cell.interval.mean}, {"low", cell.interval.low}};
  out["high"] = cell.interval.high;
  out["reference"] = cell.reference ? Json(*cell.reference) : Json(nullptr);
  return out.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<std::string> distinct(std::span<const CellResult> cells, std::string_view table, std::string CellResult::* field) {
  std::vector<std::string> out;
  for (const auto& cell : cells) {
    if (!table.empty() && cell.table != table) continue;
    if (std::find(out.begin(), out.end(), cell.*field) == out.end()) out.push_back(cell.*field);
  }
  return out;
}

std::string cell_text(std::span<const CellResult> cells, std::string_view table, std::string_view row, std::string_view column) {
  for (const auto& cell : cells) {
    if (cell.table != table || cell.row != row || cell.column != column) continue;
    const double value = cell.interval.mean, half = (cell.interval.high - cell.interval.low) / 2;
    const int digits = std::abs(value) >= 20 ? 0 : std::abs(value) >= 2 ? 1 : 3;
    return cat(fixed(value, digits), " +- ", fixed(half, digits), cell.reference ? cat(" (", fixed(*cell.reference, digits), ")") : "");
  }
  return "";
}

namespace {

std::string cells_markdown(std::span<const CellResult> cells) {
  std::string out;
  for (const auto& table : distinct(cells, "", &CellResult::table)) {
    const auto columns = distinct(cells, table, &CellResult::column);
    out += cat("\n", table, "\n\n|");
    for (const auto& column : columns) out += cat(" | ", cell(column));
    out += " |\n|---|";
    for (size_t c = 0; c < columns.size(); ++c) out += "---|";
    for (const auto& row : distinct(cells, table, &CellResult::row)) {
      out += cat("\n| ", cell(row), " |");
      for (const auto& column : columns) out += cat(" ", cell_text(cells, table, row, column), " |");
    }
    out += "\n";
  }
  return out;
}

}  // namespace

std::string claims_markdown(const ClaimSet& set, const ClaimRun& run) {
  std::string out = cat("<!-- begin: attune reproduce ", set.name, " --markdown -->\n");
  if (run.quick) out += "Quick run: small worlds and few seeds; the bounds are meant for full runs.\n\n";
  out += "| claim | value, mean [interval] | bound | over | verdict |\n|---|---|---|---|---|\n";
  for (const auto& result : run.results) {
    out += cat("| ", result.part.id, ": ", cell(result.part.what), " | ", value_text(result), " | ", bound_text(result.part),
               result.part.level == 0.95 ? "" : cat(" (", fixed(100 * result.part.level, 0), "%)"), " | ", over_text(result), " | ",
               verdict(result), " |\n");
  }
  std::string last;
  out += "\n";
  for (const auto& result : run.results) {
    const std::string line = cat("- ", result.id, ", ", result.title, ": ", result.note, "\n");
    if (line != last && !result.note.empty()) out += line;
    last = line;
  }
  return out + cells_markdown(run.cells) + "<!-- end -->\n";
}

}  // namespace attune::eval
