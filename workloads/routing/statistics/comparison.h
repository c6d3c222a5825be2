// How two traces of one model differ: which experts moved, and by how much.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/routing/statistics/analysis.h"

namespace moesim::workloads {

struct MovedExpert {
  ExpertId expert = 0;
  double share_a = 0, share_b = 0;  // of the layer's selections
};

struct LayerComparison {
  std::int64_t layer_id = 0;
  double distance = 0;             // js_distance
  std::vector<MovedExpert> moved;  // the largest changes of share first
};

struct TraceComparison {
  double distance = 0;                // mean over the layers
  double within_a = 0, within_b = 0;  // of each trace's first half from its second
  std::vector<LayerComparison> layers;
};

// Throws ConfigError where the two are not of one shape. `moved` experts are kept of each layer.
TraceComparison compare(const TraceAnalysis& a, const TraceAnalysis& b, std::uint32_t moved = 5);

}  // namespace moesim::workloads
