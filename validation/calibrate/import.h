// Measurements of other tools as the tables that a fit reads. Pure: text in, CSV out.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/io/csv.h"

namespace moesim::validation {

// Notes of what was left out, and of what looks odd (times that do not go with the sizes beside
// them), go to `notes`, where it is not null. A row within which the file ends is left out: its
// last number may be the beginning of one.

// nccl-tests' text (columns found by their names; several runs; behind what launchers put before a
// line) or its JSON (-J). Out-of-place times, bytes as printed. `operation`: all_reduce,
// all_gather, reduce_scatter, alltoall, or empty where the log names it; runs of others are left
// out. `ranks`: for logs that do not list them; 0: none given. Of several groups that ran at the
// same time (NCCL_TESTS_SPLIT) the ranks are those of one. Rows with wrong values or without a time
// are left out, and so are all of a run that failed; a test without a last line is told. Throws
// InputError with the line that cannot be, or where no row is left; ConfigError where what is asked
// for, or any of the four, is not there.
std::string import_nccl_tests(std::string_view text, const std::string& name,
                              const std::string& operation, int ranks,
                              std::vector<std::string>* notes = nullptr);

// DeepEP's test logs: of low latency, lines "Dispatch bandwidth: x GB/s, avg_t=y us | Combine
// bandwidth: …", a row of the mean over ranks; of the normal kernels, "Best dispatch (FP8): SMs n,
// …, transmit: x us, notify: y us" and "Best combine: …", a row. A row for each run of the log; one
// that failed before it had its times, or has no end, is left out. The shape is what the run says
// ("num_tokens=", "hidden=", "num_topk=", "num_experts="), else `given`, else what DeepEP's tests
// have (128 tokens of 7168, top-k 8 of 256 experts), which is told; tokens of the normal kernels
// are asked for (ConfigError). Nodes: 1 where none are given and the run's ranks fit one of eight
// and speak of no RDMA, else they are asked for; ConfigError, too, where those given contradict its
// links (RDMA, NVL), or the shape cannot be. A rank that took twice the others' median (the smaller
// of two) is stalled and left out.
struct DeepEpRun {
  int nodes = 0, hidden = 0, tokens = 0, top_k = 0, experts = 0;  // 0: not given
};
std::string import_deepep(std::string_view text, const std::string& name, const DeepEpRun& given,
                          std::vector<std::string>* notes = nullptr);

// perftest's text (columns found by their names, behind what launchers put before a line) or JSON
// (--out_json; ib_write_bw, ib_write_lat): bytes, bandwidth_GBps, latency_us (typical; of -D the
// average). A bidirectional test prints the sum of both directions: half of it is
// one's. Rows of a test that failed are left out. Throws InputError where a unit is not known, or a
// bandwidth is not that of its messages.
std::string import_perftest(std::string_view text, const std::string& name,
                            std::vector<std::string>* notes = nullptr);

// aiconfigurator's CSV in our columns: latency in milliseconds becomes latency_us; message_size in
// elements becomes bytes; generation's step (all rows with isl 1) becomes kv_len = step + 1,
// context's step the kv_len before the prompt; DeepEP's dispatch_sms and *_avg_t_us become sms and
// *_us; the engines' all-reduce gets its engine and mode. A table that is ours already is given
// back.
std::string import_aiconfigurator(const sim::io::CsvTable& table);

}  // namespace moesim::validation
