// A step's time were its cost models off. What one of them gets wrong it gets wrong in every step:
// of two steps the same error moves both, each by what it has of that model.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "sim/io/json.h"
#include "workloads/step/factors.h"

namespace moesim::tools {

// How a number of a report goes with the step's time.
enum class Moves { Not, WithTime, AgainstTime };
Moves moves_of(std::string_view key);

class Doubt {
 public:
  // Of a report of steps (its `doubt`); nothing where it does not say any.
  static std::optional<Doubt> of(const sim::io::Json& report);

  // How far each model is off, and what is in no model (report/structure.h): standard normals. And
  // what a model's times are longer by, over themselves.
  struct Draw {
    std::array<double, workloads::kFactors> models{}, longer{};
    double structure = 0;
  };
  // The step's time over what is reported. Of models linear, each to the end of its interval at the
  // tenth and the ninetieth percentile; above 0.
  double scale(const Draw& draw) const;

 private:
  using OfTime = std::array<double, workloads::kFactors>;
  OfTime share_{};          // what the step waited for of each model's
  OfTime less_{}, more_{};  // of that, at those percentiles
};

}  // namespace moesim::tools
