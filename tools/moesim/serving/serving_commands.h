// moesim capacity: how many requests a second a deployment carries within its targets.
#pragma once

#include "tools/moesim/command.h"

namespace moesim::tools {

Command capacity_command();
// moesim requests info: what a trace of requests holds.
Command requests_info_command();
// moesim validate serving: measured engines beside predicted ones.
Command validate_serving_command();

}  // namespace moesim::tools
