// The cases that ship, validation/cases/*.yaml, in groups of about equal work: a CTest each, so
// that they run side by side.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace moesim::tests {

struct CaseGroup {
  std::string_view name;
  std::vector<std::string_view> prefixes;  // of the files' names
};
std::span<const CaseGroup> case_groups();

// Runs the group's cases. Each figure must lie within its tolerance, or be listed as a known miss
// and be one. What was predicted is compared with tests/golden/cases/<group>.csv, which
// MOESIM_UPDATE_GOLDEN=1 rewrites; the tables in the READMEs are made from there (tests/docs).
void check_cases(std::string_view group);

}  // namespace moesim::tests
