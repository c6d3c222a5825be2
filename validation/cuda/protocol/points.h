// The plan of a calibration and the points that it gives, as comma-separated text: the columns are
// described in README.md.
#pragma once

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

struct PlanPoint {
  std::string id, role, op, impl, dtype, detail;
  int tokens = 0, top_k = 0, experts = 0;
  int n = 0, k = 0, hidden = 0, inter = 0;
  std::vector<int> loads;  // rows of each group
  bool cold = true;
  double bytes = 0, flops = 0;

  int rows() const;
  int active() const;  // groups that have rows
};

struct PointResult {
  int pass = 0;
  double p10_us = 0, p50_us = 0, p90_us = 0;
  int repeats = 0;
  std::optional<double> relative_error, measured_bytes;
  Health health;
  std::vector<std::string> flags;
};

// "# key: value" lines above a table.
using Metadata = std::vector<std::pair<std::string, std::string>>;

struct PlanError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// "16x8;3;0x119" <-> 8 times 16, a 3, 119 times 0. parse_loads throws PlanError.
std::string loads_text(const std::vector<int>& loads);
std::vector<int> parse_loads(const std::string& text);

struct Plan {
  Metadata metadata;
  std::vector<PlanPoint> points;
};

std::string plan_text(const Plan& plan);
// Throws PlanError with the place: "plan.csv:7: loads: expected …".
Plan parse_plan(const std::string& text, const std::string& name);

std::string points_header(const Metadata& metadata);
Metadata parse_metadata(const std::string& text);  // of its "# key: value" lines
std::string point_line(const PlanPoint& point, const PointResult& result);

// The values of a line, without their quotes; the flags of a point, "noisy;wrong".
std::vector<std::string> split_line(const std::string& line);
std::vector<std::string> split_flags(const std::string& text);

// The columns of a plan, and those that results add.
const std::vector<std::string>& plan_columns();
const std::vector<std::string>& result_columns();

// 64 bits of a text, for a plan's identity (FNV-1a).
std::uint64_t text_hash(const std::string& text);

}  // namespace moesim::validation::cuda
