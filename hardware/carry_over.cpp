#include "hardware/carry_over.h"

#include <algorithm>
#include <array>

namespace moesim::hardware {
namespace {

constexpr double kOfMemory = 0.45;  // the part of a pass that a faster memory makes quicker

// Within what every model takes for it (its fields()).
struct PassParameter {
  std::string_view name;
  double least, most;
};
constexpr std::array<PassParameter, 3> kPasses{{{"stream_fraction", 0.05, 5},
                                                {"quantise_fraction", 0.05, 2},
                                                {"remote_fraction", 0.05, 1000}}};

}  // namespace

bool is_of_passes(std::string_view parameter) {
  return std::ranges::find(kPasses, parameter, &PassParameter::name) != kPasses.end();
}

FittedModel carried_over(FittedModel model, const Device& from, const Device& to) {
  if (model.other_generation || from.generation != to.generation) return model;
  const double faster =
      to.memory_bandwidth.bytes_per_second() / from.memory_bandwidth.bytes_per_second();
  for (const PassParameter& pass : kPasses) {
    const auto at = model.parameters.find(std::string(pass.name));
    if (at == model.parameters.end() || faster == 1) continue;
    // us a byte: 1 / (fraction x bandwidth)
    at->second =
        std::clamp(at->second / (kOfMemory + (1 - kOfMemory) * faster), pass.least, pass.most);
  }
  return model;
}

}  // namespace moesim::hardware
