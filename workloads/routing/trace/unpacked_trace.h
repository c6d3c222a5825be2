// A whole trace, unpacked: what a source of routing needs of it, ready to be counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "workloads/routing/routing.h"
#include "workloads/routing/trace/token_rows.h"
#include "workloads/routing/trace/trace.h"

namespace moesim::workloads {

struct UnpackedTrace {
  TraceInfo info;
  std::vector<RequestRun> runs;
  std::size_t width = 1;  // bytes of an id: 1, 2 or 4
  // [layers x tokens x top_k], as RoutingView has them
  std::span<const std::byte> ids;
  std::shared_ptr<const void> memory;  // that ids lie in

  decltype(RoutingView::ids) layer(std::uint32_t layer) const;
};

// Reads all of it. REQUIRES: per token. Throws InputError.
UnpackedTrace unpack(const RoutingTrace& trace);
// How many bytes that takes at least; 0 for a trace of counts.
std::uint64_t unpacked_bytes(const TraceInfo& info);

}  // namespace moesim::workloads
