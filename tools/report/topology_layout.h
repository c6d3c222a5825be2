// Where a topology's parts are drawn: the devices of a node in rows of at most 18, its NICs above
// them, its switch above those; nodes side by side, in several rows where they are many; leaves and
// spines above all nodes. A torus is a grid.
#pragma once

#include <vector>

#include "hardware/network/topology.h"

namespace moesim::tools {

struct Place {
  double x = 0, y = 0;  // y grows downwards; neighbours are at least kPlaceStep apart
};
inline constexpr double kPlaceStep = 26;

struct Places {
  std::vector<Place> of;  // of each vertex
  double width = 0, height = 0;
};
Places places_of(const hardware::Topology& topology);

}  // namespace moesim::tools
