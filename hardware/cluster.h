// A cluster: nodes of one device, the links inside a node (scale-up) and those between nodes
// (scale-out). configs/clusters/*.yaml; the keys are in hardware/network/README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hardware/device.h"
#include "sim/exchange.h"
#include "sim/units.h"

namespace moesim::sim::io {
struct YamlOverride;
}

namespace moesim::hardware {

inline constexpr std::int64_t kMostDevices = 1 << 20;  // that can be simulated

struct Topology;
struct CollectiveModels;
class KernelPool;

struct ScaleUp {
  enum class Kind { None, Switch, Pcie };
  Kind kind = Kind::None;
  sim::Bandwidth bandwidth;  // of one device, each way
  sim::Duration latency{};   // of one link; a path has two
};

struct ScaleOut {
  enum class Fabric {
    None,
    NonBlocking,    // one switch that never limits
    RailOptimised,  // the devices of one rail of a group of nodes share a leaf
    FatTree,        // all NICs of a group of nodes share a leaf
    BackToBack,     // two nodes, NIC to NIC
    Torus,          // devices in a 2-D or 3-D ring mesh, no switches
    Listed,         // links one by one, under `topology:`
  };
  enum class Routing {
    Adaptive,  // packets take every path between two leaves alike
    Ecmp,      // a flow takes one of the shortest paths, by a hash of its ends
  };
  Fabric fabric = Fabric::None;
  Routing routing = Routing::Adaptive;
  std::int64_t nics_per_node = 0;
  sim::Bandwidth bandwidth;       // of one NIC (of one link of a torus), each way
  sim::Duration latency{};        // of one link between a NIC and its switch
  sim::Bandwidth host_bandwidth;  // between a device and its NIC; zero: never the limit
  sim::Duration host_latency{};
  std::int64_t nodes_per_leaf = 0;
  std::int64_t spines = 1;  // of each plane
  std::int64_t planes = 1;  // networks side by side; rail r is on plane r mod planes
  double oversubscription = 1;
  sim::Duration leaf_spine_latency{};
  bool rail_forwarding = false;
  std::vector<std::int64_t> dimensions = {};  // of a torus
};

// A device that computes at a part of its speed.
struct SlowDevice {
  sim::Rank rank = 0;
  double speed = 1;
};

struct Cluster {
  std::string name;
  Device device;
  std::int64_t nodes = 1;
  std::int64_t gpus_per_node = 1;
  ScaleUp scale_up;
  ScaleOut scale_out;
  std::vector<SlowDevice> slow;
  std::shared_ptr<const Topology> topology;  // made from the above and the file's faults
  // Chosen for the device (collectives/models.h: collective_models()); copies share them.
  std::shared_ptr<const CollectiveModels> collectives;
  // Of the device; copies share it. May be none: whoever needs kernels then makes them.
  std::shared_ptr<KernelPool> kernels = nullptr;
  std::filesystem::path file;

  // Devices that are there: the file's, less those absent. A rank is one of them.
  sim::Rank ranks() const;
  double speed_of(sim::Rank rank) const;  // of its computations; 1 unless listed as slow
  std::uint32_t node_of(sim::Rank rank) const;
  bool near(sim::Rank a, sim::Rank b) const { return node_of(a) == node_of(b); }
};

// Throws ConfigError that lists every mistake of the file, InputError where it cannot be read.
Cluster load_cluster(const std::filesystem::path& file);
// `overrides`: values to set before it is read.
Cluster load_cluster_with(const std::filesystem::path& file,
                          const std::vector<sim::io::YamlOverride>& overrides);
// From text that stands for a file in `folder` (tests, inline clusters).
Cluster parse_cluster(const std::string& text, const std::filesystem::path& folder);

// The topology of the cluster as described, without faults; for clusters made in code.
// Throws ConfigError where the description makes no sense.
std::shared_ptr<const Topology> make_topology(const Cluster& cluster);

}  // namespace moesim::hardware
