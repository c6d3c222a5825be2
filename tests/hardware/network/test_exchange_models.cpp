#include <doctest/doctest.h>

#include "tests/support/all_to_all_sizes.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::Fidelity;
using sim::Bytes;
using sim::Time;
using testing::DoneTimes;
using testing::play;
using testing::small_cluster;

namespace {

sim::Exchange exchange_of(std::vector<sim::Rank> participants,
                          std::vector<sim::Transfer> transfers) {
  sim::Exchange exchange;
  exchange.participants = std::move(participants);
  exchange.transfers = std::move(transfers);
  return exchange;
}

}  // namespace

TEST_CASE("one transfer takes its bytes over the narrowest link, and the path's latency") {
  // Two nodes of two. Rank 0 to 2: 1 GB over a NIC of 50 GB/s is 20 ms, two links of 500 ns.
  // Rank 0 to 1: 1 GB over NVLink of 450 GB/s is 2.2222 ms, two links of 250 ns.
  const auto cluster = small_cluster(2, 2);
  const auto far = exchange_of({0, 2}, {{0, 2, 1_GB}});
  const auto near = exchange_of({0, 1}, {{0, 1, 1_GB}});
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(play(cluster, far, fidelity) == 20ms + 1us);
    CHECK(play(cluster, near, fidelity) == 1_GB / 450_GBps + 500ns);
  }
}

TEST_CASE("a rank is done when all it sends has left it and all it receives has come") {
  // Rank 0 sends 1 GB to rank 2 (20 ms): it is done when the bytes have left, rank 2 a path later.
  // Rank 1 exchanges nothing and is done at once.
  const auto cluster = small_cluster(2, 2);
  const auto exchange = exchange_of({0, 1, 2}, {{0, 2, 1_GB}});
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    sim::Engine engine;
    hardware::ClusterNetwork links(cluster.topology);
    const auto network = hardware::make_network_model(links, fidelity, engine, 0);
    DoneTimes done(engine);
    for (const sim::Rank r : {0u, 1u, 2u}) network->arrive(0, exchange, r, done);
    engine.run();
    CHECK(done.of(0) == Time{20ms});
    CHECK(done.of(1) == Time{});
    CHECK(done.of(2) == Time{20ms + 1us});
  }
}

TEST_CASE("around a dead NIC bytes share the NIC of another device") {
  // Two nodes of two, gpu0's NIC dead. Rank 0 to 2 goes over gpu1's NIC: 1 GB at 50 GB/s is 20 ms,
  // four links: 2 x 250 ns of NVLink, 2 x 500 ns. With rank 1 to 3 beside it that NIC has 2 GB: 40
  // ms.
  auto cluster = small_cluster(2, 2);
  auto topology = *cluster.topology;
  for (auto& link : topology.links) {
    const auto is = [&](auto v) { return topology.vertices[v].name == "node0.nic0"; };
    if (is(link.from) || is(link.to)) link.capacity = {};
  }
  topology.reroutes = true;
  cluster.topology = std::make_shared<const hardware::Topology>(topology);
  const auto alone = exchange_of({0, 2}, {{0, 2, 1_GB}});
  const auto both = exchange_of({0, 1, 2, 3}, {{0, 2, 1_GB}, {1, 3, 1_GB}});
  const auto back = exchange_of({0, 2}, {{2, 0, 1_GB}});
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(play(cluster, alone, fidelity) == 20ms + 1500ns);
    CHECK(play(cluster, back, fidelity) == 20ms + 1500ns);
  }
  // In closed form a link's bytes have come after the shortest of its paths, rank 1's own.
  CHECK(play(cluster, both, Fidelity::Fluid) == 40ms + 1500ns);
  CHECK(play(cluster, both, Fidelity::Bound) == 40ms + 1us);
}

TEST_CASE("a transfer waits for both its ends and for nobody else") {
  // Rank 1 comes 5 ms late: rank 0's transfer to it starts then. That of 0 to 2 does not wait.
  const auto cluster = small_cluster(3, 1);
  const auto exchange = exchange_of({0, 1, 2}, {{0, 1, 1_GB}, {2, 0, 1_GB}});
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    sim::Engine engine;
    hardware::ClusterNetwork links(cluster.topology);
    const auto network = hardware::make_network_model(links, fidelity, engine, 0);
    DoneTimes done(engine);
    network->arrive(0, exchange, 0, done);
    network->arrive(0, exchange, 2, done);
    engine.at(Time{5ms}, [&] { network->arrive(0, exchange, 1, done); });
    engine.run();
    CHECK(done.of(2) == Time{20ms});
    CHECK(done.of(1) == Time{25ms + 1us});
  }
}

TEST_CASE("a barrier holds everyone back until the last has come") {
  const auto cluster = small_cluster(3, 1);
  auto exchange = exchange_of({0, 1, 2}, {{2, 0, 1_GB}});
  exchange.barrier = true;
  exchange.startup = 3us;
  exchange.completion = 2us;
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    sim::Engine engine;
    hardware::ClusterNetwork links(cluster.topology);
    const auto network = hardware::make_network_model(links, fidelity, engine, 0);
    DoneTimes done(engine);
    network->arrive(0, exchange, 0, done);
    network->arrive(0, exchange, 2, done);
    engine.at(Time{5ms}, [&] { network->arrive(0, exchange, 1, done); });
    engine.run();
    CHECK(done.of(2) == Time{25ms + 5us});
    CHECK(done.of(0) == Time{25ms + 6us});
    CHECK(done.of(1) == Time{5ms + 5us});
  }
}

TEST_CASE("two exchanges at once share what they both use, and only the fluid play knows it") {
  // Ranks 0 and 1 of two nodes; two exchanges, 1 GB each, 0 to 1. Together 2 GB over 50 GB/s.
  const auto cluster = small_cluster(2, 1);
  const auto exchange = exchange_of({0, 1}, {{0, 1, 1_GB}});
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    sim::Engine engine;
    hardware::ClusterNetwork links(cluster.topology);
    const auto network = hardware::make_network_model(links, fidelity, engine, 0);
    DoneTimes done(engine);
    for (const sim::ExchangeId id : {0u, 1u}) {
      for (const sim::Rank r : {0u, 1u}) network->arrive(id, exchange, r, done);
    }
    engine.run();
    const auto expected = fidelity == Fidelity::Fluid ? 40ms : 20ms;
    CHECK(done.of(1, 0) == Time{expected + 1us});
    CHECK(done.of(1, 1) == Time{expected + 1us});
  }
}

TEST_CASE("a late exchange takes its share, and the first one gets it back") {
  // The first has the NIC alone for 10 ms (0.5 GB), then both have 25 GB/s. The second, 0.25 GB,
  // ends after 10 ms more, when the first has 0.25 GB left: 5 ms at full speed. 25 ms in all.
  const auto cluster = small_cluster(2, 1);
  const auto first = exchange_of({0, 1}, {{0, 1, 1_GB}});
  const auto second = exchange_of({0, 1}, {{0, 1, 250_MB}});
  for (const double tolerance : {0.0, 0.01}) {
    sim::Engine engine;
    hardware::ClusterNetwork links(cluster.topology);
    const auto network = hardware::make_network_model(links, Fidelity::Fluid, engine, tolerance);
    DoneTimes done(engine);
    for (const sim::Rank r : {0u, 1u}) network->arrive(0, first, r, done);
    engine.at(Time{10ms}, [&] {
      for (const sim::Rank r : {0u, 1u}) network->arrive(1, second, r, done);
    });
    engine.run();
    CHECK(sim::to_us(done.of(1, 1) - Time{}) == doctest::Approx(20'001).epsilon(tolerance + 1e-9));
    CHECK(sim::to_us(done.of(1, 0) - Time{}) == doctest::Approx(25'001).epsilon(tolerance + 1e-9));
  }
}

TEST_CASE("limits of a rank and of a transfer hold besides those of the links") {
  // 450 GB/s of NVLink; a rank may send 100 GB/s in all, a near transfer 40 GB/s.
  // Two transfers of 1 GB from rank 0: 40 GB/s each, within 100: 25 ms.
  // With 60 GB/s of a rank: 30 GB/s each: 33.3 ms.
  const auto cluster = small_cluster(1, 4);
  auto exchange = exchange_of({0, 1, 2}, {{0, 1, 1_GB}, {0, 2, 1_GB}});
  exchange.near.flow_limit = 40_GBps;
  exchange.send_limit = 100_GBps;
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(play(cluster, exchange, fidelity) == 25ms + 500ns);
  }
  // The closed form sees the sender's limit at the sender, whose bytes have left then.
  exchange.send_limit = 60_GBps;
  CHECK(play(cluster, exchange, Fidelity::Bound) == 2_GB / 60_GBps);
  CHECK(play(cluster, exchange, Fidelity::Fluid) == 2_GB / 60_GBps + 500ns);
  hardware::ClusterNetwork links(cluster.topology);
  CHECK(hardware::lower_bound(links, exchange) == 2_GB / 60_GBps + 500ns);
  exchange.send_limit = {};
  exchange.receive_limit = 20_GBps;
  for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
    CHECK(play(cluster, exchange, fidelity) == 50ms + 500ns);
  }
}

TEST_CASE("links carry what the wire factor makes of the bytes") {
  const auto cluster = small_cluster(2, 1);
  auto exchange = exchange_of({0, 1}, {{0, 1, 1_GB}});
  exchange.far.factor = 1.25;
  sim::Engine engine;
  hardware::ClusterNetwork links(cluster.topology);
  const auto network = hardware::make_network_model(links, Fidelity::Fluid, engine, 0);
  DoneTimes done(engine);
  for (const sim::Rank r : {0u, 1u}) network->arrive(0, exchange, r, done);
  engine.run();
  CHECK(done.of(1) == Time{25ms + 1us});
  // Down the path from 0 to 1: host, NIC, NIC, host.
  int used = 0;
  for (const auto& use : network->link_use()) {
    if (use.bytes == Bytes{}) continue;
    ++used;
    CHECK(use.bytes == 1'250_MB);
    if (use.kind == hardware::LinkKind::Nic) CHECK(use.busy == 25ms);
  }
  CHECK(used == 4);
}

TEST_CASE("an all-to-all agrees with SimGrid on the same platform") {
  // Completion by SimGrid 3.32 (S4U), us: uniform 64 ranks 1,175.405, skewed 3,073.635.
  const auto cluster = small_cluster(8, 8);
  const auto uniform = testing::all_to_all(64, 1 << 20, false);
  const auto skewed = testing::all_to_all(64, 1 << 20, true);
  CHECK(sim::to_us(play(cluster, uniform, Fidelity::Fluid)) ==
        doctest::Approx(1175.405).epsilon(1e-5));
  CHECK(sim::to_us(play(cluster, skewed, Fidelity::Fluid)) ==
        doctest::Approx(3073.635).epsilon(1e-5));
}
