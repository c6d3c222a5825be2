#include "workloads/run.h"

#include <algorithm>
#include <cmath>

#include "hardware/network/network_model.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "workloads/input_hash.h"
#include "workloads/provenance.h"
#include "workloads/serving_memory.h"
#include "workloads/step/layer_routes.h"
#include "workloads/step/step_builder.h"
#include "workloads/summary.h"

namespace moesim::workloads {
namespace {

// The instant at which what was before `first_op` is done: the end of the step that fills a
// pipeline.
sim::Time end_before(const sim::Timeline& timeline, sim::OpId first_op) {
  sim::Time end{};
  for (sim::OpId id = 0; id < first_op; ++id) end = std::max(end, timeline.spans[id].end);
  return end;
}

std::vector<InputFile> hash_inputs(const Scenario& scenario) {
  std::vector<std::filesystem::path> files{scenario.file, scenario.model_file,
                                           scenario.cluster_file};
  const auto& device = scenario.cluster.device.files;
  files.insert(files.end(), device.begin(), device.end());
  files.push_back(scenario.engine_file);
  files.push_back(scenario.routing.trace);
  files.push_back(scenario.placement.file);
  std::vector<InputFile> inputs;
  for (const std::filesystem::path& file : files) {
    if (!file.empty() && std::filesystem::is_regular_file(file)) {
      inputs.push_back({.path = file.generic_string(), .hash = hash_of_file(file)});
    }
  }
  return inputs;
}

template <typename T>
T part(T amount, double weight) {
  if (weight == 1) return amount;
  return T(std::llround(static_cast<double>(amount.count()) * weight));
}

// Both of one topology, in its order.
void add_use(std::vector<hardware::LinkUse>& sum, std::vector<hardware::LinkUse> step,
             double weight) {
  if (sum.empty()) {
    sum = step;
    for (hardware::LinkUse& link : sum) {
      link.bytes = {};
      link.busy = {};
    }
  }
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i].bytes += part(step[i].bytes, weight);
    sum[i].busy += part(step[i].busy, weight);
  }
}

void write_links(const std::vector<hardware::LinkUse>& use, double total_us, Report& report) {
  for (const hardware::LinkUse& link : use) {
    if (link.bytes == sim::Bytes{}) continue;
    report.links.push_back({.name = link.name,
                            .kind = std::string(hardware::name_of(link.kind)),
                            .bytes = link.bytes.count(),
                            .busy_fraction = sim::to_us(link.busy) / total_us});
  }
  std::stable_sort(report.links.begin(), report.links.end(),
                   [](const auto& a, const auto& b) { return a.busy_fraction > b.busy_fraction; });
}

}  // namespace

RunResult run(const Scenario& scenario, const RunOptions& options) {
  const RankLayout layout(scenario.parallelism);
  const hardware::Kernels kernels(scenario.cluster.device, scenario.kernels);
  const Communication communication(scenario.cluster, scenario.all_reduce, scenario.all_to_all,
                                    scenario.precision.dispatch, scenario.precision.combine);
  const std::int64_t steps = scenario.step.count;
  const std::vector<StepKind> kinds = step_kinds(scenario.step);
  const LayerRoutes routes(scenario, split_step(scenario, layout, kinds.back().prompts),
                           steps - 1 + StepBuilder::rounds(scenario));
  StepBuilder builder(scenario, layout, kernels, communication, routes);

  RunResult result;
  Report& report = result.report;
  report.title = scenario.name;
  report.gpus = scenario.parallelism.gpus();
  report.seed = scenario.seed;
  report.routing = routes.description();
  report.notes = scenario.model.notes;
  report.inputs = hash_inputs(scenario);
  report.provenance = provenance_of(scenario);

  Summary summary;
  std::vector<hardware::LinkUse> use;
  double total_us = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    if (options.progress) options.progress(step, steps);
    for (std::size_t kind = 0; kind < kinds.size(); ++kind) {
      BuiltStep built = builder.build(static_cast<std::uint32_t>(step), kind);
      sim::Engine engine;
      const auto network = hardware::make_network_model(scenario.cluster, scenario.network, engine,
                                                        scenario.tolerance);
      sim::Timeline timeline = sim::execute(built.graph, engine, *network);
      summary.add(built, timeline, end_before(timeline, built.first_op), kinds[kind].weight);
      total_us += kinds[kind].weight * sim::to_us(timeline.finish.time_since_epoch());
      add_use(use, network->link_use(), kinds[kind].weight);
      if (options.keep_timeline && step == 0) {  // of the fullest kind
        result.recording = Recording{std::move(built.graph), std::move(timeline)};
      }
    }
  }
  summary.write(report);
  write_links(use, total_us, report);
  report.memory = memory_of(scenario, summary.most_rows());
  const Parallelism& p = scenario.parallelism;
  if (!report.memory.fits && scenario.model.is_moe() && p.ep * p.etp == 1 && p.gpus() > p.pp) {
    report.notes.push_back(
        "each GPU holds every expert of its layers: parallelism.ep, or etp, divides them");
  }
  return result;
}

}  // namespace moesim::workloads
