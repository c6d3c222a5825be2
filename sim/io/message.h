// Pieces that the readers' messages are made of.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "sim/printable.h"

namespace moesim::sim::io {

// A found text in quotes, printable, at most 60 bytes of it.
std::string quote(std::string_view text);

// "; did you mean "bandwidth"?", or nothing where no known name is close.
std::string suggestion(std::string_view found, std::span<const std::string_view> known);

}  // namespace moesim::sim::io
