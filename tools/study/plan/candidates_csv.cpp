#include <fmt/format.h>

#include "sim/io/csv.h"
#include "tools/study/plan/plan.h"

namespace moesim::tools {

std::string candidates_csv(const Plan& plan) {
  sim::io::CsvWriter csv(
      {"device", "gpus", "engine", "estimated_per_s", "measured_per_s", "code", "reason"});
  const auto rate = [](const double* capacity) {
    return capacity == nullptr ? std::string() : fmt::format("{:.6g}", *capacity);
  };
  for (const Candidate& c : plan.candidates) {
    csv.add(c.device)
        .add(c.gpus())
        .add(c.name)
        .add(rate(c.estimated() ? &c.estimated()->capacity : nullptr))
        .add(rate(c.measured ? &c.measured->capacity.p50 : nullptr))
        .add(c.rejected ? c.rejected->code : "")
        .add(c.rejected ? c.rejected->detail : "an answer")
        .end_row();
  }
  return csv.text();
}

}  // namespace moesim::tools
