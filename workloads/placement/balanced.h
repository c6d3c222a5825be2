// Placements that are made from what was routed before.
//
//   greedy        Experts with the highest load per replica are replicated; the heaviest slot goes
//   to
//                 the lightest rank that has room; then slots of the busiest rank are exchanged for
//                 others as long as that makes it lighter.
//   coactivation  Experts that are chosen together share a node (pairwise exchanges after Kernighan
//                 and Lin 1970, nodes' loads within 2 % of the mean or as they were), so that a
//                 token visits fewer nodes; in a node as EPLB does.
//   topology      Each expert's home is the node that gets the least over the network by it; the
//                 redundant slots of a node hold what its own tokens ask for most and it lacks, so
//                 that they stay on NVLink; in a node the heaviest to the lightest rank.
//   eplb          eplb.h
#pragma once

#include <cstdint>
#include <string>

#include "workloads/placement/eplb.h"
#include "workloads/placement/evidence.h"
#include "workloads/placement/experts.h"

namespace moesim::workloads {

// What a scenario's `placement:` may name, beside a file: linear, round_robin, greedy,
// coactivation, topology, eplb.
const std::vector<std::string>& placement_names();

// Throws ConfigError where the name is none of them.
bool needs_evidence(const std::string& name);
bool needs_pairs(const std::string& name);

// Throws ConfigError where slots, ranks, nodes and groups do not divide as the placement needs.
// `shape.groups` matters to eplb, `shape.nodes` to all but linear, round_robin and greedy.
// REQUIRES: the evidence is of as many experts and nodes, with pairs where needs_pairs()
ExpertPlacement make_placement(const std::string& name, const EplbShape& shape,
                               const PlacementEvidence& evidence);

ExpertPlacement greedy_placement(const EplbShape& shape, const PlacementEvidence& evidence);
ExpertPlacement coactivation_placement(const EplbShape& shape, const PlacementEvidence& evidence);
ExpertPlacement topology_placement(const EplbShape& shape, const PlacementEvidence& evidence);

}  // namespace moesim::workloads
