#include "hardware/trust.h"

#include <fmt/format.h>

namespace moesim::hardware {

std::string reason_of(const ModelUse& use, std::uint32_t outside) {
  std::vector<std::string> reasons;
  if (use.stand_in()) reasons.push_back(fmt::format("no fit, {} stands in", use.used));
  if (use.unfitted && !use.stand_in()) reasons.emplace_back("no fit");
  if (use.other_generation)
    reasons.push_back(fmt::format("fitted on {}, another generation", use.carried_from));
  for (std::size_t i = 0; i < use.axes.size(); ++i) {
    if ((outside >> i & 1) == 0) continue;
    const ModelUse::Axis& axis = use.axes[i];
    reasons.push_back(axis.least == 0 && axis.most == 0
                          ? fmt::format("no measurement varies {}", axis.name)
                          : fmt::format("{} beyond {} to {}", axis.name, axis.least, axis.most));
  }
  if (reasons.empty()) return {};
  return fmt::format("{} {}: {}", use.kind, use.asked, fmt::join(reasons, ", "));
}

}  // namespace moesim::hardware
