#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "hardware/cluster.h"
#include "hardware/collectives/models.h"
#include "hardware/network/analysis.h"
#include "hardware/network/topology.h"
#include "sim/error.h"

using namespace moesim;
using namespace moesim::sim::literals;

namespace {

// A cluster file of `lines` in configs/clusters; its messages start with "cluster.yaml:LINE".
hardware::Cluster parse(const std::string& lines) {
  return hardware::parse_cluster("name: test\ndevice: ../devices/h100.yaml\n" + lines,
                                 "configs/clusters");
}
std::string message(const std::string& lines) {
  try {
    parse(lines);
  } catch (const sim::Error& error) {
    const std::string text = error.what();
    const auto start = text.find("cluster.yaml");
    return start == std::string::npos ? text : text.substr(start);
  }
  return "no error";
}

// Lines 3 to 9 and on.
const std::string kTwoNodes =
    "nodes: 2\n"
    "gpus_per_node: 2\n"
    "scale_up: {kind: switch, bandwidth: 450 GB/s, latency: 250 ns}\n"
    "scale_out: {fabric: non_blocking, nics_per_node: 2, bandwidth: 400 Gbit/s, latency: 1 us}\n";

}  // namespace

TEST_CASE("every cluster that ships can be loaded, and every device reaches every other") {
  std::size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator("configs/clusters")) {
    CAPTURE(entry.path().string());
    const auto cluster = hardware::load_cluster(entry.path());
    CHECK(cluster.ranks() == cluster.nodes * cluster.gpus_per_node);
    CHECK_NOTHROW(hardware::check_reachable(*cluster.topology));
    ++count;
  }
  CHECK(count >= 20);
}

TEST_CASE("one, two and four GPUs of a node are the node of eight with fewer of them") {
  for (const std::string device : {"h100", "h200", "b200"}) {
    const auto whole = hardware::load_cluster("configs/clusters/" + device + "-1x8.yaml");
    for (const std::uint32_t gpus : {1u, 2u, 4u}) {
      CAPTURE(device);
      CAPTURE(gpus);
      const auto part = hardware::load_cluster("configs/clusters/" + device + "-1x" +
                                               std::to_string(gpus) + ".yaml");
      CHECK(part.nodes == 1);
      CHECK(part.ranks() == gpus);
      CHECK(part.device.name == whole.device.name);
      CHECK(part.scale_up.bandwidth == whole.scale_up.bandwidth);
      CHECK(part.scale_up.latency == whole.scale_up.latency);
    }
  }
}

TEST_CASE("a cluster's file says what it is made of") {
  const auto cluster = hardware::load_cluster("configs/clusters/h800-16x8.yaml");
  CHECK(cluster.ranks() == 128);
  CHECK(cluster.scale_up.bandwidth == 200_GBps);
  CHECK(cluster.scale_out.bandwidth == 50_GBps);
  CHECK(cluster.device.name.find("H800") != std::string::npos);
  CHECK(cluster.near(8, 15));
  CHECK_FALSE(cluster.near(7, 8));
}

TEST_CASE("faults narrow links, slow devices and take them away") {
  const auto cluster = parse(kTwoNodes +
                             "faults:\n"
                             "  - {at: node0.nic1, capacity: 0.5}\n"
                             "  - {between: [gpu0, node0.switch], capacity: 0.25}\n"
                             "  - {gpu: 3, speed: 0.8}\n"
                             "  - {gpu: 2, absent: true}\n");
  // Ranks are those that are there: gpu0, gpu1, gpu3.
  CHECK(cluster.ranks() == 3);
  CHECK(cluster.speed_of(2) == 0.8);
  CHECK(cluster.speed_of(1) == 1);
  for (const auto& link : cluster.topology->links) {
    const auto name = [&](auto v) { return cluster.topology->vertices[v].name; };
    if (name(link.from) == "node0.nic1" && name(link.to) == "fabric") {
      CHECK(link.capacity == 25_GBps);
    }
    if (name(link.from) == "node0.switch" && name(link.to) == "gpu0") {
      CHECK(link.capacity == 450_GBps * 0.25);
    }
  }
}

TEST_CASE("a node's fault is that of its devices, a rail's that of its NICs in all nodes") {
  const auto whole = parse(kTwoNodes);
  const auto cluster = parse(kTwoNodes +
                             "faults:\n"
                             "  - {node: 0, absent: true}\n"
                             "  - {node: 1, speed: 0.5}\n"
                             "  - {rail: 1, capacity: 0.25}\n");
  // gpu2 and gpu3 are left, both slow.
  CHECK(cluster.ranks() == 2);
  CHECK(cluster.topology->absent == std::vector<sim::Rank>{0, 1});
  CHECK(cluster.node_of(0) == 1);
  CHECK(cluster.speed_of(0) == 0.5);
  CHECK(cluster.speed_of(1) == 0.5);
  std::size_t narrowed = 0;
  for (std::size_t l = 0; l < cluster.topology->links.size(); ++l) {
    const auto& link = cluster.topology->links[l];
    const std::string name = cluster.topology->link_name(static_cast<hardware::LinkId>(l));
    CAPTURE(name);
    if (link.kind != hardware::LinkKind::Nic) continue;
    // nic1 of both nodes, out and in; nic0 as it was.
    const bool of_rail = name.find("nic1") != std::string::npos;
    CHECK(link.capacity == whole.topology->links[l].capacity * (of_rail ? 0.25 : 1));
    narrowed += of_rail ? 1 : 0;
  }
  CHECK(narrowed == 4);
  CHECK_FALSE(cluster.topology->reroutes);
  // A rail that is down is gone around.
  CHECK(parse(kTwoNodes + "faults: [{rail: 0, capacity: 0}]\n").topology->reroutes);
}

TEST_CASE("a rail is a device's place, whatever NIC it sends through") {
  // Two devices share the node's NIC: either's rail is its only one.
  const std::string shared =
      "nodes: 2\ngpus_per_node: 2\nscale_up: {kind: switch, bandwidth: 450 GB/s, latency: 250 ns}\n"
      "scale_out: {fabric: non_blocking, nics_per_node: 1, bandwidth: 400 Gbit/s, latency: 1 us}\n";
  for (const char* rail : {"0", "1"}) {
    const auto cluster = parse(shared + "faults: [{rail: " + rail + ", capacity: 0.5}]\n");
    for (const auto& link : cluster.topology->links) {
      if (link.kind == hardware::LinkKind::Nic) CHECK(link.capacity == 25_GBps);
    }
  }
}

TEST_CASE("a device that faults cut off is an error that names the cut") {
  CHECK(message(kTwoNodes +
                "faults: [{at: node1.nic0, capacity: 0}, {at: node1.nic1, capacity: 0}]\n") ==
        "no path from gpu0 to gpu2: it reaches 1 of 3 other devices; what would lead on is down: "
        "fabric->node1.nic0, fabric->node1.nic1");
}

TEST_CASE("links can be listed one by one") {
  const auto cluster = parse(
      "nodes: 1\ngpus_per_node: 3\nscale_up: {kind: none}\nscale_out: {fabric: listed}\n"
      "topology:\n"
      "  switches: [sw]\n"
      "  links:\n"
      "    - {between: [gpu0, \"sw:1\"], bandwidth: 10 GB/s, latency: 1 us}\n"
      "    - {between: [gpu1, \"sw:2\"], bandwidth: 10 GB/s}\n"
      "    - {between: [gpu2, \"sw:3\"], bandwidth: 20 GB/s}\n");
  CHECK(cluster.topology->links.size() == 6);
  CHECK(hardware::bisection(*cluster.topology) == 10_GBps);
}

TEST_CASE("a bad topology is refused with the line at fault") {
  const std::string start =
      "nodes: 1\ngpus_per_node: 2\nscale_up: {kind: none}\nscale_out: {fabric: listed}\n"
      "topology:\n"
      "  switches: [sw]\n"
      "  links:\n"
      "    - {between: [gpu0, \"sw:1\"], bandwidth: 10 GB/s}\n";
  CHECK(message(start) ==
        "cluster.yaml:8:3: topology: no path from gpu0 to gpu1: it reaches 0 of 1 other devices; "
        "no link leads on from there");
  CHECK(message(start + "    - {between: [gpu1, \"sw:1\"], bandwidth: 10 GB/s}\n") ==
        "cluster.yaml:11:24: topology.links[1].between[1]: port \"sw:1\" is used twice, first at "
        "configs/clusters/cluster.yaml:10:24");
  CHECK(message(start + "    - {between: [gpu1, gpu1], bandwidth: 10 GB/s}\n") ==
        "cluster.yaml:11:7: topology.links[1]: a link from \"gpu1\" to itself");
  CHECK(message(start + "    - {between: [gpu1, sv], bandwidth: 10 GB/s}\n") ==
        "cluster.yaml:11:24: topology.links[1].between[1]: there is no \"sv\" in this cluster; did "
        "you mean \"sw\"?");
  CHECK(message(start + "    - {between: [gpu1, sw], bandwidth: 0 GB/s}\n") ==
        "cluster.yaml:11:40: topology.links[1].bandwidth: expected a rate above zero, such as 400 "
        "Gbit/s, not \"0 GB/s\"");
  CHECK(message(start + "    - {between: [gpu1], bandwidth: 1 GB/s}\n") ==
        "cluster.yaml:11:17: topology.links[1].between: expected two names, such as [node0.nic0, "
        "leaf0.0]");
}

TEST_CASE("what a cluster lacks is said") {
  CHECK(message("nodes: 2\ngpus_per_node: 2\nscale_up: {kind: none}\n") ==
        "cluster.yaml:3:8: nodes: several nodes need scale_out with a fabric");
  // One that could not be read is none that is lacking.
  CHECK(message("nodes: 2\ngpus_per_node: 2\nscale_up: {kind: none}\n"
                "scale_out: {fabric: rail_optimized, nics_per_node: 2, bandwidth: 400 Gbit/s, "
                "latency: 1 us}\n") ==
        "cluster.yaml:6:21: scale_out.fabric: expected one of none, non_blocking, rail_optimised, "
        "fat_tree, back_to_back, torus, listed, not \"rail_optimized\"; did you mean "
        "\"rail_optimised\"?");
  CHECK(message(kTwoNodes + "faults: [{gpu: 1, at: gpu1}]\n") ==
        "cluster.yaml:7:10: faults[0]: expected one of at (all links of a vertex), between (the "
        "links of two), rail (the NICs at one place of all nodes), gpu, node");
  CHECK(message(kTwoNodes + "faults: [{gpu: 1, speed: 0}]\n") ==
        "cluster.yaml:7:26: faults[0].speed: a device that does not compute is absent: say absent: "
        "true");
  CHECK(message(kTwoNodes + "faults: [{gpu: 1}]\n") ==
        "cluster.yaml:7:10: faults[0]: says nothing of the GPU: absent: true, or a speed such as "
        "0.5");
  CHECK(message(kTwoNodes + "faults: [{node: 1}]\n") ==
        "cluster.yaml:7:10: faults[0]: says nothing of the node: absent: true, or a speed such as "
        "0.5");
  CHECK(message(kTwoNodes + "faults: [{node: 2, absent: true}]\n") ==
        "cluster.yaml:7:17: faults[0].node: expected a whole number from 0 to 1, not \"2\"");
  CHECK(message(kTwoNodes + "faults: [{node: 1, capacity: 0}]\n") ==
        "cluster.yaml:7:10: faults[0]: capacity is of links: say at: gpu3, between: [..] or rail: "
        "5");
  CHECK(message(kTwoNodes + "faults: [{rail: 2, capacity: 0}]\n") ==
        "cluster.yaml:7:17: faults[0].rail: expected a whole number from 0 to 1, not \"2\"");
  CHECK(message(kTwoNodes + "faults: [{rail: 1, capacity: 1, absent: true}]\n") ==
        "cluster.yaml:7:41: faults[0].absent: is of devices: say gpu: 3 or node: 2");
  CHECK(
      message("nodes: 1\ngpus_per_node: 2\nscale_up: {kind: switch, bandwidth: 1 GB/s, latency: 0 "
              "ns}\nfaults: [{rail: 1, capacity: 0}]\n") ==
      "cluster.yaml:6:17: faults[0].rail: no device of this cluster has a NIC");
  CHECK(message(kTwoNodes + "faults: [{gpu: 1, speed: 2}]\n") ==
        "cluster.yaml:7:26: faults[0].speed: expected a number from 0 to 1, not \"2\"");
  CHECK(message(kTwoNodes + "faults: [{between: [gpu0, gpu1], capacity: 0}]\n") ==
        "cluster.yaml:7:20: faults[0].between: there is no link between these two");
}

TEST_CASE("a cluster's own fits of its collectives come before its device's") {
  const auto folder = std::filesystem::temp_directory_path() / "moesim-cluster-collectives";
  std::filesystem::create_directories(folder);
  const auto file = folder / "net.yaml";
  {
    std::ofstream out(file);
    out << "models:\n"
           "  - kind: nccl\n"
           "    implementation: nccl\n"
           "    variant: all_gather\n"
           "    parameters: {quick_us: 33, quick_step_us: 1, quick_efficiency: 0.2, wide_us: 8,\n"
           "      wide_step_us: 1, wide_efficiency: 0.8, wide_loss: 0.4, ramp_bytes: 1e6,\n"
           "      sum_us: 60, sum_efficiency: 0.6, node_us: 7}\n"
           "    provenance: {origin: fitted, source: a test}\n";
  }
  const hardware::Cluster plain = parse(kTwoNodes + "source: a test\n");
  const hardware::Cluster own =
      parse(kTwoNodes + "source: a test\ncollectives: " + file.string() + "\n");
  const auto quick = [](const auto& reach) { return reach.node.parameters().quick_us; };
  CHECK(quick(plain.collectives->all_gather) < 20);
  CHECK(quick(own.collectives->all_gather) == 33);
  CHECK(own.collectives->all_gather.nodes.parameters().node_us == 7);
  CHECK(own.device.files.size() == plain.device.files.size() + 1);
  CHECK(own.device.files.back() == file);  // for a report's inputs
  // The others stay the device's.
  CHECK(quick(own.collectives->all_reduce) == quick(plain.collectives->all_reduce));
  std::filesystem::remove_all(folder);
}

TEST_CASE("a device of a billionth of its speed, and such a link, ended the program") {
  CHECK(message(kTwoNodes + "faults: [{gpu: 1, speed: 1e-9}]\n") ==
        "cluster.yaml:7:26: faults[0].speed: a device that does not compute is absent: say absent: "
        "true");
  CHECK(message(kTwoNodes + "faults: [{at: gpu0, capacity: 1e-12}]\n") ==
        "cluster.yaml:7:31: faults[0].capacity: a link that carries next to nothing is cut: say 0");
}
