#include "tools/moesim/trace/step_cost.h"

#include <fmt/format.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "sim/error.h"
#include "tools/moesim/routed_scenario.h"
#include "workloads/routing/trace/missing.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

using sim::io::Json;
using workloads::Report;
using workloads::Scenario;

double waiting_us(const Report& report) {
  double sum = 0;
  for (const auto& phase : report.phases) sum += phase.waiting_us;
  return sum;
}

std::string describe(const Scenario& scenario, const RoutedQuestion& question) {
  return fmt::format("{} on {}: {}, {} tokens of each of {} GPUs, placement {}{}",
                     scenario.deployment.model.name, scenario.deployment.cluster.name,
                     question.prefill ? "prefill" : "decode", question.tokens,
                     scenario.deployment.layout.gpus(), scenario.deployment.placement.experts,
                     scenario.deployment.placement.redundant > 0
                         ? fmt::format(" + {}", scenario.deployment.placement.redundant)
                         : "");
}

}  // namespace

std::vector<Option> step_cost_options() {
  return {{.name = "--model",
           .value = "FILE",
           .help = "with --cluster: what the routing costs in this model's step",
           .is_file = true},
          {.name = "--cluster", .value = "FILE", .help = "where the model runs", .is_file = true}};
}

bool wants_step_cost(const Arguments& arguments) {
  const bool model = arguments.has("model"), cluster = arguments.has("cluster");
  if (model != cluster) {
    throw sim::ConfigError(fmt::format("--{}: a step needs --{} too", model ? "model" : "cluster",
                                       model ? "cluster" : "model"));
  }
  return model;
}

StepCosts step_costs(const std::vector<std::string>& traces, const Arguments& arguments) {
  StepCosts costs;
  RoutedQuestion question = routed_question(arguments);
  question.model = arguments.text("model");
  question.cluster = arguments.text("cluster");
  question.redundant = 0;  // the scenario's placement says what it needs
  for (const std::string& trace : traces) {
    question.trace = trace;
    Scenario scenario = routed_scenario(question);
    const Report report = workloads::run(scenario).report;
    costs.traces.push_back(
        {trace, report.step_time_us.mean,
         report.phases[static_cast<std::size_t>(workloads::Phase::Experts)].busy_us,
         waiting_us(report), report.rank_max_over_mean, report.expert_load.max_over_mean,
         report.expert_load.dead_experts, report.routing,
         workloads::note_of_missing({report.conservation.selections, report.conservation.missing},
                                    trace, scenario.deployment.routing.mapping)});
    if (!costs.what.empty()) continue;
    costs.what = describe(scenario, question);
    scenario.deployment.routing = {.trace = {}, .mapping = {}, .law = workloads::Law::Balanced};
    scenario.deployment.placement = {};
    if (scenario.deployment.model.largest_moe()->experts % scenario.deployment.layout.ep == 0)
      costs.even_us = workloads::run(scenario).report.step_time_us.mean;
  }
  return costs;
}

Json to_json(const StepCosts& costs) {
  Json traces = Json::array();
  for (const StepCost& cost : costs.traces) {
    traces.push_back({{"trace", cost.trace},
                      {"step_time_us", cost.step_us},
                      {"waiting_us", cost.waiting_us},
                      {"experts_us", cost.experts_us},
                      {"rank_max_over_mean", cost.rank_max_over_mean},
                      {"expert_max_over_mean", cost.expert_max_over_mean},
                      {"dead_experts", cost.dead_experts},
                      {"routing", cost.routing}});
    if (cost.missing) traces.back()["missing"] = *cost.missing;
  }
  Json json = {{"what", costs.what}, {"traces", traces}};
  if (costs.even_us > 0) json["even_step_time_us"] = costs.even_us;
  return json;
}

std::string to_text(const StepCosts& costs) {
  std::string text = fmt::format("Step of {}\n", costs.what);
  text += fmt::format("  {:<36}  {:>10}  {:>10}  {:>9}  {:>13}  {:>12}\n", "routed by", "step",
                      "of it wait", "to even", "rank max/mean", "dead experts");
  const auto line = [&](const std::string& name, double step, const std::string& wait,
                        const std::string& rank, const std::string& dead) {
    text += fmt::format("  {:<36}  {:>7.3f} ms  {:>10}  {:>9}  {:>13}  {:>12}\n", name, step / 1000,
                        wait, costs.even_us > 0 ? fmt::format("{:.2f}", step / costs.even_us) : "-",
                        rank, dead);
  };
  if (costs.even_us > 0) line("every expert alike", costs.even_us, "-", "1.00", "0");
  for (const StepCost& cost : costs.traces) {
    line(std::filesystem::path(cost.trace).filename().string(), cost.step_us,
         fmt::format("{:.1f} %", 100 * cost.waiting_us / cost.step_us),
         fmt::format("{:.2f}", cost.rank_max_over_mean), std::to_string(cost.dead_experts));
  }
  text += "  of it wait: for ranks with more rows, mean of the ranks.\n";
  for (const StepCost& cost : costs.traces) {
    text += fmt::format("  {}\n", cost.routing);
    if (cost.missing) text += fmt::format("  {}\n", *cost.missing);
  }
  return text;
}

}  // namespace moesim::tools
