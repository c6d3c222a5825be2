// Equal parts of a graph are played once, and take what all of them played take.
#include "hardware/network/play_graph.h"

#include <doctest/doctest.h>

#include <array>

#include "hardware/network/cluster_network.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "sim/random.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::Fidelity;

namespace {

constexpr sim::Rank kGroup = 32;

hardware::Cluster nodes(std::int64_t count) {
  using Fabric = hardware::ScaleOut::Fabric;
  auto cluster = testing::small_cluster(count, 8);
  cluster.scale_out.fabric = Fabric::RailOptimised;
  cluster.scale_out.nics_per_node = 8;
  cluster.scale_out.nodes_per_leaf = 16;
  cluster.topology = hardware::make_topology(cluster);
  return cluster;
}

// Groups that each compute and exchange twice, all by the numbers of `seeds`.
sim::OpGraph groups(std::span<const std::uint64_t> seeds) {
  sim::OpGraph graph(kGroup * static_cast<sim::Rank>(seeds.size()), 2);
  const sim::LabelId label = graph.add_label({});
  for (std::size_t g = 0; g < seeds.size(); ++g) {
    sim::Random random(seeds[g], "groups");
    std::array<sim::OpId, kGroup> last;
    last.fill(sim::kNoOp);
    for (int layer = 0; layer < 2; ++layer) {
      sim::Exchange exchange;
      auto counts = std::make_shared<std::vector<std::uint32_t>>(kGroup * kGroup);
      for (auto& count : *counts) count = static_cast<std::uint32_t>(random.below(40));
      exchange.messages = {counts, sim::Bytes(7168), layer == 1};
      exchange.startup = 1us;
      for (sim::Rank r = 0; r < kGroup; ++r) {
        const sim::Rank rank = static_cast<sim::Rank>(g) * kGroup + r;
        exchange.participants.push_back(rank);
        const sim::Duration time(static_cast<std::int64_t>(random.below(40)) * 1'000'000);
        last[r] = graph.add_compute(rank, 0, label, time, std::array{last[r]});
      }
      const sim::ExchangeId id = graph.add_exchange(std::move(exchange));
      for (sim::Rank r = 0; r < kGroup; ++r)
        last[r] = graph.add_part(id, static_cast<sim::Rank>(g) * kGroup + r, 1, label,
                                 std::array{last[r]});
    }
  }
  return graph;
}

struct Both {
  hardware::PlayedGraph folded;
  sim::Timeline all;
  std::vector<hardware::LinkUse> links;
};
Both play(const hardware::Cluster& cluster, const sim::OpGraph& graph, double tolerance = 0.01) {
  hardware::ClusterNetwork network(cluster.topology);
  Both both{.folded = hardware::play_graph(network, graph, Fidelity::Fluid, tolerance),
            .all = {},
            .links = {}};
  sim::Engine engine;
  const auto model =
      hardware::make_network_model(network, Fidelity::Fluid, engine, tolerance, graph.exchanges());
  both.all = sim::execute(graph, engine, *model);
  both.links = model->link_use();
  return both;
}

void check_equal(const Both& both) {
  const sim::Timeline& folded = both.folded.timeline;
  REQUIRE(folded.spans.size() == both.all.spans.size());
  for (std::size_t i = 0; i < folded.spans.size(); ++i) {
    REQUIRE(folded.spans[i].start == both.all.spans[i].start);
    REQUIRE(folded.spans[i].end == both.all.spans[i].end);
  }
  CHECK(folded.finish == both.all.finish);
  REQUIRE(both.folded.links.size() == both.links.size());
  for (std::size_t i = 0; i < both.links.size(); ++i) {
    CHECK(both.folded.links[i].name == both.links[i].name);
    CHECK(both.folded.links[i].bytes == both.links[i].bytes);
  }
}

}  // namespace

TEST_CASE("equal groups are played once, to the picosecond as all of them") {
  const auto cluster = nodes(16);
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    const std::array<std::uint64_t, 4> equal{seed, seed, seed, seed};
    const Both four = play(cluster, groups(equal));
    CHECK(four.folded.parts == 4);
    CHECK(four.folded.played == 1);
    check_equal(four);
    const std::array<std::uint64_t, 4> pairs{seed, seed + 100, seed, seed + 100};
    const Both two = play(cluster, groups(pairs));
    CHECK(two.folded.played == 2);
    check_equal(two);
  }
}

TEST_CASE("groups that are not alike, or share a port, are played each") {
  const std::array<std::uint64_t, 2> equal{7, 7};
  const sim::OpGraph graph = groups(equal);
  CHECK(play(nodes(8), graph).folded.played == 1);

  // Links of one kind of the second group's GPUs.
  const auto changed = [&](hardware::LinkKind kind, auto change) {
    auto cluster = nodes(8);
    auto topology = std::make_shared<hardware::Topology>(*cluster.topology);
    const auto in_second = [&](hardware::VertexId vertex) {
      const auto found = std::ranges::find(topology->devices, vertex);
      return found - topology->devices.begin() >= kGroup && found != topology->devices.end();
    };
    for (hardware::Link& link : topology->links)
      if (link.kind == kind && (in_second(link.from) || in_second(link.to))) change(link);
    cluster.topology = topology;
    const Both both = play(cluster, graph);
    check_equal(both);
    CHECK(both.folded.parts == 2);
    return both.folded.played;
  };
  using enum hardware::LinkKind;
  CHECK(changed(ScaleUp, [](hardware::Link&) {}) == 1);
  CHECK(changed(ScaleUp, [](hardware::Link& link) { link.capacity = link.capacity * 0.5; }) == 2);
  CHECK(changed(ScaleUp, [](hardware::Link& link) { link.latency += 1ns; }) == 2);
  CHECK(changed(Host, [](hardware::Link& link) { link.latency += 1ns; }) == 2);

  // Exact flows are over links, which know no parts.
  const Both exact = play(nodes(8), graph, 0);
  CHECK(exact.folded.parts == 1);
  check_equal(exact);
}
