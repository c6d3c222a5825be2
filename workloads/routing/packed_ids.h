// Ids of experts in as few bytes as tell them apart, where they lie.
#pragma once

#include <cstddef>
#include <cstdint>

#include "workloads/routing/routing.h"

namespace moesim::workloads {

// REQUIRES: ids of `width` bytes, 1, 2 or 4, lie there, aligned
inline decltype(RoutingView::ids) ids_at(const std::byte* at, std::size_t width) {
  switch (width) {
    case 1:
      return reinterpret_cast<const std::uint8_t*>(at);
    case 2:
      return reinterpret_cast<const std::uint16_t*>(at);
    default:
      return reinterpret_cast<const ExpertId*>(at);
  }
}

}  // namespace moesim::workloads
