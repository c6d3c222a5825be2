#include "validation/cuda/protocol/run_plan.h"

#include <algorithm>

#include "validation/cuda/protocol/statistics.h"

namespace moesim::validation::cuda {
namespace {

bool starts_with(const std::string& text, const char* with) {
  return text.rfind(with, 0) == 0;
}

}  // namespace

Metadata points_metadata(const Machine& machine, const Plan& plan, const RunOptions& options) {
  Metadata metadata{{"format", "moesim points 1"}, {"source", "measured here by moesim-gpu"}};
  const MachineInfo& info = machine.info();
  metadata.emplace_back("device", info.device);
  metadata.emplace_back("multiprocessors", std::to_string(info.multiprocessors));
  metadata.emplace_back("l2_bytes", std::to_string(info.l2_bytes));
  metadata.emplace_back("memory_bytes", std::to_string(info.memory_bytes));
  metadata.insert(metadata.end(), info.details.begin(), info.details.end());
  metadata.emplace_back("clocks", "as found");
  metadata.emplace_back("seed", std::to_string(options.seed));
  metadata.emplace_back("plan_hash", std::to_string(text_hash(plan_text(plan))));
  for (const auto& [key, value] : plan.metadata) metadata.emplace_back("plan " + key, value);
  return metadata;
}

RunSummary run_plan(Machine& machine, const Plan& plan, const RunOptions& options,
                    const std::function<void(const std::string&)>& line,
                    const std::function<void(const PlanPoint&, const PointResult&)>& progress) {
  RunSummary summary;
  line(points_header(points_metadata(machine, plan, options)));
  const double start = options.clock();
  const std::size_t total = 2 * plan.points.size();
  std::size_t done = 0;
  for (int pass = 1; pass <= 2; ++pass) {
    for (const std::size_t i :
         shuffled(plan.points.size(), options.seed + static_cast<std::uint64_t>(pass))) {
      const PlanPoint& point = plan.points[i];
      const double left = options.budget_seconds - (options.clock() - start);
      if (left <= 0) {
        ++summary.left_out;
        continue;
      }
      MeasureOptions measure_options = options.measure;
      measure_options.seed = options.seed + 7919 * static_cast<std::uint64_t>(pass) + i;
      // What is left, shared evenly; half of it goes to setting up.
      measure_options.timing.most_seconds = std::min(
          measure_options.timing.most_seconds, 0.5 * left / static_cast<double>(total - done));
      PointResult result = measure(machine, point, measure_options);
      result.pass = pass;
      ++done;
      ++summary.measured;
      if (!result.flags.empty() && starts_with(result.flags[0], "skipped")) {
        ++summary.skipped;
      } else if (!result.flags.empty()) {
        ++summary.flagged;
      }
      line(point_line(point, result));
      progress(point, result);
    }
  }
  return summary;
}

}  // namespace moesim::validation::cuda
