// A report as a page, as plain values: the answer in a sentence, then sections of figures, each a
// chart with its table. What tools/report/web shows; it formats no number, so every text here is
// ready to be read, and a chart's numbers are in the chart's unit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "sim/io/json.h"

namespace moesim::tools {

struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows = {};  // of as many cells as there are columns
};

// A number of a chart, and how it is read.
struct Figured {
  double value = 0;
  std::string text;
};

// Lying bars: a group a category, or with `stacked` one bar of the series' parts.
struct Bars {
  struct Series {
    std::string name;
    std::vector<Figured> values;  // of each category
  };
  std::string unit;
  std::vector<std::string> categories;
  std::vector<Series> series;
  bool stacked = false;
  // A waterfall, of one series: each bar begins where the one before it ended, but the last, the
  // sum, which begins at zero.
  bool running = false;
  std::optional<Figured> limit = {};  // a line across
};

struct ChartAxis {
  std::string name;
  bool log = false;    // leaves out what is not above zero
  bool whole = false;  // marked at whole numbers only
};

struct Lines {
  struct Point {
    double x = 0, y = 0;
    std::string text;
  };
  struct Series {
    std::string name;
    std::vector<Point> points;
  };
  ChartAxis x, y;
  std::vector<Series> series;
  bool marks = false;  // points without a line
};

struct Heat {
  std::string x, y, unit;
  std::vector<std::string> columns, rows;
  std::vector<double> values;  // [rows x columns]
  bool log2 = false;           // around 1, from 1/8 to 8
};

struct Slices {
  struct Slice {
    std::size_t track = 0, kind = 0;
    double from = 0, to = 0;
    std::string text;
  };
  std::string unit;
  std::vector<std::string> tracks, kinds;
  std::vector<Slice> slices;
};

// Nodes at given places, lines that are used more or less.
struct Graph {
  struct Node {
    std::string name;
    std::size_t kind = 0;
    double x = 0, y = 0;  // y grows downwards
  };
  struct Link {
    std::size_t from = 0, to = 0;
    double share = 0;  // of the most used
    std::string text;
  };
  std::string scale;  // what the share is of
  std::vector<std::string> kinds;
  std::vector<Node> nodes;
  std::vector<Link> links;
};

// Parallel coordinates: upright axes side by side, a line through all of them for each point.
struct Parallel {
  struct Axis {
    std::string name;
    std::string bottom, top;  // what its ends are
  };
  struct Line {
    std::size_t kind = 0;
    // Of each axis, from 0 at its bottom to 1; nothing: the line is broken there.
    std::vector<std::optional<double>> at;
    std::vector<std::string> texts;  // of each axis
  };
  std::vector<std::string> kinds;
  std::vector<Axis> axes;
  std::vector<Line> lines;
};

using Chart = std::variant<std::monostate, Bars, Lines, Heat, Slices, Graph, Parallel>;

struct Figure {
  std::string title = {}, sentence = {};
  Chart chart = {};
  std::optional<Table> table = {};  // nothing: the chart's own cells (a heat map)
  std::string note = {};            // what was thinned or binned
};

struct Section {
  std::string title = {};
  std::vector<std::string> text = {};
  std::vector<Figure> figures = {};
};

struct Page {
  std::string kind = {};  // "run"
  std::string title = {}, what = {}, answer = {};
  std::vector<std::string> warnings = {};
  std::vector<Section> sections = {};
};

// What the page is given; `report` is what --format json prints.
sim::io::Json to_json(const Page& page, const sim::io::Json& report);

// How much a page holds, so that it stays below 3 MB.
inline constexpr std::size_t kMostSlices = 5000, kMostHeatRows = 128, kMostHeatColumns = 256,
                             kMostPoints = 1000, kMostBars = 24, kMostTableRows = 512,
                             kMostAxes = 8, kMostThrough = 240;

// Neighbours of a larger map put together by their mean; the second says so, or is empty.
std::pair<Heat, std::string> binned(Heat map);

}  // namespace moesim::tools
