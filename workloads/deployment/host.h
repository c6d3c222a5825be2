// What the host of an engine costs a step: the time between steps, and launching kernels.
// configs/engines/*.yaml (`engine:` in a scenario), or in a scenario under `host:`.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "sim/io/yaml_reader.h"
#include "sim/units.h"

namespace moesim::workloads {

// Whose kernels are launched as a recorded graph, in one go; all others one by one.
enum class Graphs { None, Decode, All };
inline constexpr std::array<std::string_view, 3> kGraphsNames{"none", "decode", "all"};
// Parts of a layer of training that are recorded as graphs of their own where not all of it is;
// dropless experts cannot be: the host has to know their rows.
enum class GraphScope { Attention, DenseMlp, Router, Preprocess, SharedExperts };
inline constexpr std::array<std::string_view, 5> kGraphScopeNames{
    "attn", "mlp", "moe_router", "moe_preprocess", "shared_experts"};

struct Host {
  // Of the engine that it belongs to; empty: a step alone, as if the host took no time.
  std::string engine = {}, source = {};
  // Scheduling, sampling's bookkeeping, the sequences' output: once a step, for each sequence of a
  // dp rank, and for each token that is drafted.
  sim::Duration per_step{}, per_sequence{}, per_draft{};
  // Of a request before a scheduler sees it: HTTP, the tokenizer, messages between processes.
  sim::Duration per_request{};
  // The same of what one process does for them one after another, before the rest.
  sim::Duration front_end{};
  // The host works on the next step while the GPU runs this one; what it takes longer is seen.
  bool overlapped = false;
  sim::Duration per_launch{};  // of a kernel that is launched by itself
  Graphs graphs = Graphs::All;
  // Of training: an operation of an eager framework, which launches one kernel or several
  // (workloads/training/host_stream.h), and what is recorded by itself (`graphs: [attn, …]`).
  sim::Duration per_operation{};
  std::array<bool, kGraphScopeNames.size()> recorded{};
  // Which of these `host:` of a scenario gives; training has defaults of its own.
  bool graphs_given = false, operation_given = false;

  bool is_recorded(GraphScope scope) const { return recorded[static_cast<std::size_t>(scope)]; }

  sim::Duration of_step(std::int64_t sequences, std::int64_t drafted) const {
    return per_step + per_sequence * sequences + per_draft * drafted;
  }
};

// Reads the keys of `host:` that are there.
void read_host(const sim::io::YamlNode& node, Host& host);

}  // namespace moesim::workloads
