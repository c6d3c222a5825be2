#include "tools/moesim/placement/study.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/model/counts.h"
#include "workloads/placement/balanced.h"
#include "workloads/run.h"

namespace moesim::tools {
namespace {

using namespace workloads;

// Bytes of cache that a token of a sequence takes on a GPU.
double cache_bytes_per_token(const PlacementStudy& study, const Report& report) {
  std::int64_t tokens = 0;
  for (const BatchShape& part : study.scenario.step()->ranks.front()) {
    tokens += part.sequences * part.kv_length;
  }
  return static_cast<double>(report.memory.kv_cache) / static_cast<double>(tokens);
}

EplbShape shape_of(const PlacementStudy& study, std::uint32_t redundant) {
  return {{study.experts, redundant, study.sources.ranks()}, study.groups, study.sources.nodes()};
}

PlacementEvidence evidence_of(const PlacementStudy& study, RoutingSource& source,
                              const std::string& name, std::uint32_t window) {
  if (!needs_evidence(name)) return {};
  const auto steps = static_cast<std::uint32_t>(study.scenario.step()->count);
  return gather_evidence(
      source, {{0, study.sources}},
      {.first_step = window * steps, .steps = steps, .pairs = needs_pairs(name)});
}

// Placements of successive windows: how they age, and what moving from one to the next takes.
void age(const PlacementStudy& study, RoutingSource& source, PlacementEntry& entry) {
  const auto steps = static_cast<std::uint32_t>(study.scenario.step()->count);
  std::vector<ExpertPlacement> made;
  std::vector<LoadTable> loads;
  for (std::uint32_t w = 0; w < study.windows; ++w) {
    made.push_back(make_placement(entry.name, shape_of(study, entry.redundant),
                                  evidence_of(study, source, entry.name, w)));
    loads.push_back(read_window_loads(source, study.sources, {w * steps, steps}));
  }
  std::vector<double> aged(study.windows), counted(study.windows);
  for (std::uint32_t made_on = 0; made_on < study.windows; ++made_on) {
    for (std::uint32_t used_on = made_on; used_on < study.windows; ++used_on) {
      aged[used_on - made_on] += rank_max_over_mean(made[made_on], loads[used_on]);
      counted[used_on - made_on] += 1;
    }
  }
  for (std::uint32_t old = 0; old < study.windows; ++old) aged[old] /= counted[old];
  for (std::uint32_t w = 1; w < study.windows; ++w) {
    const auto moves = weight_moves(made[w - 1], made[w], study.layers, study.sources);
    WeightMoves& most = entry.moves;
    most.busiest_network = std::max(most.busiest_network, moves.busiest_network);
    most.busiest_nvlink = std::max(most.busiest_nvlink, moves.busiest_nvlink);
    most.total = std::max(most.total, moves.total);
    most.over_network = std::max(most.over_network, moves.over_network);
  }
  entry.move_us = move_time_us(entry.moves, study.expert_bytes, study.scenario.deployment.cluster);
  const auto& experts = entry.report.phases[static_cast<std::size_t>(Phase::Experts)];
  entry.intervals = rebalance_intervals({.aged = aged,
                                         .made_on_next = entry.score.rank_max_over_mean,
                                         .step_us = entry.report.step_time_us.mean,
                                         .balanced_us = experts.busy_us,
                                         .steps_per_window = steps,
                                         .move_us = entry.move_us});
}

}  // namespace

PlacementStudy placement_study(Scenario scenario, std::uint32_t windows) {
  PlacementStudy study{.scenario = std::move(scenario), .sources = {}};
  const Scenario& s = study.scenario;
  const MoeFfn& moe = *s.deployment.model.largest_moe();
  if (s.deployment.layout.tp != 1 || s.deployment.layout.pp != 1 || s.deployment.layout.cp != 1 ||
      s.deployment.layout.dp != s.deployment.layout.ep) {
    throw sim::ConfigError(
        "moesim placement: expected parallelism of dp = ep alone; for another, `placement:` in a "
        "scenario of moesim run");
  }
  study.layers = static_cast<std::uint32_t>(s.deployment.model.moe_layers().size());
  study.experts = static_cast<std::uint32_t>(moe.experts);
  study.groups = static_cast<std::uint32_t>(moe.router.groups);
  const std::int64_t tokens = tokens_of(s.step()->ranks.front());
  study.sources = even_sources(static_cast<std::uint32_t>(s.deployment.layout.ep),
                               static_cast<std::uint32_t>(tokens),
                               static_cast<std::uint32_t>(s.deployment.cluster.gpus_per_node));
  study.copy_bytes = static_cast<double>(moe.dispatch_width(s.deployment.model.hidden)) *
                     (hardware::bytes_per_element(s.deployment.formats.dispatch) +
                      hardware::bytes_per_element(s.deployment.formats.combine));
  const std::int64_t first = s.deployment.model.moe_layers().front();
  study.expert_bytes =
      static_cast<double>(
          layer_params(s.deployment.model.layer(first), s.deployment.model.hidden).expert) *
      hardware::bytes_per_element(s.deployment.formats.experts);
  study.windows = windows;
  const RoutingTrace trace = RoutingTrace::open(s.deployment.routing.trace);
  const TraceInfo& info = trace.info();
  const std::uint64_t held = tokens_of(trace, s.deployment.routing.mapping.phase);
  const std::uint64_t taken = std::uint64_t{study.sources.begin.back()} *
                              static_cast<std::uint64_t>(s.step()->count) * windows;
  const TokenMapping mapped = s.deployment.routing.mapping.tokens;
  if (info.per_token && s.deployment.routing.mapping.experts == ExpertMapping::Exact &&
      mapped != TokenMapping::Exact && taken > held) {
    study.notes.push_back(fmt::format(
        "the {} windows take {} tokens of a trace of {}: they {}, so placements age and move less "
        "than they would",
        windows, taken, held,
        mapped == TokenMapping::Repeat ? "repeat each other" : "draw its requests again"));
  }
  return study;
}

std::unique_ptr<RoutingSource> open_source(const PlacementStudy& study) {
  const Scenario& s = study.scenario;
  return open_trace_source(
      s.deployment.routing.trace,
      {.layers = study.layers,
       .experts = study.experts,
       .top_k = static_cast<std::uint32_t>(s.deployment.model.largest_moe()->top_k),
       .tokens_per_step = study.sources.begin.back(),
       .steps = static_cast<std::uint32_t>(s.step()->count) * study.windows,
       .seed = s.deployment.seed},
      s.deployment.routing.mapping);
}

PlacementEntry judge(const PlacementStudy& study, RoutingSource& source, const std::string& name,
                     std::uint32_t redundant) {
  PlacementEntry entry;
  entry.name = name;
  entry.redundant = redundant;
  const auto placement =
      make_placement(name, shape_of(study, redundant), evidence_of(study, source, name, 1));
  entry.score = evaluate(placement, source, study.sources,
                         {0, static_cast<std::uint32_t>(study.scenario.step()->count)});
  Scenario scenario = study.scenario;
  scenario.deployment.placement = {.experts = name, .file = {}, .redundant = redundant};
  entry.report = run(scenario).report;
  entry.replica_bytes = study.expert_bytes * study.layers * redundant / study.sources.ranks();
  entry.replica_kv_tokens = entry.replica_bytes / cache_bytes_per_token(study, entry.report);
  if (needs_evidence(name)) age(study, source, entry);
  return entry;
}

}  // namespace moesim::tools
