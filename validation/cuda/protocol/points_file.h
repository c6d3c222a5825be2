// Points that an earlier run left behind, to go on with: POINTS.csv.partial of a run that was cut
// off, or POINTS.csv of one whose budget did not suffice.
#pragma once

#include <string>

#include "validation/cuda/protocol/run_plan.h"

namespace moesim::validation::cuda {

struct PointsSoFar {
  std::string text;        // header and whole lines; empty: there are none
  Metadata metadata;       // of the header
  std::int64_t steps = 0;  // that they hold: the first ones of the run
  RunSummary summary;
  KernelRecord record;  // of the kernels that hung or were wrong
};

// Takes a line that was cut off as not there. Throws PlanError where a line is not of the step of
// this plan that it should be.
PointsSoFar parse_points(const std::string& text, const std::string& name, const Plan& plan,
                         const std::vector<RunStep>& steps);

// Why points with this header cannot go on those: "device: NVIDIA H100, and now NVIDIA H200";
// empty: they can. The device, the plan, the seed, the driver and the program must be the same.
std::string why_another(const Metadata& before, const Metadata& now);

// The flag of a point in which a kernel hung, and the kernel back from it (empty: another flag).
std::string hung_flag(const std::string& kernel, const std::string& why);
std::string kernel_that_hung(const std::string& flag);

}  // namespace moesim::validation::cuda
