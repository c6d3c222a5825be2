// Where each mixture layer of a deployment gets its routing, and where its experts live.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "workloads/placement/experts.h"
#include "workloads/placement/survival.h"
#include "workloads/routing/routing.h"
#include "workloads/step/micro_batch.h"

namespace moesim::workloads {

// Of one mixture layer.
struct LayerRoute {
  RoutingSource* source = nullptr;
  std::uint32_t layer = 0;  // of the source
  const LayerPlacement* placement = nullptr;
};

class LayerRoutes {
 public:
  // `step`: the parts of the largest step. `steps`: of the routing, that will be asked for. A
  // placement that is made from loads is made from as many steps (at most 16) that follow those, so
  // that it does not know the tokens that it will serve, as far as the routing has others. Throws
  // ConfigError, InputError for what the deployment names.
  LayerRoutes(const Deployment& deployment, const StepParts& step, std::int64_t steps);

  std::size_t size() const { return routes_.size(); }
  const LayerRoute& operator[](std::size_t moe_layer) const { return routes_[moe_layer]; }
  // For the report.
  std::string description() const;
  // What all placements survive, on all groups of ranks; none without experts.
  std::optional<Survival> survival() const;

 private:
  std::vector<std::unique_ptr<RoutingSource>> sources_;
  std::vector<std::unique_ptr<ExpertPlacement>> placements_;
  std::vector<LayerRoute> routes_;
  std::vector<std::vector<std::uint16_t>> nodes_;  // of the ranks of groups that differ in them
};

}  // namespace moesim::workloads
