// moesim trace report: the analysis of one trace or several as one page that needs nothing else.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "sim/io/atomic_file.h"
#include "tools/moesim/html_output.h"
#include "tools/moesim/routed_scenario.h"
#include "tools/moesim/trace/step_cost.h"
#include "tools/moesim/trace/svg.h"
#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"
#include "tools/report/number_text.h"
#include "tools/report/page_kinds.h"
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

// Loads from the busiest to the idlest expert, a line a layer.
Figure load_curves(const HeatMap& map) {
  Lines chart{.x = {.name = "rank of the expert", .log = true},
              .y = {.name = "load over the mean", .log = true},
              .series = {}};
  Table table{{"layer", "busiest", "median", "idlest"}, {}};
  for (std::size_t l = 0; l < map.row_names.size(); ++l) {
    const auto first = map.values.begin() + static_cast<std::ptrdiff_t>(l * map.columns);
    std::vector<double> loads(first, first + static_cast<std::ptrdiff_t>(map.columns));
    std::ranges::sort(loads, std::greater{});
    Lines::Series series{"layer " + map.row_names[l], {}};
    for (std::size_t i = 0; i < loads.size(); ++i) {
      series.points.push_back({static_cast<double>(i + 1), loads[i],
                               fmt::format("number {}: {} x", i + 1, factor_text(loads[i]))});
    }
    chart.series.push_back(std::move(series));
    table.rows.push_back({map.row_names[l], factor_text(loads.front()),
                          factor_text(loads[loads.size() / 2]), factor_text(loads.back())});
  }
  return {.title = "Sorted loads",
          .sentence =
              "Loads of a layer's experts over their mean, from the busiest to the idlest, "
              "a line a layer.",
          .chart = std::move(chart),
          .table = std::move(table)};
}

Figure experts_by_layer(const HeatMap& map) {
  Heat heat{.x = map.x_name,
            .y = map.y_name,
            .unit = "x the mean",
            .columns = {},
            .rows = map.row_names,
            .values = map.values,
            .log2 = true};
  for (std::size_t i = 0; i < map.columns; ++i) heat.columns.push_back(std::to_string(i));
  auto [chart, note] = binned(std::move(heat));
  return {.title = "Experts by layer",
          .sentence = map.title + ".",
          .chart = std::move(chart),
          .note = std::move(note)};
}

// A line a trace (or a pair of them), by layer.
struct OfLayers {
  std::string name;
  std::vector<std::pair<std::int64_t, double>> values;
};
Figure by_layer(std::string title, std::string sentence, std::string y,
                const std::vector<OfLayers>& all) {
  Lines chart{.x = {.name = "layer", .whole = true}, .y = {.name = std::move(y)}, .series = {}};
  Table table{{"layer"}, {}};
  for (const OfLayers& one : all) {
    Lines::Series series{one.name, {}};
    table.columns.push_back(one.name);
    for (std::size_t l = 0; l < one.values.size(); ++l) {
      const auto& [layer, value] = one.values[l];
      const std::string text = fmt::format("{:.3f}", value);
      series.points.push_back(
          {static_cast<double>(layer), value, fmt::format("layer {}: {}", layer, text)});
      if (table.rows.size() == l) table.rows.push_back({std::to_string(layer)});
      table.rows[l].push_back(text);
    }
    chart.series.push_back(std::move(series));
  }
  return {.title = std::move(title),
          .sentence = std::move(sentence),
          .chart = std::move(chart),
          .table = std::move(table)};
}

Section compared(const std::vector<TraceAnalysis>& analyses) {
  std::vector<OfLayers> busiest, distances;
  for (std::size_t i = 0; i < analyses.size(); ++i) {
    OfLayers ratios{base_name(analyses[i]), {}};
    for (const auto& layer : analyses[i].layers)
      ratios.values.emplace_back(layer.layer_id, layer.max_over_mean);
    busiest.push_back(std::move(ratios));
    if (i == 0) continue;
    OfLayers apart{base_name(analyses[i - 1]) + " to " + base_name(analyses[i]), {}};
    for (const auto& layer : workloads::compare(analyses[i - 1], analyses[i]).layers)
      apart.values.emplace_back(layer.layer_id, layer.distance);
    distances.push_back(std::move(apart));
  }
  return {.title = "Side by side",
          .figures = {by_layer("Busiest expert", "The busiest expert over the mean, by layer.",
                               "max / mean", busiest),
                      by_layer("From each trace to the next",
                               "How far the loads of a layer lie apart: 0 is the same, 1 nothing "
                               "in common.",
                               "distance (Jensen-Shannon)", distances)}};
}

Section costs_section(const StepCosts& costs) {
  Bars chart{.unit = "step, ms", .categories = {}, .series = {{"step", {}}}};
  Table table{{"routed by", "step", "of it wait", "rank max/mean", "dead experts"}, {}};
  const auto add = [&](const std::string& name, double us) {
    chart.categories.push_back(name);
    chart.series[0].values.push_back({us / 1000, time_text(us)});
  };
  Section section{.title = "Cost", .text = {costs.what + "."}};
  if (costs.even_us > 0) {
    add("every expert alike", costs.even_us);
    table.rows.push_back({"every expert alike", time_text(costs.even_us), "-", "1.00", "0"});
  }
  for (const StepCost& cost : costs.traces) {
    const std::string name = std::filesystem::path(cost.trace).filename().string();
    add(name, cost.step_us);
    table.rows.push_back({name, time_text(cost.step_us),
                          percent_text(cost.waiting_us / cost.step_us),
                          factor_text(cost.rank_max_over_mean), std::to_string(cost.dead_experts)});
    section.text.push_back(cost.routing);
    if (cost.missing) section.text.push_back(*cost.missing);
  }
  section.figures.push_back({.title = "What the routing costs",
                             .sentence = "The step of the model, routed by each trace.",
                             .chart = std::move(chart),
                             .table = std::move(table)});
  return section;
}

// A trace's own page, with its loads.
Page page_of_trace(const TraceAnalysis& analysis) {
  Page page = routing_page(to_json(analysis));
  if (analysis.info.ambiguous_expert) page.warnings.push_back(ambiguity(analysis.info));
  const HeatMap map = heat_map(analysis);
  auto& figures = page.sections.front().figures;
  figures.insert(figures.begin() + 1, {experts_by_layer(map), load_curves(map)});
  return page;
}

// One trace: its page. Several: what they differ in first, then the sections of each.
Page page_of(const std::vector<TraceAnalysis>& analyses, const std::optional<StepCosts>& costs) {
  Page page = page_of_trace(analyses.front());
  if (analyses.size() > 1) {
    page.what = fmt::format("{} traces of one model", analyses.size());
    page.title = "Routing of " + page.title;
    for (Section& section : page.sections)
      section.title = base_name(analyses.front()) + ": " + section.title;
    for (std::size_t i = 1; i < analyses.size(); ++i) {
      Page next = page_of_trace(analyses[i]);
      page.title += (i + 1 == analyses.size() ? " and " : ", ") + next.title;
      if (i == 1) page.answer = fmt::format("{}: {}", base_name(analyses[0]), page.answer);
      page.answer += fmt::format(" {}: {}", next.title, next.answer);
      for (std::string& warning : next.warnings) page.warnings.push_back(std::move(warning));
      for (Section& section : next.sections) {
        section.title = base_name(analyses[i]) + ": " + section.title;
        page.sections.push_back(std::move(section));
      }
    }
    page.sections.insert(page.sections.begin(), compared(analyses));
  }
  if (costs) page.sections.insert(page.sections.begin(), costs_section(*costs));
  return page;
}

// What the page was made from.
sim::io::Json json_of(const std::vector<TraceAnalysis>& analyses,
                      const std::optional<StepCosts>& costs) {
  sim::io::Json traces = sim::io::Json::array();
  for (const TraceAnalysis& analysis : analyses) traces.push_back(to_json(analysis));
  sim::io::Json json = {{"traces", std::move(traces)}};
  if (costs) json["costs"] = to_json(*costs);
  return json;
}

// -o, or --html as the other commands have it.
std::string output_of(const Arguments& arguments) {
  const auto output = arguments.find("output"), html = arguments.find("html");
  if (output.has_value() == html.has_value()) {
    throw sim::ConfigError(
        "moesim trace report: expected one of --html FILE, the page, and --output FILE, the page "
        "(.html) or heat map (.svg)");
  }
  return output ? *output : *html;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const std::string file = output_of(arguments);
  std::vector<TraceAnalysis> analyses;
  std::vector<std::string> files;
  for (const std::string& trace : arguments.all("TRACE")) {
    files.push_back(trace_file(trace).string());
    analyses.push_back(workloads::analyse(workloads::RoutingTrace::open(files.back())));
    const auto& first = analyses.front().info;
    const auto& last = analyses.back().info;
    if (first.layers != last.layers || first.experts != last.experts)
      workloads::compare(analyses.front(), analyses.back());
    console.err << warnings(analyses.back());
  }
  if (!arguments.has("html") && file.ends_with(".svg")) {
    sim::io::write_file(file, svg(heat_map(analyses.front())));
  } else {
    std::optional<StepCosts> costs;
    if (wants_step_cost(arguments)) costs = step_costs(files, arguments);
    write_page(file, page_of(analyses, costs), json_of(analyses, costs));
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
                              .is_file = true,
                              .is_output = true},
                             html_option()};
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
