#include "hardware/kernels/parameters.h"

#include <fmt/format.h>

#include "sim/error.h"

namespace moesim::hardware {

double parameter_of(const FittedModel& model, std::string_view name, double least, double most) {
  const auto found = model.parameters.find(std::string(name));
  if (found == model.parameters.end())
    throw sim::ConfigError(
        fmt::format("{} {} {}: parameter {} is missing: fit it anew (moesim calibrate fit), "
                    "or add it to the device's fitted file",
                    model.kind, model.implementation, model.variant, name));
  constexpr double kRounding = 1e-3;  // files have five digits
  const double value = found->second;
  if (!(value >= least * (1 - kRounding) && value <= most * (1 + kRounding)))
    throw sim::ConfigError(fmt::format("{} {} {}: {} = {} is outside {} to {}", model.kind,
                                       model.implementation, model.variant, name, value, least,
                                       most));
  return value;
}

void check_residual_axes(const FittedModel& model, std::span<const std::string_view> features) {
  const auto& axes = model.residual.axes;
  bool fits = axes.empty() || axes.size() == features.size();
  for (std::size_t i = 0; fits && i < axes.size(); ++i) fits = axes[i].first == features[i];
  if (!fits)
    throw sim::ConfigError(fmt::format("{} {} {}: the residual table's axes must be {}", model.kind,
                                       model.implementation, model.variant,
                                       fmt::join(features, ", ")));
}

}  // namespace moesim::hardware
