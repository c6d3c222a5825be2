// Why one run takes another time than another: where the difference lies, and which change made it.
// Both sum to it, to the picosecond.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/study/mixture.h"

namespace moesim::tools {

// Where: a cell of time[] in both reports. Phases of a service are the
// parts of its mean TTFT, those of training passes, exchanges and waiting of the mean rank.
struct WhereShare {
  std::int64_t layer = -1;  // of the model; -1: of none
  std::string phase, reason;
  std::int64_t ps = 0;    // B less A; never zero
  std::string only = {};  // "A" or "B" where the other has no such phase in that layer
};

// Why: parts of the scenario that were changed together.
// Of both sides, as numbers and as they are read.
struct FigurePair {
  std::string what = {}, a = {}, b = {};
  std::string key = {};  // in a report
  double a_value = 0, b_value = 0;
};

struct WhyShare {
  std::string part;  // "cluster", "layout and load"; "network model": beyond the bound network
  std::vector<KeyChange> keys = {};  // that differ
  std::int64_t ps = 0;
};

// A phase in both, over all layers and reasons.
struct PhasePair {
  std::string phase;
  std::int64_t a_ps = 0, b_ps = 0;
};

struct Comparison {
  std::string metric;  // "step_time_us" or "mean_ttft_us"
  std::int64_t a_ps = 0, b_ps = 0;
  double low = 0, high = 0;  // of b / a - 1, where errors of one model go the same way
  bool has_interval = false;
  std::vector<WhereShare> where = {};    // the largest first
  std::vector<PhasePair> phases = {};    // the largest first
  std::vector<WhyShare> why = {};        // the largest first; empty where it was not asked for
  bool approximate_why = false;          // two orders in place of all
  std::vector<KeyChange> keys = {};      // of the resolved scenarios, without names of files alike
  std::vector<FigurePair> figures = {};  // other figures of both
  std::vector<std::string> flags = {};   // what makes them less alike than the figures look

  std::int64_t difference_ps() const { return b_ps - a_ps; }
};

// Two reports (--format json of run). Throws InputError where one is none, or without time[]; where
// one is of a service and the other is not.
Comparison compare_reports(const sim::io::Json& a, const std::string& a_name,
                           const sim::io::Json& b, const std::string& b_name);

// Adds why: mixtures of both scenarios, each played on the bound network. Parts that cannot be
// changed alone go together. Throws ConfigError for services, and what run() throws of the ends.
void explain(const workloads::Scenario& a, const workloads::Scenario& b, Comparison& comparison);

// From the largest: how many make 95 % of the sum of absolute values.
std::size_t largest_that_matter(const std::vector<std::int64_t>& parts);

}  // namespace moesim::tools
