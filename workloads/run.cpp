#include "workloads/run.h"

#include <algorithm>
#include <cmath>

#include "hardware/network/network_model.h"
#include "workloads/memory/step_memory.h"
#include "workloads/placement/model_layout.h"
#include "workloads/report/describe.h"
#include "workloads/report/input_hash.h"
#include "workloads/report/summary.h"
#include "workloads/routing/trace/missing.h"
#include "workloads/step/player.h"
#include "workloads/step/read_step.h"

namespace moesim::workloads {
namespace {

std::vector<InputFile> hash_inputs(const Scenario& scenario) {
  const Inputs& named = scenario.inputs;
  const Deployment& d = scenario.deployment;
  std::vector<std::filesystem::path> files{named.scenario, named.model, named.cluster};
  const auto& device = d.cluster.device.files;
  files.insert(files.end(), device.begin(), device.end());
  files.push_back(named.engine);
  files.push_back(d.routing.trace);
  files.push_back(d.placement.file);
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

MemoryReport memory_row(const MemoryPlan& plan) {
  const GpuMemory& gpu = plan.gpu();
  return {.weights = gpu.weights(),
          .kv_cache = gpu.kv_cache,
          .activations = gpu.activations,
          .buffers = gpu.buffers + gpu.graphs,
          .context = gpu.context,
          .peak = gpu.peak(),
          .capacity = plan.capacity,
          .fits = plan.fits()};
}

RunResult run_steps(const Scenario& scenario, const StepQuestion& question,
                    const RunOptions& options) {
  const Deployment& d = scenario.deployment;
  const std::vector<StepKind> kinds = step_kinds(question);
  const Batch& fullest = kinds.back().batch;
  StepPlayer player(d, {.fullest = fullest, .routing_steps = question.count});

  RunResult result;
  Report& report = result.report;
  report.title = scenario.name;
  report.what = describe(d, question);
  report.gpus = d.layout.gpus();
  report.seed = d.seed;
  report.routing = player.routing();
  report.notes = d.model.notes;
  for (std::string& note : notes_of(d.engine)) report.notes.push_back(std::move(note));
  for (std::string& note : cut_blocks(d.model, d.layout, d.formats)) {
    report.notes.push_back(std::move(note));
  }
  if (auto note = note_of_context(d, question)) report.notes.push_back(std::move(*note));
  report.defaults = scenario.inputs.defaults;
  report.inputs = hash_inputs(scenario);

  Summary summary;
  std::vector<hardware::LinkUse> use;
  double total_us = 0;
  for (std::int64_t step = 0; step < question.count; ++step) {
    if (options.progress) options.progress(step, question.count);
    for (const StepKind& kind : kinds) {
      PlayedStep played = player.play(kind.batch, step);
      summary.add(played, kind.output * static_cast<double>(d.layout.dp), kind.weight);
      total_us += kind.weight * sim::to_us(played.timeline.finish.time_since_epoch());
      add_use(use, std::move(played.links), kind.weight);
      if (options.keep_timeline && step == 0) {  // of the fullest kind
        result.recording = Recording{std::move(played.built.graph), std::move(played.timeline)};
      }
    }
  }
  summary.write(d, report);
  if (auto note = note_of_missing({report.conservation.selections, report.conservation.missing},
                                  d.routing.trace, d.routing.mapping)) {
    report.notes.push_back(std::move(*note));
  }
  write_links(use, total_us, report);
  const MemoryPlan plan = plan_step_memory(d, fullest, summary.most_rows());
  report.memory = memory_row(plan);
  if (!plan.fits()) report.memory.advice = advice_of(d, fullest, plan);
  return result;
}

}  // namespace

RunResult run(const Scenario& scenario, const RunOptions& options) {
  return std::visit(
      [&](const StepQuestion& question) { return run_steps(scenario, question, options); },
      scenario.question);
}

}  // namespace moesim::workloads
