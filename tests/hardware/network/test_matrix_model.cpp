// Flows by matrices against flows over links, and what the tolerance costs.
#include <doctest/doctest.h>

#include <numeric>

#include "hardware/network/matrix_model.h"
#include "hardware/network/play.h"
#include "sim/random.h"
#include "tests/support/all_to_all_sizes.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::Fidelity;
using hardware::MatrixModel;
using testing::small_cluster;

namespace {

constexpr double kNext = 1e-9;  // a tolerance next to nothing

hardware::Cluster random_cluster(sim::Random& random) {
  using Fabric = hardware::ScaleOut::Fabric;
  auto cluster = small_cluster(1 + static_cast<std::int64_t>(random.below(5)),
                               std::int64_t{1} << random.below(4));
  if (cluster.nodes * cluster.gpus_per_node == 1) cluster.nodes = 3;
  cluster.scale_out.fabric = random.below(2) == 0 ? Fabric::NonBlocking : Fabric::RailOptimised;
  cluster.scale_out.nics_per_node = cluster.gpus_per_node;
  cluster.scale_out.nodes_per_leaf = 1 + static_cast<std::int64_t>(random.below(3));
  cluster.scale_out.leaf_spine_latency = 250ns;
  cluster.topology = hardware::make_topology(cluster);
  return cluster;
}

// Among some ranks: messages counted, or transfers.
sim::Exchange random_exchange(sim::Random& random, sim::Rank ranks) {
  sim::Exchange exchange;
  for (sim::Rank r = 0; r < ranks; ++r) {
    if (random.below(5) != 0) exchange.participants.push_back(r);
  }
  const std::size_t n = exchange.participants.size();
  if (random.below(2) == 0) {
    auto counts = std::make_shared<std::vector<std::uint32_t>>(n * n);
    for (auto& count : *counts) count = static_cast<std::uint32_t>(random.below(40));
    exchange.messages = {counts, sim::Bytes(7168), random.below(2) == 0};
  } else {
    for (const sim::Rank s : exchange.participants) {
      for (const sim::Rank d : exchange.participants) {
        if (s == d || random.below(3) == 0) continue;
        exchange.transfers.push_back(
            {s, d, sim::Bytes(1000 + static_cast<std::int64_t>(random.below(5'000'000)))});
      }
    }
  }
  exchange.near.factor = 1.25;
  exchange.far.factor = 1.1;
  exchange.startup = sim::Duration(static_cast<std::int64_t>(random.below(3)) * 1'000'000);
  exchange.completion = sim::Duration(static_cast<std::int64_t>(random.below(3)) * 1'000'000);
  exchange.barrier = random.below(4) == 0;
  return exchange;
}

struct Played {
  std::map<std::pair<sim::ExchangeId, sim::Rank>, sim::Time> done;
  sim::Time last;
};

// All exchanges, each rank at a time of its own.
Played played(hardware::ClusterNetwork& network, const std::vector<sim::Exchange>& exchanges,
              double tolerance, bool matrices, std::uint64_t seed) {
  sim::Engine engine;
  sim::Random random(seed, "arrivals");
  std::unique_ptr<hardware::NetworkModel> model;
  if (matrices) {
    model = std::make_unique<MatrixModel>(network, engine, tolerance);
  } else {
    model = hardware::make_network_model(network, Fidelity::Fluid, engine, tolerance);
  }
  testing::DoneTimes done(engine);
  for (sim::ExchangeId id = 0; id < exchanges.size(); ++id) {
    for (const sim::Rank r : exchanges[id].participants) {
      const sim::Duration at(static_cast<std::int64_t>(random.below(4)) * 50'000'000);
      engine.after(at, [&, id, r] { model->arrive(id, exchanges[id], r, done); });
    }
  }
  engine.run();
  return {done.done, done.last};
}

double completion_us(hardware::ClusterNetwork& network, const sim::Exchange& exchange,
                     double tolerance) {
  return sim::to_us(
      hardware::play_exchange(network, exchange, Fidelity::Fluid, tolerance).completion);
}

}  // namespace

TEST_CASE("with next to no tolerance matrices of flows give what flows over links give") {
  // Up to three exchanges at once over the same ports, ranks that come late, barriers.
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "matrices");
    const auto cluster = random_cluster(random);
    hardware::ClusterNetwork network(cluster.topology);
    std::vector<sim::Exchange> exchanges;
    for (std::uint64_t i = 0; i <= random.below(3); ++i) {
      exchanges.push_back(random_exchange(random, cluster.ranks()));
    }
    if (!MatrixModel::fits(network, exchanges)) continue;
    const Played matrices = played(network, exchanges, kNext, true, seed);
    const Played links = played(network, exchanges, 0, false, seed);
    REQUIRE(matrices.done.size() == links.done.size());
    for (const auto& [who, at] : links.done) {
      CHECK(sim::to_us(matrices.done.at(who) - sim::Time{}) ==
            doctest::Approx(sim::to_us(at - sim::Time{})).epsilon(1e-4));
    }
  }
}

TEST_CASE("a far flow that is withdrawn does not make a rank forget its near ones") {
  // 0 sends 1, near it, 450 MB at 450 GB/s, 1 ms, and 8, far, 4 MB at 50 GB/s: 80 us. At 50 us it
  // begins to send 16 4 MB besides: 1.5 MB are left for 8, at 25 GB/s, so that flow ends at 110 us;
  // of the other 2.5 MB are left then, at 50 GB/s: 160 us. Latency is 0.5 us near and 1 us far.
  // That 0 is not done before 1 ms was forgotten when its far flow was announced anew: it was done
  // at 110 us (and, where the near one was announced anew later, a second time).
  sim::Exchange first, second;
  first.participants = {0, 1, 8};
  first.transfers = {{0, 1, sim::Bytes(450'000'000)}, {0, 8, sim::Bytes(4'000'000)}};
  second.participants = {0, 16};
  second.transfers = {{0, 16, sim::Bytes(4'000'000)}};
  const auto cluster = small_cluster(4, 8);
  hardware::ClusterNetwork network(cluster.topology);
  sim::Engine engine;
  MatrixModel model(network, engine, kNext);
  testing::DoneTimes done(engine);
  for (const sim::Rank r : first.participants) model.arrive(0, first, r, done);
  engine.after(50us, [&] {
    for (const sim::Rank r : second.participants) model.arrive(1, second, r, done);
  });
  engine.run();
  const auto us = [&](sim::Rank rank, sim::ExchangeId exchange) {
    return sim::to_us(done.of(rank, exchange) - sim::Time{});
  };
  CHECK(us(0, 0) == doctest::Approx(1000).epsilon(1e-5));
  CHECK(us(1, 0) == doctest::Approx(1000.5).epsilon(1e-5));
  CHECK(us(8, 0) == doctest::Approx(111).epsilon(1e-5));
  CHECK(us(0, 1) == doctest::Approx(160).epsilon(1e-5));
  CHECK(us(16, 1) == doctest::Approx(161).epsilon(1e-5));
}

TEST_CASE(
    "a tolerance of 1 % makes skewed all-to-alls less than 1 % late, at any number of ranks") {
  // 1,024 ranks: bench_all_to_all 1024 1 0.01.
  for (const std::uint32_t ranks : {64u, 128u, 256u}) {
    const auto cluster = small_cluster(ranks / 8, 8);
    hardware::ClusterNetwork network(cluster.topology);
    for (const std::uint64_t seed : {42u, 43u}) {
      CAPTURE(ranks);
      CAPTURE(seed);
      const auto exchange = testing::all_to_all(ranks, 1 << 20, true, seed);
      const double tolerant = completion_us(network, exchange, 0.01);
      const double near_exact = completion_us(network, exchange, 0.0001);
      CHECK(tolerant <= near_exact * 1.01);
      CHECK(tolerant >= near_exact * 0.999);
      CHECK(tolerant > near_exact * 1.002);  // it is spent
    }
  }
}

TEST_CASE("ranks that come one by one end within the tolerance of the exact play, never before") {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "tolerance");
    const auto cluster = random_cluster(random);
    hardware::ClusterNetwork network(cluster.topology);
    const std::vector<sim::Exchange> exchanges{random_exchange(random, cluster.ranks())};
    if (!MatrixModel::fits(network, exchanges)) continue;
    const auto end = [&](double tolerance) {
      return sim::to_us(played(network, exchanges, tolerance, true, seed).last - sim::Time{});
    };
    const double exact = end(kNext);
    for (const double tolerance : {0.01, 0.05}) {
      CAPTURE(tolerance);
      CHECK(end(tolerance) >= exact * (1 - 1e-5));
      CHECK(end(tolerance) <= exact * (1 + tolerance));
    }
  }
}

TEST_CASE("what ports wasted is within the tolerance, and reported") {
  const auto cluster = small_cluster(8, 8);
  hardware::ClusterNetwork network(cluster.topology);
  const auto exchange = testing::all_to_all(64, 1 << 20, true);
  const auto wasted = [&](double tolerance) {
    return hardware::play_exchange(network, exchange, Fidelity::Fluid, tolerance).counters.wasted;
  };
  CHECK(wasted(0) == 0);
  CHECK(wasted(0.01) > 0.002);
  CHECK(wasted(0.01) <= 0.01);
  CHECK(wasted(0.0001) <= 0.0001);
}

TEST_CASE("matrices are for flows that only ports of their own limit") {
  const auto cluster = small_cluster(4, 4);
  hardware::ClusterNetwork network(cluster.topology);
  sim::Exchange exchange;
  exchange.participants = {0, 1, 4, 5};
  exchange.transfers = {{0, 4, 1_MB}, {4, 0, 1_MB}, {1, 5, 1_MB}};
  const auto fits = [&](const sim::Exchange& one) { return MatrixModel::fits(network, {&one, 1}); };
  CHECK(fits(exchange));
  sim::Exchange other = exchange;
  other.transfers.push_back({0, 4, 2_MB});  // two transfers of a pair
  CHECK_FALSE(fits(other));
  other = exchange;
  other.transfers.push_back({5, 4, sim::Bytes{}});  // one of no bytes
  CHECK_FALSE(fits(other));
  for (auto limit : {&sim::Exchange::send_limit, &sim::Exchange::receive_limit}) {
    other = exchange;
    other.*limit = 1_GBps;
    CHECK_FALSE(fits(other));
  }
  other = exchange;
  other.far.flow_limit = 1_GBps;
  CHECK_FALSE(fits(other));
  // A ring over many ranks is no matrix: 1 transfer in 72 pairs.
  const auto large = small_cluster(9, 8);
  hardware::ClusterNetwork wide(large.topology);
  sim::Exchange ring;
  ring.participants.resize(72);
  std::iota(ring.participants.begin(), ring.participants.end(), 0u);
  CHECK(MatrixModel::fits(wide, {&ring, 1}));  // of nothing yet
  for (const sim::Rank r : ring.participants) ring.transfers.push_back({r, (r + 1) % 72, 1_MB});
  CHECK_FALSE(MatrixModel::fits(wide, {&ring, 1}));
  // Two devices share a NIC; uplinks are oversubscribed.
  auto shared = small_cluster(4, 4);
  shared.scale_out.nics_per_node = 2;
  shared.topology = hardware::make_topology(shared);
  hardware::ClusterNetwork nics(shared.topology);
  CHECK_FALSE(MatrixModel::fits(nics, {&exchange, 1}));
  shared = small_cluster(4, 4);
  shared.scale_out.fabric = hardware::ScaleOut::Fabric::FatTree;
  shared.scale_out.nodes_per_leaf = 1;
  shared.scale_out.oversubscription = 2;
  shared.topology = hardware::make_topology(shared);
  hardware::ClusterNetwork tree(shared.topology);
  CHECK_FALSE(MatrixModel::fits(tree, {&exchange, 1}));
}
