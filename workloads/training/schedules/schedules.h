// One function a schedule: a file each, behind make_schedule (workloads/training/schedule.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "workloads/training/schedule.h"

namespace moesim::workloads::schedules {

// All forward passes, then all backward ones.
PipelineSchedule gpipe(const ScheduleShape& shape);
// A rank has as many forward passes ahead as there are ranks behind it.
PipelineSchedule one_f_one_b(const ScheduleShape& shape);
// 1F1B over several chunks a rank, `group` micro-batches chunk by chunk (Megatron-LM).
PipelineSchedule interleaved(const ScheduleShape& shape);
// 1F1B whose weights' gradients of rank r come r micro-batches late (arXiv 2401.10241).
PipelineSchedule zb_h1(const ScheduleShape& shape);
// Two chunks in a V, gaps filled greedily by weights' gradients (arXiv 2405.15362).
PipelineSchedule zb_v(const ScheduleShape& shape);
// Two copies of the pipeline from either end (DeepSeek-V3, arXiv 2412.19437).
PipelineSchedule dual_pipe(const ScheduleShape& shape);
// DualPipe cut in half: one copy in a V.
PipelineSchedule dual_pipe_v(const ScheduleShape& shape);

// A rank's list as it is written: passes of a chunk take its micro-batches in order, so that only
// the chunk is named; gradients of weights may be put off, and are made in the order in which they
// were.
class RankWriter {
 public:
  explicit RankWriter(std::uint32_t chunks) : next_forward_(chunks), next_backward_(chunks) {}

  void forward(std::uint32_t chunk) { actions_.push_back({.pass = next(chunk)}); }
  // Of inputs and weights.
  void backward(std::uint32_t chunk) {
    actions_.push_back({.pass = next(PassKind::Backward, chunk)});
  }
  // Of inputs alone: those of the weights are owed.
  void backward_input(std::uint32_t chunk) {
    const Pass pass = next(PassKind::BackwardInput, chunk);
    owed_.push_back({PassKind::BackwardWeight, pass.micro_batch, chunk});
    actions_.push_back({.pass = pass});
  }
  // REQUIRES: owes()
  void weight() {
    actions_.push_back({.pass = owed_.front()});
    owed_.pop_front();
  }
  // A forward pass woven with a backward one.
  void both(std::uint32_t forward, std::uint32_t backward) {
    const Pass first = next(forward);
    actions_.push_back({.pass = first, .beside = next(PassKind::Backward, backward)});
  }

  bool owes() const { return !owed_.empty(); }
  std::uint32_t forwards(std::uint32_t chunk) const { return next_forward_[chunk]; }
  std::uint32_t backwards(std::uint32_t chunk) const { return next_backward_[chunk]; }
  std::vector<Action> take() && { return std::move(actions_); }

 private:
  Pass next(std::uint32_t chunk) { return {PassKind::Forward, next_forward_[chunk]++, chunk}; }
  Pass next(PassKind kind, std::uint32_t chunk) { return {kind, next_backward_[chunk]++, chunk}; }

  std::vector<Action> actions_;
  std::vector<std::uint32_t> next_forward_, next_backward_;  // micro-batch of each chunk
  std::deque<Pass> owed_;
};

}  // namespace moesim::workloads::schedules
