// What pages of runs of either kind have: memory, trust, where it was made from.
#pragma once

#include <optional>

#include "sim/io/json.h"
#include "tools/report/page.h"

namespace moesim::tools {

// `report`: what moesim run prints.
Figure memory_figure(const sim::io::Json& report);
// What the cards draw, and the energy of a token; nothing where no limit of power is known.
std::optional<Section> energy_section(const sim::io::Json& report);
Section trust_section(const sim::io::Json& report);
Section made_from_section(const sim::io::Json& report);

}  // namespace moesim::tools
