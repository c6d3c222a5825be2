#include "tools/study/default_factors.h"

#include <fmt/format.h>

#include "tools/study/doubt.h"
#include "tools/study/model_factor.h"

namespace moesim::tools {
namespace {

using workloads::Law;

bool has_skew(const workloads::RoutingChoice& routing) {
  const bool is_law = routing.trace.empty() && !routing.ranks.given();
  return is_law && routing.skew > 0 && routing.law != Law::Balanced && routing.law != Law::Uniform;
}

}  // namespace

std::vector<Factor> default_factors(const workloads::Scenario& scenario, std::string_view measure) {
  std::vector<Factor> factors;
  if (scenario.step() != nullptr && moves_of(measure) != Moves::Not) {
    for (const std::string& model : model_factor_keys())
      factors.push_back(read_model_factor(model, "a cost model"));
  }
  const hardware::Cluster& cluster = scenario.deployment.cluster;
  if (const double node = cluster.scale_up.bandwidth.bytes_per_second() / 1e9;
      node > 0 && cluster.gpus_per_node > 1) {
    factors.push_back({.key = "cluster.scale_up.bandwidth",
                       .low = node / 2,
                       .high = node * 2,
                       .unit = " GB/s",
                       .logarithmic = true});
  }
  if (cluster.scale_out.nics_per_node > 0 && cluster.nodes > 1) {
    factors.push_back({.key = "cluster.scale_out.bandwidth",
                       .low = 200,
                       .high = 1600,
                       .unit = " Gbit/s",
                       .logarithmic = true});
  }
  if (const workloads::RoutingChoice& routing = scenario.deployment.routing; has_skew(routing))
    factors.push_back({.key = "routing.skew", .low = 0, .high = 2 * routing.skew});
  return factors;
}

}  // namespace moesim::tools
