// Puts operations of a stage's ranks into a graph, one after another on each rank.
#pragma once

#include <string>
#include <vector>

#include "hardware/cluster.h"
#include "sim/op_graph.h"
#include "workloads/step/phases.h"
#include "workloads/step/step_account.h"

namespace moesim::workloads {

using sim::OpId;
using sim::Rank;

// Stream 0 computes, stream 1 communicates.
inline constexpr std::uint8_t kComputeStream = 0;
inline constexpr std::uint8_t kNetworkStream = 1;
inline constexpr std::uint8_t kStreams = 2;

// What the next operation of each rank waits for: one chain for each micro-batch in flight.
using Chain = std::vector<OpId>;

class RankOps {
 public:
  RankOps(const hardware::Cluster& cluster, Rank ranks, Rank stage_ranks)
      : cluster_(cluster), graph_(ranks, kStreams), stage_ranks_(stage_ranks) {}

  sim::OpGraph& graph() { return graph_; }

  // "dispatch L3 a": layer -1 and suffix 0 are left out.
  sim::LabelId label(const char* what, std::int64_t layer, Phase phase, char suffix);

  // Work of one rank, after `after`; a slow device takes longer. Adds to the account.
  OpId compute(Rank rank, sim::LabelId label, const Work& work, OpId after, StepAccount& account);
  // The same work at every rank of the stage that begins at `first`; nothing where it takes no
  // time.
  void compute_all(Rank first, sim::LabelId label, const Work& work, Chain& chain,
                   StepAccount& account);
  // An exchange, with a part at each of its participants.
  void exchange(sim::Exchange what, sim::LabelId label, Chain& chain);
  // A send from one rank to another, whose chain it starts.
  void send(sim::Exchange what, Rank source, Rank destination, sim::LabelId label, Chain& chain);

 private:
  const hardware::Cluster& cluster_;
  sim::OpGraph graph_;
  Rank stage_ranks_;
};

}  // namespace moesim::workloads
