// A file's fit of a collective, checked value by value against its form.
#pragma once

#include <string_view>

#include "hardware/device.h"

namespace moesim::sim::io {
class YamlNode;
}

namespace moesim::hardware {

// Whether fits of that kind are of a collective's form.
bool is_collective_kind(std::string_view kind);

// Notes the mistakes of a fitted model at their places in `node`, which it was read from: a variant
// or a parameter that its form does not have, one that is missing or out of its physical range.
// Nothing where the kind is no collective's.
void check_collective_fit(const FittedModel& model, const sim::io::YamlNode& node);

}  // namespace moesim::hardware
