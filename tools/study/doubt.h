// A step's time were its cost models off. What one of them gets wrong it gets wrong in every step:
// of two steps the same error moves both, each by what it has of that model.
#pragma once

#include <array>
#include <optional>

#include "sim/io/json.h"
#include "workloads/step/factors.h"

namespace moesim::tools {

class Doubt {
 public:
  // Of a report of steps (its `doubt`); nothing where it does not say any.
  static std::optional<Doubt> of(const sim::io::Json& report);

  // How far each model is off, and what is in no model (report/structure.h): standard normals.
  struct Draw {
    std::array<double, workloads::kFactors> models{};
    double structure = 0;
  };
  // The step's time over what is reported. Of models linear, each to the end of its interval at the
  // tenth and the ninetieth percentile; above 0.
  double scale(const Draw& draw) const;

 private:
  std::array<double, workloads::kFactors> less_{}, more_{};  // of the time, at those percentiles
};

}  // namespace moesim::tools
