// What changes while a recorded step runs, as counters of a timeline.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hardware/cluster.h"
#include "workloads/run.h"
#include "workloads/training/training_report.h"

namespace moesim::tools {

struct Counter {
  std::string name;
  sim::Rank rank = 0;                                // of memory
  std::vector<std::pair<sim::Time, double>> values;  // from this instant on; times ascend
};

// The share of its capacity that each link carries, of the `most` busiest ones, the busiest first.
// An exchange's bytes on a link are spread evenly over the time from its first part's start to its
// last part's end, so the area under a counter is the bytes that the link carried; where exchanges
// take turns on a link that both hold for long, their sum may pass 1.
std::vector<Counter> link_counters(const workloads::Recording& recording,
                                   const hardware::Cluster& cluster, std::size_t most);

// What a GPU holds, in bytes: what stays (weights, cache, buffers, context: all but the
// activations of the plan), and above it the tokens that a dispatch brought, from the start of the
// rank's part until its experts are done with them. A counter a rank.
std::vector<Counter> memory_counters(const workloads::Recording& recording,
                                     const workloads::MemoryReport& memory);
// Of a step of training: what the fullest pipeline rank keeps over time, and what stays.
std::vector<Counter> memory_counters(const workloads::TrainingReport& training);

// The experts' operation that works on what a rank's part of a dispatch brought, by the part's id;
// kNoOp for every other operation.
std::vector<sim::OpId> experts_of_dispatches(const sim::OpGraph& graph);

}  // namespace moesim::tools
