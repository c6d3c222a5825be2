#include <doctest/doctest.h>

#include <numeric>

#include "hardware/collectives/multicast.h"
#include "tests/support/clusters.h"
#include "tests/support/plain_collectives.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::Fidelity;
using hardware::MulticastAlgorithm;
using hardware::MulticastCounts;
using testing::play;
using testing::small_cluster;

namespace {

std::vector<sim::Rank> ranks(sim::Rank count) {
  std::vector<sim::Rank> group(count);
  std::iota(group.begin(), group.end(), 0u);
  return group;
}

// No latencies, full efficiency, nothing but links.
std::shared_ptr<const hardware::CollectiveModels> bare(
    const hardware::DeepEpNormalParameters& normal = {.per_sm_bytes_us = 1e12,
                                                      .overlap_power = 1000}) {
  const auto models = testing::default_collectives();
  models->set(MulticastAlgorithm::DeepEpNormal,
              hardware::make_by_nodes(testing::plain_both<hardware::DeepEpNormalModel>(normal)));
  models->set(MulticastAlgorithm::DeepEpLowLatency,
              hardware::make_low_latency(
                  testing::plain_both<hardware::DeepEpLlModel>({.overlap_power = 1000})));
  return models;
}

auto shared(const std::vector<std::uint32_t>& counts) {
  return std::make_shared<const std::vector<std::uint32_t>>(counts);
}

std::int64_t payload(const sim::Exchange& exchange) {
  std::int64_t sum = 0;
  sim::for_each_transfer(exchange, [&](const sim::Transfer& t) { sum += t.bytes.count(); });
  return sum;
}

std::int64_t between(const sim::Exchange& exchange, sim::Rank source, sim::Rank destination) {
  std::int64_t sum = 0;
  sim::for_each_transfer(exchange, [&](const sim::Transfer& t) {
    if (t.source == source && t.destination == destination) sum += t.bytes.count();
  });
  return sum;
}

}  // namespace

TEST_CASE("low latency sends a message for every choice, straight to its rank") {
  // 2 nodes of 2. Rank 0 has 3 choices on rank 1, 2 on rank 3 and 5 on itself, which cost nothing.
  // Messages of 1,000 bytes and a header of 16 on the way out, none on the way back.
  auto cluster = small_cluster(2, 2);
  cluster.collectives = bare();
  std::vector<std::uint32_t> selections(16, 0);
  selections[0] = 5;
  selections[1] = 3;
  selections[3] = 2;
  const MulticastCounts counts{shared(selections), {}, {}};
  const auto out = hardware::dispatch(cluster, ranks(4), MulticastAlgorithm::DeepEpLowLatency,
                                      counts, {.row_bytes = 1000, .rows = 10, .groups = 4})
                       .exchange;
  CHECK(between(out, 0, 1) == 3 * 1016);
  CHECK(between(out, 0, 3) == 2 * 1016);
  CHECK(payload(out) == 5 * 1016);
  const auto back = hardware::combine(cluster, ranks(4), MulticastAlgorithm::DeepEpLowLatency,
                                      counts, {.row_bytes = 1000, .rows = 10, .groups = 4})
                        .exchange;
  CHECK(between(back, 1, 0) == 3000);
  CHECK(between(back, 3, 0) == 2000);
}

TEST_CASE(
    "normal sends a row once to each node, to the rank of the same rail, which passes it on") {
  // 2 nodes of 2. Rank 0 has 10 rows: 6 for rank 2 and 7 for rank 3, 9 different ones for that
  // node; 4 for rank 1. Over the NIC 9 rows, 0 to 2 (rail 0); there 7 from 2 to 3. At home 4 from 0
  // to 1.
  auto cluster = small_cluster(2, 2);
  cluster.collectives = bare();
  std::vector<std::uint32_t> copies(16, 0), node_copies(8, 0);
  copies[1] = 4;
  copies[2] = 6;
  copies[3] = 7;
  node_copies[0] = 4;
  node_copies[1] = 9;
  const MulticastCounts counts{{}, copies, node_copies};
  const hardware::MulticastShape shape{.row_bytes = 1000, .rows = 10, .groups = 8, .sms = 20};
  const auto out =
      hardware::dispatch(cluster, ranks(4), MulticastAlgorithm::DeepEpNormal, counts, shape)
          .exchange;
  CHECK(between(out, 0, 2) == 9000);
  CHECK(between(out, 2, 3) == 7000);
  CHECK(between(out, 0, 1) == 4000);
  CHECK(payload(out) == 20000);
  const auto back =
      hardware::combine(cluster, ranks(4), MulticastAlgorithm::DeepEpNormal, counts, shape)
          .exchange;
  CHECK(between(back, 2, 0) == 9000);
  CHECK(between(back, 3, 2) == 7000);
  CHECK(between(back, 1, 0) == 4000);
}

TEST_CASE("an idle exchange takes its closed form") {
  // One node of 8, every rank 700 rows to each other, 1,000 bytes, at half of 450 GB/s:
  // 4.9 MB / 225 GB/s = 21.778 us. Startup 30 us. SMs: 4.9 MB / 10 GB/s an SM / 20 = 24.5 us.
  // With overlap power 2: 30 + sqrt(21.778^2 + 24.5^2) = 62.779 us.
  auto cluster = small_cluster(1, 8);
  cluster.collectives = bare({30, 0, 0.5, 1, 1e4, 0, 2});
  std::vector<std::uint32_t> copies(64, 700), node_copies(8, 5600);
  const auto exchange =
      hardware::dispatch(cluster, ranks(8), MulticastAlgorithm::DeepEpNormal,
                         {{}, copies, node_copies},
                         {.row_bytes = 1000, .rows = 800, .groups = 64, .sms = 20})
          .exchange;
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(sim::to_us(play(cluster, exchange, fidelity)) == doctest::Approx(62.779).epsilon(0.001));
  }
}

TEST_CASE("imbalance inside a node halves the bandwidth of a dispatch") {
  // 8 ranks of one node, 7,000 rows each. Balanced: 1,000 to each other. Imbalanced: one rank gets
  // twice as many as it would, the others accordingly less: its port takes twice as long.
  auto cluster = small_cluster(1, 8);
  cluster.collectives = bare();
  std::vector<std::uint32_t> balanced(64, 1000), skewed(64, 0), node_copies(8, 7000);
  for (std::size_t s = 0; s < 8; ++s) {
    for (std::size_t d = 0; d < 8; ++d) skewed[s * 8 + d] = d == 0 ? 2000 : 833;
  }
  const hardware::MulticastShape shape{.row_bytes = 7392, .rows = 7000, .groups = 64};
  const auto time = [&](const std::vector<std::uint32_t>& copies) {
    const auto exchange = hardware::dispatch(cluster, ranks(8), MulticastAlgorithm::DeepEpNormal,
                                             {{}, copies, node_copies}, shape)
                              .exchange;
    return sim::to_us(play(cluster, exchange, Fidelity::Fluid));
  };
  CHECK(time(skewed) / time(balanced) == doctest::Approx(2).epsilon(0.01));
}

TEST_CASE("a hot destination is limited by its own port, and holds up those that send to it") {
  // 4 nodes of 1; everyone sends 1,000 rows of 50 kB to each, and 5,000 to rank 0 instead.
  // Rank 0 receives 15,000 rows, 750 MB, over 50 GB/s: 15 ms. Others send 7,000 rows: 7 ms if
  // alone.
  auto cluster = small_cluster(4, 1);
  cluster.collectives = bare();
  std::vector<std::uint32_t> selections(16, 1000);
  for (std::size_t s = 0; s < 4; ++s) selections[s * 4] = 5000;
  const auto exchange =
      hardware::combine(cluster, ranks(4), MulticastAlgorithm::DeepEpLowLatency,
                        {shared(selections), {}, {}}, {.row_bytes = 50'000, .groups = 4})
          .exchange;
  // On the way back the hot rank sends.
  CHECK(sim::to_us(play(cluster, exchange, Fidelity::Fluid)) ==
        doctest::Approx(15'000).epsilon(0.001));
}

TEST_CASE("one slow rail slows every rank that uses it, and only those") {
  // 2 nodes of 2, each rank sends to its like on the other node; the NIC of rank 1 at a quarter.
  auto cluster = small_cluster(2, 2);
  auto topology = *cluster.topology;
  for (auto& link : topology.links) {
    const auto is = [&](auto v) { return topology.vertices[v].name == "node0.nic1"; };
    if (is(link.from) || is(link.to)) link.capacity = link.capacity * 0.25;
  }
  cluster.topology = std::make_shared<const hardware::Topology>(topology);
  sim::Exchange exchange;
  exchange.participants = ranks(4);
  exchange.transfers = {{0, 2, 1_GB}, {1, 3, 1_GB}};
  sim::Engine engine;
  hardware::ClusterNetwork links(cluster.topology);
  const auto network = hardware::make_network_model(links, Fidelity::Fluid, engine, 0);
  testing::DoneTimes done(engine);
  for (const auto r : exchange.participants) network->arrive(0, exchange, r, done);
  engine.run();
  CHECK(done.of(2) == sim::Time{20ms + 1us});
  CHECK(done.of(3) == sim::Time{80ms + 1us});
}

TEST_CASE("algorithms say what they need to know, what they hold, and in what order they stand") {
  using hardware::traits_of;
  CHECK(traits_of(MulticastAlgorithm::DeepEpLowLatency).selections);
  CHECK_FALSE(traits_of(MulticastAlgorithm::DeepEpLowLatency).copies);
  CHECK(traits_of(MulticastAlgorithm::HybridEp).node_copies);
  CHECK(traits_of(MulticastAlgorithm::HybridEp).sorted);
  CHECK_FALSE(traits_of(MulticastAlgorithm::AllGather).sorted);
  CHECK(hardware::multicast_names()[2] == "deepep_normal");
  CHECK(hardware::parse_multicast("hybrid_ep") == MulticastAlgorithm::HybridEp);
  CHECK_FALSE(hardware::parse_multicast("hybridep"));
  CHECK(hardware::multiprocessors_held(MulticastAlgorithm::DeepEpNormal, {.sms = 24}) == 24);
  CHECK(hardware::multiprocessors_held(MulticastAlgorithm::Nccl, {.sms = 24}) == 16);
  CHECK(hardware::multiprocessors_held(MulticastAlgorithm::DeepEpLowLatency, {}) == 0);
}

TEST_CASE("an exchange whose kernels hold multiprocessors takes memory bandwidth from others") {
  // Between nodes a byte of the NIC is moved 4 times, and each of 2 copies over NVLink 4 times
  // (read, written, read, written): 12 x 50 GB/s. Within a node 3 times the links' rate.
  hardware::Cluster cluster = small_cluster(2, 2);
  cluster.scale_up.bandwidth = 450_GBps;
  cluster.scale_out.bandwidth = 50_GBps;
  cluster.scale_out.nics_per_node = cluster.gpus_per_node;
  const auto rate = [&](MulticastAlgorithm algorithm) {
    return hardware::memory_traffic(cluster, algorithm).bytes_per_second();
  };
  CHECK(rate(MulticastAlgorithm::DeepEpNormal) == doctest::Approx(600e9));
  CHECK(rate(MulticastAlgorithm::DeepEpLowLatency) == 0);
  cluster.nodes = 1;
  CHECK(rate(MulticastAlgorithm::DeepEpNormal) == doctest::Approx(1350e9));
}
