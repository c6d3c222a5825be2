#include "workloads/run.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "hardware/network/network_model.h"
#include "sim/io/file_kind.h"
#include "sim/workers.h"
#include "workloads/deployment/layout_rules.h"
#include "workloads/memory/dispatch_limit.h"
#include "workloads/memory/step_memory.h"
#include "workloads/report/describe.h"
#include "workloads/report/energy.h"
#include "workloads/report/input_hash.h"
#include "workloads/report/summary.h"
#include "workloads/routing/trace/missing.h"
#include "workloads/routing/trace/trace_cache.h"
#include "workloads/run_serving.h"
#include "workloads/run_training.h"
#include "workloads/step/player.h"
#include "workloads/step/read_step.h"
#include "workloads/step/token_kernels.h"
#include "workloads/training/training_report.h"

namespace moesim::workloads {

std::vector<InputFile> inputs_of(const Scenario& scenario) {
  const Inputs& named = scenario.inputs;
  const Deployment& d = scenario.deployment;
  std::vector<std::filesystem::path> files{named.scenario, named.model, named.cluster};
  const auto& device = d.cluster.device.files;
  files.insert(files.end(), device.begin(), device.end());
  files.push_back(named.engine);
  files.push_back(d.routing.trace);
  files.push_back(d.placement.file);
  sim::io::FileHashes* hashes = named.hashes.get();
  if (hashes == nullptr && d.routing.cache) hashes = d.routing.cache->hashes().get();
  std::vector<InputFile> inputs;
  for (const std::filesystem::path& file : files) {
    if (!file.empty() && sim::io::is_file(file))
      inputs.push_back({.path = file.generic_string(), .hash = hash_of_file(file, hashes)});
  }
  return inputs;
}

void write_scenario(const Scenario& scenario, Report& report) {
  report.title = scenario.name;
  report.seed = scenario.deployment.seed;
  report.notes = scenario.deployment.model.notes;
  report.defaults = scenario.inputs.defaults;
  report.inputs = inputs_of(scenario);
}

std::optional<SurvivesReport> survives_of(const StepPlayer& player, const Deployment& d) {
  const auto survival = player.survival();
  if (!survival) return {};
  return SurvivesReport{.any_gpu = survival->any_gpu,
                        .any_node = survival->any_node,
                        .replicas = d.placement.redundant > 0 || !d.placement.file.empty()};
}

namespace {

template <typename T>
T part(T amount, double weight) {
  if (weight == 1) return amount;
  return T(std::llround(static_cast<double>(amount.count()) * weight));
}

using LinkUses = std::map<hardware::LinkId, hardware::LinkUse>;

void add_use(LinkUses& sum, const std::vector<hardware::LinkUse>& step, double weight) {
  for (const hardware::LinkUse& use : step) {
    const auto [link, is_new] = sum.try_emplace(use.link, use);
    if (is_new) link->second.bytes = {}, link->second.busy = {};
    link->second.bytes += part(use.bytes, weight);
    link->second.busy += part(use.busy, weight);
  }
}

void write_links(const LinkUses& uses, double total_us, Report& report) {
  for (const auto& [id, link] : uses) {
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

struct Played {
  StepOutcome outcome;
  std::optional<Recording> recording = {};
};

Played play(StepPlayer& player, const Batch& batch, std::int64_t step, bool record) {
  if (!record) return {player.outcome(batch, step, {.ranks = true, .path = false, .links = true})};
  PlayedStep played = player.play(batch, step);
  StepOutcome outcome = outcome_of(played);
  return {std::move(outcome), Recording{std::move(played.built.graph), std::move(played.timeline)}};
}

// One for each thread. The first of them names what a report points to.
std::vector<StepPlayer> players_of(StepPlayer first, std::size_t count) {
  std::vector<StepPlayer> players;
  players.push_back(std::move(first));
  while (players.size() < count) players.push_back(players.front().another());
  return players;
}

RunResult run_steps(const Scenario& scenario, const StepQuestion& question,
                    const RunOptions& options) {
  const Deployment& d = scenario.deployment;
  const std::vector<StepKind> kinds = step_kinds(question);
  const Batch& fullest = kinds.back().batch;
  check_dispatch(d, fullest);
  StepPlayer player(d, {.fullest = fullest, .routing_steps = question.count});

  RunResult result;
  Report& report = result.report;
  write_scenario(scenario, report);
  report.what = describe(d, question);
  report.gpus = d.layout.gpus();
  report.routing = player.routing();
  for (std::string& note : notes_of(d.engine)) report.notes.push_back(std::move(note));
  for (std::string& note : block_notes(d.engine, d.model, d.layout, d.formats)) {
    report.notes.push_back(std::move(note));
  }
  if (auto note = note_of_context(d, question)) report.notes.push_back(std::move(*note));
  if (!has_prompts(fullest)) {
    if (auto note = note_of_large_decodes(d, most_tokens(fullest)))
      report.notes.push_back(std::move(*note));
  }

  Summary summary;
  LinkUses use;
  double total_us = 0;
  const auto count = static_cast<std::size_t>(question.count) * kinds.size();
  std::vector<StepPlayer> players =
      players_of(std::move(player), std::clamp<std::size_t>(options.threads, 1, count));
  const auto step_of = [&](std::size_t i) { return static_cast<std::int64_t>(i / kinds.size()); };
  sim::in_order(
      players.size(), count,
      [&](std::size_t thread, std::size_t i) {
        return play(players[thread], kinds[i % kinds.size()].batch, step_of(i),
                    options.keep_timeline && step_of(i) == 0);
      },
      [&](std::size_t i, Played played) {
        if (options.progress) options.progress(step_of(i), question.count);
        const StepKind& kind = kinds[i % kinds.size()];
        summary.add(played.outcome, kind.output * static_cast<double>(d.layout.dp), kind.weight);
        total_us += kind.weight * sim::to_us(played.outcome.whole);
        add_use(use, played.outcome.links, kind.weight);
        if (played.recording) result.recording = std::move(played.recording);  // the fullest's
      });
  summary.write(d, report);
  report.survives = survives_of(players.front(), d);
  if (report.tokens_per_s > 0)
    report.energy = energy_of(report, d, has_prompts(fullest) ? "prompt" : "output");
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

// What a step of training does not tell: links carry what is not played, too, parts of a step are
// told by pipeline rank and not by layer, and who is waited for is one of a group that stands for
// many. What is not known is left out: no number, and no empty list, says "none".
void leave_out_of_training(const Report& report, sim::io::Json& json) {
  for (const char* key : {"links", "hottest_link", "time", "waited_for"}) json.erase(key);
  for (const char* key : {"selections_away", "copies", "copies_away"})
    json["conservation"].erase(key);
  for (auto& phase : json["work_per_step"]) phase.erase("network_bytes");
  if (!report.layers.empty()) return;
  for (const char* key : {"expert_load", "rank_load"}) json.erase(key);
}

}  // namespace

sim::io::Json to_json(const RunResult& result, const Scenario& scenario) {
  sim::io::Json json = to_json(result.report, resolved(scenario));
  if (result.training) leave_out_of_training(result.report, json);
  if (result.serving) json["serving"] = serving::to_json(result.serving->report);
  if (result.training) json["training"] = to_json(*result.training);
  return json;
}

RunResult run(const Scenario& scenario, const RunOptions& options) {
  if (const StepQuestion* steps = scenario.step()) return run_steps(scenario, *steps, options);
  if (scenario.training() != nullptr) return run_training(scenario, options);
  return run_serving(scenario, options);
}

}  // namespace moesim::workloads
