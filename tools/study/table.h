// A study's points as rows: for tables of people, CSV, JSON.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "tools/study/store.h"

namespace moesim::tools {

struct TableOptions {
  std::vector<std::string> where = {};  // expressions over axes, measures, ord, status
  // A key; "-key" the largest first; empty: by ord. By a measure, points that are not done come
  // after those that are.
  std::string sort = {};
  // Keeps the first rows only; the others are counted.
  std::size_t most = std::numeric_limits<std::size_t>::max();
};

struct PointTable {
  std::vector<std::string> params = {}, measures = {};  // columns
  std::vector<Point> rows = {};                         // without their reports
  std::size_t all = 0;                                  // rows, with those that are not kept
  std::size_t stored = 0;                               // with those that a condition leaves out
  std::optional<std::uint64_t> expected = {};           // of the whole study, where it is known
};

// Throws ConfigError where an expression or the key to sort by names what no point has.
PointTable table_of(const Store& store, const TableOptions& options);

// What a point says of a key: an axis, a measure, "ord", "id", "status".
std::optional<Value> value_at(const Point& point, std::string_view key);

// RFC 4180: ord, id, status, reason, the axes, the measures; empty where there is none.
std::string to_csv(const PointTable& table);
// {"study": …, "points_in_study": n, "points": [{ord, id, status, reason, params, metrics,
// report?}]}
sim::io::Json to_json(const PointTable& table, const Store& store, bool reports);
// For people; says how many rows there are where not all were kept. `ids`: with the first digits of
// each, as moesim compare takes them.
std::string to_text(const PointTable& table, bool ids = false);
// "no point of 24 fulfils …", a line, where that is so; else empty.
std::string emptiness(const PointTable& table, const TableOptions& options);
// "1 of 5 points of the study is not there: …", a line, where that is so; else empty.
std::string incompleteness(std::uint64_t stored, std::optional<std::uint64_t> expected);

}  // namespace moesim::tools
