// What must hold for any cluster and any exchange.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>

#include "hardware/network/play.h"
#include "sim/random.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::Fidelity;
using hardware::LinkKind;

namespace {

hardware::Cluster random_cluster(sim::Random& random) {
  using Fabric = hardware::ScaleOut::Fabric;
  hardware::Cluster cluster;
  cluster.nodes = 1 + static_cast<std::int64_t>(random.below(5));
  cluster.gpus_per_node = std::int64_t{1} << random.below(3);
  if (cluster.nodes * cluster.gpus_per_node == 1) cluster.nodes = 2;
  cluster.scale_up = {hardware::ScaleUp::Kind::Switch, 450_GBps, 250ns};
  auto& out = cluster.scale_out;
  constexpr Fabric kFabrics[] = {Fabric::NonBlocking, Fabric::RailOptimised, Fabric::FatTree};
  out.fabric = kFabrics[random.below(3)];
  out.routing = random.below(2) == 0 ? hardware::ScaleOut::Routing::Adaptive
                                     : hardware::ScaleOut::Routing::Ecmp;
  out.nics_per_node = cluster.gpus_per_node;
  out.bandwidth = 50_GBps;
  out.latency = 500ns;
  out.nodes_per_leaf = 1 + static_cast<std::int64_t>(random.below(3));
  out.spines = 1 + static_cast<std::int64_t>(random.below(4));
  out.oversubscription = 1 + static_cast<double>(random.below(3));
  out.leaf_spine_latency = 250ns;
  out.rail_forwarding = random.below(2) == 0;
  cluster.topology = hardware::make_topology(cluster);
  return cluster;
}

sim::Exchange random_exchange(sim::Random& random, sim::Rank ranks) {
  sim::Exchange exchange;
  exchange.participants.resize(ranks);
  std::iota(exchange.participants.begin(), exchange.participants.end(), 0u);
  for (sim::Rank s = 0; s < ranks; ++s) {
    for (sim::Rank d = 0; d < ranks; ++d) {
      if (s == d || random.uniform() < 0.3) continue;
      exchange.transfers.push_back(
          {s, d, sim::Bytes(1000 + static_cast<std::int64_t>(random.below(5'000'000)))});
    }
  }
  return exchange;
}

// When each rank is done if the ranks arrive at these times, and what the links carried.
std::pair<std::vector<sim::Time>, std::vector<hardware::LinkUse>> played(
    const hardware::Cluster& cluster, const sim::Exchange& exchange, Fidelity fidelity,
    const std::vector<sim::Duration>& arrivals, double tolerance = 0) {
  sim::Engine engine;
  hardware::ClusterNetwork links(cluster.topology);
  const auto network = hardware::make_network_model(links, fidelity, engine, tolerance);
  testing::DoneTimes listener(engine);
  for (const sim::Rank r : exchange.participants) {
    engine.after(arrivals[r], [&, r] { network->arrive(0, exchange, r, listener); });
  }
  engine.run();
  std::vector<sim::Time> done;
  for (const sim::Rank r : exchange.participants) done.push_back(listener.of(r));
  return {done, network->link_use()};
}

}  // namespace

TEST_CASE("counted messages fare as the same bytes transfer by transfer") {
  // What goes out by rows, and what comes back by columns; some pairs exchange nothing, and what a
  // rank keeps for itself costs nothing.
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "messages");
    const auto cluster = random_cluster(random);
    const sim::Rank ranks = cluster.ranks();
    auto counts = std::make_shared<std::vector<std::uint32_t>>();
    for (sim::Rank i = 0; i < ranks * ranks; ++i) {
      counts->push_back(static_cast<std::uint32_t>(random.below(4)));
    }
    sim::Exchange exchange, one_by_one;
    for (sim::Rank r = 0; r < ranks; ++r) exchange.participants.push_back(r);
    exchange.startup = 3us;
    exchange.near.factor = 1.25;
    exchange.far.factor = 1.5;
    one_by_one = exchange;
    const bool back = random.below(2) == 0;
    exchange.messages = {.counts = counts, .size = sim::Bytes(7000), .back = back};
    for (sim::Rank row = 0; row < ranks; ++row) {
      for (sim::Rank column = 0; column < ranks; ++column) {
        const sim::Bytes bytes(std::int64_t{7000} * (*counts)[row * ranks + column]);
        if (bytes == sim::Bytes{}) continue;
        one_by_one.transfers.push_back(back ? sim::Transfer{column, row, bytes}
                                            : sim::Transfer{row, column, bytes});
      }
    }
    std::vector<sim::Duration> arrivals(ranks);
    for (auto& arrival : arrivals) arrival = sim::Duration(random.below(20) * 1'000'000);
    for (const auto fidelity : {Fidelity::Bound, Fidelity::Fluid}) {
      const auto [done, links] = played(cluster, exchange, fidelity, arrivals);
      const auto [done_one_by_one, same_links] = played(cluster, one_by_one, fidelity, arrivals);
      CHECK(done == done_one_by_one);
      REQUIRE(links.size() == same_links.size());
      for (std::size_t l = 0; l < links.size(); ++l) {
        CHECK(links[l].link == same_links[l].link);
        CHECK(links[l].bytes == same_links[l].bytes);
      }
    }
  }
}

TEST_CASE("in closed form a rank waits for the last of those that it exchanges bytes with") {
  // It is done a time after that which does not depend on when they come: the time that it takes
  // when all come at once.
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "rendezvous");
    const auto cluster = random_cluster(random);
    const auto exchange = random_exchange(random, cluster.ranks());
    const std::vector<sim::Duration> at_once(cluster.ranks());
    std::vector<sim::Duration> arrivals(cluster.ranks());
    for (auto& arrival : arrivals) arrival = sim::Duration(random.below(20) * 1'000'000);
    std::vector<sim::Duration> last = arrivals;
    for (const sim::Transfer& t : exchange.transfers) {
      last[t.source] = std::max(last[t.source], arrivals[t.destination]);
      last[t.destination] = std::max(last[t.destination], arrivals[t.source]);
    }
    const auto together = played(cluster, exchange, Fidelity::Bound, at_once).first;
    const auto apart = played(cluster, exchange, Fidelity::Bound, arrivals).first;
    for (const sim::Rank r : exchange.participants) CHECK(apart[r] == together[r] + last[r]);
  }
}

TEST_CASE("flows never beat the busiest link, and links carry what was sent") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "laws");
    const auto cluster = random_cluster(random);
    const auto exchange = random_exchange(random, cluster.ranks());
    const auto fluid = hardware::play_exchange(cluster, exchange, Fidelity::Fluid, 0.01);
    CHECK(fluid.completion >= fluid.lower_bound);
    const auto bound = hardware::play_exchange(cluster, exchange, Fidelity::Bound);
    CHECK(bound.completion <= fluid.lower_bound);
    // What leaves devices, over whichever of their links, is what was sent, but for what rail
    // forwarding sends twice.
    std::int64_t sent = 0, left = 0;
    for (const auto& t : exchange.transfers) sent += t.bytes.count();
    for (const auto& link : fluid.links) {
      if (link.name.starts_with("gpu")) left += link.bytes.count();
    }
    if (!cluster.topology->rail_forwarding) CHECK(left == sent);
    CHECK(left >= sent);
    // Both fidelities put the same bytes on the same links.
    std::int64_t fluid_sum = 0, bound_sum = 0;
    for (const auto& link : fluid.links) fluid_sum += link.bytes.count();
    for (const auto& link : bound.links) bound_sum += link.bytes.count();
    CHECK(fluid_sum == bound_sum);
  }
}

TEST_CASE(
    "a tolerant play of ranks that come one by one ends within its tolerance of the exact one") {
  // Of the whole exchange, from its first arrival: flows are held back, never sped up, by less than
  // the tolerance.
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "tolerance");
    const auto cluster = random_cluster(random);
    const auto exchange = random_exchange(random, cluster.ranks());
    std::vector<sim::Duration> arrivals(cluster.ranks());
    for (auto& arrival : arrivals) arrival = sim::Duration(random.below(200) * 1'000'000);
    const auto end = [&](double tolerance) {
      const auto done = played(cluster, exchange, Fidelity::Fluid, arrivals, tolerance).first;
      return sim::to_us(*std::max_element(done.begin(), done.end()) - sim::Time{});
    };
    const double exact = end(0);
    for (const double tolerance : {0.001, 0.01, 0.05}) {
      CAPTURE(tolerance);
      const double tolerant = end(tolerance);
      CHECK(tolerant >= exact * (1 - 1e-9));
      CHECK(tolerant <= exact * (1 + tolerance));
    }
  }
}

TEST_CASE("a balanced exchange on a switch that never limits takes its bound") {
  // All ports are equally busy all the time: max-min fair flows waste nothing.
  for (const std::int64_t ranks : {2, 4, 8, 16}) {
    const auto cluster = testing::small_cluster(1, ranks);
    sim::Exchange exchange;
    for (sim::Rank s = 0; s < ranks; ++s) {
      exchange.participants.push_back(s);
      for (sim::Rank d = 0; d < ranks; ++d) {
        if (s != d) exchange.transfers.push_back({s, d, 1_MB});
      }
    }
    const auto fluid = hardware::play_exchange(cluster, exchange, Fidelity::Fluid, 0);
    CHECK(sim::to_us(fluid.completion) ==
          doctest::Approx(sim::to_us(fluid.lower_bound)).epsilon(1e-9));
  }
}

TEST_CASE("twice the bandwidth of all links halves the time but for the latency") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "more bandwidth");
    auto cluster = random_cluster(random);
    const auto exchange = random_exchange(random, cluster.ranks());
    const auto before = hardware::play_exchange(cluster, exchange, Fidelity::Fluid, 0);
    auto topology = *cluster.topology;
    for (auto& link : topology.links) {
      link.capacity = link.capacity * 2;
      link.latency = {};
    }
    cluster.topology = std::make_shared<const hardware::Topology>(topology);
    const auto after = hardware::play_exchange(cluster, exchange, Fidelity::Fluid, 0);
    CHECK(after.completion <= before.completion);
    CHECK(sim::to_us(after.completion) * 2 <= sim::to_us(before.completion) + 1e-3);
    CHECK(sim::to_us(after.completion) * 2 >= sim::to_us(before.completion) - 5);
  }
}

TEST_CASE("an equal play gives equal picoseconds") {
  sim::Random random(7, "again");
  const auto cluster = random_cluster(random);
  const auto exchange = random_exchange(random, cluster.ranks());
  const auto one = hardware::play_exchange(cluster, exchange, Fidelity::Fluid, 0.01);
  const auto two = hardware::play_exchange(cluster, exchange, Fidelity::Fluid, 0.01);
  CHECK(one.done == two.done);
  CHECK(one.events == two.events);
}
