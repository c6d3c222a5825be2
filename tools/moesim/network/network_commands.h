// The commands about the network: exchange, topology.
#pragma once

#include <string>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/network/play.h"
#include "sim/io/yaml_reader.h"
#include "tools/moesim/command.h"

namespace moesim::tools {

std::vector<Command> network_commands();
Command exchange_command();
Command topology_command();
Command topology_import_command();

// --set PATH=VALUE of a command, as load_cluster takes them. Throws ConfigError without a "=".
std::vector<sim::io::YamlOverride> overrides_of(const Arguments& arguments);
Option set_option();

// A matrix of bytes as CSV without a header, row = source, column = destination.
// Throws InputError "m.csv:3: …".
std::vector<sim::Transfer> read_matrix(const std::string& file, sim::Rank ranks);

// The exchange as a Chrome trace: a row for each rank, and one for each of the busiest links.
std::string exchange_trace(const sim::Exchange& exchange, const hardware::PlayedExchange& played);

// A topology drawn: as Graphviz text, and as an SVG that stands alone.
std::string to_dot(const hardware::Topology& topology, const std::string& name);
std::string to_svg(const hardware::Topology& topology, const std::string& name);

}  // namespace moesim::tools
