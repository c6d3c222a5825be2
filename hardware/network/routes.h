// Which links the bytes from one rank to another take: a shortest path, by links; the scale-up
// network before the scale-out one; among equals the one that a hash of the two ranks picks (ECMP).
// Where the topology forwards over rails (PXN), bytes for another rail of another node first go to
// the device of that rail in their own node. Devices pass on nothing else, but in a torus, and
// where a fault leaves no other way to another node: then bytes go over the scale-up network to
// another device and its NIC (as NCCL does when a NIC or rail fails), in the source's node, in the
// destination's, or in both; of several such ways a hash of the two ranks picks one.
//
// Where there is one shortest path of switches in levels it is found by structure (ascents.h); else
// by a table for each destination that is asked for, made then.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <vector>

#include "hardware/network/ascents.h"
#include "hardware/network/topology.h"

namespace moesim::hardware {

// Links are counted so that a path inside the node is always shorter than one over a NIC.
inline std::uint32_t length_of(LinkKind kind) {
  return kind == LinkKind::ScaleUp ? 1 : 2;
}

class Routes {
 public:
  // The topology outlives the routes.
  explicit Routes(const Topology& topology);
  ~Routes();

  // Appends the links from source to destination, in order. Nothing for source == destination.
  // Throws InfeasibleError that names the cut where there is no way.
  void path(sim::Rank source, sim::Rank destination, std::vector<LinkId>& links);

  // limiting_links.h
  const std::vector<bool>& can_limit() const { return can_limit_; }
  Ascents& ascents() { return ascents_; }

 private:
  struct Towards;
  const Towards& towards(VertexId destination);
  // Appends a path and says whether there is one; where not, `links` is as it was.
  bool walk(sim::Rank from, sim::Rank to, std::uint64_t hash, std::vector<LinkId>& links);
  bool walk(std::initializer_list<sim::Rank> over, std::uint64_t hash, std::vector<LinkId>& links);
  bool reroute(sim::Rank from, sim::Rank to, std::uint64_t hash, std::vector<LinkId>& links);
  std::vector<sim::Rank> others_of_node(sim::Rank rank, std::uint64_t hash) const;

  const Topology& topology_;
  std::vector<bool> can_limit_;
  Ascents ascents_;
  // For tables, made with the first of them.
  std::vector<std::vector<LinkId>> in_, out_;  // of each vertex, those that are up
  std::vector<std::unique_ptr<Towards>> towards_;
  std::vector<std::uint32_t> node_first_;  // rank lookup by node and rail
};

}  // namespace moesim::hardware
