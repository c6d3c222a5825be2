// What the parts of a step take and who waits for whom at its end: what a step's time is made of
// (step_time.h), and what it scatters by (step_scatter.h).
//
// A pipeline is a replica of the expert group on all stages. Micro-batch i of pipeline e takes draw
// (i + 3 e) mod draws of the routing: pipelines whose shifts, 3 e mod draws, are the same are
// alike.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "workloads/training/chunk_table.h"
#include "workloads/training/data_parallel.h"
#include "workloads/training/play_schedule.h"
#include "workloads/training/training_report.h"

namespace moesim::workloads {

// What of a pass is an exchange that shows, by kind; the rest of its time is computing.
using ExposedTimes = std::array<sim::Duration, kExposedNames.size()>;
ExposedTimes exposed_of(const PlayedChunk& chunk);

// The backward part of an action, if it has one.
const Pass* backward_of(const Action& action);
// Whether a pass leaves gradients of weights.
bool has_weights(PassKind kind);

// How many micro-batches of a step take each draw of the routing, of all pipelines: only draws that
// one takes. REQUIRES: draws > 0
std::map<std::uint32_t, std::int64_t> draws_taken(const Deployment& deployment,
                                                  const TrainingQuestion& question,
                                                  std::uint32_t draws);

class PipelineStep {
 public:
  // All arguments outlive this.
  PipelineStep(const Deployment& deployment, const TrainingQuestion& question,
               const PipelineSchedule& schedule, const DataParallel& replicas, ChunkTable& chunks);

  std::int64_t pipelines() const;
  std::size_t shift_of(std::int64_t pipeline) const;
  // Different ones, in the order of the first pipeline that has them.
  std::vector<std::size_t> shifts() const;

  // Of an action of a rank.
  ChunkPass chunk_of(std::uint32_t rank, const Action& action, std::size_t shift) const;
  const PlayedChunk& played(std::uint32_t rank, const Action& action, std::size_t shift);
  sim::Duration time_of(std::uint32_t rank, const Action& action, std::size_t shift);
  // What it waits for the parameters of its layers, and for the reduction of their gradients, where
  // that is done in every micro-batch: parts of its time.
  struct Within {
    sim::Duration gather{}, reduce{};
  };
  Within sync_within(std::uint32_t rank, const Action& action, const PlayedChunk& chunk) const;
  // For play(). Good as long as this.
  ScheduleTimes times(std::size_t shift);

  // Who is done when, over all pipelines.
  struct Meeting {
    std::vector<sim::Time> ranks;   // computing, of each rank
    std::vector<sim::Time> stages;  // with the gradients of each stage
  };
  Meeting nobody_yet() const;
  void note(const PlayedSchedule& played, Meeting& meeting) const;
  // When each rank's gradients are reduced; `slowest`: the pipeline that takes longest.
  std::vector<sim::Time> synced(const Meeting& meeting, const PlayedSchedule& slowest,
                                std::size_t shift);
  // From zeroing to the optimizer, all ranks met at the norm's barrier.
  sim::Duration step(const std::vector<sim::Time>& synced) const;
  // What a rank gathers once its optimizer is done.
  sim::Duration gather_after(std::uint32_t rank) const;

 private:
  std::uint32_t draw(const Pass& pass, std::size_t shift) const;
  sim::Duration send_of_border() const;
  std::vector<std::vector<sim::Duration>> first_ready() const;
  sim::Time carried(std::uint32_t rank, const PlayedSchedule& played, sim::Time now,
                    sim::Duration left, std::size_t shift);
  sim::Time reduced(std::uint32_t rank, const Meeting& meeting, const PlayedSchedule& played,
                    std::size_t shift);
  sim::Duration last_backward(std::uint32_t rank, std::uint32_t chunk,
                              const PlayedSchedule& played) const;

  const Deployment& deployment_;
  const TrainingQuestion& question_;
  const PipelineSchedule& schedule_;
  const DataParallel& replicas_;
  ChunkTable& chunks_;
  std::size_t micro_batches_;
  sim::Duration send_{};
  std::vector<std::vector<sim::Duration>> ready_;
};

}  // namespace moesim::workloads
