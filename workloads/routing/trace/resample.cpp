#include "workloads/routing/trace/resample.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"
#include "workloads/routing/counter_random.h"
#include "workloads/routing/trace/token_rows.h"
#include "workloads/routing/trace/trace_writer.h"

namespace moesim::workloads {

std::uint64_t resample(const RoutingTrace& trace, const ResampleSpec& spec,
                       const std::filesystem::path& out) {
  const TraceInfo& info = trace.info();
  if (!info.per_token) {
    throw sim::ConfigError(
        fmt::format("{}: holds counts; only tokens can be drawn again", info.file));
  }
  TraceMapping mapping;
  mapping.tokens = TokenMapping::Resample;
  mapping.mix = spec.mix;
  const TokenRows rows(trace, mapping, 1, spec.seed);
  TraceWriter writer(
      out, {.layers = info.layers,
            .experts = info.experts,
            .top_k = info.top_k,
            .model = info.model,
            .source = fmt::format("resampled from {}, seed {}",
                                  std::filesystem::path(info.file).filename().string(), spec.seed),
            .layer_ids = info.layer_ids,
            .domains = info.domains,
            .physical = info.physical});
  std::vector<ExpertId> ids;
  std::vector<std::uint32_t> requests, positions, phases, domains;
  std::vector<float> weights;
  std::uint64_t drawn = 0;
  for (std::uint64_t written = 0; written < spec.tokens; ++drawn) {
    const RequestRun& run = rows.drawn_run(drawn);
    const std::uint64_t count = std::min(run.count, spec.tokens - written);
    trace.read_ids(run.first, count, ids);
    if (info.has_weights) trace.read_weights(run.first, count, weights);
    trace.read_column(TokenColumn::Position, run.first, count, positions);
    trace.read_column(TokenColumn::Phase, run.first, count, phases);
    trace.read_column(TokenColumn::Domain, run.first, count, domains);
    requests.assign(count, static_cast<std::uint32_t>(drawn));
    writer.append({.ids = ids,
                   .weights = weights,
                   .requests = requests,
                   .positions = positions,
                   .phases = phases,
                   .domains = domains});
    written += count;
  }
  writer.close();
  return drawn;
}

}  // namespace moesim::workloads
