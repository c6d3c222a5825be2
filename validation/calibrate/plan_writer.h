// A plan as it grows: numbers points, and knows what a product costs at least.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "validation/calibrate/plan_shapes.h"
#include "validation/cuda/protocol/points.h"

namespace moesim::validation {

bool is_fp8(const std::string& implementation);

// Bytes of one weight, the scales of fp8 blocks included.
double bytes_of_weight(const std::string& implementation);

class PlanWriter {
 public:
  explicit PlanWriter(cuda::Metadata metadata) { plan_.metadata = std::move(metadata); }

  // A point with the next number of its prefix ("grouped-017"), not yet part of the plan.
  cuda::PlanPoint point(const std::string& prefix, const std::string& role, const std::string& op,
                        const std::string& impl, const std::string& detail);
  void add(cuda::PlanPoint point) { plan_.points.push_back(std::move(point)); }

  struct Gemm {
    std::string prefix, role, impl;
    WeightShape shape;
    std::vector<int> loads;  // rows of each group
    bool cold = true;
    std::string note;  // behind the shape's label
  };
  // A product of one group or several, with its bytes and arithmetic.
  void add_gemm(Gemm gemm);

  cuda::Plan plan() && { return std::move(plan_); }

 private:
  cuda::Plan plan_;
  std::map<std::string, int> numbers_;
};

}  // namespace moesim::validation
