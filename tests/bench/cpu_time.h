// The processor time of this process: what a benchmark compares, since others load the machine.
#pragma once

#include <ctime>

namespace moesim::tests {

inline double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace moesim::tests
