// What a part of a request trace holds, from one reading of it: what plans and estimates ask of a
// load before it is played.
#pragma once

#include <cstdint>
#include <string>

namespace moesim::workloads::serving {

struct RequestTrace;

struct TraceFacts {
  std::int64_t requests = 0;  // 0: not read yet
  // Of the gaps between them at the trace's own pace; 0 where there is none, or all come at once.
  double rate_per_s = 0;
  double mean_input = 0, mean_output = 0;  // tokens
  std::int64_t least_input = 0, longest_input = 0, longest_output = 0;
  std::int64_t longest = 0;  // input and output of one request
};

// Reads the trace once: sets its facts, and the scale by which its requests come at the rate that
// is asked for. Throws InputError as open_trace() does, and where a rate is asked for and the trace
// has no pace.
void read_facts(RequestTrace& trace);

// "19366 requests of conv.csv, 1155 tokens in and 211 out on average, 10.8 a second (2 times
// their own pace)". REQUIRES: read_facts()
std::string text_of(const RequestTrace& trace);

}  // namespace moesim::workloads::serving
