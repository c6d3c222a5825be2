// The name of a run: equal runs have equal names, wherever their files lie.
#pragma once

#include <string>

#include "workloads/scenario.h"

namespace moesim::tools {

// The first 32 hexadecimal digits of SHA-256 over the resolved scenario without its name and its
// files' paths, the contents of those files (but the scenario's own, which is resolved), and the
// program's version.
std::string point_id(const workloads::Scenario& scenario, const std::string& version);
// Of a point that is no scenario: of what was asked, and whose.
std::string point_id_of_invalid(const std::string& base_hash, const std::string& params,
                                const std::string& version);

}  // namespace moesim::tools
