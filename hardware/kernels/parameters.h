// The parameters of a cost model: a struct of doubles, and a table that names them, so that a model
// reads p.launch_us while files and fitters see names and ranges.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hardware/device.h"

namespace moesim::hardware {

// One member of P: its name in files, where a fit starts, and the range that is physical. All are
// above zero, so that a fit searches their logarithms.
template <class P>
struct ParameterField {
  std::string_view name;
  double P::*member;
  double initial, least, most;
  // Of what no table tells: a file need not have it (it is `initial` then), and no fit searches it.
  static constexpr bool kOptional = true;
  bool optional = false;
};

// A parameter by name. Throws ConfigError where the model lacks it, or it is outside the range.
double parameter_of(const FittedModel& model, std::string_view name, double least, double most);

template <class P>
P parameters_of(const FittedModel& model, std::span<const ParameterField<P>> fields) {
  P p;
  for (const ParameterField<P>& f : fields)
    p.*f.member = f.optional && !model.parameters.contains(std::string(f.name))
                      ? f.initial
                      : parameter_of(model, f.name, f.least, f.most);
  return p;
}

// Throws ConfigError where the model's residual table has axes, and not these.
void check_residual_axes(const FittedModel& model, std::span<const std::string_view> features);

}  // namespace moesim::hardware
