#include <doctest/doctest.h>

#include <numeric>

#include "hardware/collectives/collectives.h"
#include "sim/error.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::AllReduceAlgorithm;
using hardware::Fidelity;
using sim::Bytes;
using testing::play;
using testing::small_cluster;

namespace {

std::vector<sim::Rank> ranks(sim::Rank count) {
  std::vector<sim::Rank> group(count);
  std::iota(group.begin(), group.end(), 0u);
  return group;
}

// Parameters in round numbers: one protocol that is always the quicker.
hardware::NcclParameters plain() {
  hardware::NcclParameters p;
  p.quick_us = 1e9;
  p.wide_us = 10;
  p.wide_step_us = 1;
  p.wide_efficiency = 0.8;
  p.wide_loss = 0;
  p.ramp_bytes = 0;
  p.node_us = 5;
  p.network_efficiency = 0.5;
  return p;
}

double us_of(const hardware::Cluster& cluster, const sim::Exchange& exchange, Fidelity fidelity) {
  return sim::to_us(play(cluster, exchange, fidelity));
}

}  // namespace

TEST_CASE("an idle all-gather takes its closed form in both fidelities") {
  // 8 ranks, 360 MB in all: each sends 7/8, 315 MB, at 450 GB/s x 0.8: 875 us. 10 us + 7 steps.
  auto cluster = small_cluster(1, 8);
  cluster.collectives.all_gather = plain();
  const auto exchange = hardware::all_gather(cluster, ranks(8), 360_MB);
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(us_of(cluster, exchange, fidelity) == doctest::Approx(875 + 10 + 7).epsilon(0.001));
  }
}

TEST_CASE("the quick protocol carries what is small") {
  // 4 us + 7 steps of 0.5 us + 7/8 of 8 KB at 450 GB/s x 0.1 (0.156 us); the wide one takes 17 us.
  auto cluster = small_cluster(1, 8);
  cluster.collectives.all_gather = plain();
  cluster.collectives.all_gather.quick_us = 4;
  cluster.collectives.all_gather.quick_step_us = 0.5;
  cluster.collectives.all_gather.quick_efficiency = 0.1;
  const auto exchange = hardware::all_gather(cluster, ranks(8), 8_kB);
  CHECK(us_of(cluster, exchange, Fidelity::Fluid) == doctest::Approx(7.656).epsilon(0.001));
}

TEST_CASE("a ring over nodes sends each device's share over its own NIC") {
  // 2 nodes of 2; 300 MB of all-gather: each rank sends 3/4, 225 MB: half of it, 112.5 MB, over its
  // NIC of 50 GB/s at 0.5: 4,500 us; the other half over NVLink (312.5 us) hides behind it.
  // 10 us + 1 step + 5 us for the second node.
  auto cluster = small_cluster(2, 2);
  cluster.collectives.all_gather = plain();
  const auto exchange = hardware::all_gather(cluster, ranks(4), 300_MB);
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(us_of(cluster, exchange, fidelity) == doctest::Approx(4500 + 16).epsilon(0.001));
  }
}

TEST_CASE("an all-reduce takes the quickest of what its group can use") {
  auto cluster = small_cluster(1, 8);
  auto& nccl = cluster.collectives.all_reduce;
  nccl = plain();
  nccl.sum_us = 30;
  nccl.sum_efficiency = 0.5;
  cluster.collectives.custom_all_reduce = {2, 0, 0.5, 4, 0, 0.5, 1e9, 1, 0};
  const auto time = [&](Bytes bytes, AllReduceAlgorithm algorithm) {
    return us_of(cluster, hardware::all_reduce(cluster, ranks(8), bytes, algorithm),
                 Fidelity::Fluid);
  };
  // 9 kB: one shot 2 + 7 x 9 kB / 225 GB/s = 2.28; two shot 4.07.
  CHECK(time(9_kB, AllReduceAlgorithm::Quickest) == doctest::Approx(2.28).epsilon(0.001));
  // 9 MB: one shot 282; two shot 4 + 1.75 x 9 MB / 225 = 74; switch 30 + 1.125 x 40 = 75;
  // ring 17 + 15.75 MB / 360 = 60.75.
  CHECK(time(9_MB, AllReduceAlgorithm::OneShot) == doctest::Approx(282).epsilon(0.001));
  CHECK(time(9_MB, AllReduceAlgorithm::TwoShot) == doctest::Approx(74).epsilon(0.001));
  CHECK(time(9_MB, AllReduceAlgorithm::Nvls) == doctest::Approx(75).epsilon(0.001));
  CHECK(time(9_MB, AllReduceAlgorithm::Ring) == doctest::Approx(60.75).epsilon(0.001));
  CHECK(time(9_MB, AllReduceAlgorithm::Quickest) == doctest::Approx(60.75).epsilon(0.001));
}

TEST_CASE("algorithms that live in one node refuse a group over two") {
  const auto cluster = small_cluster(2, 2);
  CHECK_THROWS_WITH_AS(hardware::all_reduce(cluster, ranks(4), 1_MB, AllReduceAlgorithm::Nvls),
                       "an all-reduce in the switch (nvls) is within a node of more than two",
                       sim::ConfigError);
  CHECK_THROWS_WITH_AS(hardware::all_reduce(cluster, ranks(4), 1_MB, AllReduceAlgorithm::OneShot),
                       "a one-shot or two-shot all-reduce is within a node with NVLink",
                       sim::ConfigError);
}

TEST_CASE("a rank alone exchanges nothing and takes no time") {
  const auto cluster = small_cluster(1, 8);
  CHECK(play(cluster, hardware::all_reduce(cluster, ranks(1), 1_MB), Fidelity::Fluid) ==
        sim::Duration{});
  CHECK(hardware::send(cluster, 3, 3, 1_MB).transfers.empty());
}

TEST_CASE("a send between nodes takes the NIC at its efficiency") {
  // 50 MB at 50 GB/s x 0.5: 2,000 us; 10 us and 5 us for the other node.
  auto cluster = small_cluster(2, 1);
  cluster.collectives.send_receive = plain();
  CHECK(us_of(cluster, hardware::send(cluster, 1, 0, 50_MB), Fidelity::Fluid) ==
        doctest::Approx(2015).epsilon(0.001));
}

TEST_CASE("an all-to-all is as long as its busiest port") {
  // 8 ranks, 360 MB each: 45 MB to every one, 315 MB out at 450 x 0.8: 875 us, 10 us + 7 steps.
  auto cluster = small_cluster(1, 8);
  cluster.collectives.all_to_all = plain();
  const auto exchange = hardware::all_to_all(cluster, ranks(8), 360_MB);
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(us_of(cluster, exchange, fidelity) == doctest::Approx(892).epsilon(0.001));
  }
}

TEST_CASE("more bytes never take less time") {
  const auto cluster = small_cluster(2, 4);
  auto with_defaults = cluster;
  with_defaults.collectives = hardware::default_collective_parameters();
  double last[4] = {};
  for (std::int64_t bytes = 1024; bytes < (1 << 30); bytes *= 2) {
    CAPTURE(bytes);
    const double now[4] = {
        us_of(with_defaults, hardware::all_reduce(with_defaults, ranks(4), Bytes(bytes)),
              Fidelity::Fluid),
        us_of(with_defaults, hardware::all_gather(with_defaults, ranks(8), Bytes(bytes)),
              Fidelity::Fluid),
        us_of(with_defaults, hardware::all_to_all(with_defaults, ranks(8), Bytes(bytes)),
              Fidelity::Fluid),
        us_of(with_defaults, hardware::send(with_defaults, 0, 5, Bytes(bytes)), Fidelity::Fluid)};
    for (int i = 0; i < 4; ++i) {
      CAPTURE(i);
      CHECK(now[i] >= last[i]);
      last[i] = now[i];
    }
  }
}
