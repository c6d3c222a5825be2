#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/moesim/sweep/sweep_commands.h"
#include "tools/study/table.h"

namespace moesim::tools {
namespace {

std::vector<Option> row_options() {
  return {{.name = "STORE", .help = "what sweep wrote", .required = true, .is_file = true},
          {.name = "--where",
           .value = "EXPRESSION",
           .help = "only points of which it holds: axes, measures, ord, status",
           .repeated = true},
          {.name = "--sort", .value = "KEY", .help = "by a column; -KEY: the largest first"}};
}

TableOptions rows_of(const Arguments& arguments) {
  return {.where = arguments.all("where"), .sort = arguments.find("sort").value_or("")};
}

sim::ExitCode show(const Arguments& arguments, Console console) {
  const Store store = Store::open(arguments.text("STORE"));
  TableOptions rows = rows_of(arguments);
  rows.most = static_cast<std::size_t>(arguments.integer("rows", 1, 10'000'000));
  const PointTable table = table_of(store, rows);
  console.out << to_text(table, true);
  console.err << emptiness(table, rows) << incompleteness(table.stored, table.expected);
  return sim::ExitCode::Ok;
}

sim::ExitCode write(const Arguments& arguments, Console console) {
  const Store store = Store::open(arguments.text("STORE"));
  const TableOptions rows = rows_of(arguments);
  const PointTable table = table_of(store, rows);
  const std::string text = arguments.text("format") == "csv"
                               ? to_csv(table)
                               : sim::io::to_text(to_json(table, store, arguments.has("reports")));
  write_result(arguments, text, console);
  console.err << emptiness(table, rows) << incompleteness(table.stored, table.expected);
  return sim::ExitCode::Ok;
}

}  // namespace

Command sweep_show_command() {
  std::vector<Option> options = row_options();
  options.push_back({.name = "--rows", .value = "N", .help = "at most so many", .fallback = "40"});
  return {.name = "sweep show",
          .summary = "a study's points as a table",
          .options = std::move(options),
          .examples = {"moesim sweep show sweep.db --sort -throughput.tokens_per_s_per_gpu",
                       "moesim sweep show sweep.db --where 'step_time_us.mean < 20 ms'"},
          .run = show};
}

Command sweep_export_command() {
  std::vector<Option> options = row_options();
  options.push_back({.name = "--format",
                     .value = "FORMAT",
                     .help = "of the rows",
                     .fallback = "csv",
                     .choices = {"csv", "json"}});
  options.push_back({.name = "--reports", .help = "with each point's whole report (json)"});
  options.push_back({.name = "-o,--output",
                     .value = "FILE",
                     .help = "write there instead of to standard output",
                     .is_file = true,
                     .is_output = true});
  return {.name = "sweep export",
          .summary = "a study's points as CSV or JSON",
          .description = "In the order of ord: equal bytes whatever ran first.",
          .options = std::move(options),
          .examples = {"moesim sweep export sweep.db -o sweep.csv"},
          .run = write};
}

}  // namespace moesim::tools
