#include <nlohmann/json.hpp>
#include <ostream>

#include "sim/io/json.h"
#include "tools/moesim/serving/request_info.h"
#include "tools/moesim/serving/serving_commands.h"

namespace moesim::tools {

Command requests_info_command() {
  return {
      .name = "requests info",
      .summary = "what a trace of requests holds: how many, how fast, how long, what they share",
      .description =
          "Reads a recorded trace (Azure's and BurstGPT's CSV, Mooncake's JSON lines, our own "
          "CSV; .gz is unpacked), told apart by its first line, as a scenario with serving does.",
      .options = {{.name = "FILE",
                   .value = "",
                   .help = "the trace of requests",
                   .required = true,
                   .is_file = true},
                  format_option()},
      .examples = {"moesim requests info AzureLLMInferenceTrace_conv.csv",
                   "moesim requests info conversation_trace.jsonl --format json"},
      .run = [](const Arguments& arguments, Console console) {
        const std::string file = arguments.text("FILE");
        const RequestInfo info = request_info(file);
        console.out << (arguments.json() ? sim::io::to_text(to_json(info)) : to_text(info, file));
        return sim::ExitCode::Ok;
      }};
}

}  // namespace moesim::tools
