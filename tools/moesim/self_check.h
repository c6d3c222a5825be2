// Each reader and writer tries itself on a small file in a temporary folder.
#pragma once

#include <vector>

#include "tools/moesim/doctor.h"

namespace moesim::tools {

std::vector<SelfCheck> check_readers();

}  // namespace moesim::tools
