// moesim placement: expert placements on a trace, side by side.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/json.h"
#include "sim/io/yaml_reader.h"
#include "sim/units_text.h"
#include "tools/moesim/placement/placement_command.h"
#include "workloads/model/counts.h"
#include "workloads/placement/balanced.h"
#include "workloads/placement/evaluation.h"
#include "workloads/placement/rebalance.h"
#include "workloads/routing/trace_source.h"
#include "workloads/run.h"
#include "workloads/scenario.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using namespace workloads;

// What is asked, as a scenario; the placement is exchanged.
struct Study {
  Scenario scenario;
  std::uint32_t layers = 0, experts = 0, groups = 1;
  TokenSources sources;
  double copy_bytes = 0;    // of a token to a rank and back
  double expert_bytes = 0;  // weights of one expert
  std::uint32_t windows = 1;
};

struct Entry {
  std::string name;
  std::uint32_t redundant = 0;
  PlacementScore score;
  Report report;
  WeightMoves moves;  // from one window's to the next
  double replica_bytes = 0;
  double move_us = 0;
  std::vector<RebalanceInterval> intervals;
};

std::string absolute(const std::string& file) {
  // In single quotes, as YAML text; a quote in a name is doubled.
  std::string text;
  for (const char c : std::filesystem::absolute(file).lexically_normal().string()) {
    text += c;
    if (c == '\'') text += c;
  }
  return "'" + text + "'";
}

// The experts over as many ranks as divide them, at most those of the cluster.
std::int64_t default_ranks(std::int64_t slots, std::int64_t most) {
  std::int64_t ranks = std::min(slots, most);
  while (slots % ranks != 0) --ranks;
  return ranks;
}

Study make_study(const Arguments& arguments) {
  const std::string model_file = arguments.text("MODEL");
  const ModelSpec model = load_model(model_file);
  const MoeFfn* moe = model.largest_moe();
  if (moe == nullptr)
    throw sim::ConfigError(fmt::format("{}: has no experts to place", model_file));
  const auto cluster = hardware::load_cluster(arguments.text("CLUSTER"));
  const std::int64_t redundant = arguments.integer("redundant", 0, kMostExperts);
  const std::int64_t ranks = arguments.has("ranks")
                                 ? arguments.integer("ranks", 1, kMostGpus)
                                 : default_ranks(moe->experts + redundant, cluster.ranks());
  const bool prefill = arguments.text("phase") == "prefill";
  const std::int64_t tokens = arguments.integer("tokens", 1, 1'000'000);
  const std::string text = fmt::format(
      "name: placement\nmodel: {}\ncluster: {}\nparallelism: {{dp: {}, ep: {}}}\n"
      "routing: {{trace: {}, tokens: repeat}}\nnetwork: {}\nkernels: {{all_to_all: {}}}\nstep: "
      "{{phase: {}, {}: {}, {}, count: {}}}\n",
      absolute(model_file), absolute(arguments.text("CLUSTER")), ranks, ranks,
      absolute(arguments.text("TRACE")), arguments.text("network"),
      prefill ? "deepep_normal" : "deepep_low_latency", prefill ? "prefill" : "decode",
      prefill ? "tokens_per_rank" : "batch_per_rank", tokens,
      prefill ? "prompt: " + std::to_string(tokens) : std::string("context: 4096"),
      arguments.integer("steps", 1, 1000));
  auto document = sim::io::YamlDocument::parse(text, "moesim placement");
  for (const std::string& pair : arguments.all("set")) {
    const std::size_t at = pair.find('=');
    if (at == std::string::npos)
      throw sim::ConfigError(fmt::format("--set: expected KEY=VALUE, not \"{}\"", pair));
    document.set(pair.substr(0, at), pair.substr(at + 1));
  }
  Study study{.scenario = read_scenario(document), .sources = {}};
  const Scenario& s = study.scenario;
  study.layers = static_cast<std::uint32_t>(s.model.moe_layers().size());
  study.experts = static_cast<std::uint32_t>(moe->experts);
  study.groups = static_cast<std::uint32_t>(moe->router.groups);
  study.sources =
      even_sources(static_cast<std::uint32_t>(s.parallelism.ep), static_cast<std::uint32_t>(tokens),
                   static_cast<std::uint32_t>(s.cluster.gpus_per_node));
  study.copy_bytes = static_cast<double>(moe->dispatch_width(s.model.hidden)) *
                     (hardware::bytes_per_element(s.precision.dispatch) +
                      hardware::bytes_per_element(s.precision.combine));
  const std::int64_t first = s.model.moe_layers().front();
  study.expert_bytes =
      static_cast<double>(layer_params(s.model.layer(first), s.model.hidden).expert) *
      hardware::bytes_per_element(s.precision.parts.experts);
  study.windows = static_cast<std::uint32_t>(arguments.integer("windows", 2, 1000));
  return study;
}

std::unique_ptr<RoutingSource> open_source(const Study& study) {
  const Scenario& s = study.scenario;
  return open_trace_source(s.routing.trace,
                           {.layers = study.layers,
                            .experts = study.experts,
                            .top_k = static_cast<std::uint32_t>(s.model.largest_moe()->top_k),
                            .tokens_per_step = study.sources.begin.back(),
                            .steps = static_cast<std::uint32_t>(s.step.count),
                            .seed = s.seed},
                           s.routing.mapping);
}

Entry judge(const Study& study, RoutingSource& source, const std::string& name,
            std::uint32_t redundant) {
  const auto steps = static_cast<std::uint32_t>(study.scenario.step.count);
  const EplbShape shape{
      {study.experts, redundant, study.sources.ranks()}, study.groups, study.sources.nodes()};
  const auto window = [&](std::uint32_t index) {
    return needs_evidence(name)
               ? gather_evidence(
                     source, {{0, study.sources}},
                     {.first_step = index * steps, .steps = steps, .pairs = needs_pairs(name)})
               : PlacementEvidence{};
  };
  Entry entry;
  entry.name = name;
  entry.redundant = redundant;
  // As the run does: made from the steps that follow, scored on the first ones.
  const auto placement = make_placement(name, shape, window(1));
  entry.score = evaluate(placement, source, study.sources, {0, steps});
  entry.replica_bytes = study.expert_bytes * study.layers * redundant / study.sources.ranks();
  Scenario scenario = study.scenario;
  scenario.placement = {.experts = name, .file = {}, .redundant = redundant};
  entry.report = run(scenario).report;
  if (!needs_evidence(name)) return entry;

  // Placements of successive windows: how they age, and what moving from one to the next takes.
  std::vector<ExpertPlacement> made;
  for (std::uint32_t w = 0; w < study.windows; ++w)
    made.push_back(make_placement(name, shape, window(w)));
  std::vector<double> aged(study.windows), counted(study.windows);
  for (std::uint32_t made_on = 0; made_on < study.windows; ++made_on) {
    for (std::uint32_t used_on = made_on; used_on < study.windows; ++used_on) {
      const auto loads = read_window_loads(source, study.sources, {used_on * steps, steps});
      aged[used_on - made_on] += rank_max_over_mean(made[made_on], loads);
      counted[used_on - made_on] += 1;
    }
  }
  for (std::uint32_t age = 0; age < study.windows; ++age) aged[age] /= counted[age];
  WeightMoves most;
  for (std::uint32_t w = 1; w < study.windows; ++w) {
    const auto moves = weight_moves(made[w - 1], made[w], study.layers, study.sources);
    most.busiest_network = std::max(most.busiest_network, moves.busiest_network);
    most.busiest_nvlink = std::max(most.busiest_nvlink, moves.busiest_nvlink);
    most.total = std::max(most.total, moves.total);
    most.over_network = std::max(most.over_network, moves.over_network);
  }
  entry.moves = most;
  entry.move_us = move_time_us(most, study.expert_bytes, study.scenario.cluster);
  const auto& experts = entry.report.phases[static_cast<std::size_t>(Phase::Experts)];
  entry.intervals = rebalance_intervals({.aged = aged,
                                         .made_on_next = entry.score.rank_max_over_mean,
                                         .step_us = entry.report.step_time_us.mean,
                                         .balanced_us = experts.busy_us,
                                         .steps_per_window = steps,
                                         .move_us = entry.move_us});
  return entry;
}

std::string hottest_link(const Report& report) {
  return report.links.empty() ? "" : report.links.front().name;
}

Json to_json(const Study& study, const std::vector<Entry>& entries, const std::string& routing) {
  Json placements = Json::array();
  for (const Entry& e : entries) {
    Json item = {{"name", e.name},
                 {"redundant", e.redundant},
                 {"rank_max_over_mean", e.score.rank_max_over_mean},
                 {"worst_rank_max_over_mean", e.score.worst_rank_max_over_mean},
                 {"ranks_per_token", e.score.ranks_per_token},
                 {"nodes_per_token", e.score.nodes_per_token},
                 {"nvlink_bytes", e.score.nvlink_copies * study.copy_bytes},
                 {"network_bytes", e.score.network_copies * study.copy_bytes},
                 {"busiest_network_port_bytes", e.score.busiest_network * study.copy_bytes},
                 {"busiest_nvlink_port_bytes", e.score.busiest_nvlink * study.copy_bytes},
                 {"hottest_link", hottest_link(e.report)},
                 {"step_time_us", e.report.step_time_us.mean},
                 {"replica_bytes", e.replica_bytes}};
    if (!e.report.links.empty())
      item["hottest_link_busy_fraction"] = e.report.links.front().busy_fraction;
    item["rebalance"] = {{"experts_moved", e.moves.total},
                         {"experts_moved_over_network", e.moves.over_network},
                         {"bytes_moved", static_cast<double>(e.moves.total) * study.expert_bytes},
                         {"move_time_us", e.move_us}};
    Json intervals = Json::array();
    for (const auto& interval : e.intervals) {
      intervals.push_back({{"windows", interval.windows},
                           {"rank_max_over_mean", interval.rank_max_over_mean},
                           {"step_time_us", interval.step_us},
                           {"with_moves_step_time_us", interval.with_moves_us}});
    }
    if (!e.intervals.empty()) {
      item["rebalance"]["intervals"] = intervals;
      item["rebalance"]["best_interval_windows"] = best_interval(e.intervals);
    }
    placements.push_back(item);
  }
  return {{"trace", study.scenario.routing.trace.generic_string()},
          {"model", study.scenario.model.name},
          {"cluster", study.scenario.cluster.name},
          {"ranks", study.sources.ranks()},
          {"nodes", study.sources.nodes()},
          {"tokens_per_step", study.sources.begin.back()},
          {"steps", study.scenario.step.count},
          {"routing", routing},
          {"expert_bytes", study.expert_bytes},
          {"copy_bytes", study.copy_bytes},
          {"placements", placements}};
}

std::string to_text(const Study& study, const std::vector<Entry>& entries,
                    const std::string& routing) {
  const auto bytes = [](double n) {
    return sim::to_text(sim::Bytes(static_cast<std::int64_t>(n)));
  };
  std::string text =
      fmt::format("{} on {}: {} ranks on {} nodes, {} tokens a step\n{}\n\n",
                  study.scenario.model.name, study.scenario.cluster.name, study.sources.ranks(),
                  study.sources.nodes(), study.sources.begin.back(), routing);
  text += fmt::format("  {:<16} {:>13} {:>11} {:>11} {:>11} {:>11} {:>11}  {}\n", "placement",
                      "rank max/mean", "nodes/token", "NVLink", "network", "step", "replicas",
                      "hottest link");
  for (const Entry& e : entries) {
    text += fmt::format("  {:<16} {:>13.3f} {:>11.2f} {:>11} {:>11} {:>8.2f} ms {:>11}  {}\n",
                        e.redundant > 0 ? fmt::format("{} +{}", e.name, e.redundant) : e.name,
                        e.score.rank_max_over_mean, e.score.nodes_per_token,
                        bytes(e.score.nvlink_copies * study.copy_bytes),
                        bytes(e.score.network_copies * study.copy_bytes),
                        e.report.step_time_us.mean / 1000, bytes(e.replica_bytes),
                        hottest_link(e.report));
  }
  text +=
      "\n  NVLink, network: dispatch and combine of all layers, a step, a token once a rank and "
      "once a node. Replicas: memory of\n"
      "  each GPU, which its cache lacks.\n\n";
  text += fmt::format(
      "  {:<16} {:>14} {:>12}  busiest rank over the mean, by windows since it was made; interval "
      "that pays\n",
      "rebalancing", "experts moved", "takes");
  for (const Entry& e : entries) {
    if (e.intervals.empty()) continue;
    std::string ages;
    for (const auto& interval : e.intervals)
      ages += fmt::format("{:.3f} ", interval.rank_max_over_mean);
    text += fmt::format("  {:<16} {:>14} {:>9.2f} ms  {}; {} of {} steps\n",
                        e.redundant > 0 ? fmt::format("{} +{}", e.name, e.redundant) : e.name,
                        e.moves.total, e.move_us / 1000, ages,
                        best_interval(e.intervals) == 0
                            ? std::string("never, in these")
                            : fmt::format("every {}", best_interval(e.intervals)),
                        study.scenario.step.count);
  }
  return text;
}

sim::ExitCode run_command(const Arguments& arguments, Console console) {
  const Study study = make_study(arguments);
  const auto redundant =
      static_cast<std::uint32_t>(arguments.integer("redundant", 0, kMostExperts));
  const auto source = open_source(study);
  const std::uint32_t ranks = study.sources.ranks();
  std::vector<std::string> names = arguments.all("placement");
  if (names.empty()) names = placement_names();
  const bool plain = study.experts % ranks == 0;
  std::vector<Entry> entries;
  for (const std::string& name : names) {
    console.err << fmt::format("{} …\n", name);
    entries.push_back(judge(study, *source, name, redundant));
  }
  if (redundant > 0 && plain) {
    console.err << "linear, without redundant experts …\n";
    entries.push_back(judge(study, *source, "linear", 0));
  }
  console.out << (arguments.json()
                      ? sim::io::to_text(to_json(study, entries, source->description()))
                      : to_text(study, entries, source->description()));
  return sim::ExitCode::Ok;
}

}  // namespace

Command placement_command() {
  return {
      .name = "placement",
      .summary = "expert placements on a trace, side by side",
      .description =
          "Attention data-parallel, experts over all ranks. Each placement is made from the window "
          "of steps that follows the "
          "one it is judged on: how even the ranks are, what crosses NVLink and the network, the "
          "step's time, memory of "
          "replicas, what moving the weights takes, how it ages, and how often rebalancing pays.",
      .options =
          {{.name = "TRACE",
            .value = "",
            .help = "a routing trace",
            .required = true,
            .is_file = true},
           {.name = "MODEL", .value = "", .help = "a model", .required = true, .is_file = true},
           {.name = "CLUSTER", .value = "", .help = "a cluster", .required = true, .is_file = true},
           {.name = "--placement",
            .value = "NAME",
            .help =
                "linear, round_robin, greedy, coactivation, topology or eplb; all where not given",
            .repeated = true,
            .choices = {"linear", "round_robin", "greedy", "coactivation", "topology", "eplb"}},
           {.name = "--ranks",
            .value = "N",
            .help = "expert-parallel GPUs; as many as there are and divide the experts, where not "
                    "given"},
           {.name = "--redundant",
            .value = "N",
            .help = "redundant expert slots of each layer",
            .fallback = "0"},
           {.name = "--phase",
            .value = "PHASE",
            .help = "of the step",
            .fallback = "decode",
            .choices = {"decode", "prefill"}},
           {.name = "--tokens",
            .value = "N",
            .help = "tokens of a GPU in a step",
            .fallback = "128"},
           {.name = "--steps", .value = "N", .help = "steps of a window", .fallback = "4"},
           {.name = "--windows", .value = "N", .help = "windows for ageing", .fallback = "4"},
           {.name = "--network",
            .value = "FIDELITY",
            .help = "of the step's time",
            .fallback = "bound",
            .choices = {"bound", "fluid"}},
           {.name = "--set",
            .value = "KEY=VALUE",
            .help = "a scenario's value, such as routing.layers=cycle",
            .repeated = true},
           format_option()},
      .examples =
          {"moesim placement configs/traces/deepseek-like.h5 configs/models/deepseek-v3.yaml "
           "configs/clusters/h800-16x8.yaml --redundant 32 --ranks 32"},
      .run = run_command,
  };
}

}  // namespace moesim::tools
