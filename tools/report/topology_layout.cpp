#include "tools/report/topology_layout.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>

namespace moesim::tools {
namespace {

using hardware::LinkKind;
using hardware::Topology;
using hardware::VertexId;
using hardware::VertexKind;

constexpr std::size_t kRowOfDevices = 18;  // 72 of a rack are four rows
constexpr double kRowOfNodes = 2000;
constexpr double kRow = 34, kGap = 20, kLevel = 90;

// The node that a vertex belongs to: a device's own, and that of the devices which a NIC or a
// switch of level 1 is linked with, through others of that level too. Nothing: it is between nodes.
std::vector<std::optional<std::uint32_t>> nodes_of(const Topology& topology) {
  std::vector<std::optional<std::uint32_t>> node(topology.vertices.size());
  for (std::size_t rank = 0; rank < topology.devices.size(); ++rank)
    node[topology.devices[rank]] = topology.node[rank];
  for (bool changed = true; changed;) {
    changed = false;
    for (const auto& link : topology.links) {
      if (!node[link.from] || node[link.to] || topology.vertices[link.to].level > 1) continue;
      node[link.to] = node[link.from];
      changed = true;
    }
  }
  return node;
}

struct Block {
  std::vector<VertexId> devices, nics, switches;
  std::size_t columns() const {
    const std::size_t most = std::max({devices.size(), nics.size(), switches.size()});
    const std::size_t rows = (most + kRowOfDevices - 1) / kRowOfDevices;
    return (most + rows - 1) / std::max<std::size_t>(1, rows);
  }
};

class Drawing {
 public:
  explicit Drawing(const Topology& topology) : topology_(topology) {
    places_.of.resize(topology.vertices.size());
  }

  Places torus() {
    const std::size_t columns = torus_columns();
    for (std::size_t rank = 0; rank < topology_.devices.size(); ++rank) {
      const std::size_t column = rank % columns, row = rank / columns;
      places_.of[topology_.devices[rank]] = {2 * kPlaceStep * (0.5 + static_cast<double>(column)),
                                             2 * kPlaceStep * (0.5 + static_cast<double>(row))};
    }
    return sized();
  }

  Places blocks() {
    const auto node = nodes_of(topology_);
    std::map<std::uint32_t, Block> blocks;
    std::map<std::uint32_t, std::vector<VertexId>> above;  // by level
    for (VertexId v = 0; v < topology_.vertices.size(); ++v) {
      const auto& vertex = topology_.vertices[v];
      if (!node[v]) {
        above[vertex.level].push_back(v);
        continue;
      }
      Block& block = blocks[*node[v]];
      (vertex.kind == VertexKind::Device ? block.devices
       : vertex.kind == VertexKind::Nic  ? block.nics
                                         : block.switches)
          .push_back(v);
    }
    const double top = kPlaceStep / 2 + kLevel * static_cast<double>(above.size());
    double x = 0, y = top, tallest = 0, widest = 0;
    for (const auto& [number, block] : blocks) {
      const double width = kPlaceStep * static_cast<double>(block.columns());
      if (x > 0 && x + width > kRowOfNodes) {
        x = 0;
        y += tallest + 1.5 * kRow;
        tallest = 0;
      }
      tallest = std::max(tallest, draw(block, x, y));
      x += width + kGap;
      widest = std::max(widest, x - kGap);
    }
    double at = top;
    for (auto& [level, members] : above) {
      at -= kLevel;
      row(members, 0, at + kLevel / 3, widest);
    }
    return sized();
  }

 private:
  // A ring's neighbours of the first device are 1, n - 1 and n … away: n is its length.
  std::size_t torus_columns() const {
    std::vector<std::size_t> away;
    for (const auto& link : topology_.links) {
      if (link.from == topology_.devices[0] && link.to > link.from)
        away.push_back(link.to - link.from);
    }
    std::ranges::sort(away);
    if (away.size() > 1 && away[1] > 1) return away.size() > 2 ? away[1] + 1 : away[1];
    return static_cast<std::size_t>(
        std::ceil(std::sqrt(static_cast<double>(topology_.devices.size()))));
  }

  // From above: switches, NICs, devices. Returns its height.
  double draw(const Block& block, double x, double y) {
    const double width = kPlaceStep * static_cast<double>(block.columns());
    double at = y;
    for (const auto* part : {&block.switches, &block.nics, &block.devices}) {
      for (std::size_t i = 0; i < part->size(); i += block.columns()) {
        const std::size_t n = std::min(block.columns(), part->size() - i);
        row({part->data() + i, n}, x, at, width);
        at += kRow;
      }
      if (!part->empty()) at += kRow / 2;
    }
    return at - y;
  }

  void row(std::span<const VertexId> members, double x, double y, double width) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      places_.of[members[i]] = {
          x + width * (static_cast<double>(i) + 0.5) / static_cast<double>(members.size()), y};
    }
  }

  Places sized() {
    for (const Place& place : places_.of) {
      places_.width = std::max(places_.width, place.x + kPlaceStep / 2);
      places_.height = std::max(places_.height, place.y + kPlaceStep / 2);
    }
    return std::move(places_);
  }

  const Topology& topology_;
  Places places_;
};

}  // namespace

Places places_of(const Topology& topology) {
  Drawing drawing(topology);
  return topology.devices_forward ? drawing.torus() : drawing.blocks();
}

}  // namespace moesim::tools
