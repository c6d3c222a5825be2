// How much wider than by their cost models' intervals predictions of whole engines have to be
// (workloads/report/structure.h), and whether what some models or engines say of it holds for
// others.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "validation/serving/e2e_validation.h"

namespace moesim::validation {

enum class E2eTime { Token, First };

// The structure with which a row's measured time lies at the end of its 80 % interval; 0 where the
// models' interval holds it. REQUIRES: the row is predicted
double structure_needed(const E2ePrediction& p, E2eTime time);

// The part of the rows that a structure is set to hold, each group weighing as much as another.
inline constexpr double kHeldPart = 0.85;

// The least structure that holds that part of the rows, 0 of none.
double structure_for(const std::vector<const E2ePrediction*>& rows, E2eTime time);

// What the others would have set, and how many of these rows it holds.
struct SetByOthers {
  double structure = 0;
  std::int64_t n = 0, inside = 0;
};
struct E2eStructure {
  double all = 0;
  std::map<std::string, SetByOthers> by_model, by_engine;  // of which they are left out
};
// Of first tokens the rows that count for TTFT.
E2eStructure structure_of(const std::vector<E2ePrediction>& predictions, E2eTime time);

// Percent of all rows that what others set holds.
double coverage_of(const std::map<std::string, SetByOthers>& parts);

}  // namespace moesim::validation
