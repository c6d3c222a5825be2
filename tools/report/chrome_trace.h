// A timeline in the Chrome trace-event format, which Perfetto (ui.perfetto.dev) and
// chrome://tracing open: a process a GPU, a thread a stream, arrows from a dispatch to the experts
// that work on what it brought, counters of the busiest links and of each GPU's memory
// (trace_counters.h); times in microseconds.
#pragma once

#include <string>

#include "hardware/cluster.h"
#include "workloads/run.h"

namespace moesim::tools {

std::string chrome_trace(const workloads::Recording& recording, const hardware::Cluster& cluster,
                         const workloads::MemoryReport& memory);

}  // namespace moesim::tools
