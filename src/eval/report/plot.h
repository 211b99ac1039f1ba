// Plots as SVG, drawn by gnuplot (Debian package gnuplot-nox), which is started as a program of its own.
//
// Labels may hold anything: they reach gnuplot in single quotes, where it interprets nothing, without control characters and back quotes, and in
// terminal mode noenhanced. Settings of the person's own gnuplot are not read. Colours: the Okabe-Ito set, apart for all kinds of sight.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/file.h"

namespace attune::eval {

/// A line over x with an optional band.
struct PlotLine {
  std::string name;
  std::vector<double> x;
  std::vector<double> y;
  std::vector<double> low;  ///< as long as y, or empty
  std::vector<double> high;
};

struct LinePlot {
  std::string title;
  std::string x_label;
  std::string y_label;
  std::vector<PlotLine> lines;  ///< at least one; at most 8
};

/// One row of a chart: a bar from 0, or a point with its interval.
struct PlotRow {
  std::string label;
  double value = 0;
  double low = 0;
  double high = 0;
  int color = 0;  ///< place in the colours, 0 to 7
};

/// Rows from top to bottom.
struct RowChart {
  std::string title;
  std::string x_label;
  bool bars = true;  ///< false: points with intervals
  std::vector<PlotRow> rows;
};

/// Charts side by side with one scale.
struct RowPlot {
  std::vector<RowChart> charts;  ///< at least one; at most 5, of at most 100 rows each
};

/// The program's input; numbers and labels checked: kInvalidArgument (nothing to draw, lengths, numbers that are not finite).
std::string gnuplot_script(const LinePlot& plot, const Path& svg);
std::string gnuplot_script(const RowPlot& plot, const Path& svg);

/// Runs gnuplot on a script and returns the SVG that it wrote to `svg`. Throws kNotFound (gnuplot is not installed; says which package has it),
/// kInternal with gnuplot's message.
std::string run_gnuplot(const std::string& script, const Path& svg);

/// Both in one: writes `svg` and returns its text.
std::string draw(const LinePlot& plot, const Path& svg);
std::string draw(const RowPlot& plot, const Path& svg);

}  // namespace attune::eval
