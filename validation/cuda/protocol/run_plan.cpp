#include "validation/cuda/protocol/run_plan.h"

#include <algorithm>

#include "validation/cuda/protocol/guarded_machine.h"
#include "validation/cuda/protocol/statistics.h"

namespace moesim::validation::cuda {

namespace {

bool has_flag(const PointResult& result, const std::string& flag) {
  return std::find(result.flags.begin(), result.flags.end(), flag) != result.flags.end();
}

}  // namespace

std::vector<RunStep> run_steps(std::size_t points, std::uint64_t seed) {
  std::vector<RunStep> steps;
  steps.reserve(2 * points);
  for (const int pass : {1, 2}) {
    for (const std::size_t i : shuffled(points, seed + static_cast<std::uint64_t>(pass))) {
      steps.push_back({pass, i});
    }
  }
  return steps;
}

void RunSummary::count(const PointResult& result) {
  ++measured;
  if (result.flags.empty()) return;
  ++(result.flags[0].rfind("skipped", 0) == 0 ? skipped : flagged);
}

Metadata points_metadata(const Machine& machine, const Plan& plan, std::uint64_t seed) {
  Metadata metadata{{"format", "moesim points 1"}, {"source", "measured here by moesim-gpu"}};
  const Metadata device = machine.info().metadata();
  metadata.insert(metadata.end(), device.begin(), device.end());
  metadata.emplace_back("clocks", "as found");
  metadata.emplace_back("seed", std::to_string(seed));
  metadata.emplace_back("plan_hash", std::to_string(text_hash(plan_text(plan))));
  for (const auto& [key, value] : plan.metadata) metadata.emplace_back("plan " + key, value);
  return metadata;
}

RunSummary run_plan(Machine& machine, const Plan& plan, const RunOptions& options,
                    const RunListener& listener) {
  RunSummary summary;
  const double start = options.clock();
  const std::vector<RunStep> steps = run_steps(plan.points.size(), options.seed);
  KernelRecord mine;
  KernelRecord& record = options.record != nullptr ? *options.record : mine;
  GuardedMachine guarded(machine, record, listener.at);
  for (auto step = static_cast<std::size_t>(options.from); step < steps.size(); ++step) {
    const auto& [pass, place] = steps[step];
    const PlanPoint& point = plan.points[place];
    const double left = options.budget_seconds - (options.clock() - start);
    if (left <= 0) {
      summary.left_out = static_cast<int>(steps.size() - step);
      break;
    }
    MeasureOptions how = options.measure;
    how.seed = options.seed + 7919 * static_cast<std::uint64_t>(pass) + place;
    // What is left, shared evenly; half of it goes to setting up.
    how.timing.most_seconds =
        std::min(how.timing.most_seconds, 0.5 * left / static_cast<double>(steps.size() - step));
    const auto number = static_cast<std::int64_t>(step);
    listener.begin(number, point);
    guarded.step(point.id, kernel_of(point));
    PointResult result;
    if (const std::string why = record.why_not(kernel_of(point)); !why.empty()) {
      result.flags = {"skipped: " + why};
    } else {
      result = measure(guarded, point, how);
    }
    result.pass = pass;
    if (has_flag(result, "wrong") || has_flag(result, "unwritten")) {
      record.wrong(kernel_of(point), point.id);
    }
    summary.count(result);
    if (!listener.done(number, point, result)) break;
  }
  return summary;
}

}  // namespace moesim::validation::cuda
