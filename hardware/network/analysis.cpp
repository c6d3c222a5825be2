#include "hardware/network/analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>
#include <boost/graph/push_relabel_max_flow.hpp>
#include <boost/graph/reverse_graph.hpp>
#include <cmath>
#include <map>

#include "sim/error.h"

namespace moesim::hardware {

namespace {

using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::bidirectionalS>;

// Whether what enters a device may leave it again: in a torus, to its rail's NIC, around a fault.
bool forwards(const Topology& topology) {
  return topology.devices_forward || topology.rail_forwarding || topology.reroutes;
}

// The links that are up. A device forwards nothing (but in a torus): what enters it ends there, so
// it is two vertices, v that sends and n + v that receives.
Graph graph_of(const Topology& topology) {
  const std::size_t n = topology.vertices.size();
  Graph graph(2 * n);
  const auto in = [&](VertexId v) {
    const bool ends = topology.vertices[v].kind == VertexKind::Device && !forwards(topology);
    return ends ? n + v : v;
  };
  for (const Link& link : topology.links) {
    if (link.capacity > sim::Bandwidth{}) boost::add_edge(link.from, in(link.to), graph);
  }
  return graph;
}

// Which devices one reaches; itself it always does.
std::vector<bool> reached(const Topology& topology, const Graph& graph, VertexId from) {
  std::vector<boost::default_color_type> color(boost::num_vertices(graph));
  const auto map =
      boost::make_iterator_property_map(color.begin(), boost::get(boost::vertex_index, graph));
  boost::breadth_first_search(graph, from, boost::color_map(map));
  const std::size_t n = topology.vertices.size();
  std::vector<bool> result(n);
  for (std::size_t v = 0; v < n; ++v) {
    result[v] = v == from || color[v] == boost::black_color || color[n + v] == boost::black_color;
  }
  return result;
}

}  // namespace

std::string describe_cut(const Topology& topology, VertexId from, VertexId to) {
  const auto is_reached = reached(topology, graph_of(topology), from);
  const auto devices = std::count_if(topology.devices.begin(), topology.devices.end(),
                                     [&](VertexId d) { return d != from && is_reached[d]; });
  std::string cut;
  std::size_t more = 0, listed = 0;
  for (LinkId l = 0; l < topology.links.size(); ++l) {
    const Link& link = topology.links[l];
    const bool from_side =
        is_reached[link.from] && (topology.vertices[link.from].kind != VertexKind::Device ||
                                  link.from == from || forwards(topology));
    if (!from_side || is_reached[link.to]) continue;
    if (listed < 4) {
      cut += (listed++ > 0 ? ", " : "") + topology.link_name(l);
    } else {
      ++more;
    }
  }
  if (more > 0) cut += fmt::format(" and {} more", more);
  return fmt::format("no path from {} to {}: it reaches {} of {} other devices; {}",
                     topology.vertices[from].name, topology.vertices[to].name, devices,
                     topology.devices.size() - 1,
                     cut.empty() ? std::string("no link leads on from there")
                                 : "what would lead on is down: " + cut);
}

void check_reachable(const Topology& topology) {
  if (topology.devices.size() < 2) return;
  const Graph graph = graph_of(topology);
  // From one device to all, and from all to that one. Devices that forward nothing need a look from
  // each in general; here links come in pairs, one each way, so that being reached is mutual unless
  // one direction is down.
  const VertexId first = topology.devices.front();
  const auto forward = reached(topology, graph, first);
  for (const VertexId d : topology.devices) {
    if (!forward[d]) throw sim::InfeasibleError(describe_cut(topology, first, d));
  }
  for (const VertexId d : topology.devices) {
    if (d != first && !reached(topology, graph, d)[first]) {
      throw sim::InfeasibleError(describe_cut(topology, d, first));
    }
  }
}

sim::Bandwidth bisection(const Topology& topology) {
  using Traits = boost::adjacency_list_traits<boost::vecS, boost::vecS, boost::directedS>;
  using Flow = boost::adjacency_list<
      boost::vecS, boost::vecS, boost::directedS, boost::no_property,
      boost::property<
          boost::edge_capacity_t, std::int64_t,
          boost::property<boost::edge_residual_capacity_t, std::int64_t,
                          boost::property<boost::edge_reverse_t, Traits::edge_descriptor>>>>;
  const std::size_t n = topology.vertices.size();
  Flow graph(2 * n + 2);
  const std::size_t source = 2 * n, sink = 2 * n + 1;
  auto capacity = boost::get(boost::edge_capacity, graph);
  auto reverse = boost::get(boost::edge_reverse, graph);
  const auto add = [&](std::size_t a, std::size_t b, double rate) {
    const auto there = boost::add_edge(a, b, graph).first;
    const auto back = boost::add_edge(b, a, graph).first;
    capacity[there] = std::llround(std::min(rate, 1e15) / 1e3);  // kB/s: whole, and no overflow
    capacity[back] = 0;
    reverse[there] = back;
    reverse[back] = there;
  };
  const auto in = [&](VertexId v) {
    const bool ends = topology.vertices[v].kind == VertexKind::Device && !forwards(topology);
    return ends ? n + v : v;
  };
  for (const Link& link : topology.links) {
    add(link.from, in(link.to), link.capacity.bytes_per_second());
  }
  for (std::size_t r = 0; r < topology.devices.size(); ++r) {
    const VertexId d = topology.devices[r];
    if (r < topology.devices.size() / 2) {
      add(source, d, 1e15);
    } else {
      add(in(d), sink, 1e15);
    }
  }
  return sim::Bandwidth(static_cast<double>(boost::push_relabel_max_flow(graph, source, sink)) *
                        1e3);
}

std::vector<LevelCapacity> level_capacities(const Topology& topology) {
  std::map<LinkKind, LevelCapacity> levels;
  for (const Link& link : topology.links) {
    auto& level = levels.try_emplace(link.kind, LevelCapacity{link.kind, 0, {}}).first->second;
    ++level.links;
    level.capacity = level.capacity + link.capacity / 2;
  }
  std::vector<LevelCapacity> result;
  result.reserve(levels.size());
  for (const auto& [kind, level] : levels) result.push_back(level);
  return result;
}

}  // namespace moesim::hardware
