// The host of a rank, as a stream of its own: it launches what the GPU does, one operation of the
// framework after another, and is as far ahead as the GPU lets it be.
//
//   a kernel      per_operation (what an eager framework does for it) and per_launch
//   a graph       one launch, whatever is recorded in it
//   a wait        the host needs a number from the GPU, as how many tokens come: it goes on when
//   the
//                 GPU is done with what was launched before, and its lead is gone
//
// Kernels of a step are taken to be equally long and equally far apart: the step starts with its
// first launch, and ends no sooner than its last kernel after the last launch. A host that is ahead
// when a pass starts has launched so much of it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sim/op_graph.h"
#include "sim/timeline.h"
#include "workloads/deployment/host.h"
#include "workloads/step/work.h"

namespace moesim::workloads {

class HostStream {
 public:
  // Both outlive this.
  HostStream(sim::OpGraph& graph, const Host& host, sim::Rank ranks, sim::Duration lead);

  // Whether it takes time at all.
  bool takes_time() const { return takes_time_; }
  // A computation of `time` in so many kernels, after `after`.
  sim::OpId compute(sim::Rank rank, sim::LabelId label, sim::Duration time, std::int64_t kernels,
                    std::optional<GraphScope> scope, sim::OpId after);
  // So many operations. What comes of it is when they are launched, not before `after`.
  sim::OpId launch(sim::Rank rank, std::int64_t operations, sim::OpId after);
  // Until `done` has ended.
  void wait(sim::Rank rank, sim::OpId done);
  // How far the host is ahead of the least of its ranks when all have played. 0: it takes no time.
  sim::Duration lead(const sim::Timeline& timeline) const;

 private:
  sim::OpId think(sim::Rank rank, sim::Duration time, sim::OpId after);

  sim::OpGraph& graph_;
  const Host& host_;
  bool takes_time_;
  sim::LabelId label_ = 0;
  std::vector<sim::OpId> last_;        // of each rank
  std::vector<sim::Duration> credit_;  // of each rank: what is left of its lead
};

}  // namespace moesim::workloads
