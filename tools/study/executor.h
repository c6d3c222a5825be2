// Plays the points of a study, several at a time, and keeps each as soon as it has ended.
//
// What is kept does not depend on the number of threads: a point is a function of its scenario, and
// whoever reads a store sorts by ord.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/study/store.h"
#include "tools/study/study_inputs.h"
#include "tools/study/study_spec.h"
#include "workloads/deployment/read.h"

namespace moesim::tools {

// What is played: a scenario's file with KEY=VALUE in place of its own.
struct PointRun {
  std::filesystem::path base = {};
  std::vector<std::string> overrides = {};
};

// Plays it here. How it ended is in the point: its id (empty where there is no such scenario),
// status, reason and report.
Point play_point(const PointRun& run, StudyInputs& inputs, const std::string& version);

struct SweepOptions {
  unsigned jobs = 1;
  std::uint64_t shard = 0, shards = 1;  // only points with ord mod shards = shard
  workloads::Shipped shipped = {};
  std::shared_ptr<const workloads::TraceCache> traces = {};  // unpacked once for all points
  std::string version = {};                                  // of the program, for ids
  std::vector<const Store*> known = {};  // whose points of the same id are taken over
  std::function<bool()> stop = {};       // asked before each point
  // Does what play_point() does, elsewhere: for one of `jobs` threads, from 0, which it may block.
  // What it throws ends the sweep.
  std::function<Point(std::size_t thread, const PointRun&)> play = {};
  // After each point: how many are done of how many.
  std::function<void(std::uint64_t, std::uint64_t)> progress = {};
};

struct SweepCounts {
  std::uint64_t done = 0, infeasible = 0, invalid = 0, failed = 0;  // of all that the store has
  std::uint64_t left_out = 0;                                       // by a condition
  std::uint64_t taken_over = 0;                                     // from a store that had them
  bool stopped = false;                                             // before all were there
  std::vector<std::string> unmeasured = {};                         // measures that no report has
};

// What can be told before a store is made, of all points, whatever the shard. Throws ConfigError:
// an expression that names what is not there, conditions that no point meets, a mistake that is the
// same at every point, such as a key that no scenario has.
// Returns how many points the study has that meet its conditions, unless it is stopped.
std::uint64_t check_points(const StudySpec& spec, const SweepOptions& options);

// Every point of the study that the store has not yet. Throws ConfigError: an expression that names
// what is not there; Error where who plays a point for it plays another one; what adding to the
// store throws.
SweepCounts sweep(const StudySpec& spec, Store& store, const SweepOptions& options);

}  // namespace moesim::tools
