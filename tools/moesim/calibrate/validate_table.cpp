#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/json.h"
#include "tools/moesim/calibrate/cost_commands.h"
#include "validation/compare/table_report.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using validation::ErrorSummary;
using validation::PartReport;

// Two digits behind the point: a table is not known better.
double percent(double value) {
  return std::round(value * 100) / 100;
}

Json to_json(const ErrorSummary& s) {
  return {{"n", s.n},
          {"mape", percent(s.mape)},
          {"median", percent(s.median)},
          {"p90", percent(s.p90)},
          {"bias", percent(s.bias)},
          {"coverage90", percent(s.coverage90)}};
}

Json to_json(const PartReport& part) {
  Json json = to_json(part.good);
  if (part.all.n != part.good.n) json["all_rows"] = to_json(part.all);
  json["by_regime"] = Json::object();
  for (const auto& [regime, summary] : part.by_regime) json["by_regime"][regime] = to_json(summary);
  json["worst"] = Json::array();
  for (const validation::WorstRow& row : part.worst)
    json["worst"].push_back({{"where", row.where},
                             {"inputs", row.inputs},
                             {"measured_us", row.measured_us},
                             {"predicted_us", row.predicted_us},
                             {"error_percent", percent(row.error_percent)}});
  return json;
}

void print_line(std::ostream& out, const std::string& name, const ErrorSummary& s) {
  out << fmt::format("  {:28} {:8} {:7.2f} {:8.2f} {:7.2f} {:7.2f} {:10.1f}\n", name, s.n, s.mape,
                     s.median, s.p90, s.bias, s.coverage90);
}

void print(std::ostream& out, const PartReport& part) {
  if (!part.part.empty()) out << part.part << '\n';
  out << fmt::format("  {:28} {:>8} {:>7} {:>8} {:>7} {:>7} {:>10}\n", "percent", "rows", "mape",
                     "median", "p90", "bias", "coverage90");
  print_line(out, part.all.n == part.good.n ? "all rows" : "rows without a flag", part.good);
  if (part.all.n != part.good.n) print_line(out, "with the flagged rows", part.all);
  for (const auto& [regime, summary] : part.by_regime) print_line(out, regime, summary);
  out << "  the worst\n";
  for (const validation::WorstRow& row : part.worst)
    out << fmt::format("    {}: measured {:.4g} us, predicted {:.4g} us ({:+.0f} %): {}\n",
                       row.where, row.measured_us, row.predicted_us, row.error_percent, row.inputs);
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string kind = arguments.text("KIND");
  const hardware::Device device = find_device(arguments.text("device"));
  std::vector<sim::io::CsvTable> tables;
  for (const std::string& file : arguments.all("TABLE"))
    tables.push_back(sim::io::CsvTable::read(file));
  const validation::TableReport report =
      validation::report_on(kind, tables, device, arguments.find("impl").value_or(""));
  for (const std::string& note : report.notes) console.err << note << '\n';
  if (!arguments.json()) {
    console.out << fmt::format("{} on {}\n", kind, device.name);
    for (const PartReport& part : report.parts) print(console.out, part);
    return sim::ExitCode::Ok;
  }
  Json json = {{"kind", kind}, {"device", device.name}};
  for (const PartReport& part : report.parts) {
    if (part.part.empty())
      json.update(to_json(part));
    else
      json[part.part] = to_json(part);
  }
  json["notes"] = report.notes;
  console.out << sim::io::to_text(json);
  return sim::ExitCode::Ok;
}

}  // namespace

Command validate_table_command() {
  return {
      .name = "validate table",
      .summary = "compares predictions with a table's measured times",
      .description =
          "Predicts every row and says how far off that is, in percent: mape, median and p90 "
          "of the absolute error, bias (the median error: above zero is too slow), and how "
          "many of the measured times lie in the predicted 90 % interval; over all rows, by "
          "regime, and the worst ten. Rows that the table flags (anomalous) count apart.",
      .options = {kind_argument(),
                  {.name = "TABLE",
                   .value = "",
                   .help = "CSV files with the columns of the kind and latency_us",
                   .required = true,
                   .repeated = true,
                   .is_file = true},
                  device_option(),
                  implementation_option(),
                  format_option()},
      .examples = {"moesim validate table gemm --device h100 gemm_h100.csv.gz",
                   "moesim validate table moe --device h200 --impl trtllm --format json moe.csv"},
      .run = run};
}

}  // namespace moesim::tools
