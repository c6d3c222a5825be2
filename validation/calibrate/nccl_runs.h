// What a log of nccl-tests says, run by run: between its readers (text, JSON) and its table.
#pragma once

#include <array>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "sim/io/json.h"
#include "validation/calibrate/import_text.h"

namespace moesim::validation {

struct NcclRow {
  std::string where;  // "a.log:5"
  std::string type;
  double bytes = 0, us = 0;
  std::optional<Rounded> algbw = {}, busbw = {};  // GB/s
  std::optional<double> count = {};               // elements
};

// A communicator of a test: NCCL_TESTS_SPLIT makes several, which run at the same time.
struct NcclGroup {
  int ranks = 0;
  std::set<std::string> hosts = {};  // of its ranks, as far as said
};

// One test of a log: what it says of itself, and its rows.
struct NcclRun {
  std::string operation;                    // empty: not said
  std::map<std::string, NcclGroup> groups;  // by what it calls them; none: not said
  std::vector<NcclRow> rows;
  bool ended = false;       // its last line was there
  std::size_t wrong = 0;    // rows that were left out for wrong values
  std::size_t untimed = 0;  // and those that have no time
  std::string failure;      // why all of it is not believed
  std::size_t failed_at = 0;

  // Of a group; 0: not said.
  int ranks() const { return groups.empty() ? 0 : groups.begin()->second.ranks; }
};

// Those that tables have.
inline constexpr std::array kNcclOperations{"all_reduce", "all_gather", "reduce_scatter",
                                            "alltoall"};

constexpr const char* kCpuTime =
    "times of the CPU (-C 1), which are how long calls take and no latencies: measure without -C";

// "all_reduce_perf", "AllReduce" -> "all_reduce"; as it is where it is another's.
std::string nccl_operation_named(std::string_view test);

// Why a row is left out for what its column of wrong values says; empty where it is good.
std::string wrong_values(std::string_view said);

// The runs of a text. Throws InputError where there is no table, or a line cannot be.
std::vector<NcclRun> nccl_runs_of_text(std::string_view text, const std::string& name,
                                       ImportNotes notes);

// The run of a -J file. Throws InputError where it is none, or a result cannot be.
NcclRun nccl_run_of_json(const sim::io::Json& json, const std::string& name, ImportNotes notes);

// Compares a row's size with its time and algbw, and with its count and type, as far as it says
// them. A row that contradicts itself is left out, and said; where no more rows agree than
// contradict, throws InputError.
// REQUIRES: ranks >= 2
void check_sizes(NcclRun& run, const std::string& operation, int ranks, ImportNotes notes);

// Compares busbw/algbw, where the rows say both, with what nccl-tests computes it by for the
// operation and its ranks, as far as their digits tell. A row that contradicts the others is left
// out, and said; where no more rows agree than contradict, throws: ConfigError where `given` (the
// operation or the ranks are the user's word), else InputError.
// REQUIRES: ranks >= 2
void check_bus_bandwidths(NcclRun& run, const std::string& operation, int ranks, bool given,
                          ImportNotes notes);

}  // namespace moesim::validation
