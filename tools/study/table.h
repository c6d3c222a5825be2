// A study's points as rows: for tables of people, CSV, JSON.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "tools/study/store.h"

namespace moesim::tools {

struct TableOptions {
  std::vector<std::string> where = {};  // expressions over axes, measures, ord, status
  std::string sort = {};                // a key; "-key" the largest first; empty: by ord
};

struct PointTable {
  std::vector<std::string> params = {}, measures = {};  // columns
  std::vector<Point> rows = {};                         // without their reports
};

// Throws ConfigError where an expression or the key to sort by names what no point has.
PointTable table_of(const Store& store, const TableOptions& options);

// What a point says of a key: an axis, a measure, "ord", "id", "status".
std::optional<Value> value_at(const Point& point, std::string_view key);

// RFC 4180: ord, id, status, reason, the axes, the measures; empty where there is none.
std::string to_csv(const PointTable& table);
// {"study": …, "points": [{ord, id, status, reason, params, metrics, report?}]}
sim::io::Json to_json(const PointTable& table, const Store& store, bool reports);
// For people: at most so many rows, and how many there are.
std::string to_text(const PointTable& table, std::size_t rows);

}  // namespace moesim::tools
