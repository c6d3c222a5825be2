#include "hardware/network/play_graph.h"

#include <algorithm>
#include <numeric>
#include <set>
#include <unordered_map>

#include "hardware/network/cluster_network.h"
#include "hardware/network/traffic.h"
#include "sim/engine.h"
#include "sim/executor.h"
#include "sim/graph_parts.h"

namespace moesim::hardware {
namespace {

// Whether bytes fare alike from each place to each other. REQUIRES: ports suffice
bool are_alike(const Ports& a, const Ports& b, const Topology& topology) {
  if (a.size() != b.size() || a.ways()[Ports::kNear].latency != b.ways()[Ports::kNear].latency)
    return false;
  const auto longest = [](const Ports& ports) {
    return std::ranges::max(ports.ways(), {}, &Ports::WayTraits::latency).latency;
  };
  const auto same_link = [&](LinkId x, LinkId y) {
    if (x == Ports::kNoLink || y == Ports::kNoLink) return x == y;
    return topology.links[x].capacity == topology.links[y].capacity;
  };
  if (longest(a) != longest(b)) return false;
  for (std::size_t p = 0; p < a.size(); ++p) {
    if (a.first_near(p) != b.first_near(p) || a.last_near(p) != b.last_near(p)) return false;
    for (const std::size_t kind : {0u, 1u})
      if (!same_link(a.leave(p)[kind], b.leave(p)[kind]) ||
          !same_link(a.reach(p)[kind], b.reach(p)[kind]))
        return false;
    for (std::size_t q = 0; q < a.size(); ++q)
      if (a.ways()[a.from(p)[q]].latency != b.ways()[b.from(p)[q]].latency) return false;
  }
  return true;
}

// Which part stands for which.
class Stand {
 public:
  Stand(ClusterNetwork& network, const sim::OpGraph& graph, const sim::GraphParts& parts)
      : network_(network), graph_(graph), parts_(parts), stands_for_(parts.size()) {
    find_shared();
    std::iota(stands_for_.begin(), stands_for_.end(), 0u);
    for (std::uint32_t part = 0; part < parts.size(); ++part) {
      const auto found = std::ranges::find_if(
          played_, [&](std::uint32_t other) { return may_stand_for(other, part); });
      if (found == played_.end())
        played_.push_back(part);
      else
        stands_for_[part] = *found;
    }
  }

  std::span<const std::uint32_t> played() const { return played_; }
  std::span<const std::uint32_t> stands_for() const { return stands_for_; }

 private:
  const Ports& ports_of(sim::ExchangeId id) const {
    return network_.ports_of(graph_.exchanges()[id].participants);
  }

  // Parts one of whose ports is another's, too.
  void find_shared() {
    std::unordered_map<LinkId, std::uint32_t> owner;
    shares_.assign(parts_.size(), false);
    for (std::uint32_t part = 0; part < parts_.size(); ++part) {
      std::set<const Ports*> known;
      for (const sim::ExchangeId id : parts_.exchanges(part)) {
        const Ports& ports = ports_of(id);
        if (!known.insert(&ports).second) continue;
        for (std::size_t p = 0; p < ports.size(); ++p)
          for (const auto& side : {ports.leave(p), ports.reach(p)})
            for (const LinkId link : side) {
              if (link == Ports::kNoLink) continue;
              const std::uint32_t first = owner.try_emplace(link, part).first->second;
              if (first != part) shares_[first] = shares_[part] = true;
            }
      }
    }
  }

  bool may_stand_for(std::uint32_t one, std::uint32_t other) const {
    if (shares_[one] || shares_[other] || !parts_.equal(one, other)) return false;
    std::set<std::pair<const Ports*, const Ports*>> known;
    for (std::size_t i = 0; i < parts_.exchanges(one).size(); ++i) {
      const Ports &a = ports_of(parts_.exchanges(one)[i]),
                  &b = ports_of(parts_.exchanges(other)[i]);
      if (known.insert({&a, &b}).second && !are_alike(a, b, network_.topology())) return false;
    }
    return true;
  }

  ClusterNetwork& network_;
  const sim::OpGraph& graph_;
  const sim::GraphParts& parts_;
  std::vector<bool> shares_;
  std::vector<std::uint32_t> played_, stands_for_;
};

PlayedGraph play_all(ClusterNetwork& network, const sim::OpGraph& graph, Fidelity fidelity,
                     double tolerance) {
  sim::Engine engine;
  const auto model = make_network_model(network, fidelity, engine, tolerance, graph.exchanges());
  PlayedGraph played{.timeline = sim::execute(graph, engine, *model), .links = {}};
  played.links = model->link_use();
  return played;
}

}  // namespace

PlayedGraph play_graph(ClusterNetwork& network, const sim::OpGraph& graph, Fidelity fidelity,
                       double tolerance) {
  if (fidelity != Fidelity::Fluid || !by_matrices(network, graph.exchanges(), tolerance))
    return play_all(network, graph, fidelity, tolerance);
  const sim::GraphParts parts(graph);
  if (parts.size() == 1) return play_all(network, graph, fidelity, tolerance);
  const Stand stand(network, graph, parts);
  PlayedGraph played;
  if (stand.played().size() == parts.size()) {
    played = play_all(network, graph, fidelity, tolerance);
  } else {
    played = play_all(network, parts.only(stand.played()), fidelity, tolerance);
    played.timeline = parts.whole(played.timeline, stand.played(), stand.stands_for());
    Traffic traffic(network);
    for (const sim::Exchange& exchange : graph.exchanges()) traffic.add(exchange);
    played.links = traffic.link_use();
  }
  played.parts = parts.size();
  played.played = stand.played().size();
  return played;
}

}  // namespace moesim::hardware
