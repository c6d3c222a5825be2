// What is broken, and links that a file lists one by one.
#pragma once

#include "hardware/cluster.h"
#include "hardware/network/topology.h"
#include "sim/io/yaml_reader.h"

namespace moesim::hardware {

// `topology: {switches, links}`: adds to what the nodes have. Mistakes are noted in the document:
// an unknown name, a link from a vertex to itself, a port used twice.
void add_listed_links(const sim::io::YamlNode& node, Topology& topology);

// `faults: [...]`: links at a part of their capacity or down, devices absent or slow. Ranks are
// those of the devices that remain, in order.
void apply_faults(const sim::io::YamlNode& node, Topology& topology, std::vector<SlowDevice>& slow);

}  // namespace moesim::hardware
