#include "workloads/routing/statistics/comparison.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "sim/error.h"
#include "workloads/routing/statistics/load_statistics.h"

namespace moesim::workloads {
namespace {

double between_halves(const TraceAnalysis& trace) {
  LoadTable halves[2] = {LoadTable(trace.loads.layers, trace.loads.experts),
                         LoadTable(trace.loads.layers, trace.loads.experts)};
  const std::size_t windows = trace.windows.size();
  if (windows < 2) return 0;
  for (std::size_t w = 0; w < windows; ++w) halves[2 * w / windows] += trace.windows[w].loads;
  return mean_js_distance(halves[0], halves[1]);
}

double sum_of(std::span<const std::uint64_t> loads) {
  return std::max(
      1.0, static_cast<double>(std::accumulate(loads.begin(), loads.end(), std::uint64_t{0})));
}

}  // namespace

TraceComparison compare(const TraceAnalysis& a, const TraceAnalysis& b, std::uint32_t moved) {
  if (a.info.layers != b.info.layers || a.info.experts != b.info.experts) {
    throw sim::ConfigError(fmt::format(
        "{} has {} layers of {} experts, {} has {} of {}: only traces of one model can be compared",
        a.info.file, a.info.layers, a.info.experts, b.info.file, b.info.layers, b.info.experts));
  }
  TraceComparison result;
  result.distance = mean_js_distance(a.loads, b.loads);
  result.within_a = between_halves(a);
  result.within_b = between_halves(b);
  for (std::uint32_t l = 0; l < a.info.layers; ++l) {
    const auto loads_a = a.loads.layer(l), loads_b = b.loads.layer(l);
    const double sum_a = sum_of(loads_a), sum_b = sum_of(loads_b);
    LayerComparison layer{a.info.layer_ids[l], js_distance(loads_a, loads_b), {}};
    for (std::uint32_t e = 0; e < a.info.experts; ++e) {
      layer.moved.push_back({static_cast<ExpertId>(e), static_cast<double>(loads_a[e]) / sum_a,
                             static_cast<double>(loads_b[e]) / sum_b});
    }
    std::stable_sort(layer.moved.begin(), layer.moved.end(),
                     [](const MovedExpert& x, const MovedExpert& y) {
                       return std::abs(x.share_a - x.share_b) > std::abs(y.share_a - y.share_b);
                     });
    layer.moved.resize(std::min<std::size_t>(moved, layer.moved.size()));
    result.layers.push_back(std::move(layer));
  }
  return result;
}

}  // namespace moesim::workloads
