#include "tools/moesim/trace/trace_commands.h"

namespace moesim::tools {

std::vector<Command> trace_commands() {
  return {trace_info_command(),     trace_compare_command(), trace_report_command(),
          trace_request_command(),  trace_cache_command(),   trace_fit_command(),
          trace_import_command(),   trace_export_command(),  trace_make_command(),
          trace_resample_command(), trace_reroute_command()};
}

}  // namespace moesim::tools
