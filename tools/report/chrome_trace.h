// A timeline in the Chrome trace-event format, which Perfetto (ui.perfetto.dev) and
// chrome://tracing open: a process a GPU, a thread a stream, arrows from a dispatch to the experts
// that work on what it brought, counters of the busiest links and of each GPU's memory
// (trace_counters.h); times in microseconds.
#pragma once

#include <span>
#include <string>

#include "hardware/cluster.h"
#include "tools/report/trace_counters.h"
#include "workloads/run.h"

namespace moesim::tools {

// `memory`: counters of ranks; a rank may have none.
std::string chrome_trace(const workloads::Recording& recording, const hardware::Cluster& cluster,
                         std::span<const Counter> memory);

}  // namespace moesim::tools
