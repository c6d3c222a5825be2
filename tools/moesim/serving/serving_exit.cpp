#include "tools/moesim/serving/serving_exit.h"

#include <fmt/format.h>

#include <ostream>

#include "workloads/serving/service.h"

namespace moesim::tools {

sim::ExitCode exit_of(const workloads::serving::ServingReport& report, std::ostream& err) {
  if (report.partial) {
    err << "moesim run: broken off: the report is of what was done\n";
    return sim::ExitCode::Partial;
  }
  const double error = report.iteration_error.mean_percent;
  if (error > workloads::serving::kMostMeanErrorPercent) {
    err << fmt::format(
        "moesim run: iterations played again differ by {:.2f} % on average, more than {} %: a "
        "smaller serving.iteration.error, or cost: exact, would do\n",
        error, workloads::serving::kMostMeanErrorPercent);
    return sim::ExitCode::Partial;
  }
  return sim::ExitCode::Ok;
}

}  // namespace moesim::tools
