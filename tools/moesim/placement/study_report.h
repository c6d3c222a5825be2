// What a placement study found, as JSON and as text.
#pragma once

#include <string>
#include <vector>

#include "sim/io/json.h"
#include "tools/moesim/placement/study.h"

namespace moesim::tools {

// `routing`: the source's description.
sim::io::Json to_json(const PlacementStudy& study, const std::vector<PlacementEntry>& entries,
                      const std::string& routing);
std::string to_text(const PlacementStudy& study, const std::vector<PlacementEntry>& entries,
                    const std::string& routing);

}  // namespace moesim::tools
