// Reports: what reaches gnuplot and the page from hostile labels, files of a run read back or refused, and pictures where gnuplot is installed.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "eval/report/claims_report.h"
#include "eval/report/page.h"
#include "eval/report/plot.h"
#include "tests/expect_error.h"
#include "tests/temp_folder.h"

namespace attune::eval {
namespace {

using test::expect_error;

bool has_gnuplot() { return std::system("command -v gnuplot >/dev/null 2>&1") == 0; }

LinePlot small_line() { return {"title", "x", "y", {{"a line", {0, 1, 2}, {0, 2, 1}, {-1, 1, 0}, {1, 3, 2}}}}; }

TEST(Plot, LabelsCannotLeaveTheirQuotes) {
  auto plot = small_line();
  plot.title = "it's `date`\nset output '/tmp/x'";
  const std::string script = gnuplot_script(plot, "out.svg");
  EXPECT_NE(script.find("set title 'it''s  date  set output ''/tmp/x'''\n"), std::string::npos) << script;
  EXPECT_EQ(script.find('`'), std::string::npos);
  const RowPlot rows{{{"r", "x", true, {{"'\n`!ls`'", 1}}}}};
  EXPECT_NE(gnuplot_script(rows, "out.svg").find("set ytics ('''  !ls ''' 1)"), std::string::npos) << gnuplot_script(rows, "out.svg");
}

TEST(Plot, LongLabelsAreCutBetweenCharacters) {
  auto plot = small_line();
  plot.title = std::string(79, 'a') + "\xc3\xa9" + "b";  // the character crosses the limit of 80 bytes
  EXPECT_NE(gnuplot_script(plot, "o.svg").find("'" + std::string(79, 'a') + "'"), std::string::npos);
}

TEST(Plot, BadInput) {
  const auto refused = [](auto change) {
    auto plot = small_line();
    change(plot);
    expect_error(ErrorCode::kInvalidArgument, "[plot", [&] { gnuplot_script(plot, "o.svg"); });
  };
  refused([](auto& p) { p.lines.clear(); });
  refused([](auto& p) { p.lines.resize(9, p.lines[0]); });
  refused([](auto& p) { p.lines[0].y.pop_back(); });
  refused([](auto& p) { p.lines[0].high.pop_back(); });
  refused([](auto& p) { p.lines[0].low = {NAN, 0, 0}; });
  refused([](auto& p) { p.lines[0].x[1] = INFINITY; });
  expect_error(ErrorCode::kInvalidArgument, "0 charts", [] { gnuplot_script(RowPlot{}, "o.svg"); });
  expect_error(ErrorCode::kInvalidArgument, "0 rows", [] { gnuplot_script(RowPlot{{{"t", "x", true, {}}}}, "o.svg"); });
  expect_error(ErrorCode::kInvalidArgument, "colour", [] { gnuplot_script(RowPlot{{{"t", "x", true, {{"r", 1, 0, 0, 8}}}}}, "o.svg"); });
}

TEST(Plot, GnuplotDrawsAndItsErrorsAreNamed) {
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  const test::TempFolder folder("report");
  const std::string lines = draw(small_line(), folder.path() / "it's.svg");
  EXPECT_NE(lines.find("<svg"), std::string::npos);
  EXPECT_NE(lines.find("a line"), std::string::npos);
  const RowChart bars{"bars", "x", true, {{"one", 1}, {"two", -2}}}, points{"points", "x", false, {{"three", 1, 0.5, 1.5, 3}}};
  const std::string rows = draw(RowPlot{{bars, points}}, folder.path() / "rows.svg");
  for (const char* label : {"one", "two", "three"}) EXPECT_NE(rows.find(label), std::string::npos) << label;
  expect_error(ErrorCode::kInternal, "gnuplot ended with", [&] { run_gnuplot("plot nonsense(\n", folder.path() / "bad.svg"); });
  EXPECT_FALSE(std::filesystem::exists(folder.path() / "bad.svg.gnuplot"));
}

TEST(Plot, WithoutGnuplotThePackageIsNamed) {
  const test::TempFolder folder("report");
  const std::string path = std::getenv("PATH");
  ::setenv("PATH", "/nonexistent", 1);
  expect_error(ErrorCode::kNotFound, "gnuplot-nox", [&] { draw(small_line(), folder.path() / "a.svg"); });
  ::setenv("PATH", path.c_str(), 1);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Page, TextIsEscaped) {
  ReportPage page("<b>");
  page.heading("a & b");
  page.paragraph("<script>alert(\"x\")</script>");
  page.table({{"head", "it's"}, {"<td>", "2"}});
  page.picture("<svg/>", "\"><script>");
  const std::string html = page.html();
  EXPECT_EQ(html.find("<script>"), std::string::npos);
  EXPECT_NE(html.find("<h1>&lt;b&gt;</h1>"), std::string::npos);
  EXPECT_NE(html.find("<td>&lt;td&gt;</td>"), std::string::npos);
  EXPECT_NE(html.find("src=\"data:image/svg+xml;base64,PHN2Zy8+\""), std::string::npos);
  EXPECT_EQ(html.find("http"), std::string::npos);  // nothing is loaded
  expect_error(ErrorCode::kInvalidArgument, "cells", [&] { page.table({{"a"}, {"b", "c"}}); });
}

TEST(Page, Base64KnownValues) {
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("f"), "Zg==");
  EXPECT_EQ(base64("fo"), "Zm8=");
  EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
  EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

std::string result_line() {
  ClaimResult result{"T", "title", {"Ta", "what", Bound::kInside, 0.4, 0.6, 0.9}, true, {0.5, 0.45, 0.55, 0.9, 10}, 10, false, "note"};
  return claim_json(result, false) + "\n";
}

void write_run(const Path& folder, const std::string& results, const std::string& curves) {
  write_file_atomic(folder / "results.jsonl", results);
  write_file_atomic(folder / "curves.jsonl", curves);
}

TEST(ClaimsReport, ReadsBackWhatARunWrote) {
  const test::TempFolder folder("report");
  const CurveResult curve{"T plot", "line", {{0, -1, 1}, {0.5, 0, 1}}};
  ClaimResult none{"N", "not here", {"N", "what", Bound::kLowAbove, 1}, std::nullopt, {}, 0, false, "not run: data absent"};
  write_run(folder.path(), result_line() + claim_json(none, false) + "\n", curve_json(curve) + "\n");
  const auto run = read_claim_run(folder.path());
  ASSERT_EQ(run.results.size(), 2u);
  EXPECT_EQ(claim_json(run.results[0], run.quick) + "\n", result_line());
  EXPECT_EQ(run.results[1].holds, std::nullopt);
  ASSERT_EQ(run.curves.size(), 1u);
  EXPECT_EQ(curve_json(run.curves[0]), curve_json(curve));
  EXPECT_TRUE(run.cells.empty());  // runs without tables have no such file
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  ReportPage page("report");
  add_claims(page, run, folder.path());
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "claims.svg"));
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "curves-1.svg"));
  EXPECT_NE(page.html().find("0.450 to 0.550"), std::string::npos);
}

TEST(ClaimsReport, TablesAndLabelsOfCurves) {
  const test::TempFolder folder("report");
  ClaimResult upper{"U", "title", {"U", "what", Bound::kHighBelow, 1}, true, {0.5, 0.4, 0.6, 0.95, 10}, 10, false, ""};
  const CurveResult curve{"U regret", "mts", {{0, 0, 0}, {1, 0.5, 1.5}}, 40, "rounds", "regret"};
  const CellResult cell{"Mean regret", "L = 1", "mts", {133, 129, 137, 0.95, 200}, 130.0};
  const CellResult plain{"Mean regret", "L = 5", "mts", {0.5, 0.25, 0.75, 0.95, 200}, std::nullopt};
  write_run(folder.path(), claim_json(upper, false) + "\n", curve_json(curve) + "\n");
  write_file_atomic(folder.path() / "cells.jsonl", cell_json(cell) + "\n" + cell_json(plain) + "\n");
  const auto run = read_claim_run(folder.path());
  EXPECT_EQ(run.results[0].part.bound, Bound::kHighBelow);
  EXPECT_EQ(curve_json(run.curves[0]), curve_json(curve));
  ASSERT_EQ(run.cells.size(), 2u);
  EXPECT_EQ(cell_json(run.cells[0]), cell_json(cell));
  EXPECT_EQ(cell_json(run.cells[1]), cell_json(plain));
  write_file_atomic(folder.path() / "cells.jsonl", "{\"table\": \"t\", \"row\": \"r\"}\n");
  expect_error(ErrorCode::kCorruptData, "cells.jsonl, line 1", [&] { read_claim_run(folder.path()); });
  if (!has_gnuplot()) GTEST_SKIP() << "gnuplot is not installed";
  ReportPage page("report");
  add_claims(page, run, folder.path());
  EXPECT_NE(page.html().find("133 +- 4 (130)"), std::string::npos);
}

TEST(ClaimsReport, BadFiles) {
  const test::TempFolder folder("report");
  expect_error(ErrorCode::kNotFound, "results.jsonl", [&] { read_claim_run(folder.path()); });
  const std::string good = result_line();
  const auto refused = [&](const std::string& results, const std::string& curves, std::string_view part) {
    write_run(folder.path(), results, curves);
    expect_error(ErrorCode::kCorruptData, part, [&] { read_claim_run(folder.path()); });
  };
  refused("", "", "no result");
  refused(good + "{", "", "results.jsonl, line 2");
  refused("[]\n", "", "results.jsonl, line 1");
  refused("{\"claim\": 3}\n", "", "line 1");
  auto text = good;
  text.replace(text.find("true"), 4, "\"no\"");
  refused(text, "", "line 1");
  text = good;
  text.replace(text.find("0.45"), 4, "1e999");
  refused(text, "", "line 1");
  refused(good, "{\"plot\": \"p\", \"name\": \"n\", \"mean\": [1, 2], \"low\": [1], \"high\": [1, 2]}\n", "curves.jsonl, line 1");
  refused(good, "{\"plot\": \"p\", \"name\": \"n\", \"mean\": [\"x\"], \"low\": [1], \"high\": [1]}\n", "curves.jsonl, line 1");
}

}  // namespace
}  // namespace attune::eval
