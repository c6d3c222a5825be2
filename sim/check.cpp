#include "sim/check.h"

#include <cstdio>
#include <cstdlib>

namespace moesim::sim {

void check_failed(const char* file, int line, const char* condition, const char* reason) {
  std::fprintf(stderr, "%s:%d: check failed: %s\n  %s\n", file, line, reason, condition);
  std::abort();
}

}  // namespace moesim::sim
