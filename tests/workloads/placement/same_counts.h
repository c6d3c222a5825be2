// Counts that are to be the same, number by number.
#pragma once

#include <doctest/doctest.h>

#include "workloads/placement/dispatch.h"

namespace moesim::workloads {

inline void check_equal(const DispatchCounts& a, const DispatchCounts& b) {
  CHECK(a.ranks == b.ranks);
  CHECK(a.nodes == b.nodes);
  CHECK(a.slots_per_rank == b.slots_per_rank);
  CHECK(a.rows == b.rows);
  CHECK(a.selections == b.selections);
  CHECK(a.tokens == b.tokens);
  CHECK(a.node_tokens == b.node_tokens);
  CHECK(a.missing == b.missing);
}

}  // namespace moesim::workloads
