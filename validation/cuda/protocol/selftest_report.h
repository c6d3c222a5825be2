// What a selftest found: to people, to programs, and from a worker to its supervisor.
#pragma once

#include <string>
#include <vector>

#include "validation/cuda/protocol/checks.h"
#include "validation/cuda/protocol/kernel_record.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {

struct SelftestResult {
  std::string kernel;
  Check check;
  double seconds = 0;
};

// "ok       1.72e-03 (at most 5.0e-03) swiglu 11x264\n"
std::string check_line(const Check& check);

struct SelftestReport {
  Metadata device;
  std::size_t steps = 0;  // that there are
  bool complete = false;  // all of them were made, skipped or lost
  std::vector<SelftestResult> results;
  KernelRecord record;
};

// How many agree, every one that does not, by kernel and reason, and the kernels that were not
// asked any more.
std::string selftest_summary(const SelftestReport& report);

// {"format": "moesim selftest 1", "device": {...}, "complete", "passed", "failed", "skipped",
// "without", "checks": [...]}; "without" has a line of its own, for `run --without`: the kernels
// that hung or were wrong twice, with commas between.
std::string selftest_json(const SelftestReport& report);

std::vector<std::string> result_fields(const SelftestResult& result);
SelftestResult parse_result(const std::vector<std::string>& fields);

}  // namespace moesim::validation::cuda
