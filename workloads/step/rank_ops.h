// Puts operations of ranks into a graph, one after another on each rank.
#pragma once

#include <string>
#include <vector>

#include "hardware/cluster.h"
#include "hardware/collectives/priced_exchange.h"
#include "sim/op_graph.h"
#include "workloads/step/phases.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

using sim::OpId;
using sim::Rank;

// Stream 0 computes, stream 1 communicates.
inline constexpr std::uint8_t kComputeStream = 0;
inline constexpr std::uint8_t kNetworkStream = 1;
inline constexpr std::uint8_t kStreams = 2;

// What the next operation of each rank waits for: one chain for each micro-batch in flight.
using Chain = std::vector<OpId>;

inline constexpr sim::LabelId kNoLabel = ~sim::LabelId{0};

// What a computation takes on a device of that speed.
inline sim::Duration time_at(double speed, sim::Duration time) {
  if (speed == 1) return time;
  return sim::picoseconds_rounded_up(static_cast<double>(time.count()) / speed);
}

class RankOps {
 public:
  using Node = OpId;
  using Chain = workloads::Chain;
  static constexpr OpId kNothing = sim::kNoOp;
  using Label = sim::LabelId;

  // `per_launch`: the host's time for a kernel, where it launches each by itself; zero where they
  // are a recorded graph.
  RankOps(const hardware::Cluster& cluster, Rank ranks, sim::Duration per_launch = {})
      : cluster_(cluster),
        graph_(ranks, kStreams),
        per_launch_(per_launch),
        host_(ranks, sim::kNoOp) {}

  sim::OpGraph& graph() { return graph_; }
  sim::OpId first_op() const { return first_op_; }  // of what counts

  // "dispatch L3 a": layer -1 and suffix 0 are left out.
  Label label(const char* what, std::int64_t layer, Phase phase, char suffix);

  // The host of a rank thinks for so long, after `after` and what it did before.
  OpId think(Rank rank, Label label, sim::Duration time, OpId after);
  // Work of one rank, after `after` and when the host has launched it; a slow device takes longer.
  OpId compute(Rank rank, Label label, const Work& work, OpId after);
  // An exchange, with a part at each of its participants.
  void exchange(sim::Exchange what, Label label, Chain& chain);
  // A send from one rank to another, whose chain it starts.
  void send(sim::Exchange what, Rank source, Rank destination, Label label, Chain& chain);
  // What counts begins here.
  void start_counting() { first_op_ = static_cast<sim::OpId>(graph_.size()); }

 private:
  const hardware::Cluster& cluster_;
  sim::OpGraph graph_;
  sim::Duration per_launch_;
  Chain host_;                            // what each rank's host did last
  sim::LabelId launch_label_ = kNoLabel;  // made when first asked for
  sim::OpId first_op_ = 0;
};

}  // namespace moesim::workloads
