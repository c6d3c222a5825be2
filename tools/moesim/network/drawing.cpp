#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "hardware/network/topology.h"
#include "sim/units_text.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/trace/svg.h"

namespace moesim::tools {

namespace {

using hardware::Link;
using hardware::LinkKind;
using hardware::Topology;

// One line for the two directions of a link, where they are alike.
std::vector<Link> lines_of(const Topology& topology) {
  std::vector<Link> lines;
  std::map<std::pair<hardware::VertexId, hardware::VertexId>, bool> seen;
  for (const Link& link : topology.links) {
    if (!seen.emplace(std::minmax(link.from, link.to), true).second) continue;
    lines.push_back(link);
  }
  return lines;
}

const char* colour_of(const Link& link) {
  if (!(link.capacity > sim::Bandwidth{})) return "#d62728";  // down
  switch (link.kind) {
    case LinkKind::ScaleUp:
      return "#2ca02c";
    case LinkKind::Host:
      return "#999999";
    case LinkKind::Nic:
      return "#1f77b4";
    case LinkKind::Fabric:
      return "#9467bd";
    case LinkKind::Torus:
      return "#ff7f0e";
  }
  return "#000000";
}

std::string capacity_text(const Link& link) {
  if (!(link.capacity > sim::Bandwidth{})) return "down";
  return link.capacity.bytes_per_second() >= 1e17 ? "" : sim::to_text(link.capacity);
}

}  // namespace

std::string to_dot(const Topology& topology, const std::string& name) {
  std::string text = fmt::format("graph \"{}\" {{\n  rankdir=BT;\n  node [shape=box];\n", name);
  for (const auto& vertex : topology.vertices) {
    text += fmt::format("  \"{}\"{};\n", vertex.name,
                        vertex.kind == hardware::VertexKind::Switch ? " [shape=ellipse]" : "");
  }
  for (const Link& link : lines_of(topology)) {
    text += fmt::format("  \"{}\" -- \"{}\" [label=\"{}\", color=\"{}\"];\n",
                        topology.vertices[link.from].name, topology.vertices[link.to].name,
                        capacity_text(link), colour_of(link));
  }
  return text + "}\n";
}

// Levels from below: devices, NICs and switches of nodes, leaves, spines; each spread evenly.
std::string to_svg(const Topology& topology, const std::string& name) {
  constexpr double kStep = 26, kLevel = 120, kMargin = 40;
  std::map<std::uint32_t, std::vector<hardware::VertexId>> levels;
  for (hardware::VertexId v = 0; v < topology.vertices.size(); ++v) {
    levels[topology.vertices[v].level].push_back(v);
  }
  std::size_t widest = 1;
  for (const auto& [level, members] : levels) widest = std::max(widest, members.size());
  const double width = kMargin * 2 + kStep * static_cast<double>(widest);
  const double height = kMargin * 2 + kLevel * static_cast<double>(levels.rbegin()->first) + 20;
  std::vector<std::pair<double, double>> at(topology.vertices.size());
  for (const auto& [level, members] : levels) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      at[members[i]] = {kMargin + (width - 2 * kMargin) * (static_cast<double>(i) + 0.5) /
                                      static_cast<double>(members.size()),
                        height - kMargin - kLevel * level};
    }
  }
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{:.0f}\" height=\"{:.0f}\" "
      "font-family=\"sans-serif\" font-size=\"9\">\n<text x=\"{}\" y=\"16\" "
      "font-size=\"14\">{}</text>\n",
      width, height, kMargin, escaped(name));
  for (const Link& link : lines_of(topology)) {
    const auto [x1, y1] = at[link.from];
    const auto [x2, y2] = at[link.to];
    text += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"{}>"
        "<title>{} - {} {}</title></line>\n",
        x1, y1, x2, y2, colour_of(link),
        link.capacity > sim::Bandwidth{} ? "" : " stroke-dasharray=\"4\"",
        escaped(topology.vertices[link.from].name), escaped(topology.vertices[link.to].name),
        capacity_text(link));
  }
  for (hardware::VertexId v = 0; v < topology.vertices.size(); ++v) {
    const auto& vertex = topology.vertices[v];
    const char* fill = vertex.kind == hardware::VertexKind::Device ? "#c7e9c0"
                       : vertex.kind == hardware::VertexKind::Nic  ? "#c6dbef"
                                                                   : "#dadaeb";
    text += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"9\" fill=\"{}\" stroke=\"#555\"><title>{}</title>"
        "</circle>\n",
        at[v].first, at[v].second, fill, escaped(vertex.name));
  }
  return text + "</svg>\n";
}

}  // namespace moesim::tools
