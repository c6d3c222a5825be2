#include "tools/study/table.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "sim/io/csv.h"
#include "tools/study/operand.h"

namespace moesim::tools {
namespace {

using sim::io::Json;

Lookup lookup_of(const Point& point) {
  return [&](std::string_view key) { return value_at(point, key); };
}

bool known(const PointTable& table, std::string_view key) {
  const auto has = [&](const std::vector<std::string>& names) {
    return std::ranges::find(names, key) != names.end();
  };
  return key == "ord" || key == "id" || key == "status" || has(table.params) || has(table.measures);
}

std::string all_keys(const PointTable& table) {
  std::vector<std::string> keys = table.params;
  keys.insert(keys.end(), table.measures.begin(), table.measures.end());
  return fmt::format("ord, status, {}", fmt::join(keys, ", "));
}

// Conditions hold of points that have what they name: those that did not run have no measures.
bool holds(const Expression& condition, const Point& point) {
  for (const std::string& key : condition.keys()) {
    if (!value_at(point, key)) return false;
  }
  return condition.holds(lookup_of(point));
}

void sort(PointTable& table, std::string key) {
  const bool down = key.starts_with('-');
  if (down) key.erase(0, 1);
  if (!known(table, key)) {
    throw sim::ConfigError(
        fmt::format("--sort: no point has \"{}\"; there are {}", key, all_keys(table)));
  }
  // Numbers before words before nothing, and what is done before what would have been; equal ones
  // by ord.
  const bool measure = std::ranges::find(table.measures, key) != table.measures.end();
  const auto rank = [&](const Point& p) {
    const auto value = value_at(p, key);
    const auto number = value ? number_of(*value) : std::nullopt;
    struct Rank {
      int kind;
      double number;
      std::string text;
      auto operator<=>(const Rank&) const = default;
    };
    if (measure && p.status != PointStatus::Done)
      return Rank{number ? 2 : 3, number ? (down ? -*number : *number) : 0, {}};
    if (number) return Rank{0, down ? -*number : *number, {}};
    if (value) return Rank{1, 0, to_text(*value)};
    return Rank{3, 0, {}};
  };
  std::ranges::stable_sort(
      table.rows, [&](const Point& a, const Point& b) { return (rank(a) <=> rank(b)) < 0; });
}

// A quantity in its base unit, as numbers are.
std::string cell(const Point& point, const std::string& key) {
  const auto value = value_at(point, key);
  if (!value) return {};
  const auto* measured = std::get_if<Quantity>(&*value);
  return measured != nullptr ? to_text(tidy(measured->number)) : to_text(*value);
}

// What a person compares: five digits.
std::string short_cell(const Point& point, const std::string& key) {
  const auto value = value_at(point, key);
  if (!value) return "-";
  if (const auto* number = std::get_if<double>(&*value)) return fmt::format("{:.5g}", *number);
  const auto given = std::ranges::find(point.params, key, &Assignments::value_type::first);
  return given != point.params.end() ? given->second : to_text(*value);
}

}  // namespace

std::optional<Value> value_at(const Point& point, std::string_view key) {
  if (key == "ord") return static_cast<std::int64_t>(point.ord);
  if (key == "id") return point.id;
  if (key == "status") return std::string(name_of(point.status));
  for (const auto& [name, text] : point.params) {
    if (name == key) return value_of(text);
  }
  for (const auto& [name, number] : point.metrics) {
    if (name == key) return number;
  }
  return {};
}

PointTable table_of(const Store& store, const TableOptions& options) {
  PointTable table;
  const Json spec = sim::io::parse_json(store.spec(), "the study's spec");
  for (const Json& group : spec.at("axes")) {
    for (const auto& [key, values] : group.items()) table.params.push_back(key);
  }
  for (const auto& [key, text] : spec.at("derive").items()) table.params.push_back(key);
  for (const Json& name : spec.at("measure")) table.measures.push_back(name.get<std::string>());
  std::vector<Expression> conditions;
  for (const std::string& text : options.where) {
    conditions.emplace_back(text, "--where");
    for (const std::string& key : conditions.back().keys()) {
      if (!known(table, key))
        throw sim::ConfigError(fmt::format(
            "--where: no point has \"{}\"; there are {}; a word that is no key stands in "
            "quotes: status == 'done'",
            key, all_keys(table)));
    }
  }
  const bool sorted = !options.sort.empty();
  store.each([&](Point point) {
    ++table.stored;
    if (!std::ranges::all_of(conditions, [&](const Expression& c) { return holds(c, point); }))
      return;
    ++table.all;
    if (sorted || table.rows.size() < options.most) table.rows.push_back(std::move(point));
  });
  if (sorted) sort(table, options.sort);
  if (table.rows.size() > options.most) table.rows.resize(options.most);
  table.expected = store.expected();
  return table;
}

std::string to_csv(const PointTable& table) {
  std::vector<std::string> columns{"ord", "id", "status", "reason"};
  columns.insert(columns.end(), table.params.begin(), table.params.end());
  columns.insert(columns.end(), table.measures.begin(), table.measures.end());
  sim::io::CsvWriter csv(columns);
  for (const Point& point : table.rows) {
    csv.add(static_cast<std::int64_t>(point.ord)).add(point.id).add(name_of(point.status));
    csv.add(point.reason);
    for (const std::string& key : table.params) csv.add(cell(point, key));
    for (const std::string& key : table.measures) csv.add(cell(point, key));
    csv.end_row();
  }
  return csv.text();
}

Json to_json(const PointTable& table, const Store& store, bool reports) {
  Json points = Json::array();
  for (const Point& point : table.rows) {
    Json params = Json::object(), metrics = Json::object();
    for (const auto& [key, text] : point.params) {
      Value value = value_of(text);
      if (const auto* measured = std::get_if<Quantity>(&value)) value = tidy(measured->number);
      if (const auto* whole = std::get_if<std::int64_t>(&value))
        params[key] = *whole;
      else if (const auto* number = std::get_if<double>(&value))
        params[key] = *number;
      else if (const auto* yes = std::get_if<bool>(&value))
        params[key] = *yes;
      else
        params[key] = text;
    }
    for (const auto& [name, number] : point.metrics) metrics[name] = number;
    Json one{{"ord", point.ord},
             {"id", point.id},
             {"status", name_of(point.status)},
             {"reason", point.reason},
             {"params", std::move(params)},
             {"metrics", std::move(metrics)}};
    if (reports) {
      const std::string report = store.report(point.ord);
      one["report"] = report.empty() ? Json() : sim::io::parse_json(report, "a report");
    }
    points.push_back(std::move(one));
  }
  Json json{{"study", sim::io::parse_json(store.spec(), "the study's spec")},
            {"program_version", store.version()}};
  if (table.expected) json["points_in_study"] = *table.expected;
  json["points"] = std::move(points);
  return json;
}

std::string to_text(const PointTable& table, bool ids) {
  constexpr std::size_t kDigits = 8;
  std::vector<std::string> keys{"ord"};
  if (ids) keys.emplace_back("id");
  keys.insert(keys.end(), table.params.begin(), table.params.end());
  keys.insert(keys.end(), table.measures.begin(), table.measures.end());
  std::vector<std::vector<std::string>> lines{keys};
  for (const Point& point : table.rows) {
    std::vector<std::string> line;
    for (const std::string& key : keys)
      line.push_back(key == "id" ? point.id.substr(0, kDigits) : short_cell(point, key));
    if (point.status != PointStatus::Done) {
      const std::string first = point.reason.substr(0, point.reason.find('\n'));
      line.push_back(fmt::format("{}: {}", name_of(point.status), first));
    }
    lines.push_back(std::move(line));
  }
  std::vector<std::size_t> widths(keys.size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < keys.size(); ++i) widths[i] = std::max(widths[i], line[i].size());
  }
  std::string text;
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < keys.size(); ++i)
      text += fmt::format("{}{:>{}}", i == 0 ? "" : "  ", line[i], widths[i]);
    if (line.size() > keys.size()) text += "  " + line.back();
    text += "\n";
  }
  if (table.rows.size() < table.all)
    text += fmt::format("{} of {} points; --rows shows more\n", table.rows.size(), table.all);
  return text;
}

std::string emptiness(const PointTable& table, const TableOptions& options) {
  if (table.all > 0 || options.where.empty()) return {};
  return fmt::format("no point of {} fulfils {}\n", table.stored,
                     fmt::join(options.where, " and "));
}

std::string incompleteness(std::uint64_t stored, std::optional<std::uint64_t> expected) {
  if (!expected || stored >= *expected) return {};
  const std::uint64_t missing = *expected - stored;
  return fmt::format(
      "{} of {} points of the study {} not there: a shard, or a sweep that was ended before all "
      "were (--resume goes on)\n",
      missing, *expected, missing == 1 ? "is" : "are");
}

}  // namespace moesim::tools
