// Measurements of other tools as the tables that a fit reads. Pure: text in, CSV out.
#pragma once

#include <string>
#include <string_view>

#include "sim/io/csv.h"

namespace moesim::validation {

// nccl-tests' text (columns found by their names) or its JSON (-J). Out-of-place times, bytes as
// printed. `operation`: all_reduce, all_gather, reduce_scatter, alltoall. `ranks`: 0 takes them
// from the lines "#  Rank  0 …". Throws InputError with the line that cannot be.
std::string import_nccl_tests(std::string_view text, const std::string& name,
                              const std::string& operation, int ranks);

// DeepEP's log of a low-latency test: lines "Dispatch bandwidth: x GB/s, avg_t=y us | Combine
// bandwidth: …". The shape is not in the log. One row: the mean over ranks.
struct DeepEpRun {
  int nodes = 1, hidden = 7168, tokens = 128, top_k = 8, experts = 256;
};
std::string import_deepep_low_latency(std::string_view text, const std::string& name,
                                      const DeepEpRun& run);

// perftest's text (ib_write_bw, ib_write_lat): bytes, bandwidth_GBps, latency_us (typical).
std::string import_perftest(std::string_view text, const std::string& name);

// aiconfigurator's CSV: latency in milliseconds becomes latency_us; NCCL's message_size in elements
// becomes bytes; generation's step becomes kv_len. A table that is ours already is given back.
std::string import_aiconfigurator(const sim::io::CsvTable& table);

}  // namespace moesim::validation
