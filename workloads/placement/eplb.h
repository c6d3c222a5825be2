// The Expert Parallelism Load Balancer that DeepSeek published (github.com/deepseek-ai/EPLB, MIT):
// a placement with redundant experts from the loads of the experts.
//
// Hierarchical, where the expert groups divide over the nodes: groups are packed onto nodes, then
// in each node the experts with the highest load per replica are replicated, then the replicas are
// packed onto its ranks. Else global: replicate and pack at once. Packing takes the heaviest first
// and gives it to the lightest pack that has room; ties go to the lower index, as in the original,
// whose results this reproduces in 32-bit arithmetic (tests/workloads/placement/test_eplb.cpp).
//
// Where a loss is to be survived every expert first has two replicas, and the second goes where the
// first is not: to another rank, or another node. Packing is as before but for that.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "workloads/placement/experts.h"
#include "workloads/placement/survival.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {

struct EplbShape {
  SlotPlan plan;
  std::uint32_t groups = 1;
  std::uint32_t nodes = 1;
  Survive survive = Survive::None;
};

// The expert of each slot of one layer. Throws ConfigError where slots or ranks do not divide, or
// do not suffice for what is to be survived.
// REQUIRES: load.size() == shape.plan.experts
std::vector<ExpertId> eplb_slots(std::span<const float> load, const EplbShape& shape);

// For every layer of the loads.
ExpertPlacement eplb_placement(const LoadTable& loads, const EplbShape& shape);

// The two steps, for others to build on. Each item goes to one of `packs` packs of equal size:
// `pack[i]`, and its place there.
struct Packing {
  std::vector<std::uint32_t> pack, place;
};
Packing balanced_packing(std::span<const float> weights, std::uint32_t packs);

// Why no placement of so many slots survives that; empty: one does.
std::string survive_problem(const EplbShape& shape);

// The same for replicas (`expert` of each item, those of one expert with one weight) that are to
// survive the loss of a domain, which is so many packs in a row: each expert with two replicas or
// more is in two domains at least, and in one pack once where it can.
// REQUIRES: two domains or more, each item's expert has two items or more
Packing packing_apart(std::span<const float> weights, std::span<const ExpertId> expert,
                      std::uint32_t packs, std::uint32_t packs_per_domain);

// The first experts.size() slots hold the experts, so often as `least` says; each further one the
// expert with the highest load per replica.
struct Replication {
  std::vector<ExpertId> slot_expert;
  std::vector<std::uint32_t> replicas;  // of each expert
};
Replication replicate(std::span<const float> loads, std::uint32_t slots, std::uint32_t least = 1);

}  // namespace moesim::workloads
