// Parts of a pipeline rank's step, which add up to it in whole picoseconds.
#pragma once

#include <cmath>
#include <cstdint>

#include "workloads/training/training_report.h"

namespace moesim::testing {

// Each part of a row is a whole number of picoseconds, told in microseconds: below 2^53 ps, two and
// a half hours, rounding finds it again.
inline std::int64_t in_picoseconds(double us) {
  return std::llround(us * 1e6);
}
inline std::int64_t sum_in_picoseconds(const workloads::TrainingReport::RankRow& row) {
  std::int64_t sum = 0;
  for (const double us : {row.f_us, row.b_us, row.w_us, row.fb_us, row.bubble_us, row.optimizer_us})
    sum += in_picoseconds(us);
  for (const double us : row.exposed_us) sum += in_picoseconds(us);
  return sum;
}

}  // namespace moesim::testing
