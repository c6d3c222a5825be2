#include "tools/study/plan/rate_text.h"

#include <fmt/format.h>

namespace moesim::tools {

std::string rate_text(double a_second) {
  return a_second >= 1000 ? fmt::format("{:.0f}", a_second) : fmt::format("{:.3g}", a_second);
}

}  // namespace moesim::tools
