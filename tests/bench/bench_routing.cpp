// Routing and placement of DeepSeek-V3's size: 58 MoE layers, top-8 of 256 experts. The yardstick
// in the same run is copying the routing of a step, which nothing can do without.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "sim/random.h"
#include "workloads/placement/dispatch.h"
#include "workloads/placement/eplb.h"
#include "workloads/routing/laws/laws.h"

namespace {

using namespace moesim::workloads;

constexpr std::uint32_t kLayers = 58, kTokens = 16'384;

LawSpec spec() {
  return {.law = Law::LogNormal,
          .skew = 0.6,
          .layers = kLayers,
          .experts = 256,
          .top_k = 8,
          .tokens_per_step = kTokens};
}

LayerRouting one_layer() {
  LawSource source(spec());
  LayerRouting routing;
  source.route({0, 0, 0, kTokens}, routing);
  return routing;
}

void yardstick_copy(benchmark::State& state) {
  const LayerRouting routing = one_layer();
  for (auto unused : state) {
    (void)unused;
    for (std::uint32_t l = 0; l < kLayers; ++l) {
      LayerRouting copy = routing;
      benchmark::DoNotOptimize(copy.ids.data());
    }
  }
}
BENCHMARK(yardstick_copy)->Unit(benchmark::kMillisecond);

void law_step(benchmark::State& state) {
  LawSource source(spec());
  LayerRouting routing;
  std::uint32_t step = 0;
  for (auto unused : state) {
    (void)unused;
    for (std::uint32_t l = 0; l < kLayers; ++l) source.route({step, l, 0, kTokens}, routing);
    ++step;
  }
}
BENCHMARK(law_step)->Unit(benchmark::kMillisecond);

// Ranks in nodes of 8, ids of one byte as traces give them; the second number is 0: selections, 1:
// with tokens once a rank and once a node.
void dispatch_counts(benchmark::State& state) {
  const LayerRouting wide = one_layer();
  const std::vector<std::uint8_t> ids(wide.ids.begin(), wide.ids.end());
  RoutingView routing = wide;
  routing.ids = ids.data();
  const auto ranks = static_cast<std::uint32_t>(state.range(0));
  const auto placement = linear_placement({256, 0, ranks});
  const auto sources = even_sources(ranks, kTokens / ranks, 8);
  const bool unique = state.range(1) == 1;
  DispatchCounts counts;
  for (auto unused : state) {
    (void)unused;
    for (std::uint32_t l = 0; l < kLayers; ++l) {
      count_dispatch(routing, placement.layer(l), sources, {true, unique, unique}, counts);
    }
  }
}
BENCHMARK(dispatch_counts)->ArgsProduct({{32, 128}, {0, 1}})->Unit(benchmark::kMillisecond);

// 320 slots on 64 GPUs; 1: global, 8: hierarchical over 8 nodes.
void eplb(benchmark::State& state) {
  moesim::sim::Random random(1, "bench");
  LoadTable loads(kLayers, 256);
  for (std::uint64_t& load : loads.counts) {
    load = static_cast<std::uint64_t>(1000 * std::exp(random.normal()));
  }
  const auto nodes = static_cast<std::uint32_t>(state.range(0));
  for (auto unused : state) {
    (void)unused;
    benchmark::DoNotOptimize(eplb_placement(loads, {{256, 64, 64}, nodes, nodes}));
  }
}
BENCHMARK(eplb)->Arg(1)->Arg(8)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
