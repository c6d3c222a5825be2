#include "hardware/trust.h"

#include <fmt/format.h>

namespace moesim::hardware {
namespace {

// "k beyond 256 to 16384", "ranks other than 2, 8"
std::string beyond(const ModelUse::Axis& axis) {
  if (axis.least == 0 && axis.most == 0) return fmt::format("no measurement varies {}", axis.name);
  if (!axis.counted.empty())
    return fmt::format("{} other than {}", axis.name, fmt::join(axis.counted, ", "));
  return fmt::format("{} beyond {} to {}", axis.name, axis.least, axis.most);
}

}  // namespace

std::string reason_of(const ModelUse& use, std::uint32_t outside) {
  std::vector<std::string> reasons;
  if (use.stand_in()) reasons.push_back(fmt::format("no fit, {} stands in", use.used));
  if (use.unfitted && !use.stand_in()) reasons.emplace_back("no fit");
  if (use.other_generation)
    reasons.push_back(fmt::format("fitted on {}, another generation", use.carried_from));
  for (std::size_t i = 0; i < use.axes.size(); ++i) {
    if ((outside >> i & 1) != 0) reasons.push_back(beyond(use.axes[i]));
  }
  if (reasons.empty()) return {};
  return fmt::format("{} {}: {}", use.kind, use.asked, fmt::join(reasons, ", "));
}

}  // namespace moesim::hardware
