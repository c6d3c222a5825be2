// What a trace of requests holds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "sim/io/json.h"
#include "workloads/report/report.h"
#include "workloads/serving/requests/trace_stream.h"

namespace moesim::tools {

struct RequestInfo {
  workloads::serving::TraceFormat format = {};
  std::int64_t requests = 0, sessions = 0;
  double span_s = 0;      // from the first arrival to the last
  double rate_per_s = 0;  // of the gaps between them; 0 where there is none
  std::int64_t input_tokens = 0, output_tokens = 0;
  workloads::Distribution input = {}, output = {};
  std::int64_t longest_input = 0, longest_output = 0;
  // Of the prompts' tokens those that an earlier prompt began with, as far as the trace says what
  // prompts share: what a cache without limit would hold.
  double prefix_reuse = 0;
  bool knows_prefixes = false;
  std::vector<std::string> notes = {};  // what was left out
};

// Requests in the order of the trace, answers at once: a conversation's turns follow each other.
// Throws InputError; ConfigError of rates, which hold no requests.
RequestInfo request_info(const std::filesystem::path& file);
sim::io::Json to_json(const RequestInfo& info);
std::string to_text(const RequestInfo& info, const std::string& name);

}  // namespace moesim::tools
