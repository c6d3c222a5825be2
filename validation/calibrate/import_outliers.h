// Rows of a log that do not go with the sizes beside them.
#pragma once

#include <string>
#include <vector>

#include "validation/calibrate/import_text.h"

namespace moesim::validation {

// A row, as a note names it: where it stands ("a.log:5"), what it says ("9.34 us").
struct TimedSize {
  std::string where;
  double bytes = 0, us = 0;
  std::string said;
};

// Points at rows, in any order, of one run and kind. A larger size takes as long as a smaller one
// at least, and no longer than in proportion (its bandwidth is as high), both within a factor of
// two: a row that contradicts more than half of up to three sizes on either side (where there are
// but two, one of them) is an outlier, and the others are judged without it. At most 20 are found.
// REQUIRES: sizes and times above zero
void point_at_outliers(const std::vector<TimedSize>& rows, ImportNotes notes);

}  // namespace moesim::validation
