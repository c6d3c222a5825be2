#include <fmt/format.h>

#include <ostream>

#include "tools/moesim/trace/trace_commands.h"
#include "tools/moesim/trace/trace_file.h"
#include "workloads/routing/importers/exporters.h"

namespace moesim::tools {

Command trace_export_command() {
  return {
      .name = "trace export",
      .summary = "writes a routing trace in another tool's form",
      .description =
          "vllm, npy, sglang, megatron hold tokens; tensorrt-llm and counts hold counts. Importing "
          "the result gives the same choices again.",
      .options = {{.name = "TRACE",
                   .value = "",
                   .help = "a routing trace",
                   .required = true,
                   .is_file = true},
                  {.name = "--to",
                   .value = "FORM",
                   .help = "who shall read it",
                   .required = true,
                   .choices = {"vllm", "npy", "sglang", "megatron", "tensorrt-llm", "counts"}},
                  {.name = "-o,--output",
                   .value = "FILE",
                   .help = "the file to write",
                   .required = true,
                   .is_file = true,
                   .is_output = true}},
      .examples = {"moesim trace export trace.h5 --to npy -o routed_experts.npy"},
      .run =
          [](const Arguments& arguments, Console console) {
            const auto trace = workloads::RoutingTrace::open(trace_file(arguments.text("TRACE")));
            const std::filesystem::path out = arguments.text("output");
            const std::string to = arguments.text("to");
            if (to == "vllm") export_vllm(trace, out);
            if (to == "npy") export_npy(trace, out);
            if (to == "sglang") export_sglang(trace, out);
            if (to == "megatron") export_megatron(trace, out);
            if (to == "tensorrt-llm") export_tensorrt_llm(trace, out);
            if (to == "counts") export_counts(trace, out);
            console.err << fmt::format("{}: written\n", out.string());
            return sim::ExitCode::Ok;
          },
  };
}

}  // namespace moesim::tools
