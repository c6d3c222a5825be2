// What follows the ranks that talk and not the cluster that they are in, as ratios of the same run
// and CPU seconds: a small job in a large cluster, equal groups side by side, 16,384 ranks at once.
//   bench_network [nodes of the large cluster]
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <numeric>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/play.h"
#include "hardware/network/play_graph.h"
#include "hardware/network/topology.h"
#include "tests/support/all_to_all_sizes.h"
#include "workloads/exchange/exchange_question.h"
#include "workloads/scenario.h"
#include "workloads/step/player.h"
#include "workloads/step/step_question.h"

namespace {

using namespace moesim;
using namespace moesim::sim::literals;

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}
template <class Action>
double cpu_of(Action action) {
  const double start = cpu_seconds();
  action();
  return cpu_seconds() - start;
}
long peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss / 1024;
}

hardware::Cluster rails(std::int64_t nodes, const hardware::Cluster& like) {
  hardware::Cluster cluster = like;
  cluster.name = fmt::format("{} nodes", nodes);
  cluster.nodes = nodes;
  cluster.gpus_per_node = 8;
  cluster.scale_up = {hardware::ScaleUp::Kind::Switch, 450_GBps, 250ns};
  cluster.scale_out = {.fabric = hardware::ScaleOut::Fabric::RailOptimised,
                       .nics_per_node = 8,
                       .bandwidth = 400_Gbps,
                       .latency = 1us,
                       .host_bandwidth = {},
                       .nodes_per_leaf = 32,
                       .leaf_spine_latency = 450ns};
  cluster.topology = hardware::make_topology(cluster);
  return cluster;
}

// One step of 8 GPUs in a cluster of 16 nodes and in a large one, by turns.
void small_job(const workloads::Scenario& scenario, std::int64_t nodes) {
  const auto& like = scenario.deployment.cluster;
  const auto batch =
      workloads::step_kinds(std::get<workloads::StepQuestion>(scenario.question)).back().batch;
  workloads::Deployment small = scenario.deployment, large = scenario.deployment;
  small.cluster = rails(16, like);
  large.cluster = rails(nodes, like);
  for (const auto fidelity : {hardware::Fidelity::Bound, hardware::Fidelity::Fluid}) {
    small.network.fidelity = large.network.fidelity = fidelity;
    workloads::StepPlayer in_small(small, {.fullest = batch}), in_large(large, {.fullest = batch});
    double best_small = 1e9, best_large = 1e9;
    for (int i = 0; i < 30; ++i) {
      const auto plays = [&](workloads::StepPlayer& player) {
        return cpu_of([&] {
          for (int j = 0; j < 5; ++j) player.play(batch);
        });
      };
      best_small = std::min(best_small, plays(in_small) / 5);
      best_large = std::min(best_large, plays(in_large) / 5);
    }
    std::printf(
        "8 GPUs of %6lld, a step, %-5s          %8.3f ms; of 128 %8.3f ms; ratio %5.2f (must "
        "1.2)\n",
        static_cast<long long>(nodes) * 8,
        hardware::kFidelityNames[static_cast<std::size_t>(fidelity)].data(), best_large * 1e3,
        best_small * 1e3, best_large / best_small);
  }
}

struct Done final : sim::ExchangeListener {
  std::size_t count = 0;
  void rank_done(sim::ExchangeId, sim::Rank) override { ++count; }
};

// Groups of 128 with the same skewed matrix, beside each other.
void equal_groups(const hardware::Cluster& like) {
  const hardware::Cluster cluster = rails(128, like);
  hardware::ClusterNetwork network(cluster.topology);
  const sim::Exchange one = testing::all_to_all(128, 1 << 20, true);
  const auto groups_of = [&](std::uint32_t groups) {
    std::vector<sim::Exchange> all(groups, one);
    for (std::uint32_t g = 0; g < groups; ++g) {
      for (auto& rank : all[g].participants) rank += g * 128;
      for (auto& transfer : all[g].transfers) {
        transfer.source += g * 128;
        transfer.destination += g * 128;
      }
    }
    return all;
  };
  const auto cpu = [&](const std::vector<sim::Exchange>& all) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
      best = std::min(best, cpu_of([&] {
                        sim::Engine engine;
                        Done done;
                        const auto model =
                            hardware::make_network_model(network, hardware::Fidelity::Fluid, engine,
                                                         hardware::kDefaultTolerance, all);
                        for (sim::ExchangeId id = 0; id < all.size(); ++id) {
                          for (const auto rank : all[id].participants) {
                            model->arrive(id, all[id], rank, done);
                          }
                        }
                        engine.run();
                        if (done.count != all.size() * 128) std::abort();
                      }));
    }
    return best;
  };
  const double alone = cpu(groups_of(1)), together = cpu(groups_of(8));
  std::printf(
      "8 groups of 128, fluid, tolerance 1 %%    %8.3f ms; one %12.3f ms; ratio %5.2f (must 8)\n",
      together * 1e3, alone * 1e3, together / alone);
  // As the parts of a graph, which are found to be equal and played once.
  sim::OpGraph graph(1024);
  const sim::LabelId label = graph.add_label({});
  for (sim::Exchange& exchange : groups_of(8)) {
    const std::vector<sim::Rank> ranks = exchange.participants;
    const sim::ExchangeId id = graph.add_exchange(std::move(exchange));
    for (const sim::Rank rank : ranks) graph.add_part(id, rank, 0, label, {});
  }
  const double folded = cpu_of([&] {
    if (hardware::play_graph(network, graph, hardware::Fidelity::Fluid).played != 1) std::abort();
  });
  std::printf("the same as parts of a graph             %8.3f ms; ratio %5.2f (aim 1)\n",
              folded * 1e3, folded / alone);
}

void many_ranks(const hardware::Cluster& like, std::int64_t nodes) {
  const hardware::Cluster cluster = rails(nodes, like);
  for (const char* const algorithm : {"all_reduce_ring", "direct"}) {
    const double cpu = cpu_of([&] {
      const auto priced = workloads::make_exchange(cluster, {.ranks = nodes * 8,
                                                             .algorithm = algorithm,
                                                             .each_pair = 1_MB,
                                                             .buffer = 1_GB,
                                                             .tokens = {}});
      hardware::play_exchange(cluster, priced.exchange, hardware::Fidelity::Bound);
    });
    std::printf("%-16s among %6lld, bound      %8.3f s, peak %ld MiB (must 4096)\n", algorithm,
                static_cast<long long>(nodes) * 8, cpu, peak_mib());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::int64_t nodes = argc > 1 ? std::atoll(argv[1]) : 2048;
  const auto scenario =
      workloads::load_scenario("configs/scenarios/llama-2-70b-decode-h100.yaml", {});
  equal_groups(scenario.deployment.cluster);
  small_job(scenario, nodes);
  many_ranks(scenario.deployment.cluster, nodes);
  return 0;
}
