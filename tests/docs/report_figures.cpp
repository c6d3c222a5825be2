#include <fmt/format.h>

#include <algorithm>
#include <stdexcept>
#include <string_view>

#include "sim/io/csv.h"
#include "tests/docs/figures.h"
#include "tests/docs/markdown.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::tests {
namespace {

// The report that tests/golden keeps of the README's example.
std::string example_report() {
  const std::string text = sim::io::read_text("tests/golden/mixtral-8x7b-decode-h100.txt");
  return text.substr(0, text.rfind("\nfirst step"));
}

// As code in a README: indented, a blank line before and after.
std::string code(const std::string& text) {
  std::string block = "\n\n";
  for (const std::string& line : lines_of(text))
    block += line.empty() ? "\n" : "    " + line + "\n";
  return block + "\n";
}

std::string example() {
  return code(example_report());
}

// What tests/golden keeps of the sweep, the comparison and the plans that are shown.
std::string kept(const std::string& name) {
  const std::string text = sim::io::read_text("tests/golden/" + name + ".txt");
  return code(text.substr(0, text.find_last_not_of('\n') + 1));
}

// What follows `before` in the report, as far as `after`.
std::string between(const std::string& before, std::string_view after) {
  const std::string report = example_report();
  const std::size_t at = report.find(before);
  if (at == std::string::npos) throw std::runtime_error("the report has no \"" + before + "\"");
  const std::size_t begin = report.find_first_not_of(' ', at + before.size());
  return report.substr(begin, report.find(after, begin) - begin);
}

std::string placements_table() {
  const auto csv = sim::io::CsvTable::read("tests/golden/placements.csv");
  std::string table = "\n| placement | rank max/mean | nodes a token | step |\n|---|---|---|---|\n";
  for (std::size_t i = 0; i < csv.rows(); ++i) {
    const auto number = [&](const char* column) { return csv.number(i, csv.column(column)); };
    const std::int64_t redundant = csv.integer(i, csv.column("redundant"));
    table += fmt::format("| {}{} | {:.3f} | {:.2f} | {:.2f} ms |\n",
                         csv.text(i, csv.column("placement")),
                         redundant == 0 ? "" : fmt::format(" + {}", redundant),
                         number("rank_max_over_mean"), number("nodes_a_token"), number("step_ms"));
  }
  return table;
}

// How a trace is written from Python: the lines of the check that reads what they wrote.
std::string python_lines() {
  const std::string check = sim::io::read_text("tests/tools/trace/check_python_writer.py");
  const std::string open = "# --- the five lines\n", shut = "# ---\n";
  const std::size_t begin = check.find(open) + open.size(), end = check.find(shut, begin);
  const std::vector<std::string> lines = lines_of(check.substr(begin, end - begin));
  std::string block = "\n```python\nimport h5py\n\n";
  const std::size_t indent = lines.front().find_first_not_of(' ');
  for (std::size_t i = 0; i + 1 < lines.size(); ++i) block += lines[i].substr(indent) + "\n";
  const std::string width = "astype(stored)";  // of each integer type in turn
  block.replace(block.find(width), width.size(), "astype(\"u2\")");
  return block + "```\n";
}

std::string load_of(const std::string& trace) {
  const auto file = workloads::RoutingTrace::open("configs/traces/" + trace + ".h5");
  const auto loads = workloads::read_loads(file, 0, file.info().tokens);
  return fmt::format("{:.1f}", workloads::mean_max_over_mean(loads));
}

}  // namespace

void add_report_figures(Figures& figures) {
  figures["worked example"] = example;
  figures["worked example: step"] = [] { return between("\n  step ", "  "); };
  figures["worked example: rank load"] = [] { return between("\n  rank load     max/mean", ";"); };
  figures["example sweep"] = [] { return kept("readme_sweep"); };
  figures["example comparison"] = [] { return kept("readme_compare"); };
  figures["example plan"] = [] { return kept("readme_plan"); };
  figures["plan of a run of training"] = [] { return kept("guide_training_plan"); };
  figures["plan of DeepSeek-V3"] = [] { return kept("guide_plan"); };
  figures["five lines of Python"] = python_lines;
  figures["placements"] = placements_table;
  for (const char* trace : {"deepseek-like", "mixtral-like", "qwen3-235b-like"})
    figures[std::string("load of ") + trace] = [trace] { return load_of(trace); };
}

}  // namespace moesim::tests
