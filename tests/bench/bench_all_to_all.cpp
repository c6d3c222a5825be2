// All-to-alls on the fluid network, a table: wall seconds, completion, events, rate computations
// and flows touched. The platform: nodes of 8 devices, 450 GB/s each way to a switch (250 ns a
// link), a 400 Gbit/s rail each to a fabric that never limits (500 ns a link).
//   bench_all_to_all [most ranks [repeats]]
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include "hardware/network/cluster_network.h"
#include "hardware/network/network_model.h"
#include "hardware/network/topology.h"
#include "tests/support/all_to_all_sizes.h"

namespace {

using namespace moesim;
using namespace moesim::sim::literals;

struct LastDone final : sim::ExchangeListener {
  sim::Engine& engine;
  sim::Time last{};
  std::size_t count = 0;
  explicit LastDone(sim::Engine& e) : engine(e) {}
  void rank_done(sim::ExchangeId, sim::Rank) override {
    last = engine.now();
    ++count;
  }
};

hardware::Cluster platform(std::uint32_t ranks) {
  hardware::Cluster cluster;
  cluster.nodes = ranks / 8;
  cluster.gpus_per_node = 8;
  cluster.scale_up = {hardware::ScaleUp::Kind::Switch, 450_GBps, 250ns};
  cluster.scale_out.fabric = hardware::ScaleOut::Fabric::NonBlocking;
  cluster.scale_out.nics_per_node = 8;
  cluster.scale_out.bandwidth = 400_Gbps;
  cluster.scale_out.latency = 500ns;
  cluster.topology = hardware::make_topology(cluster);
  return cluster;
}

struct Case {
  const char* name;
  std::uint32_t ranks;
  bool skewed;
  double tolerance;
  double must, aim;     // seconds
  double reference_us;  // SimGrid 3.32 on the same platform
};

constexpr Case kCases[] = {
    {"uniform", 64, false, 0, 0.02, 0.005, 1175.405},
    {"uniform", 128, false, 0, 0.05, 0.01, 2517.582},
    {"uniform", 256, false, 0, 0.2, 0.03, 5201.937},
    {"uniform", 1024, false, 0, 3, 0.5, 21308.064},
    {"skewed", 64, true, 0.01, 0.02, 0.005, 3073.635},
    {"skewed", 128, true, 0.01, 0.1, 0.02, 8087.794},
    {"skewed", 256, true, 0.01, 0.4, 0.1, 19899.225},
    {"skewed", 1024, true, 0.01, 10, 2, 0},
    {"skewed", 64, true, 0.0005, 0.1, 0.02, 3073.635},
    {"skewed", 128, true, 0.0005, 0.6, 0.1, 8087.794},
    {"skewed", 256, true, 0.0005, 4, 0.5, 19899.225},
    {"skewed", 1024, true, 0.0005, 300, 30, 0},
    {"skewed", 64, true, 0, 0.1, 0.02, 3073.635},
    {"skewed", 128, true, 0, 0.6, 0.1, 8087.794},
    {"skewed", 256, true, 0, 4, 0.5, 19899.225},
    {"skewed", 1024, true, 0, 300, 30, 0},
};

}  // namespace

int main(int argc, char** argv) {
  const auto most = static_cast<std::uint32_t>(argc > 1 ? std::atoi(argv[1]) : 256);
  const int repeats = argc > 2 ? std::atoi(argv[2]) : 1;
  const double only = argc > 3 ? std::atof(argv[3]) : -1;
  std::printf("%-8s %5s %9s | %9s %9s %7s %7s | %12s %9s | %8s %9s %12s | %s\n", "sizes", "ranks",
              "tolerance", "wall s", "cpu s", "must", "aim", "done us", "SimGrid", "events",
              "computed", "touched", "peak MiB");
  for (const Case& one : kCases) {
    if (one.ranks > most || (only >= 0 && one.tolerance != only)) continue;
    double wall = 1e9, cpu = 1e9, done_us = 0;
    std::uint64_t events = 0;
    hardware::NetworkCounters counters;
    for (int i = 0; i < repeats; ++i) {
      const sim::Exchange exchange = testing::all_to_all(one.ranks, 1 << 20, one.skewed);
      const auto start = std::chrono::steady_clock::now();
      const std::clock_t cpu_start = std::clock();
      const hardware::Cluster cluster = platform(one.ranks);
      sim::Engine engine;
      hardware::ClusterNetwork links(cluster.topology);
      const auto network =
          hardware::make_network_model(links, hardware::Fidelity::Fluid, engine, one.tolerance);
      LastDone listener(engine);
      for (const auto rank : exchange.participants) network->arrive(0, exchange, rank, listener);
      engine.run();
      wall = std::min(
          wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      cpu = std::min(cpu, static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC);
      done_us = sim::to_us(listener.last - sim::Time{});
      events = engine.events();
      counters = network->counters();
      if (listener.count != one.ranks) return 1;
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%-8s %5u %9g | %9.4f %9.4f %7g %7g | %12.3f %+8.3f%% | %8llu %9llu %12llu | %ld\n",
                one.name, one.ranks, one.tolerance, wall, cpu, one.must, one.aim, done_us,
                one.reference_us > 0 ? (done_us / one.reference_us - 1) * 100 : 0.0,
                static_cast<unsigned long long>(events),
                static_cast<unsigned long long>(counters.rate_computations),
                static_cast<unsigned long long>(counters.flows_touched), usage.ru_maxrss / 1024);
    std::fflush(stdout);
  }
  return 0;
}
