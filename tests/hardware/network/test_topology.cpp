#include <doctest/doctest.h>

#include <map>
#include <string>

#include "hardware/network/analysis.h"
#include "hardware/network/builders.h"
#include "hardware/network/routes.h"
#include "sim/error.h"
#include "tests/support/clusters.h"

using namespace moesim;
using namespace moesim::sim::literals;
using hardware::ScaleOut;
using hardware::Topology;
using testing::small_cluster;

namespace {

// "gpu0->node0.nic0 node0.nic0->fabric …"
std::string path_text(const Topology& topology, sim::Rank from, sim::Rank to) {
  hardware::Routes routes(topology);
  std::vector<hardware::LinkId> links;
  routes.path(from, to, links);
  std::string text = topology.vertices[topology.devices[from]].name;
  for (const auto l : links) text += " " + topology.vertices[topology.links[l].to].name;
  return text;
}

// As a fault of that vertex with capacity 0.
void kill(Topology& topology, const std::string& name) {
  for (auto& link : topology.links) {
    if (topology.vertices[link.from].name != name && topology.vertices[link.to].name != name)
      continue;
    link.capacity = {};
    topology.reroutes = true;
  }
}

}  // namespace

TEST_CASE("inside a node bytes take the switch, between nodes their own rail's NIC") {
  const auto topology = small_cluster(2, 2).topology;
  CHECK(path_text(*topology, 0, 1) == "gpu0 node0.switch gpu1");
  CHECK(path_text(*topology, 0, 3) == "gpu0 node0.nic0 fabric node1.nic1 gpu3");
}

TEST_CASE(
    "in a rail-optimised network another rail is reached over a spine, or with forwarding over the "
    "node") {
  auto cluster = small_cluster(4, 2);
  cluster.scale_out.fabric = ScaleOut::Fabric::RailOptimised;
  cluster.scale_out.nodes_per_leaf = 2;
  const auto topology = hardware::build_topology(cluster);
  // Nodes 0 and 1 share leaves 0.0 (rail 0) and 0.1.
  CHECK(path_text(topology, 0, 2) == "gpu0 node0.nic0 leaf0.0 node1.nic0 gpu2");
  CHECK(path_text(topology, 0, 3) == "gpu0 node0.nic0 leaf0.0 spine0 leaf0.1 node1.nic1 gpu3");
  CHECK(path_text(topology, 0, 4) == "gpu0 node0.nic0 leaf0.0 spine0 leaf1.0 node2.nic0 gpu4");
  cluster.scale_out.rail_forwarding = true;
  CHECK(path_text(hardware::build_topology(cluster), 0, 3) ==
        "gpu0 node0.switch gpu1 node0.nic1 leaf0.1 node1.nic1 gpu3");
  // Planes have no spine in common: another rail is out of reach without forwarding.
  cluster.scale_out.rail_forwarding = false;
  cluster.scale_out.planes = 2;
  const auto planes = hardware::build_topology(cluster);
  CHECK_THROWS_WITH_AS(path_text(planes, 0, 3),
                       "no path from gpu0 to gpu3: it reaches 4 of 7 other devices; no link leads "
                       "on from there",
                       sim::InfeasibleError);
}

TEST_CASE(
    "with ECMP a pair of ranks always takes the same one of the equal paths, and all are taken") {
  auto cluster = small_cluster(16, 1);
  cluster.scale_out.fabric = ScaleOut::Fabric::FatTree;
  cluster.scale_out.routing = ScaleOut::Routing::Ecmp;
  cluster.scale_out.nodes_per_leaf = 8;
  cluster.scale_out.spines = 4;
  const auto topology = hardware::build_topology(cluster);
  std::map<std::string, int> spines;
  for (sim::Rank from = 0; from < 8; ++from) {
    for (sim::Rank to = 8; to < 16; ++to) {
      const auto path = path_text(topology, from, to);
      CHECK(path == path_text(topology, from, to));
      ++spines[path.substr(path.find("spine"), 6)];
    }
  }
  // 64 flows over 4 spines: 16 each on average.
  CHECK(spines.size() == 4);
}

TEST_CASE("a dead NIC's bytes go over NVLink and another device's NIC") {
  auto topology = hardware::build_topology(small_cluster(2, 2));
  kill(topology, "node0.nic0");
  // gpu1's NIC is the only other one of the node; the way back turns into it likewise.
  CHECK(path_text(topology, 0, 2) == "gpu0 node0.switch gpu1 node0.nic1 fabric node1.nic0 gpu2");
  CHECK(path_text(topology, 2, 0) == "gpu2 node1.nic0 fabric node0.nic1 gpu1 node0.switch gpu0");
  CHECK(path_text(topology, 1, 2) == "gpu1 node0.nic1 fabric node1.nic0 gpu2");
  CHECK(path_text(topology, 0, 1) == "gpu0 node0.switch gpu1");
}

TEST_CASE("a dead NIC's bytes are spread over the node's others") {
  // Of 8 devices' NICs one is dead: to 56 ranks of other nodes no other NIC is left out, and none
  // has half of them.
  auto topology = hardware::build_topology(small_cluster(8, 8));
  kill(topology, "node0.nic0");
  std::map<std::string, int> by_nic;
  for (sim::Rank to = 8; to < 64; ++to) {
    const std::string text = path_text(topology, 0, to);
    CHECK(text.starts_with("gpu0 node0.switch gpu"));
    ++by_nic[text.substr(text.find("node0.nic"), 10)];
  }
  CHECK(by_nic.size() == 7);
  for (const auto& [nic, ranks] : by_nic) CHECK(ranks < 28);
}

TEST_CASE("a dead rail is gone around over the rail that is left") {
  auto cluster = small_cluster(2, 2);
  cluster.scale_out.fabric = ScaleOut::Fabric::RailOptimised;
  cluster.scale_out.nodes_per_leaf = 2;
  // Rails without a spine in common: out over rail 1, and from there to rail 0's device.
  auto topology = hardware::build_topology(cluster);
  kill(topology, "leaf0.0");
  CHECK(path_text(topology, 0, 2) ==
        "gpu0 node0.switch gpu1 node0.nic1 leaf0.1 node1.nic1 gpu3 node1.switch gpu2");
  CHECK(path_text(topology, 0, 3) == "gpu0 node0.switch gpu1 node0.nic1 leaf0.1 node1.nic1 gpu3");
  // With NCCL's forwarding to a rail that is dead, too.
  cluster.scale_out.rail_forwarding = true;
  auto forwarding = hardware::build_topology(cluster);
  kill(forwarding, "leaf0.0");
  CHECK(path_text(forwarding, 1, 2) == "gpu1 node0.nic1 leaf0.1 node1.nic1 gpu3 node1.switch gpu2");
}

TEST_CASE("nothing passes through a third node") {
  // Node 0 lost rail 0, node 1 rail 1: a way over node 2 there would be, but no library takes it.
  auto cluster = small_cluster(3, 2);
  cluster.scale_out.fabric = ScaleOut::Fabric::RailOptimised;
  cluster.scale_out.nodes_per_leaf = 3;
  auto topology = hardware::build_topology(cluster);
  kill(topology, "node0.nic0");
  kill(topology, "node1.nic1");
  kill(topology, "spine0");
  CHECK_THROWS_AS(path_text(topology, 0, 2), sim::InfeasibleError);
}

TEST_CASE("uplinks of a leaf carry its ports over the oversubscription") {
  // 4 nodes of 2 in leaves of 2 nodes: 4 NICs of 50 GB/s a leaf, 2:1, 2 spines: 50 GB/s each.
  auto cluster = small_cluster(4, 2);
  cluster.scale_out.fabric = ScaleOut::Fabric::FatTree;
  cluster.scale_out.routing = ScaleOut::Routing::Ecmp;
  cluster.scale_out.nodes_per_leaf = 2;
  cluster.scale_out.spines = 2;
  cluster.scale_out.oversubscription = 2;
  const auto topology = hardware::build_topology(cluster);
  for (const auto& link : topology.links) {
    if (link.kind == hardware::LinkKind::Fabric) CHECK(link.capacity == 50_GBps);
  }
  // One half of the nodes is one leaf: its two uplinks.
  CHECK(hardware::bisection(topology) == 100_GBps);
}

TEST_CASE("the bisection of a node is that of its ports, of a torus twice that of its faces") {
  CHECK(hardware::bisection(*small_cluster(1, 8).topology) == 4 * 450_GBps);
  // 16 chips, 4 x 4: halves of 4 x 2 have 4 rows that cross twice (the ring wraps around).
  hardware::Cluster cluster;
  cluster.nodes = 4;
  cluster.gpus_per_node = 4;
  cluster.scale_out.fabric = ScaleOut::Fabric::Torus;
  cluster.scale_out.dimensions = {4, 4};
  cluster.scale_out.bandwidth = 50_GBps;
  CHECK(hardware::bisection(hardware::build_topology(cluster)) == 8 * 50_GBps);
}

TEST_CASE("in a torus devices pass on, along a shortest way") {
  hardware::Cluster cluster;
  cluster.nodes = 2;
  cluster.gpus_per_node = 4;
  cluster.scale_out.fabric = ScaleOut::Fabric::Torus;
  cluster.scale_out.dimensions = {8};
  cluster.scale_out.bandwidth = 50_GBps;
  const auto topology = hardware::build_topology(cluster);
  CHECK(path_text(topology, 0, 2) == "gpu0 gpu1 gpu2");
  CHECK(path_text(topology, 0, 6) == "gpu0 gpu7 gpu6");
}

TEST_CASE("links that cannot limit a flow are known") {
  // On the path gpu0, nic, fabric, nic, gpu only the NICs' links to the fabric limit: the host's
  // links are wider, and one that is as wide as what feeds it adds nothing.
  const auto topology = small_cluster(2, 2).topology;
  hardware::Routes routes(*topology);
  std::vector<hardware::LinkId> links;
  routes.path(0, 3, links);
  std::string limiting;
  for (const auto l : links) {
    if (routes.can_limit()[l]) limiting += topology->link_name(l) + " ";
  }
  CHECK(limiting == "node0.nic0->fabric fabric->node1.nic1 ");
}

TEST_CASE("numbers that do not go together are refused with their reason") {
  auto cluster = small_cluster(2, 8);
  cluster.scale_out.nics_per_node = 3;
  CHECK_THROWS_WITH_AS(hardware::build_topology(cluster),
                       "scale_out.nics_per_node: 3 NICs cannot be shared evenly by 8 devices of a "
                       "node",
                       sim::ConfigError);
  cluster = small_cluster(3, 8);
  cluster.scale_out.fabric = ScaleOut::Fabric::BackToBack;
  CHECK_THROWS_WITH_AS(hardware::build_topology(cluster),
                       "scale_out.fabric: back_to_back joins two nodes, but nodes is 3",
                       sim::ConfigError);
  cluster = small_cluster(2, 8);
  cluster.scale_out.fabric = ScaleOut::Fabric::RailOptimised;
  cluster.scale_out.planes = 3;
  CHECK_THROWS_WITH_AS(hardware::build_topology(cluster),
                       "scale_out.planes: 8 NICs of a node cannot be dealt out to 3 planes",
                       sim::ConfigError);
  cluster.scale_out.fabric = ScaleOut::Fabric::Torus;
  cluster.scale_out.dimensions = {4, 5};
  CHECK_THROWS_WITH_AS(hardware::build_topology(cluster),
                       "scale_out.dimensions: a torus of 20 devices, but there are 2 nodes of 8",
                       sim::ConfigError);
}
