#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "hardware/network/topology.h"
#include "sim/units_text.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/trace/svg.h"
#include "tools/report/topology_layout.h"

namespace moesim::tools {

namespace {

using hardware::Link;
using hardware::LinkKind;
using hardware::Topology;
using hardware::VertexKind;

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
  if (!(link.capacity > sim::Bandwidth{})) return "#D55E00";  // down
  switch (link.kind) {
    case LinkKind::ScaleUp:
      return "#009E73";
    case LinkKind::Host:
      return "#8a8a8a";
    case LinkKind::Nic:
      return "#0072B2";
    case LinkKind::Fabric:
      return "#CC79A7";
    case LinkKind::Torus:
      return "#E69F00";
  }
  return "#000000";
}

std::string capacity_text(const Link& link) {
  if (!(link.capacity > sim::Bandwidth{})) return "down";
  return link.capacity.bytes_per_second() >= 1e17 ? "" : sim::to_text(link.capacity);
}

// What tells a part from others of its kind, short enough to stand in it: "12" of gpu12, "3" of
// node0.nic3; a switch keeps its name.
std::string label_of(const hardware::Vertex& vertex) {
  if (vertex.kind == VertexKind::Switch) return vertex.name;
  const std::size_t letters = vertex.name.find_last_not_of("0123456789");
  return letters == std::string::npos ? vertex.name : vertex.name.substr(letters + 1);
}

// A device is a box, a NIC a diamond, a switch a disc.
std::string shape_of(const hardware::Vertex& vertex, double x, double y) {
  const std::string title = fmt::format("<title>{}</title>", escaped(vertex.name));
  switch (vertex.kind) {
    case VertexKind::Device:
      return fmt::format(
          "<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"20\" height=\"18\" rx=\"3\" "
          "fill=\"#cdeadf\" stroke=\"#555\">{}</rect>\n",
          x - 10, y - 9, title);
    case VertexKind::Nic:
      return fmt::format(
          "<path d=\"M{:.1f} {:.1f}l10 10l-10 10l-10 -10z\" fill=\"#cfe2f3\" "
          "stroke=\"#555\">{}</path>\n",
          x, y - 10, title);
    case VertexKind::Switch:
      return fmt::format(
          "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"8\" fill=\"#e7d7ea\" "
          "stroke=\"#555\">{}</circle>\n",
          x, y, title);
  }
  return "";
}

// The kinds of parts and links that there are, links with what one of them carries each way.
std::string legend_of(const Topology& topology, double left, double width) {
  constexpr double kEntry = 150, kLine = 20;
  std::string text;
  double x = left, y = 40;
  const auto place = [&] {
    if (x > left && x + kEntry > width) {
      x = left;
      y += kLine;
    }
    return std::exchange(x, x + kEntry);
  };
  std::map<VertexKind, const char*> kinds;
  for (const auto& vertex : topology.vertices) {
    kinds[vertex.kind] = vertex.kind == VertexKind::Device ? "device"
                         : vertex.kind == VertexKind::Nic  ? "NIC"
                                                           : "switch";
  }
  std::map<std::string, std::pair<std::string, bool>> links;  // colour -> what, down
  for (const Link& link : topology.links) {
    const bool down = !(link.capacity > sim::Bandwidth{});
    links.emplace(
        colour_of(link),
        std::pair{down ? "down" : std::string(name_of(link.kind)) + " " + capacity_text(link),
                  down});
  }
  for (const auto& [kind, name] : kinds) {
    const double at = place();
    text += shape_of({.name = name, .kind = kind}, at + 10, y - 4);
    text += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" font-size=\"11\">{}</text>\n", at + 26, y,
                        name);
  }
  for (const auto& [colour, what] : links) {
    const double at = place();
    text += fmt::format(
        "<path d=\"M{:.0f} {:.0f}h20\" stroke=\"{}\" stroke-width=\"2\"{}/><text x=\"{:.0f}\" "
        "y=\"{:.0f}\" font-size=\"11\">{}</text>\n",
        at, y - 4, colour, what.second ? " stroke-dasharray=\"4\"" : "", at + 26, y,
        escaped(what.first));
  }
  return text;
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

std::string to_svg(const Topology& topology, const std::string& name) {
  constexpr double kLeft = 20, kTop = 78;
  const Places places = places_of(topology);
  const double width = std::max(2 * kLeft + places.width, 420.0);
  const double height = kTop + places.height + kLeft;
  const auto at = [&](hardware::VertexId v) {
    return std::pair{kLeft + places.of[v].x, kTop + places.of[v].y};
  };
  // As wide as where it is shown, and no taller than a screen.
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0:.0f} {1:.0f}\" width=\"{0:.0f}\" "
      "height=\"{1:.0f}\" style=\"max-width:100%;max-height:100vh\" role=\"img\" "
      "font-family=\"sans-serif\" font-size=\"8\">\n<title>{2}</title>\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
      "<text x=\"{3:.0f}\" y=\"20\" font-size=\"14\">{2}</text>\n",
      width, height, escaped(name), kLeft);
  text += legend_of(topology, kLeft, width);
  for (const Link& link : lines_of(topology)) {
    const auto [x1, y1] = at(link.from);
    const auto [x2, y2] = at(link.to);
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
    const auto [x, y] = at(v);
    text += shape_of(vertex, x, y);
    text +=
        fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"middle\">{}</text>\n", x,
                    vertex.kind == VertexKind::Switch ? y - 12 : y + 3, escaped(label_of(vertex)));
  }
  return text + "</svg>\n";
}

}  // namespace moesim::tools
