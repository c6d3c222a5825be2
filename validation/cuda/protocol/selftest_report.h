// What a selftest found: to people, to programs, and from a worker to its supervisor.
#pragma once

#include <string>
#include <vector>

#include "validation/cuda/protocol/checks.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation::cuda {

struct SelftestResult {
  std::string kernel;
  Check check;
  double seconds = 0;
};

// "ok       1.72e-03 (at most 5.0e-03) swiglu 11x264\n"
std::string check_line(const Check& check);

// How many agree, and every one that does not, by kernel and reason.
std::string selftest_summary(const std::vector<SelftestResult>& results);

// {"format": "moesim selftest 1", "device": {...}, "passed", "failed", "skipped", "checks": [...]}
std::string selftest_json(const Metadata& device, const std::vector<SelftestResult>& results);

std::string result_text(const SelftestResult& result);
SelftestResult parse_result(const std::string& text);

}  // namespace moesim::validation::cuda
