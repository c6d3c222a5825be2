#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "hardware/network/analysis.h"
#include "hardware/network/topology.h"
#include "sim/io/json.h"
#include "sim/units_text.h"
#include "tools/moesim/network/network_commands.h"
#include "tools/moesim/sized_cluster.h"

namespace moesim::tools {

namespace {

sim::ExitCode run(const Arguments& arguments, Console console) {
  const auto cluster = named_cluster(arguments.text("CLUSTER"), overrides_of(arguments));
  const hardware::Topology& topology = *cluster.topology;
  const std::string format = arguments.text("format");
  if (format == "dot") {
    console.out << to_dot(topology, cluster.name);
    return sim::ExitCode::Ok;
  }
  if (format == "svg") {
    console.out << to_svg(topology, cluster.name);
    return sim::ExitCode::Ok;
  }
  std::map<hardware::VertexKind, std::size_t> vertices;
  for (const auto& vertex : topology.vertices) ++vertices[vertex.kind];
  const auto count = [&](hardware::VertexKind kind) {
    const auto found = vertices.find(kind);
    return found == vertices.end() ? std::size_t{0} : found->second;
  };
  const auto levels = level_capacities(topology);
  const auto half = bisection(topology);
  const auto narrowest =
      std::min_element(levels.begin(), levels.end(),
                       [](const auto& a, const auto& b) { return a.capacity < b.capacity; });
  if (format == "json") {
    sim::io::Json json = sim::io::Json::object();
    json["schema_version"] = 1;
    json["name"] = cluster.name;
    json["device"] = cluster.device.name;
    json["ranks"] = cluster.ranks();
    json["nics"] = count(hardware::VertexKind::Nic);
    json["switches"] = count(hardware::VertexKind::Switch);
    json["links"] = topology.links.size();
    json["bisection_GBps"] = half.bytes_per_second() * 1e-9;
    auto& list = json["levels"] = sim::io::Json::array();
    for (const auto& level : levels) {
      list.push_back({{"kind", std::string(name_of(level.kind))},
                      {"links", level.links},
                      {"capacity_GBps", level.capacity.bytes_per_second() * 1e-9}});
    }
    console.out << sim::io::to_text(json);
    return sim::ExitCode::Ok;
  }
  console.out << fmt::format("{}\n  devices    {} {} ({} nodes of {})\n", cluster.name,
                             cluster.ranks(), cluster.device.name, cluster.nodes,
                             cluster.gpus_per_node);
  console.out << fmt::format("  NICs       {}\n  switches   {}\n", count(hardware::VertexKind::Nic),
                             count(hardware::VertexKind::Switch));
  console.out << fmt::format("  bisection  {} each way, {} a device\n", sim::to_text(half),
                             sim::to_text(half / std::max(1.0, cluster.ranks() / 2.0)));
  console.out << "  level      links     each way\n";
  for (const auto& level : levels) {
    const bool unlimited = level.capacity.bytes_per_second() >= 1e17;
    console.out << fmt::format(
        "    {:<9}{:>5}  {:>12}{}\n", name_of(level.kind), level.links,
        unlimited ? "no limit" : sim::to_text(level.capacity),
        levels.size() > 1 && level.kind == narrowest->kind ? "  the narrowest level" : "");
  }
  for (const auto& slow : cluster.slow) {
    console.out << fmt::format("  rank {} computes at {} of its speed\n", slow.rank, slow.speed);
  }
  return sim::ExitCode::Ok;
}

}  // namespace

Command topology_command() {
  return {
      .name = "topology",
      .summary = "a cluster's links: counts, capacities, bisection, and a drawing",
      .description =
          "What a cluster's network is made of: devices, NICs and switches, the capacity of each "
          "level, and how much one half of the devices can send to the other at once (a maximum "
          "flow). dot and svg draw it.",
      .options = {{.name = "CLUSTER",
                   .value = "",
                   .help = "a cluster's .yaml, or a name in configs/clusters",
                   .required = true,
                   .is_file = true},
                  set_option(),
                  {.name = "--format",
                   .value = "FORMAT",
                   .help = "how the result is printed",
                   .fallback = "text",
                   .choices = {"text", "json", "dot", "svg"}}},
      .examples = {"moesim topology h800-16x8", "moesim topology h100-2x8 --format svg > net.svg",
                   "moesim topology h100-4x8 --set scale_out.oversubscription=2"},
      .run = run,
  };
}

}  // namespace moesim::tools
