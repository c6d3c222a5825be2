// What the replicas of a job owe each other in a step: gradients reduced, parameters gathered, and
// the optimizer's pass over a rank's part of them.
//
//   none                 all-reduce of gradients at the last micro-batch
//   optimizer (ZeRO-1)   reduce-scatter then; all-gather of parameters after the optimizer
//   gradients (ZeRO-2)   reduce-scatter in every micro-batch
//   weights (ZeRO-3)     all-gather before each forward and each backward pass, reduce-scatter
//   after
//
// Dense parameters lie over dp x cp replicas, experts over edp, apart. With a group smaller than
// that, scatter and gather are inside of it, and the groups all-reduce the shard. Two-way schedules
// have two copies of every stage, so twice as many replicas. Each collective takes its closed form
// on an idle network, and what slow links add (slow_links.h); what it shares links with is the
// step's (step_time.h).
#pragma once

#include <cstdint>
#include <vector>

#include "hardware/kernels/kernels.h"
#include "workloads/deployment/deployment.h"
#include "workloads/memory/training_plan.h"
#include "workloads/step/communication.h"
#include "workloads/training/question.h"
#include "workloads/training/schedule.h"
#include "workloads/training/slow_links.h"

namespace moesim::workloads {

// Of one chunk of a pipeline rank.
struct ChunkSync {
  RankParameters parameters = {};  // on one GPU
  std::int64_t buckets = 1;        // that its gradients go in
  std::int64_t pieces = 1;         // that its parameters come in
  sim::Duration reduce{}, gather{};
};

class DataParallel {
 public:
  // All arguments outlive this.
  DataParallel(const Deployment& deployment, const TrainingQuestion& question,
               const PipelineSchedule& schedule, const hardware::Kernels& kernels);

  const ChunkSync& of(std::uint32_t rank, std::uint32_t chunk) const {
    return chunks_[rank][chunk];
  }
  // Of a rank's whole part: zeroing its gradients, their norm, Adam.
  sim::Duration zero(std::uint32_t rank) const;
  sim::Duration norm(std::uint32_t rank) const;
  // Adam, or the host's work for it, whichever is longer.
  sim::Duration adam(std::uint32_t rank) const;
  // One number over the whole job.
  sim::Duration barrier() const { return barrier_; }
  // Sums that nothing overlaps: norms' gradients over tp, those of a table that several stages hold
  // (tied to the head, prediction layers') between them, counts of the router's bias.
  sim::Duration finalise(std::uint32_t rank) const { return finalise_[rank]; }
  const SlowLinks& slow_links() const { return slow_; }
  // Bytes of gradients that a GPU of the rank puts into its reductions in a step.
  double gradient_bytes(std::uint32_t rank) const;

 private:
  using Groups = std::vector<std::vector<Rank>>;
  using Collective = hardware::PricedExchange (Communication::*)(std::span<const Rank>,
                                                                 sim::Bytes) const;
  // Replicas that hold the same parameters, of a rank's dense ones, of its experts: the first such
  // group, which stands for all, and where links are slow the others, which exchange at once.
  Groups replicas(std::uint32_t rank, bool experts) const;
  sim::Duration collective(const Groups& replicas, double parameters, double bytes,
                           bool gather) const;
  // The closed form of the first group, and what slow links add.
  sim::Duration together(Collective how, const Groups& groups, sim::Bytes bytes) const;
  sim::Duration finalise_of(std::uint32_t rank) const;
  // Pipeline ranks that hold the embedding's table, the first one's copy; none where each has all
  // of its uses.
  std::vector<std::uint32_t> table_holders() const;
  sim::Duration pass(std::uint32_t rank, double bytes) const;
  double sharded(std::uint32_t rank) const;        // parameters that its optimizer works on
  std::int64_t tensors(std::uint32_t rank) const;  // that its parameters are, an expert's its own

  const Deployment& deployment_;
  const TrainingQuestion& question_;
  const PipelineSchedule& schedule_;
  const hardware::Kernels& kernels_;
  RankLayout layout_;
  Communication communication_;
  SlowLinks slow_;
  std::vector<std::vector<ChunkSync>> chunks_;  // [rank][chunk]
  std::vector<std::uint32_t> holders_ = {};     // of a table that is summed: pipeline ranks
  std::vector<sim::Duration> finalise_ = {};    // [rank]
  std::vector<double> speeds_ = {};             // [rank], of the slowest GPU
  sim::Duration barrier_{};
};

// Of a chunk of a rank, what it holds of the model.
RankShare share_of(const StageContent& content);

}  // namespace moesim::workloads
