#include "hardware/network/faults.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

namespace moesim::hardware {

namespace {

// Of a speed or a capacity: what is left below it is nothing, and times of it would not fit a
// clock of picoseconds.
constexpr double kLeastPart = 1e-6;

using sim::Bandwidth;
using sim::io::YamlNode;

class Names {
 public:
  explicit Names(const Topology& topology) {
    for (VertexId v = 0; v < topology.vertices.size(); ++v) {
      by_name_.emplace(topology.vertices[v].name, v);
      names_.push_back(topology.vertices[v].name);
    }
  }
  // The vertex of that name, or a mistake at the node.
  std::optional<VertexId> find(const YamlNode& node, std::string_view name) const {
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) return found->second;
    const std::vector<std::string_view> known(names_.begin(), names_.end());
    const std::string close = sim::io::did_you_mean(name, known);
    node.error(fmt::format("there is no \"{}\" in this cluster{}", name,
                           close.empty() ? "" : fmt::format("; did you mean \"{}\"?", close)));
    return std::nullopt;
  }

 private:
  std::map<std::string, VertexId, std::less<>> by_name_;
  std::vector<std::string> names_;
};

// One end of a listed link: "leaf0", or "leaf0:3" for its port 3.
std::optional<VertexId> end_of(const YamlNode& node, const Names& names,
                               std::map<std::string, std::string>& ports) {
  const std::string text = node.text();
  const std::size_t colon = text.find(':');
  if (colon != std::string::npos) {
    const auto [used, is_new] = ports.emplace(text, node.where());
    if (!is_new) {
      node.error(fmt::format("port \"{}\" is used twice, first at {}", text, used->second));
    }
  }
  return names.find(node, std::string_view(text).substr(0, colon));
}

// The two ends of `between: [a, b]`.
std::optional<std::pair<YamlNode, YamlNode>> pair_of(const YamlNode& node) {
  const auto items = node.items();
  if (items.size() == 2) return std::pair{items[0], items[1]};
  if (node.is_list()) node.error("expected two names, such as [node0.nic0, leaf0.0]");
  return std::nullopt;
}

}  // namespace

void add_listed_links(const YamlNode& node, Topology& topology) {
  node.allow_only({"switches", "links"});
  if (const auto switches = node.find("switches")) {
    for (const YamlNode& one : switches->items()) {
      const std::string name = one.text();
      const bool taken = std::any_of(topology.vertices.begin(), topology.vertices.end(),
                                     [&](const Vertex& v) { return v.name == name; });
      if (taken) one.error(fmt::format("\"{}\" is there already", name));
      if (name.find(':') != std::string::npos) one.error("a name has no colon");
      topology.vertices.push_back({name, VertexKind::Switch, 2});
    }
  }
  topology.layered = false;
  const Names names(topology);
  std::map<std::string, std::string> ports;
  for (const YamlNode& item : node.at("links").items()) {
    item.allow_only({"between", "bandwidth", "latency", "kind", "one_way"});
    const auto ends = pair_of(item.at("between"));
    Link link;
    link.capacity = item.at("bandwidth").bandwidth();
    if (const auto latency = item.find("latency")) link.latency = latency->duration();
    bool one_way = false;
    if (const auto key = item.find("one_way")) one_way = key->boolean();
    if (!ends) continue;
    const auto a = end_of(ends->first, names, ports), b = end_of(ends->second, names, ports);
    if (!a || !b) continue;
    if (*a == *b) {
      item.error(fmt::format("a link from \"{}\" to itself", topology.vertices[*a].name));
      continue;
    }
    const bool device = topology.vertices[*a].kind == VertexKind::Device ||
                        topology.vertices[*b].kind == VertexKind::Device;
    link.kind = device ? LinkKind::Nic : LinkKind::Fabric;
    if (const auto kind = item.find("kind")) {
      constexpr LinkKind kKinds[] = {LinkKind::ScaleUp, LinkKind::Host, LinkKind::Nic,
                                     LinkKind::Fabric};
      const auto at = kind->one_of({"scale_up", "host", "nic", "fabric"});
      link.kind = kKinds[at];
    }
    link.from = *a;
    link.to = *b;
    topology.links.push_back(link);
    if (!one_way) {
      std::swap(link.from, link.to);
      topology.links.push_back(link);
    }
  }
}

namespace {

// What faults leave of devices, by their numbers in the file.
struct DeviceFaults {
  std::set<sim::Rank> absent = {};
  std::map<sim::Rank, double> speeds = {};
};

// `gpu: 3` or `node: 2`: devices that are gone, or slow.
void fault_devices(const YamlNode& item, const std::vector<sim::Rank>& devices,
                   std::string_view what, DeviceFaults& faults) {
  const auto absent = item.find("absent"), speed = item.find("speed");
  if (absent && absent->boolean()) faults.absent.insert(devices.begin(), devices.end());
  if (speed) {
    const double value = speed->number(0, 1);
    if (value >= kLeastPart) {
      for (const sim::Rank rank : devices) faults.speeds[rank] = value;
    } else {
      speed->error("a device that does not compute is absent: say absent: true");
    }
  }
  if (item.find("capacity")) {
    item.error("capacity is of links: say at: gpu3, between: [..] or rail: 5");
  } else if (!absent && !speed) {
    item.error(fmt::format("says nothing of the {}: absent: true, or a speed such as 0.5", what));
  }
}

// The NICs that devices at that place of their nodes send through.
std::set<VertexId> nics_of_rail(const Topology& topology, std::uint32_t rail) {
  std::set<VertexId> devices, nics;
  for (sim::Rank r = 0; r < topology.devices.size(); ++r) {
    if (topology.rail[r] == rail) devices.insert(topology.devices[r]);
  }
  for (const Link& link : topology.links) {
    if (devices.count(link.from) > 0 && topology.vertices[link.to].kind == VertexKind::Nic)
      nics.insert(link.to);
  }
  return nics;
}

template <typename Matches>
std::size_t narrow(Topology& topology, double part, const Matches& matches) {
  std::size_t hit = 0;
  for (Link& link : topology.links) {
    if (!matches(link)) continue;
    link.capacity = link.capacity * part;
    if (part == 0) topology.reroutes = !topology.devices_forward;
    ++hit;
  }
  return hit;
}

// `at`, `between` or `rail`: links at a part of their capacity, or down.
void fault_links(const YamlNode& item, const Names& names, Topology& topology) {
  const double part = item.at("capacity").number(0, 1);
  if (part > 0 && part < kLeastPart) {
    item.at("capacity").error("a link that carries next to nothing is cut: say 0");
  }
  for (const char* key : {"absent", "speed"}) {
    if (const auto of_devices = item.find(key))
      of_devices->error("is of devices: say gpu: 3 or node: 2");
  }
  if (const auto at = item.find("at")) {
    const auto v = names.find(*at, at->text());
    if (v) narrow(topology, part, [&](const Link& l) { return l.from == *v || l.to == *v; });
    return;
  }
  if (const auto rail = item.find("rail")) {
    const std::uint32_t most = *std::ranges::max_element(topology.rail);
    const auto nics = nics_of_rail(topology, static_cast<std::uint32_t>(rail->integer(0, most)));
    if (nics.empty()) rail->error("no device of this cluster has a NIC");
    // Between the NIC and the network: to its devices it is joined still.
    narrow(topology, part, [&](const Link& l) {
      return l.kind == LinkKind::Nic && (nics.count(l.from) > 0 || nics.count(l.to) > 0);
    });
    return;
  }
  const YamlNode between = item.at("between");
  const auto ends = pair_of(between);
  if (!ends) return;
  const auto a = names.find(ends->first, ends->first.text());
  const auto b = names.find(ends->second, ends->second.text());
  if (!a || !b) return;
  const std::size_t hit = narrow(topology, part, [&](const Link& l) {
    return (l.from == *a && l.to == *b) || (l.from == *b && l.to == *a);
  });
  if (hit == 0) between.error("there is no link between these two");
}

}  // namespace

void apply_faults(const YamlNode& node, Topology& topology, std::vector<SlowDevice>& slow) {
  const Names names(topology);
  DeviceFaults faults;
  for (const YamlNode& item : node.items()) {
    item.allow_only({"at", "between", "gpu", "node", "rail", "capacity", "absent", "speed"});
    int what = 0;
    for (const char* key : {"at", "between", "gpu", "node", "rail"}) what += item.find(key) ? 1 : 0;
    if (what != 1) {
      item.error(
          "expected one of at (all links of a vertex), between (the links of two), rail (the NICs "
          "at one place of all nodes), gpu, node");
      continue;
    }
    if (const auto gpu = item.find("gpu")) {
      const auto most = static_cast<std::int64_t>(topology.devices.size()) - 1;
      fault_devices(item, {static_cast<sim::Rank>(gpu->integer(0, most))}, "GPU", faults);
    } else if (const auto whole = item.find("node")) {
      const std::uint32_t most = *std::ranges::max_element(topology.node);
      const auto number = static_cast<std::uint32_t>(whole->integer(0, most));
      std::vector<sim::Rank> devices;
      for (sim::Rank r = 0; r < topology.devices.size(); ++r) {
        if (topology.node[r] == number) devices.push_back(r);
      }
      fault_devices(item, devices, "node", faults);
    } else {
      fault_links(item, names, topology);
    }
  }
  // Ranks of the devices that remain.
  Topology full = std::move(topology);
  topology = full;
  topology.devices.clear();
  topology.node.clear();
  topology.rail.clear();
  for (sim::Rank r = 0; r < full.devices.size(); ++r) {
    if (faults.absent.count(r) > 0) {
      for (Link& link : topology.links) {
        if (link.from == full.devices[r] || link.to == full.devices[r]) link.capacity = {};
      }
      topology.absent.push_back(r);
      continue;
    }
    const auto found = faults.speeds.find(r);
    if (found != faults.speeds.end()) slow.push_back({topology.ranks(), found->second});
    topology.devices.push_back(full.devices[r]);
    topology.node.push_back(full.node[r]);
    topology.rail.push_back(full.rail[r]);
  }
  if (!topology.devices.empty()) return;
  node.throw_errors();  // a number that is none says nothing of what is left
  node.error("no device is left");
}

}  // namespace moesim::hardware
