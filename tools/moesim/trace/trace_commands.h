// moesim trace info|make|…: one a file, named like it.
#pragma once

#include <vector>

#include "sim/io/json.h"
#include "tools/moesim/command.h"
#include "workloads/routing/statistics/analysis.h"

namespace moesim::tools {

Command trace_info_command();
Command trace_cache_command();
Command trace_make_command();
Command trace_compare_command();
Command trace_request_command();
Command trace_report_command();
Command trace_fit_command();
Command trace_resample_command();
Command trace_reroute_command();
Command trace_import_command();
Command trace_export_command();

// All of them, in the order of the help.
std::vector<Command> trace_commands();

// What `trace info --format json` prints, and what it prints for people.
sim::io::Json to_json(const workloads::TraceAnalysis& analysis);
std::string to_text(const workloads::TraceAnalysis& analysis);
// "a.h5: 12 of 96 selections (12.5 %) are missing", a line each of what the reader must know of the
// recording; empty where there is nothing.
std::string warnings(const workloads::TraceAnalysis& analysis);

}  // namespace moesim::tools
