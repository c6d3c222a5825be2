#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>

#include "tools/moesim/routed_scenario.h"
#include "tools/moesim/trace/step_cost.h"
#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"
#include "workloads/placement/eplb.h"
#include "workloads/placement/evaluation.h"
#include "workloads/routing/statistics/comparison.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using workloads::TraceAnalysis;

// The busiest rank over the mean: of b's loads on placements made for a, for b, and for nobody.
struct PlacementCost {
  std::uint32_t ranks = 0, redundant = 0;
  double linear = 0, stale = 0, fresh = 0, before = 0;
};

PlacementCost placement_cost(const TraceAnalysis& a, const TraceAnalysis& b, std::uint32_t ranks,
                             std::uint32_t redundant) {
  const workloads::EplbShape shape{{a.info.experts, redundant, ranks}, 1, 1};
  const auto for_a = workloads::eplb_placement(a.loads, shape);
  const auto for_b = workloads::eplb_placement(b.loads, shape);
  return {ranks,
          redundant,
          workloads::rank_max_over_mean(workloads::linear_placement(shape.plan), b.loads),
          workloads::rank_max_over_mean(for_a, b.loads),
          workloads::rank_max_over_mean(for_b, b.loads),
          workloads::rank_max_over_mean(for_a, a.loads)};
}

// As many ranks as divide the experts, at most 8.
std::uint32_t default_ranks(std::uint32_t experts) {
  std::uint32_t ranks = std::min(8u, experts);
  while (experts % ranks != 0) --ranks;
  return ranks;
}

Json pair_json(const TraceAnalysis& a, const TraceAnalysis& b,
               const workloads::TraceComparison& found, const PlacementCost& cost) {
  Json layers = Json::array();
  const auto loads = [](const workloads::LayerAnalysis& layer) {
    return Json{{"max_over_mean", layer.max_over_mean},
                {"dead_experts", layer.dead_experts},
                {"starved_experts", layer.starved_experts}};
  };
  for (std::size_t l = 0; l < found.layers.size(); ++l) {
    const auto& layer = found.layers[l];
    Json moved = Json::array();
    for (const auto& expert : layer.moved) {
      moved.push_back(
          {{"expert", expert.expert}, {"share_a", expert.share_a}, {"share_b", expert.share_b}});
    }
    layers.push_back({{"layer", layer.layer_id},
                      {"js_distance", layer.distance},
                      {"a", loads(a.layers[l])},
                      {"b", loads(b.layers[l])},
                      {"moved", moved}});
  }
  return {{"a", a.info.file},
          {"b", b.info.file},
          {"js_distance", found.distance},
          {"js_within_a", found.within_a},
          {"js_within_b", found.within_b},
          {"placement",
           {{"balancer", "eplb"},
            {"ranks", cost.ranks},
            {"redundant", cost.redundant},
            {"rank_max_over_mean",
             {{"linear_on_b", cost.linear},
              {"made_on_a_used_on_a", cost.before},
              {"made_on_a_used_on_b", cost.stale},
              {"made_on_b_used_on_b", cost.fresh}}}}},
          {"per_layer", layers}};
}

std::string pair_text(const TraceAnalysis& a, const TraceAnalysis& b,
                      const workloads::TraceComparison& found, const PlacementCost& cost) {
  std::string text = fmt::format(
      "a: {}\nb: {}\n  The loads of a and b lie {:.3f} apart (Jensen-Shannon, 0 to 1); the halves "
      "of a {:.3f}, of b {:.3f}.\n",
      a.info.file, b.info.file, found.distance, found.within_a, found.within_b);
  text += fmt::format(
      "  Busiest of {} ranks over the mean, with b's tokens: {:.2f} linear, {:.2f} with EPLB made "
      "on a, {:.2f} made on b"
      " ({} redundant experts).\n",
      cost.ranks, cost.linear, cost.stale, cost.fresh, cost.redundant);
  const auto change = [](auto before, auto after, const char* format) {
    return fmt::format("{} -> {}", fmt::format(fmt::runtime(format), before),
                       fmt::format(fmt::runtime(format), after));
  };
  text += fmt::format("\n  {:>5}  {:>8}  {:>14}  {:>12}  {:>12}  {}\n", "layer", "distance",
                      "max/mean", "dead", "starved", "experts that moved most: share in a -> b, %");
  for (std::size_t l = 0; l < found.layers.size(); ++l) {
    const auto& layer = found.layers[l];
    const auto &x = a.layers[l], &y = b.layers[l];
    text += fmt::format("  {:>5}  {:>8.3f}  {:>14}  {:>12}  {:>12} ", layer.layer_id,
                        layer.distance, change(x.max_over_mean, y.max_over_mean, "{:.2f}"),
                        change(x.dead_experts, y.dead_experts, "{}"),
                        change(x.starved_experts, y.starved_experts, "{}"));
    for (const auto& expert : layer.moved) {
      text += fmt::format(" {}: {:.2f} -> {:.2f} ", expert.expert, 100 * expert.share_a,
                          100 * expert.share_b);
    }
    text += "\n";
  }
  text += "  Dead: chosen by no token; starved: under a tenth of the mean load.\n";
  return text;
}

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto files = arguments.all("TRACE");
  if (files.size() < 2) throw sim::ConfigError("TRACE: expected two traces or more");
  std::vector<TraceAnalysis> analyses;
  for (const std::string& file : files) {
    // Only loads and windows are compared: a small sample is enough.
    analyses.push_back(workloads::analyse(workloads::RoutingTrace::open(trace_file(file)),
                                          {.sample_tokens = 1, .shuffles = 0}));
    console.err << warnings(analyses.back());
  }
  const std::uint32_t experts = analyses[0].info.experts;
  const auto ranks = arguments.has("ranks")
                         ? static_cast<std::uint32_t>(arguments.integer("ranks", 1, experts))
                         : default_ranks(experts);
  const auto redundant =
      static_cast<std::uint32_t>(arguments.integer("redundant", 0, workloads::kMostExperts));
  // First, so that a trace that no step can be played on gives nothing but its error.
  std::optional<StepCosts> costs;
  if (wants_step_cost(arguments)) costs = step_costs(files, arguments);
  Json traces = Json::array(), pairs = Json::array();
  for (const auto& analysis : analyses) traces.push_back(analysis.info.file);
  for (std::size_t i = 1; i < analyses.size(); ++i) {
    const auto found = workloads::compare(analyses[i - 1], analyses[i]);
    const auto cost = placement_cost(analyses[i - 1], analyses[i], ranks, redundant);
    if (arguments.json()) {
      pairs.push_back(pair_json(analyses[i - 1], analyses[i], found, cost));
    } else {
      console.out << (i > 1 ? "\n" : "") << pair_text(analyses[i - 1], analyses[i], found, cost);
    }
  }
  Json json = {{"traces", traces}, {"pairs", pairs}};
  if (costs) {
    json["step"] = to_json(*costs);
    if (!arguments.json()) console.out << "\n" << to_text(*costs);
  }
  if (arguments.json()) console.out << sim::io::to_text(json);
  return sim::ExitCode::Ok;
}

std::vector<Option> options() {
  std::vector<Option> all = {{.name = "TRACE",
                              .value = "",
                              .help = "two routing traces or more",
                              .required = true,
                              .repeated = true,
                              .is_file = true}};
  for (const Option& option : step_cost_options()) all.push_back(option);
  for (const Option& option : routed_options()) all.push_back(option);
  all.push_back(format_option());
  return all;
}

}  // namespace

Command trace_compare_command() {
  return {
      .name = "trace compare",
      .summary = "how routing changed from one trace to the next, and what that costs",
      .description =
          "Traces of one model: checkpoints, days, data sets. Each is compared with the one before "
          "it: how far the loads moved, which experts did, which died, and what a placement that "
          "was made on the one costs on the other. With --model and --cluster: the time of a step "
          "that each trace routes.",
      .options = options(),
      .examples = {"moesim trace compare monday.h5 tuesday.h5",
                   "moesim trace compare early.h5 middle.h5 final.h5 --ranks 8",
                   "moesim trace compare balanced.h5 collapsed.h5 --model "
                   "configs/models/switch-base-32.yaml --cluster configs/clusters/h100-1x8.yaml "
                   "--set routing.layers=cycle --phase prefill --tokens 4096"},
      .run = run,
  };
}

}  // namespace moesim::tools
