#include <nlohmann/json.hpp>
#include <ostream>

#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"

namespace moesim::tools {

Command trace_info_command() {
  return {
      .name = "trace info",
      .summary = "what a routing trace holds: loads, skew, repetition, domains, drift",
      .description =
          "Reads the trace once, a piece at a time. Loads, repeat rates, domains and windows are "
          "of "
          "every token; pairs, links between layers, coverage of consecutive tokens and the test "
          "of "
          "the domains are of a sample spread over the file. A link is how much a token's first "
          "choice tells of its next layer's, less what chance has of it in so many tokens: 0 of "
          "layers that are independent, 1 where one says the other, and - where tokens "
          "are too few to tell.",
      .options = {{.name = "TRACE",
                   .value = "",
                   .help = "a routing trace (HDF5)",
                   .required = true,
                   .is_file = true},
                  {.name = "--windows",
                   .value = "N",
                   .help = "windows of equal length, for drift",
                   .fallback = "8"},
                  {.name = "--sample",
                   .value = "TOKENS",
                   .help = "tokens in the sample",
                   .fallback = "131072"},
                  format_option()},
      .examples = {"moesim trace info trace.h5", "moesim trace info trace.h5 --format json"},
      .run =
          [](const Arguments& arguments, Console console) {
            workloads::AnalysisOptions options;
            options.windows = static_cast<std::uint32_t>(arguments.integer("windows", 1, 10'000));
            options.sample_tokens =
                static_cast<std::uint64_t>(arguments.integer("sample", 1, 1'000'000'000));
            const auto trace = workloads::RoutingTrace::open(trace_file(arguments.text("TRACE")));
            const auto analysis = workloads::analyse(trace, options);
            console.out << (arguments.json() ? sim::io::to_text(to_json(analysis))
                                             : to_text(analysis));
            return sim::ExitCode::Ok;
          },
  };
}

}  // namespace moesim::tools
