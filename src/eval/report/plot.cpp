#include "eval/report/plot.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "core/error.h"

extern char** environ;

namespace attune::eval {
namespace {

constexpr std::array kColors = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#555555", "#000000"};
constexpr size_t kMaxLabelBytes = 80;
constexpr uint64_t kMaxSvgBytes = uint64_t{16} << 20;

/// In single quotes gnuplot interprets nothing but the doubled quote.
std::string gnuplot_string(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "''";
    } else if (c == '`' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += ' ';
    } else {
      out += c;
    }
  }
  return out + "'";
}

/// A label of at most kMaxLabelBytes, cut between characters.
std::string label_text(std::string_view text) {
  size_t end = std::min(text.size(), kMaxLabelBytes);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return gnuplot_string(text.substr(0, end));
}

void check_numbers(std::span<const double> values, std::string_view what) {
  for (const double value : values) {
    check(std::isfinite(value) && std::abs(value) < 1e12, ErrorCode::kInvalidArgument, "[plot] ", what,
          ": a number is not finite or beyond 1e12");
  }
}

std::string header(const Path& svg, int width, int height) {
  return cat("set encoding utf8\nset terminal svg size ", width, ",", height,
             " dynamic noenhanced font 'sans-serif,13' background '#ffffff'\nset output ", gnuplot_string(svg.string()),
             "\nset border 3 lc rgb '#888888'\nset tics nomirror textcolor rgb '#222222'\nset grid xtics lc rgb '#dddddd'\n");
}

std::string number(double value) { return cat(value); }

void check_row_plot(const RowPlot& plot) {
  check(!plot.charts.empty() && plot.charts.size() <= 5, ErrorCode::kInvalidArgument, "[plot] ", plot.charts.size(),
        " charts, expected 1 to 5");
  for (const auto& chart : plot.charts) {
    check(!chart.rows.empty() && chart.rows.size() <= 100, ErrorCode::kInvalidArgument, "[plot ", chart.title, "] ", chart.rows.size(),
          " rows, expected 1 to 100");
    for (const auto& row : chart.rows) {
      check_numbers(std::array{row.value, row.low, row.high}, row.label);
      check(row.color >= 0 && static_cast<size_t>(row.color) < kColors.size(), ErrorCode::kInvalidArgument, "[plot] colour ", row.color);
    }
  }
}

/// Least and largest number of all charts, 0 among them, with some room.
std::pair<double, double> scale_of(const RowPlot& plot) {
  double low = 0, high = 0;
  for (const auto& chart : plot.charts) {
    for (const auto& row : chart.rows) {
      low = std::min({low, row.value, chart.bars ? row.value : row.low});
      high = std::max({high, row.value, chart.bars ? row.value : row.high});
    }
  }
  const double room = high > low ? 0.04 * (high - low) : 1;
  return {low < 0 ? low - room : 0, high > 0 ? high + room : room};
}

std::string chart_text(const RowChart& chart, size_t index) {
  const size_t n = chart.rows.size();
  std::string out = cat("$rows", index, " << EOD\n"), tics;
  for (size_t k = 0; k < n; ++k) {
    const PlotRow& row = chart.rows[k];
    const double y = static_cast<double>(n - k);  // first row on top
    out += cat(number(y), " ", number(row.value), " ", number(row.low), " ", number(row.high), " ",
               std::stoi(kColors[static_cast<size_t>(row.color)] + 1, nullptr, 16), "\n");
    tics += cat(tics.empty() ? "" : ", ", label_text(row.label), " ", number(y));
  }
  out += cat("EOD\nset title ", label_text(chart.title), "\nset xlabel ", label_text(chart.x_label), "\nset yrange [0.3:", n,
             ".7]\nset ytics (", tics, ")\n");
  if (chart.bars) {
    out += cat("plot $rows", index,
               " using (0.5 * $2):1:(0.5 * $2):(0.36):5 with boxxyerror lc rgb variable fs solid 0.85 noborder notitle\n");
  } else {
    out += cat("plot $rows", index, " using 2:1:3:4:5 with xerrorbars lc rgb variable pt 7 ps 0.7 lw 2 notitle\n");
  }
  return out;
}

int spawn_gnuplot(const Path& script, const Path& log) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&actions, 2, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  std::string name = "gnuplot", defaults = "-d", file = script.string();
  char* arguments[] = {name.data(), defaults.data(), file.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, "gnuplot", &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  check(error != ENOENT, ErrorCode::kNotFound,
        "[plot] gnuplot is not installed: apt-get install gnuplot-nox, or scripts/bootstrap.sh --dev");
  check(error == 0, ErrorCode::kIo, "[plot] gnuplot does not start: ", std::strerror(error));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

std::string gnuplot_script(const LinePlot& plot, const Path& svg) {
  check(!plot.lines.empty() && plot.lines.size() <= kColors.size(), ErrorCode::kInvalidArgument, "[plot ", plot.title, "] ",
        plot.lines.size(), " lines, expected 1 to ", kColors.size());
  std::string data, curves;
  for (size_t k = 0; k < plot.lines.size(); ++k) {
    const PlotLine& line = plot.lines[k];
    check(!line.x.empty() && line.x.size() == line.y.size() && line.low.size() == line.high.size() &&
              (line.low.empty() || line.low.size() == line.y.size()),
          ErrorCode::kInvalidArgument, "[plot ", plot.title, "] line ", line.name, " has ", line.x.size(), " x, ", line.y.size(), " y, ",
          line.low.size(), " low, ", line.high.size(), " high");
    for (const auto* values : {&line.x, &line.y, &line.low, &line.high}) check_numbers(*values, line.name);
    data += cat("$line", k, " << EOD\n");
    for (size_t n = 0; n < line.x.size(); ++n) {
      data += cat(number(line.x[n]), " ", number(line.y[n]), " ", number(line.low.empty() ? line.y[n] : line.low[n]), " ",
                  number(line.high.empty() ? line.y[n] : line.high[n]), "\n");
    }
    data += "EOD\n";
    if (!line.low.empty()) {
      curves =
          cat("$line", k, " using 1:3:4 with filledcurves fc rgb '", kColors[k], "' fs transparent solid 0.13 noborder notitle, ", curves);
    }
    curves += cat("$line", k, " using 1:2 with linespoints lc rgb '", kColors[k], "' lw 2 pt 7 ps 0.5 title ", label_text(line.name), ", ");
  }
  curves.resize(curves.size() - 2);
  return cat(data, header(svg, 720, 420), "set grid ytics lc rgb '#dddddd'\nset key outside right top vertical samplen 1.5\nset title ",
             label_text(plot.title), "\nset xlabel ", label_text(plot.x_label), "\nset ylabel ", label_text(plot.y_label), "\nplot ",
             curves, "\n");
}

std::string gnuplot_script(const RowPlot& plot, const Path& svg) {
  check_row_plot(plot);
  size_t rows = 0;
  for (const auto& chart : plot.charts) rows = std::max(rows, chart.rows.size());
  const auto columns = static_cast<int>(plot.charts.size());
  const int width = columns == 1 ? 760 : 420 * columns;
  const auto [low, high] = scale_of(plot);
  std::string out = header(svg, width, 110 + 22 * static_cast<int>(rows));
  out += cat("set xrange [", number(low), ":", number(high),
             "]\nset ytics scale 0\nset arrow 1 from 0, graph 0 to 0, graph 1 nohead lc rgb '#444444'\n");
  if (columns > 1) out += cat("set multiplot layout 1,", columns, "\n");
  for (size_t k = 0; k < plot.charts.size(); ++k) out += chart_text(plot.charts[k], k);
  if (columns > 1) out += "unset multiplot\n";
  return out;
}

std::string run_gnuplot(const std::string& script, const Path& svg) {
  const Path file = svg.string() + ".gnuplot", log = svg.string() + ".log";
  write_file_atomic(file, script);
  int code = 0;
  try {
    code = spawn_gnuplot(file, log);
  } catch (const Error&) {
    std::filesystem::remove(file);
    std::filesystem::remove(log);
    throw;
  }
  const std::string message = std::filesystem::exists(log) ? read_file(log, kMaxSvgBytes) : "";
  std::filesystem::remove(file);
  std::filesystem::remove(log);
  check(code == 0 && std::filesystem::exists(svg), ErrorCode::kInternal, "[plot] gnuplot ended with ", code, ": ", message.substr(0, 400));
  return read_file(svg, kMaxSvgBytes);
}

std::string draw(const LinePlot& plot, const Path& svg) { return run_gnuplot(gnuplot_script(plot, svg), svg); }

std::string draw(const RowPlot& plot, const Path& svg) { return run_gnuplot(gnuplot_script(plot, svg), svg); }

}  // namespace attune::eval
