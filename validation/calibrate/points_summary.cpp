#include "validation/calibrate/points_summary.h"

#include <algorithm>
#include <cmath>

#include "validation/cuda/protocol/points.h"
#include "validation/statistics.h"

namespace moesim::validation {
namespace {

constexpr double kFewFlopsPerByte = 4;  // a product of so few rows waits for its weights

struct Row {
  std::string id, role, op, impl, dtype, detail, shape;
  double us = 0, bytes = 0, flops = 0, measured_bytes = 0;
  int pass = 0;
  std::vector<std::string> flags;
  bool good = false;  // timed, and nothing speaks against it
};

bool harmless(const std::string& flag) {
  return flag == "noisy" || flag == "power_cap";
}

class Reader {
 public:
  explicit Reader(const sim::io::CsvTable& table) : table_(table) {}
  std::string text(std::size_t row, const char* column) const {
    return std::string(table_.text(row, table_.column(column)));
  }
  double number(std::size_t row, const char* column) const {
    const std::size_t at = table_.column(column);
    return table_.text(row, at).empty() ? 0 : table_.number(row, at);
  }

 private:
  const sim::io::CsvTable& table_;
};

Row row_of(const Reader& reader, std::size_t i) {
  Row row;
  row.id = reader.text(i, "id");
  row.role = reader.text(i, "role");
  row.op = reader.text(i, "op");
  row.impl = reader.text(i, "impl");
  row.dtype = reader.text(i, "dtype");
  row.detail = reader.text(i, "detail");
  row.shape = reader.text(i, "n") + "x" + reader.text(i, "k") + ":" + reader.text(i, "loads");
  row.us = reader.number(i, "p50_us");
  row.bytes = reader.number(i, "bytes");
  row.flops = reader.number(i, "flops");
  row.measured_bytes = reader.number(i, "measured_bytes");
  row.pass = static_cast<int>(reader.number(i, "pass"));
  row.flags = cuda::split_flags(reader.text(i, "flags"));
  row.good = row.us > 0 && std::ranges::all_of(row.flags, harmless);
  return row;
}

void count_flags(const Row& row, PointsSummary& sum) {
  for (const std::string& flag : row.flags) {
    const std::size_t colon = flag.find(": ");
    const std::string word = flag.substr(0, colon);
    if (word == "skipped") {
      ++sum.skipped;
      ++sum.skipped_for[flag.substr(std::min(flag.size(), colon + 2))];
    } else {
      ++sum.flags[word];
    }
  }
}

Range range_of(const std::vector<double>& values) {
  if (values.empty()) return {};
  const auto [least, most] = std::ranges::minmax(values);
  return {static_cast<std::int64_t>(values.size()), least, quantile(values, 0.5), most};
}

void read_health(const Reader& reader, std::size_t rows, PointsSummary& sum) {
  const auto column = [&](const char* name) {
    std::vector<double> values;
    for (std::size_t i = 0; i < rows; ++i) {
      if (!reader.text(i, name).empty()) values.push_back(reader.number(i, name));
    }
    return range_of(values);
  };
  sum.sm_mhz = column("sm_mhz");
  sum.power_watts = column("watts");
  sum.celsius = column("celsius");
}

// The best of several measurements of a ceiling.
void raise(std::optional<double>& best, double value) {
  best = std::max(best.value_or(0), value);
}

void read_ceiling(const Row& row, PointsSummary& sum) {
  if (row.op == "empty") {
    sum.launch_us = std::min(sum.launch_us.value_or(row.us), row.us);
  } else if (row.op == "copy") {
    raise(sum.copy, row.bytes / row.us * 1e6);
  } else if (row.op == "read") {
    raise(sum.read, row.bytes / row.us * 1e6);
  } else if (row.op == "gemm") {
    const double rate = row.flops / row.us * 1e6;
    for (ProductCeiling& known : sum.products) {
      if (known.implementation != row.impl || known.precision != row.dtype) continue;
      known.flop_per_second = std::max(known.flop_per_second, rate);
      return;
    }
    sum.products.push_back({row.dtype, row.impl, rate});
  }
}

void compare_kernels(const std::vector<Row>& rows, PointsSummary& sum) {
  std::map<std::string, std::vector<double>> library, ratios, shares;
  const auto product = [](const Row& r) { return r.op == "gemm" || r.op == "grouped_gemm"; };
  for (const Row& r : rows) {
    if (r.good && product(r) && r.impl == "cublaslt") library[r.shape].push_back(r.us);
  }
  for (const Row& r : rows) {
    if (!r.good || !product(r) || r.impl.rfind("moesim_", 0) != 0 || r.role == "power") continue;
    if (const auto found = library.find(r.shape); found != library.end() && r.dtype == "bf16") {
      ratios[r.impl].push_back(quantile(found->second, 0.5) / r.us);
    }
    if (sum.copy && r.role == "fit" && r.flops < kFewFlopsPerByte * r.bytes) {
      shares[r.impl].push_back(r.bytes / r.us * 1e6 / *sum.copy);
    }
  }
  for (auto& [impl, values] : ratios) sum.to_cublaslt[impl] = quantile(values, 0.5);
  for (auto& [impl, values] : shares) sum.share_of_copy[impl] = quantile(values, 0.5);
}

double drift_of(const std::vector<Row>& rows) {
  std::map<std::string, double> first;
  std::vector<double> drifts;
  for (const Row& r : rows) {
    if (r.good && r.pass == 1) first[r.id] = r.us;
  }
  for (const Row& r : rows) {
    const auto found = first.find(r.id);
    if (r.good && r.pass == 2 && found != first.end()) {
      drifts.push_back(100 * std::fabs(r.us / found->second - 1));
    }
  }
  return drifts.empty() ? 0 : quantile(drifts, 0.5);
}

}  // namespace

PointsSummary summarise_points(const std::string& text, const std::string& name) {
  const sim::io::CsvTable table = sim::io::CsvTable::parse(text, name);
  const Reader reader(table);
  PointsSummary sum;
  for (const auto& [key, value] : cuda::parse_metadata(text)) {
    if (key == "device") sum.device = value;
    if (key == "driver") sum.driver = value;
  }
  std::vector<Row> rows;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    rows.push_back(row_of(reader, i));
    Row& row = rows.back();
    count_flags(row, sum);
    const double watts = reader.number(i, "watts");
    if (row.role == "power" && row.us > 0 && watts > 0) {
      const std::string what = row.op == "gemm" ? row.dtype + " " + row.impl : row.op;
      double& most = sum.watts[what];
      most = std::max(most, watts);
    }
    if (row.op == "memory" && row.measured_bytes > 0 && row.pass == 1) {
      sum.memory.push_back({row.detail, row.measured_bytes, row.bytes});
      if (row.detail == "context") sum.context_bytes = row.measured_bytes;
    }
    if (row.good || row.measured_bytes > 0) ++sum.measured;
    if (row.good && row.role == "ceiling") read_ceiling(row, sum);
  }
  sum.rows = static_cast<std::int64_t>(rows.size());
  read_health(reader, table.rows(), sum);
  compare_kernels(rows, sum);
  sum.drift_percent = drift_of(rows);
  return sum;
}

}  // namespace moesim::validation
