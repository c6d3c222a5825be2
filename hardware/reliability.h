// How often a GPU of a cluster stops, and how long it takes until its job, or its engine, goes on:
// `reliability:` of a cluster's file, and of who asks about one.
//
//   reliability: {gpu_hours: 50700, restart: 600 s, recovery: 57 s, source: …}
//
// Where nothing is said, from 16,384 H100 of 54 days, 419 unexpected stops (Llama 3, arXiv
// 2407.21783): 50,700 GPU-hours to one; a restart of 10 minutes is assumed.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "sim/io/yaml_reader.h"

namespace moesim::hardware {

inline constexpr const char* kReliabilitySource =
    "Llama 3, 16,384 H100, 419 stops in 54 days (arXiv 2407.21783); restart assumed; recovery: "
    "vLLM pull requests 38862, 46370";

struct Reliability {
  double gpu_hours = 50'700;     // to a stop
  double restart_h = 10.0 / 60;  // until the engine, or the job, is back
  // An elastic engine goes on without the GPU after so long, until it is back: 25 to 57 s, 30 of
  // them until the loss is noticed (vLLM pull requests 38862, 46370).
  double recovery_h = 57.0 / 3600;
  std::string source = kReliabilitySource;
};

// What a document says of it; the rest is somebody else's.
struct StatedReliability {
  std::optional<double> gpu_hours = {}, restart_h = {}, recovery_h = {};
  std::string source = {};  // as it is written; empty: not said

  bool given() const { return gpu_hours || restart_h || recovery_h; }
};

// Notes mistakes in the document.
StatedReliability read_reliability(const sim::io::YamlNode& node);

// `base` but for what is stated; `whose` says so in its source: "the plan", "cluster h100-8x8".
Reliability with(Reliability base, const StatedReliability& stated, const std::string& whose);

// Of a cluster's file, with these values set before it is read; what it does not say is as above.
// REQUIRES: load_cluster_with(file, overrides) reads it
Reliability reliability_of(const std::filesystem::path& file,
                           const std::vector<sim::io::YamlOverride>& overrides);
// The same where the file says something of it; none where it says nothing. `recovers`: whether who
// asks goes on without a GPU, as a job does not: then nothing is said of where its recovery is
// from.
std::optional<Reliability> own_reliability_of(const std::filesystem::path& file,
                                              const std::vector<sim::io::YamlOverride>& overrides,
                                              bool recovers = true);

}  // namespace moesim::hardware
