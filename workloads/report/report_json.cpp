#include "workloads/report/report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "sim/check.h"
#include "sim/quantile.h"

namespace moesim::workloads {
namespace {

using sim::io::Json;

Json load_json(const LoadReport& load) {
  return {{"max_over_mean", load.max_over_mean},
          {"normalised_entropy", load.normalised_entropy},
          {"dead_experts", load.dead_experts}};
}

Json phases_json(const Report& report) {
  Json phases = Json::object();
  for (std::size_t i = 0; i < kPhases; ++i) {
    const PhaseReport& phase = report.phases[i];
    phases[std::string(kPhaseNames[i])] = {
        {"busy", phase.busy_us}, {"exposed", phase.exposed_us}, {"waiting", phase.waiting_us}};
  }
  return phases;
}

Json work_json(const Report& report) {
  Json work = Json::object();
  for (std::size_t i = 0; i < kPhases; ++i) {
    const PhaseReport& phase = report.phases[i];
    if (phase.flops == 0 && phase.memory_bytes == 0 && phase.network_bytes == 0) continue;
    work[std::string(kPhaseNames[i])] = {{"flop", phase.flops},
                                         {"memory_bytes", phase.memory_bytes},
                                         {"network_bytes", phase.network_bytes}};
  }
  return work;
}

Json extrapolated_json(const ExtrapolatedReport& extrapolated) {
  Json by_phase = Json::object(), reasons = Json::array();
  for (std::size_t i = 0; i < kPhases; ++i) {
    if (extrapolated.by_phase[i] > 0) {
      by_phase[std::string(kPhaseNames[i])] = extrapolated.by_phase[i];
    }
  }
  for (const auto& reason : extrapolated.reasons) {
    reasons.push_back({{"what", reason.what}, {"share", reason.share}});
  }
  return {{"share", extrapolated.share},
          {"by_phase", std::move(by_phase)},
          {"reasons", std::move(reasons)}};
}

// Hundreds of cells: key by key, since a list of pairs is first made an array of arrays.
Json time_json(const std::vector<TimeReport>& time) {
  Json cells = Json::array();
  for (const TimeReport& cell : time) {
    Json& one = cells.emplace_back(Json::object());
    one["layer"] = cell.layer;
    one["phase"] = cell.phase;
    one["reason"] = cell.reason;
    one["us"] = static_cast<double>(cell.ps) / 1e6;
  }
  return cells;
}

}  // namespace

Distribution distribution_of(std::vector<double> sample) {
  SIM_CHECK(!sample.empty(), "a distribution of nothing");
  std::sort(sample.begin(), sample.end());
  const auto quantile = [&](double q) { return sim::quantile_of_sorted(sample, q); };
  const double sum = std::accumulate(sample.begin(), sample.end(), 0.0);
  return {.mean = sum / static_cast<double>(sample.size()),
          .p50 = quantile(0.5),
          .p90 = quantile(0.9),
          .p99 = quantile(0.99)};
}

Distribution distribution_of(const std::vector<double>& sample,
                             const std::vector<double>& weights) {
  SIM_CHECK(sample.size() == weights.size(), "a weight for each value");
  if (std::ranges::all_of(weights, [](double w) { return w == 1; })) return distribution_of(sample);
  std::vector<std::pair<double, double>> sorted;
  double total = 0, sum = 0;
  for (std::size_t i = 0; i < sample.size(); ++i) {
    sorted.emplace_back(sample[i], weights[i]);
    total += weights[i];
    sum += weights[i] * sample[i];
  }
  std::ranges::sort(sorted);
  const auto quantile = [&](double q) {
    double below = 0;
    for (const auto& [value, weight] : sorted) {
      below += weight;
      if (below >= q * total) return value;
    }
    return sorted.back().first;
  };
  return {.mean = sum / total, .p50 = quantile(0.5), .p90 = quantile(0.9), .p99 = quantile(0.99)};
}

Json to_json(const Report& report, const Json& scenario) {
  Json json;
  json["schema_version"] = 1;
  json["scenario"] = scenario;
  json["title"] = report.title;
  json["what"] = report.what;
  json["gpus"] = report.gpus;
  json["steps"] = report.step_times_us.size();
  json["step_time_us"] = {{"mean", report.step_time_us.mean},
                          {"p50", report.step_time_us.p50},
                          {"p90", report.step_time_us.p90},
                          {"p99", report.step_time_us.p99}};
  json["throughput"] = {{"tokens_per_s", report.tokens_per_s},
                        {"tokens_per_s_per_gpu", report.tokens_per_s_per_gpu},
                        {"tokens_per_step", report.tokens_per_step}};
  json["phases_us"] = phases_json(report);
  json["idle_us"] = report.idle_us;
  json["work_per_step"] = work_json(report);
  const MemoryReport& memory = report.memory;
  json["memory"] = {{"weights_bytes", memory.weights},         {"kv_cache_bytes", memory.kv_cache},
                    {"activations_bytes", memory.activations}, {"buffers_bytes", memory.buffers},
                    {"context_bytes", memory.context},         {"peak_bytes", memory.peak},
                    {"capacity_bytes", memory.capacity},       {"fits", memory.fits}};
  if (!memory.advice.empty()) json["memory"]["advice"] = memory.advice;
  if (const auto& e = report.energy) {
    json["energy"] = {{"tokens", e->tokens},
                      {"gpu_w", e->gpu_w},
                      {"total_w", e->total_w},
                      {"gpu_j_per_token", e->gpu_j_per_token},
                      {"total_j_per_token", e->total_j_per_token},
                      {"tokens_per_joule", 1 / e->total_j_per_token},
                      {"error", e->error},
                      {"origin", e->origin},
                      {"source", e->source},
                      {"stand_ins", e->stand_ins}};
  }
  if (const auto& s = report.survives) {
    json["placement"]["survives"] = {{"any_gpu", s->any_gpu}, {"any_node", s->any_node}};
  }
  json["expert_load"] = load_json(report.expert_load);
  json["expert_load"]["per_layer"] = Json::array();
  for (const LayerReport& layer : report.layers) {
    Json entry{{"layer", layer.layer}};
    entry.update(load_json(layer.experts));
    entry["busiest"] = layer.busiest_expert;
    json["expert_load"]["per_layer"].push_back(std::move(entry));
  }
  json["rank_load"] = {{"max_over_mean", report.rank_max_over_mean}, {"per_layer", Json::array()}};
  for (const LayerReport& layer : report.layers) {
    json["rank_load"]["per_layer"].push_back({{"layer", layer.layer},
                                              {"max_over_mean", layer.rank_max_over_mean},
                                              {"busiest", layer.busiest_rank}});
  }
  json["links"] = Json::array();
  for (const LinkReport& link : report.links) {
    json["links"].push_back({{"name", link.name},
                             {"kind", link.kind},
                             {"bytes", link.bytes},
                             {"busy_fraction", link.busy_fraction}});
  }
  json["hottest_link"] = report.links.empty() ? Json(nullptr) : json["links"].front();
  json["time"] = time_json(report.time);
  json["bottleneck"] = Json::array();
  for (const BottleneckReport& part : report.bottleneck) {
    json["bottleneck"].push_back(
        {{"what", part.what}, {"time_us", part.time_us}, {"share", part.share}});
  }
  json["waited_for"] = Json::array();
  for (const WaitedForReport& one : report.waited_for) {
    json["waited_for"].push_back({{"rank", one.rank}, {"share", one.share}, {"speed", one.speed}});
  }
  json["interval"] = Json::object();
  for (const auto& [metric, interval] : report.interval) {
    json["interval"][metric] = {{"p10", interval.p10}, {"p90", interval.p90}};
  }
  for (const auto& [model, doubt] : report.doubt) {
    json["doubt"][model] = {{"us", doubt.us}, {"p10_us", doubt.p10_us}, {"p90_us", doubt.p90_us}};
  }
  json["extrapolated"] = extrapolated_json(report.extrapolated);
  json["stand_ins"] = Json::array();
  for (const StandInReport& one : report.stand_ins) {
    json["stand_ins"].push_back({{"kind", one.kind}, {"asked", one.asked}, {"used", one.used}});
  }
  json["carried_over"] = Json::array();
  for (const CarriedReport& one : report.carried_over) {
    json["carried_over"].push_back({{"kind", one.kind}, {"from", one.device}});
  }
  json["provenance"] = Json::array();
  for (const hardware::Provenance& provenance : report.provenance) {
    json["provenance"].push_back({{"origin", std::string(hardware::name_of(provenance.origin))},
                                  {"source", provenance.source}});
  }
  const Conservation& sums = report.conservation;
  json["conservation"] = {
      {"tokens", sums.tokens},         {"routed_tokens", sums.routed_tokens},
      {"selections", sums.selections}, {"missing_selections", sums.missing},
      {"expert_rows", sums.rows},      {"selections_away", sums.selections_away},
      {"copies", sums.copies},         {"copies_away", sums.copies_away}};
  json["routing"] = report.routing;
  json["defaults"] = report.defaults;
  json["notes"] = report.notes;
  json["manifest"] = {{"version", MOESIM_VERSION},
                      {"seed", report.seed},
                      {"command", report.command},
                      {"inputs", Json::array()}};
  for (const InputFile& input : report.inputs) {
    json["manifest"]["inputs"].push_back({{"path", input.path}, {"xxh64", input.hash}});
  }
  return json;
}

}  // namespace moesim::workloads
