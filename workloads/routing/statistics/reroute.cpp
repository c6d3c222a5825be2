#include "workloads/routing/statistics/reroute.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "sim/error.h"
#include "workloads/routing/laws/gating.h"
#include "workloads/routing/statistics/spread.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {
namespace {

void check(const RoutingTrace& trace, const RerouteRules& rules, std::uint32_t top_k) {
  const TraceInfo& info = trace.info();
  if (!info.has_gate_scores) {
    throw sim::ConfigError(fmt::format(
        "{}: has no gate scores (/gate_scores), so no other choice can be told", info.file));
  }
  if (top_k > info.experts || rules.groups == 0 || info.experts % rules.groups != 0 ||
      rules.groups_per_token == 0 || rules.groups_per_token > rules.groups ||
      info.experts / rules.groups * rules.groups_per_token < top_k) {
    throw sim::ConfigError(
        fmt::format("{} of {} experts, in {} of {} groups: that cannot be chosen", top_k,
                    info.experts, rules.groups_per_token, rules.groups));
  }
}

LayerRouting choose(const GateScores& gates, const RerouteRules& rules, std::uint32_t top_k) {
  if (rules.expert_choice) return choose_by_experts(gates, top_k, 2 * top_k);
  return choose_in_groups(gates, top_k, rules.groups, rules.groups_per_token);
}

}  // namespace

RerouteResult reroute(const RoutingTrace& trace, const RerouteRules& rules,
                      const std::filesystem::path& out) {
  const TraceInfo& info = trace.info();
  const std::uint32_t top_k = rules.top_k == 0 ? info.top_k : rules.top_k;
  check(trace, rules, top_k);
  const std::uint32_t stored = rules.expert_choice ? std::min(2 * top_k, info.experts) : top_k;
  std::unique_ptr<TraceWriter> writer;
  if (!out.empty()) {
    writer = std::make_unique<TraceWriter>(
        out, TraceHeader{
                 .layers = info.layers,
                 .experts = info.experts,
                 .top_k = stored,
                 .model = info.model,
                 .source = "rerouted from " + std::filesystem::path(info.file).filename().string(),
                 .layer_ids = info.layer_ids,
                 .domains = info.domains});
  }
  std::vector<float> bias(std::size_t{info.layers} * info.experts);
  if (rules.recorded_bias && info.has_gate_bias) bias = trace.gate_bias();
  RerouteResult result;
  std::vector<float> scores, layer_scores;
  std::vector<ExpertId> recorded, ids;
  std::vector<std::uint32_t> requests, positions, phases, domains;
  std::uint64_t kept = 0, compared = 0;
  for (std::uint32_t pass = 0; pass < rules.passes; ++pass) {
    const bool last = pass + 1 == rules.passes;
    result.loads = LoadTable(info.layers, info.experts);
    result.dropped = result.selections = 0;
    for (std::uint64_t first = 0; first < info.tokens; first += rules.batch) {
      const auto count =
          static_cast<std::uint32_t>(std::min<std::uint64_t>(rules.batch, info.tokens - first));
      trace.read_gate_scores(first, count, scores);
      trace.read_ids(first, count, recorded);
      ids.assign(std::size_t{count} * info.layers * stored, kMissingExpert);
      double spread = 0;
      for (std::uint32_t l = 0; l < info.layers; ++l) {
        layer_scores.resize(std::size_t{count} * info.experts);
        for (std::uint32_t t = 0; t < count; ++t) {
          std::copy_n(scores.data() + (std::size_t{t} * info.layers + l) * info.experts,
                      info.experts, layer_scores.data() + std::size_t{t} * info.experts);
        }
        const auto mine = std::span(bias).subspan(std::size_t{l} * info.experts, info.experts);
        LayerRouting routing = choose({count, info.experts, layer_scores, mine}, rules, top_k);
        const auto wanted = expert_counts(routing);
        if (rules.capacity_factor > 0)
          result.dropped += drop_over_capacity(routing, rules.capacity_factor);
        if (rules.bias_rate > 0) step_bias(mine, wanted, rules.bias_rate);
        const std::vector<std::uint64_t> wide(wanted.begin(), wanted.end());
        spread += spread_of(wide).max_over_mean / info.layers;
        const auto loads = result.loads.layer(l);
        for (std::uint32_t t = 0; t < count; ++t) {
          const ExpertId* before =
              recorded.data() + (std::size_t{t} * info.layers + l) * info.top_k;
          ExpertId* to = ids.data() + (std::size_t{t} * info.layers + l) * stored;
          for (std::uint32_t k = 0; k < stored; ++k) {
            const ExpertId id = routing.ids[std::size_t{t} * stored + k];
            to[k] = id;
            if (id == kMissingExpert) continue;
            ++loads[id];
            ++result.selections;
            if (last) kept += std::find(before, before + info.top_k, id) != before + info.top_k;
          }
          if (last) compared += info.top_k;
        }
      }
      result.max_over_mean.push_back(spread);
      if (!last || !writer) continue;
      trace.read_column(TokenColumn::Request, first, count, requests);
      trace.read_column(TokenColumn::Position, first, count, positions);
      trace.read_column(TokenColumn::Phase, first, count, phases);
      trace.read_column(TokenColumn::Domain, first, count, domains);
      writer->append({.ids = ids,
                      .requests = requests,
                      .positions = positions,
                      .phases = phases,
                      .domains = domains});
    }
  }
  if (writer) writer->close();
  result.tokens = info.tokens;
  result.same = compared == 0 ? 0 : static_cast<double>(kept) / static_cast<double>(compared);
  return result;
}

}  // namespace moesim::workloads
