// moesim trace report: the analysis of one trace or several as one page that needs nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <ostream>

#include "sim/io/atomic_file.h"
#include "tools/moesim/routed_scenario.h"
#include "tools/moesim/trace/step_cost.h"
#include "tools/moesim/trace/svg.h"
#include "tools/moesim/trace/trace_commands.h"
#include "workloads/routing/statistics/comparison.h"

namespace moesim::tools {
namespace {

using workloads::TraceAnalysis;

std::string base_name(const TraceAnalysis& analysis) {
  return std::filesystem::path(analysis.info.file).filename().string();
}

HeatMap heat_map(const TraceAnalysis& analysis) {
  HeatMap map{"Load of each expert over its layer's mean",
              "expert",
              "layer",
              {},
              analysis.info.experts,
              {}};
  for (std::uint32_t l = 0; l < analysis.info.layers; ++l) {
    map.row_names.push_back(std::to_string(analysis.info.layer_ids[l]));
    const auto loads = analysis.loads.layer(l);
    double sum = 0;
    for (const auto load : loads) sum += static_cast<double>(load);
    for (const auto load : loads) {
      map.values.push_back(
          sum == 0 ? 0 : static_cast<double>(load) * static_cast<double>(loads.size()) / sum);
    }
  }
  return map;
}

LineChart load_curves(const TraceAnalysis& analysis) {
  LineChart chart{"Loads from the busiest to the idlest expert, a line a layer",
                  "rank of the expert",
                  "load over the mean",
                  {},
                  true,
                  true};
  const HeatMap map = heat_map(analysis);
  for (std::uint32_t l = 0; l < analysis.info.layers; ++l) {
    std::vector<double> loads(
        map.values.begin() + static_cast<std::ptrdiff_t>(l * map.columns),
        map.values.begin() + static_cast<std::ptrdiff_t>((l + 1) * map.columns));
    std::sort(loads.rbegin(), loads.rend());
    Series series{fmt::format("layer {}", analysis.info.layer_ids[l]), {}};
    for (std::size_t i = 0; i < loads.size(); ++i) series.points.emplace_back(i + 1, loads[i]);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

LineChart by_layer(const std::vector<TraceAnalysis>& analyses) {
  LineChart chart{
      "Busiest expert over the mean, by layer", "layer", "max / mean", {}, false, false};
  for (const auto& analysis : analyses) {
    Series series{base_name(analysis), {}};
    for (const auto& layer : analysis.layers)
      series.points.emplace_back(layer.layer_id, layer.max_over_mean);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

LineChart drift(const TraceAnalysis& analysis) {
  LineChart chart{"Drift: distance of the loads (Jensen-Shannon), by window", "window", "distance",
                  {{"from the first", {}}, {"from the one before", {}}},      false,    false};
  for (std::size_t w = 1; w < analysis.windows.size(); ++w) {
    chart.series[0].points.emplace_back(w, analysis.windows[w].from_first);
    chart.series[1].points.emplace_back(w, analysis.windows[w].from_previous);
  }
  return chart;
}

LineChart coverage(const TraceAnalysis& analysis) {
  LineChart chart{"Distinct experts that a batch needs, mean of the layers", "tokens", "experts",
                  {{"random tokens", {}}, {"consecutive tokens", {}}},       true,     false};
  for (const auto& point : analysis.coverage) {
    chart.series[0].points.emplace_back(point.batch, point.random);
    if (point.consecutive > 0) chart.series[1].points.emplace_back(point.batch, point.consecutive);
  }
  return chart;
}

LineChart distances(const std::vector<TraceAnalysis>& analyses) {
  LineChart chart{"From each trace to the next: distance of the loads, by layer",
                  "layer",
                  "distance",
                  {},
                  false,
                  false};
  for (std::size_t i = 1; i < analyses.size(); ++i) {
    const auto found = workloads::compare(analyses[i - 1], analyses[i]);
    Series series{base_name(analyses[i - 1]) + " to " + base_name(analyses[i]), {}};
    for (const auto& layer : found.layers)
      series.points.emplace_back(layer.layer_id, layer.distance);
    chart.series.push_back(std::move(series));
  }
  return chart;
}

std::string page(const std::vector<TraceAnalysis>& analyses, const std::string& costs) {
  std::string text =
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Routing "
      "report</title>\n<style>"
      "body{font-family:sans-serif;max-width:1000px;margin:2em auto;padding:0 1em;color:#222}"
      "svg{max-width:100%;height:auto;display:block;margin:1em "
      "0}pre{overflow-x:auto;background:#f6f6f6;padding:1em;font-size:12px}pre.wrap{white-space:"
      "pre-wrap}"
      "</style></head><body>\n<h1>Routing report</h1>\n";
  if (analyses.size() > 1) text += svg(by_layer(analyses)) + svg(distances(analyses));
  if (!costs.empty())
    text += fmt::format("<h2>What the routing costs</h2>\n<pre class=\"wrap\">{}</pre>\n",
                        escaped(costs));
  for (const auto& analysis : analyses) {
    text += fmt::format("<h2>{}</h2>\n", escaped(base_name(analysis)));
    if (!analysis.info.source.empty())
      text += fmt::format("<p>Source: {}</p>\n", escaped(analysis.info.source));
    text += svg(heat_map(analysis)) + svg(load_curves(analysis));
    if (analyses.size() == 1) text += svg(by_layer(analyses));
    if (analysis.windows.size() > 1) text += svg(drift(analysis));
    text += svg(coverage(analysis));
    text += fmt::format("<pre>{}</pre>\n", escaped(to_text(analysis)));
  }
  return text + "</body></html>\n";
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  std::vector<TraceAnalysis> analyses;
  for (const std::string& file : arguments.all("TRACE")) {
    analyses.push_back(workloads::analyse(workloads::RoutingTrace::open(file)));
    const auto& first = analyses.front().info;
    const auto& last = analyses.back().info;
    if (first.layers != last.layers || first.experts != last.experts)
      workloads::compare(analyses.front(), analyses.back());
    console.err << warnings(analyses.back());
  }
  const std::string file = arguments.text("output");
  if (file.ends_with(".svg")) {
    sim::io::write_file(file, svg(heat_map(analyses.front())));
  } else {
    const auto costs = wants_step_cost(arguments)
                           ? to_text(step_costs(arguments.all("TRACE"), arguments))
                           : std::string();
    sim::io::write_file(file, page(analyses, costs));
  }
  console.err << fmt::format("{}: written\n", file);
  return sim::ExitCode::Ok;
}

std::vector<Option> options() {
  std::vector<Option> all = {{.name = "TRACE",
                              .value = "",
                              .help = "routing traces of one model",
                              .required = true,
                              .repeated = true,
                              .is_file = true},
                             {.name = "-o,--output",
                              .value = "FILE",
                              .help = "the page (.html) or heat map (.svg) to write",
                              .required = true,
                              .is_file = true}};
  for (const Option& option : step_cost_options()) all.push_back(option);
  for (const Option& option : routed_options()) all.push_back(option);
  return all;
}

}  // namespace

Command trace_report_command() {
  return {
      .name = "trace report",
      .summary = "a routing trace as a page of plots",
      .description =
          "One HTML file that needs nothing else: heat map of experts by layer, load curves, "
          "drift, coverage and the tables; several "
          "traces of one model are compared; with --model and --cluster, also the step that each "
          "routes. With a name that ends in .svg, the heat map of the "
          "first alone.",
      .options = options(),
      .examples = {"moesim trace report trace.h5 -o trace.html",
                   "moesim trace report early.h5 final.h5 -o training.html"},
      .run = run,
  };
}

}  // namespace moesim::tools
