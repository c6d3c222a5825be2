// Strings the steps of layers' passes together to operations of the ranks of an expert group: one
// pass after the other, or a forward and a backward one woven.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "sim/op_graph.h"
#include "workloads/step/rank_ops.h"
#include "workloads/step/step_account.h"
#include "workloads/training/host_stream.h"
#include "workloads/training/layer_passes.h"

namespace moesim::workloads {

// Streams of a pass's rank, beside kComputeStream and kNetworkStream, which exchanges tokens:
// collectives within a layer (over tp, cp, etp) have communicators of their own, and wait for no
// exchange of another micro-batch.
inline constexpr std::uint8_t kCollectiveStream = 2, kTrainingStreams = 3;

// Of a layer of the model, by its number; -1: of its ends.
struct NamedPasses {
  const LayerPasses& passes;
  std::int64_t layer = -1;
};

// The operations of a pass: a chain for each of its micro-batches.
class Weaver {
 public:
  // `counts`: whether work and exchanges are summed up; else only the graph is wanted. `ops`: about
  // how many there will be.
  // `speeds`: that each rank computes at, which outlive this.
  Weaver(std::span<const double> speeds, const Host& host, sim::Duration lead, bool counts,
         std::size_t ops);

  const HostStream& host() const { return host_; }

  sim::OpGraph& graph() { return graph_; }
  Chain start() const { return Chain(ranks_, sim::kNoOp); }

  void add(const Steps& steps, std::int64_t layer, Chain& chain) {
    for (const PassStep& step : steps) add(step, layer, chain);
  }

  std::array<Work, kPhases> work{}, exchanged{};

 private:
  void add(const PassStep& step, std::int64_t layer, Chain& chain);

  std::span<const double> speeds_;
  sim::OpGraph graph_;
  HostStream host_;
  Rank ranks_;
  bool counts_;
  Chain fork_;  // where the last exchange started from
};

void add_forward(const NamedPasses& pass, Weaver& weaver, Chain& chain);
// `inputs`, `weights`: whose gradients.
void add_backward(const NamedPasses& pass, bool inputs, bool weights, Weaver& weaver, Chain& chain);
// A forward and a backward pass, layer by layer (README.md, "Woven"). What one has more than the
// other runs alone.
void add_woven(std::span<const NamedPasses> forward, std::span<const NamedPasses> backward,
               Weaver& weaver);

}  // namespace moesim::workloads
