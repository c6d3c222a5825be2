// A schedule played on given times: when each rank does what, and how long it idles.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "sim/units.h"
#include "workloads/training/schedule.h"

namespace moesim::workloads {

// Of the passes of one stage over one micro-batch.
struct StageTimes {
  sim::Duration forward{}, backward_input{}, backward_weight{};
  sim::Duration backward{};  // of both at once: their sum, unless measured as one
};

struct ScheduleTimes {
  std::vector<StageTimes> stages = {};  // [stage]
  // A forward pass of one stage woven with a backward one of another: [forward x stages +
  // backward]. Empty: their sum.
  std::vector<sim::Duration> woven = {};
  sim::Duration send{};  // from one rank to another, activations or gradients; on one rank nothing
  // In place of the times of stages, where given: of what a rank does.
  std::function<sim::Duration(std::uint32_t rank, const Action& action)> of = {};
  // When, after its start, an action's exchanges first want the links that sends use: what is left
  // of the send of the action before then takes its time of them, and the action as much longer.
  // None: never.
  std::function<std::optional<sim::Duration>(std::uint32_t rank, const Action& action)> first_use =
      {};
  // No forward pass of a chunk starts before: [rank][chunk]; empty: at once.
  std::vector<std::vector<sim::Duration>> ready = {};
};

struct PlayedAction {
  Action action;
  sim::Time start{}, end{};
  sim::Duration behind_send{};  // of it: its exchanges share their links with a send
};

struct PlayedSchedule {
  std::vector<std::vector<PlayedAction>> ranks;  // as in the schedule
  sim::Duration step{};                          // when the last rank is done

  sim::Duration busy(std::uint32_t rank) const;
  // From the step's start to its end.
  sim::Duration idle(std::uint32_t rank) const { return step - busy(rank); }
  // Most chunk passes that a rank has gone forward with and not yet back: with `weights` until the
  // gradients of the weights are done, too.
  std::int64_t most_in_flight(std::uint32_t rank, bool weights) const;
};

// A pass starts when the rank is done with the action before, a forward one once the stage before
// has sent its activations, a backward one once the stage after has sent its gradients and the
// stage's own forward pass is done, that of weights after that of inputs. Woven passes start when
// both can.
//
// Throws DeadlockError, which names what waits for what, where ranks wait for each other.
// REQUIRES: times of all of the schedule's stages, or `of`
PlayedSchedule play(const PipelineSchedule& schedule, const ScheduleTimes& times);

}  // namespace moesim::workloads
