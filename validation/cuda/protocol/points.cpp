#include "validation/cuda/protocol/points.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <cmath>
#include <map>

namespace moesim::validation::cuda {
namespace {

// The fewest digits that read back to the same value.
std::string number(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  return std::string(buffer, end);
}

std::string hexadecimal(std::uint64_t value) {
  char buffer[20];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, 16).ptr;
  return "0x" + std::string(buffer, end);
}

std::string rounded(const std::optional<double>& value) {
  return value ? number(std::round(*value * 100) / 100) : "";
}

std::string quoted(const std::string& value) {
  if (value.find_first_of(",\"\n\r#") == std::string::npos) return value;
  std::string text = "\"";
  for (const char c : value) text += c == '"' ? "\"\"" : std::string(1, c == '\n' ? ' ' : c);
  return text + '"';
}

std::string joined(const std::vector<std::string>& values, char separator = ',') {
  std::string text;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i > 0) text += separator;
    text += separator == ',' ? quoted(values[i]) : values[i];
  }
  return text;
}

std::string metadata_lines(const Metadata& metadata) {
  std::string text;
  for (const auto& [key, value] : metadata) {
    text += "# " + key + ": ";
    for (const char c : value) text += c == '\n' || c == '\r' ? ' ' : c;
    text += '\n';
  }
  return text;
}

template <class T>
std::optional<T> parsed(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string> plan_values(const PlanPoint& p) {
  return {p.id,
          p.role,
          p.op,
          p.impl,
          p.dtype,
          p.detail,
          std::to_string(p.tokens),
          std::to_string(p.top_k),
          std::to_string(p.experts),
          std::to_string(p.n),
          std::to_string(p.k),
          std::to_string(p.hidden),
          std::to_string(p.inter),
          loads_text(p.loads),
          p.cold ? "1" : "0",
          number(p.bytes),
          number(p.flops)};
}

// One row of a plan, read by the names of its columns.
class Row {
 public:
  Row(std::map<std::string, std::string> values, std::string where)
      : values_(std::move(values)), where_(std::move(where)) {}

  const std::string& text(const std::string& column) const { return values_.at(column); }

  int integer(const std::string& column) const {
    const auto value = parsed<int>(text(column));
    if (!value || *value < 0) fail(column, "expected a whole number from 0 to 2147483647");
    return *value;
  }
  double real(const std::string& column) const {
    const auto value = parsed<double>(text(column));
    if (!value || !std::isfinite(*value) || *value < 0) fail(column, "expected a number from 0 on");
    return *value;
  }
  [[noreturn]] void fail(const std::string& column, const std::string& expected) const {
    throw PlanError(where_ + ": " + column + ": " + expected + ", not \"" + text(column) + "\"");
  }

 private:
  std::map<std::string, std::string> values_;
  std::string where_;
};

PlanPoint point_of(const Row& row) {
  PlanPoint p;
  p.id = row.text("id");
  p.role = row.text("role");
  p.op = row.text("op");
  p.impl = row.text("impl");
  p.dtype = row.text("dtype");
  p.detail = row.text("detail");
  p.tokens = row.integer("tokens");
  p.top_k = row.integer("top_k");
  p.experts = row.integer("experts");
  p.n = row.integer("n");
  p.k = row.integer("k");
  p.hidden = row.integer("hidden");
  p.inter = row.integer("inter");
  try {
    p.loads = parse_loads(row.text("loads"));
  } catch (const PlanError& error) {
    row.fail("loads", error.what());
  }
  if (row.text("cold") != "0" && row.text("cold") != "1") row.fail("cold", "expected 0 or 1");
  p.cold = row.text("cold") == "1";
  p.bytes = row.real("bytes");
  p.flops = row.real("flops");
  return p;
}

}  // namespace

std::vector<std::string> split_line(const std::string& line) {
  std::vector<std::string> values(1);
  bool inside = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (inside && c == '"' && i + 1 < line.size() && line[i + 1] == '"') {
      values.back() += '"';
      ++i;
    } else if (c == '"') {
      inside = !inside;
    } else if (c == ',' && !inside) {
      values.emplace_back();
    } else {
      values.back() += c;
    }
  }
  return values;
}

std::vector<std::string> split_flags(const std::string& text) {
  std::vector<std::string> flags;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(';', begin), text.size());
    flags.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return flags;
}

int PlanPoint::rows() const {
  long long sum = 0;
  for (const int load : loads) sum += load;
  return static_cast<int>(std::min<long long>(sum, INT_MAX));
}

int PlanPoint::active() const {
  int count = 0;
  for (const int load : loads) count += load > 0 ? 1 : 0;
  return count;
}

std::string loads_text(const std::vector<int>& loads) {
  std::string text;
  for (std::size_t i = 0; i < loads.size();) {
    std::size_t end = i;
    while (end < loads.size() && loads[end] == loads[i]) ++end;
    if (!text.empty()) text += ';';
    text += std::to_string(loads[i]);
    if (end - i > 1) text += 'x' + std::to_string(end - i);
    i = end;
  }
  return text;
}

std::vector<int> parse_loads(const std::string& text) {
  std::vector<int> loads;
  std::size_t begin = 0;
  long long rows = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find(';', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    const std::size_t times = part.find('x');
    const auto load = parsed<int>(part.substr(0, times));
    const auto count =
        times == std::string::npos ? std::optional<int>(1) : parsed<int>(part.substr(times + 1));
    if (!load || !count || *load < 0 || *count < 1 ||
        static_cast<int>(loads.size()) + *count > kMaxExperts ||
        rows + static_cast<long long>(*load) * *count > INT_MAX / 2) {
      throw PlanError("expected loads as 16x8;3;0x119, of at most " + std::to_string(kMaxExperts) +
                      " groups");
    }
    rows += static_cast<long long>(*load) * *count;
    loads.insert(loads.end(), static_cast<std::size_t>(*count), *load);
    begin = end + 1;
  }
  return loads;
}

const std::vector<std::string>& plan_columns() {
  static const std::vector<std::string> columns{
      "id", "role", "op",     "impl",  "dtype", "detail", "tokens", "top_k", "experts",
      "n",  "k",    "hidden", "inter", "loads", "cold",   "bytes",  "flops"};
  return columns;
}

const std::vector<std::string>& result_columns() {
  static const std::vector<std::string> columns{
      "pass",   "p10_us",     "p50_us", "p90_us",  "repeats",  "relative_error", "measured_bytes",
      "sm_mhz", "memory_mhz", "watts",  "celsius", "throttle", "flags"};
  return columns;
}

std::string plan_text(const Plan& plan) {
  std::string text = metadata_lines(plan.metadata) + joined(plan_columns()) + '\n';
  for (const PlanPoint& point : plan.points) text += joined(plan_values(point)) + '\n';
  return text;
}

Plan parse_plan(const std::string& text, const std::string& name) {
  Plan plan;
  std::vector<std::string> columns;
  std::map<std::string, std::string> seen;  // id -> where
  std::size_t begin = 0;
  for (int line_number = 1; begin < text.size(); ++line_number) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    const std::string where = name + ":" + std::to_string(line_number);
    if (line.empty()) continue;
    if (line[0] == '#') {
      const std::size_t colon = line.find(": ");
      if (colon != std::string::npos && colon > 2) {
        plan.metadata.emplace_back(line.substr(2, colon - 2), line.substr(colon + 2));
      }
      continue;
    }
    std::vector<std::string> values = split_line(line);
    if (columns.empty()) {
      columns = std::move(values);
      for (const std::string& column : plan_columns()) {
        if (std::find(columns.begin(), columns.end(), column) == columns.end()) {
          throw PlanError(where + ": the column " + column + " is missing");
        }
      }
      continue;
    }
    if (values.size() != columns.size()) {
      throw PlanError(where + ": " + std::to_string(values.size()) + " values, but " +
                      std::to_string(columns.size()) + " columns");
    }
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < columns.size(); ++i) row[columns[i]] = values[i];
    PlanPoint point = point_of(Row(std::move(row), where));
    const auto [place, fresh] = seen.try_emplace(point.id, where);
    if (!fresh) throw PlanError(where + ": the id " + point.id + " is that of " + place->second);
    plan.points.push_back(std::move(point));
  }
  if (columns.empty()) throw PlanError(name + ": no header line; is this a plan?");
  return plan;
}

std::string points_header(const Metadata& metadata) {
  return metadata_lines(metadata) + joined(plan_columns()) + ',' + joined(result_columns()) + '\n';
}

Metadata parse_metadata(const std::string& text) {
  Metadata metadata;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    const std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t colon = line.find(": ");
    if (line.rfind("# ", 0) != 0 || colon == std::string::npos) continue;
    metadata.emplace_back(line.substr(2, colon - 2), line.substr(colon + 2));
  }
  return metadata;
}

std::string point_line(const PlanPoint& point, const PointResult& r) {
  std::vector<std::string> values = plan_values(point);
  const auto add = [&](std::string value) { values.push_back(std::move(value)); };
  add(std::to_string(r.pass));
  for (const double us : {r.p10_us, r.p50_us, r.p90_us}) {
    add(r.repeats > 0 ? number(std::round(us * 1e4) / 1e4) : "");
  }
  add(std::to_string(r.repeats));
  add(r.relative_error ? number(*r.relative_error) : "");
  add(r.measured_bytes ? number(*r.measured_bytes) : "");
  for (const auto& reading :
       {r.health.sm_mhz, r.health.memory_mhz, r.health.watts, r.health.celsius}) {
    add(rounded(reading));
  }
  add(r.health.throttle ? hexadecimal(*r.health.throttle) : "");
  add(joined(r.flags, ';'));
  return joined(values) + '\n';
}

std::uint64_t text_hash(const std::string& text) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return hash;
}

}  // namespace moesim::validation::cuda
