// moesim placement.
#pragma once

#include "tools/moesim/command.h"

namespace moesim::tools {

Command placement_command();

}  // namespace moesim::tools
