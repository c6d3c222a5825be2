// What DeepEP's kernels, and others of the kind, are asked: rows of each rank to several of the
// groups that all ranks hold, and back.
#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "hardware/collectives/forms/parts.h"

namespace moesim::hardware {

// Of the busiest rank.
struct DeepEpLoad {
  PortBytes bytes = {};
  double copies = 0;  // normal: rows times destinations, its own among them; low latency: messages
                      // over its NIC
};

struct DeepEpShape {
  double nodes = 1;
  double hidden = 0;
  double tokens = 0;  // of a rank
  double top_k = 1;
  double groups = 0;  // of all ranks
  double sms = 20;    // normal kernels only
  bool combine = false;
  std::optional<DeepEpLoad> load = {};  // of the rows at hand; none: balanced routing's
};

// Fits are apart by direction, and within a node or over several.
inline constexpr std::array<std::string_view, 4> kDeepEpVariants{
    "dispatch", "combine", "dispatch_internode", "combine_internode"};

// fp8 with a scale for each 128 on the way out, bf16 back.
inline double deepep_row_bytes(const DeepEpShape& shape) {
  return shape.hidden * (shape.combine ? 2.0 : 33.0 / 32.0);
}

}  // namespace moesim::hardware
