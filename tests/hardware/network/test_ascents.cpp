// Paths by structure against the tables that any topology has.
#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "hardware/network/cluster_network.h"
#include "hardware/network/limiting_links.h"
#include "hardware/network/play.h"
#include "sim/error.h"
#include "sim/random.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::Topology;
using hardware::VertexKind;

namespace {

hardware::Cluster random_cluster(sim::Random& random) {
  using Fabric = hardware::ScaleOut::Fabric;
  constexpr Fabric kFabrics[] = {Fabric::NonBlocking, Fabric::RailOptimised, Fabric::FatTree};
  auto cluster = testing::small_cluster(2 + static_cast<std::int64_t>(random.below(5)),
                                        std::int64_t{1} << random.below(4));
  auto& out = cluster.scale_out;
  out.fabric = kFabrics[random.below(3)];
  // Fewer NICs than devices, as many, or more: then a device has two ways up.
  const std::int64_t nics[] = {std::max<std::int64_t>(cluster.gpus_per_node / 2, 1),
                               cluster.gpus_per_node, 2 * cluster.gpus_per_node};
  out.nics_per_node = nics[random.below(3)];
  out.nodes_per_leaf = 1 + static_cast<std::int64_t>(random.below(3));
  out.routing = random.below(4) == 0 ? hardware::ScaleOut::Routing::Ecmp
                                     : hardware::ScaleOut::Routing::Adaptive;
  out.spines = 1 + static_cast<std::int64_t>(random.below(3));
  out.oversubscription = 1 + static_cast<double>(random.below(2));
  out.leaf_spine_latency = 250ns;
  out.host_latency = 100ns;
  out.rail_forwarding = random.below(4) == 0;
  Topology topology = *hardware::make_topology(cluster);
  // Some links are slower, some are down, some one way only.
  for (std::uint64_t fault = random.below(4); fault > 0; --fault) {
    const auto l = static_cast<std::size_t>(random.below(topology.links.size()));
    const double part = random.below(2) == 0 ? 0.5 : 0;
    topology.links[l].capacity = topology.links[l].capacity * part;
    if (random.below(2) == 0) {  // links come in pairs
      topology.links[l ^ 1].capacity = topology.links[l ^ 1].capacity * part;
    }
  }
  cluster.topology = std::make_shared<const Topology>(std::move(topology));
  return cluster;
}

std::shared_ptr<const Topology> by_tables(const Topology& topology) {
  Topology copy = topology;
  copy.layered = false;
  return std::make_shared<const Topology>(std::move(copy));
}

// What the header of limiting_links.h says, link by link over all links of both ends.
std::vector<bool> can_limit_plainly(const Topology& t) {
  std::vector<bool> result(t.links.size(), true);
  const auto up = [&](hardware::LinkId l) { return t.links[l].capacity > sim::Bandwidth{}; };
  const auto device = [&](hardware::VertexId v) {
    return t.vertices[v].kind == VertexKind::Device;
  };
  for (hardware::LinkId l = 0; l < t.links.size(); ++l) {
    double in = 0;
    for (hardware::LinkId i = 0; i < t.links.size(); ++i) {
      if (up(i) && t.links[i].to == t.links[l].from && t.links[i].from != t.links[l].to) {
        in += t.links[i].capacity.bytes_per_second();
      }
    }
    if (!device(t.links[l].from) && in <= t.links[l].capacity.bytes_per_second() * (1 + 1e-12)) {
      result[l] = false;
    }
  }
  for (hardware::LinkId l = 0; l < t.links.size(); ++l) {
    double out = 0;
    bool limit = true;
    for (hardware::LinkId o = 0; o < t.links.size(); ++o) {
      if (!up(o) || t.links[o].from != t.links[l].to || t.links[o].to == t.links[l].from) continue;
      out += t.links[o].capacity.bytes_per_second();
      limit = limit && result[o];
    }
    if (result[l] && limit && !device(t.links[l].to) &&
        out <= t.links[l].capacity.bytes_per_second() * (1 + 1e-12)) {
      result[l] = false;
    }
  }
  return result;
}

sim::Exchange random_messages(sim::Random& random, sim::Rank ranks) {
  sim::Exchange exchange;
  for (sim::Rank r = 0; r < ranks; ++r) {
    if (random.below(4) != 0) exchange.participants.push_back(r);
  }
  const std::size_t n = exchange.participants.size();
  auto counts = std::make_shared<std::vector<std::uint32_t>>(n * n);
  for (auto& count : *counts) count = static_cast<std::uint32_t>(random.below(4));
  exchange.messages = {counts, sim::Bytes(7000), random.below(2) == 0};
  exchange.near.factor = 1.25;
  exchange.far.factor = 1.5;
  return exchange;
}

}  // namespace

TEST_CASE("paths by structure are the tables' paths, and take as long") {
  std::size_t by_structure = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "ascents");
    const auto cluster = random_cluster(random);
    hardware::PathTable paths(cluster.topology), tables(by_tables(*cluster.topology));
    for (sim::Rank s = 0; s < cluster.ranks(); ++s) {
      for (sim::Rank d = 0; d < cluster.ranks(); ++d) {
        if (s == d) continue;
        std::vector<hardware::LinkId> expected, found;
        try {
          const auto links = tables.all_links(s, d);
          expected.assign(links.begin(), links.end());
        } catch (const sim::InfeasibleError&) {
          CHECK_THROWS_AS(paths.all_links(s, d), sim::InfeasibleError);
          CHECK_THROWS_AS(paths.path(s, d), sim::InfeasibleError);
          continue;
        }
        const auto links = paths.all_links(s, d);
        found.assign(links.begin(), links.end());
        CHECK(found == expected);
        const auto path = paths.path(s, d), table = tables.path(s, d);
        CHECK(path.latency == table.latency);
        const auto limits = paths.limiting_links(path), same = tables.limiting_links(table);
        CHECK(std::equal(limits.begin(), limits.end(), same.begin(), same.end()));
        if (paths.ascents().meet(s, d).up != nullptr) ++by_structure;
      }
    }
  }
  CHECK(by_structure > 10'000);  // most of these pairs
}

TEST_CASE("links that cannot limit are those that a look at every pair of links finds") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "limits");
    const auto cluster = random_cluster(random);
    CHECK(hardware::links_that_can_limit(*cluster.topology) ==
          can_limit_plainly(*cluster.topology));
  }
}

TEST_CASE("sums over a matrix by structure give the times and bytes of links that pairs give") {
  std::size_t sums = 0;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    sim::Random random(seed, "sums");
    const auto cluster = random_cluster(random);
    const auto exchange = random_messages(random, cluster.ranks());
    hardware::ClusterNetwork network(cluster.topology), tables(by_tables(*cluster.topology));
    try {
      tables.ports_of(exchange.participants);
      for (const auto s : exchange.participants) {
        for (const auto d : exchange.participants) {
          if (s != d) tables.paths().path(s, d);
        }
      }
    } catch (const sim::InfeasibleError&) {
      continue;
    }
    if (network.ports_of(exchange.participants).by_structure()) ++sums;
    const auto played = hardware::play_exchange(network, exchange, hardware::Fidelity::Bound);
    const auto same = hardware::play_exchange(tables, exchange, hardware::Fidelity::Bound);
    CHECK(played.done == same.done);
    REQUIRE(played.links.size() == same.links.size());
    for (std::size_t l = 0; l < played.links.size(); ++l) {
      CHECK(played.links[l].name == same.links[l].name);
      CHECK(played.links[l].bytes == same.links[l].bytes);
    }
  }
  CHECK(sums > 40);
}

TEST_CASE("a network is asked by one play after another, and answers each alike") {
  // Two nodes of two; 1 GB from rank 0 to rank 2 over 50 GB/s: 20 ms and two links of 500 ns. Then
  // a matrix of one message each way; then the first again.
  const auto cluster = testing::small_cluster(2, 2);
  hardware::ClusterNetwork network(cluster.topology);
  sim::Exchange one;
  one.participants = {0, 2};
  one.transfers = {{0, 2, 1_GB}};
  sim::Exchange matrix;
  matrix.participants = {0, 1, 2};
  matrix.messages = {std::make_shared<const std::vector<std::uint32_t>>(9, 1), 500_MB};
  const auto time = [&](const sim::Exchange& exchange) {
    return hardware::play_exchange(network, exchange, hardware::Fidelity::Bound).completion;
  };
  CHECK(time(one) == 20ms + 1us);
  // Rank 2 gets two messages of 0.5 GB over its NIC.
  CHECK(time(matrix) == 20ms + 1us);
  matrix.messages.back = true;
  CHECK(time(matrix) == 20ms + 1us);
  CHECK(time(one) == 20ms + 1us);
}
