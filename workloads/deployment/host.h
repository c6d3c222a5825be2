// What the host of an engine costs a step: the time between steps, and launching kernels.
// configs/engines/*.yaml (`engine:` in a scenario), or in a scenario under `host:`.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "sim/io/yaml_reader.h"
#include "sim/units.h"

namespace moesim::workloads {

// Whose kernels are launched as a recorded graph, in one go; all others one by one.
enum class Graphs { None, Decode, All };
inline constexpr std::array<std::string_view, 3> kGraphsNames{"none", "decode", "all"};

struct Host {
  // Of the engine that it belongs to; empty: a step alone, as if the host took no time.
  std::string engine = {}, source = {};
  // Scheduling, sampling's bookkeeping, the sequences' output: once a step, for each sequence of a
  // dp rank, and for each token that is drafted.
  sim::Duration per_step{}, per_sequence{}, per_draft{};
  // The host works on the next step while the GPU runs this one; what it takes longer is seen.
  bool overlapped = false;
  sim::Duration per_launch{};  // of a kernel that is launched by itself
  Graphs graphs = Graphs::All;

  sim::Duration of_step(std::int64_t sequences, std::int64_t drafted) const {
    return per_step + per_sequence * sequences + per_draft * drafted;
  }
};

// Reads the keys of `host:` that are there.
void read_host(const sim::io::YamlNode& node, Host& host);

}  // namespace moesim::workloads
