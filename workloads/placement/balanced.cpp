#include "workloads/placement/balanced.h"

#include <fmt/format.h>

#include <algorithm>

#include "sim/error.h"

namespace moesim::workloads {

const std::vector<std::string>& placement_names() {
  static const std::vector<std::string> names = {"linear",       "round_robin", "greedy",
                                                 "coactivation", "topology",    "eplb"};
  return names;
}

bool needs_evidence(const std::string& name) {
  const auto& names = placement_names();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    throw sim::ConfigError(
        fmt::format("expected a placement, one of {}, not \"{}\"", fmt::join(names, ", "), name));
  }
  return name != "linear" && name != "round_robin";
}

bool needs_pairs(const std::string& name) {
  return needs_evidence(name) && name == "coactivation";
}

ExpertPlacement make_placement(const std::string& name, const EplbShape& shape,
                               const PlacementEvidence& evidence) {
  if (!needs_evidence(name)) return static_placement(name, shape.plan);
  if (name == "greedy") return greedy_placement(shape, evidence);
  if (name == "coactivation") return coactivation_placement(shape, evidence);
  if (name == "topology") return topology_placement(shape, evidence);
  return eplb_placement(evidence.loads, shape);
}

}  // namespace moesim::workloads
