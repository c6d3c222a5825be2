// What predictions of measured engines are worth to who plans by them, as one table.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "validation/serving/e2e_validation.h"

namespace moesim::validation {

enum class AccuracyIs {
  Right,  // percent that are right: as many as the must at least
  Off,    // percent, or a part: the must at most
};

struct AccuracyRow {
  std::string_view what;  // "best among our first three of five or more, by TPOT"
  AccuracyIs is = AccuracyIs::Right;
  std::int64_t n = 0;
  double value = 0, must = 0;
  bool met() const { return is == AccuracyIs::Right ? value >= must : value <= must; }
};

// Choices, order of pairs that differ by more than 10 %, statements with a probability (the largest
// gap of a bin that counts), capacity at a target. A row without anything to ask has n 0.
std::vector<AccuracyRow> accuracy_of(const std::vector<E2ePrediction>& predictions);

}  // namespace moesim::validation
