// Scenarios between two others: some of what differs from the one, the rest from the other.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "tools/study/shapley.h"
#include "workloads/scenario.h"

namespace moesim::tools {

// What of a scenario is changed at once. The network model is none of them.
enum class Part {
  Model,
  Device,
  Cluster,
  Precision,
  Layout,
  Placement,
  Routing,
  Kernels,
  Overlap,
  Engine,
  Load,
};
inline constexpr std::array<std::string_view, 11> kPartNames{
    "model",   "device",  "cluster", "precision", "layout", "placement",
    "routing", "kernels", "overlap", "engine",    "load"};
constexpr std::string_view name_of(Part part) {
  return kPartNames[static_cast<std::size_t>(part)];
}

// A key of the resolved scenarios whose value differs, with both as text; "-" where it is not.
struct KeyChange {
  std::string key, a, b;
};
std::vector<KeyChange> changes_between(const sim::io::Json& a, const sim::io::Json& b);

// The part that a key of a resolved scenario belongs to; nothing for its name and its network.
std::optional<Part> part_of(std::string_view key);

// The parts in which two scenarios differ, in the order above.
std::vector<Part> parts_between(const workloads::Scenario& a, const workloads::Scenario& b);

// `a` with these parts of `b`. It may be none that can be (check()).
workloads::Scenario mixture(const workloads::Scenario& a, const workloads::Scenario& b,
                            const std::vector<Part>& of_b);

}  // namespace moesim::tools
