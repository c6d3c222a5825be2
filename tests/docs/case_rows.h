// What the published cases gave when they were last run: tests/golden/cases/<group>.csv, which the
// CTests validation_cases/… hold to.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace moesim::tests {

struct CaseRow {
  std::string file;  // validation/cases/<file>.yaml
  std::string metric;
  double measured = 0, predicted = 0, error_percent = 0, within_percent = 0;
  bool within = false;
  std::optional<double> step_us = {}, host_us = {};  // of a step, and of it what the host takes
};

std::vector<CaseRow> case_rows(const std::vector<std::string>& groups);

// Why the case says that the figure is missed; empty where it does not.
std::string known_miss(const CaseRow& row);

}  // namespace moesim::tests
