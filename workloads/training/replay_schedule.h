// A schedule whose order is worked out once, to be played on many times: steps in which GPUs are
// late, each draw of a routing by itself. The same instants as play() (play_schedule.h), many times
// as quickly.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "sim/units.h"
#include "workloads/training/play_schedule.h"

namespace moesim::workloads {

// Of each action, rank after rank, in the schedule's order.
struct ReplayTimes {
  std::vector<sim::Duration> time;
  std::vector<std::optional<sim::Duration>> first_use = {};  // as ScheduleTimes'; empty: never
  sim::Duration send{};
  std::vector<std::vector<sim::Duration>> ready = {};  // as ScheduleTimes'
};

class ReplaySchedule {
 public:
  // The schedule outlives this. Throws DeadlockError as play() does.
  explicit ReplaySchedule(const PipelineSchedule& schedule);

  std::size_t actions() const { return order_.size(); }
  // Where an action's times stand.
  std::size_t index(std::uint32_t rank, std::size_t action) const { return first_[rank] + action; }

  // Writes over `played`, whose storage is used again.
  // REQUIRES: a time for each action
  void play(const ReplayTimes& times, PlayedSchedule& played) const;

 private:
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);

  struct Step {
    std::size_t action = 0;  // index()
    std::uint32_t rank = 0;
    std::size_t place = 0;  // in the rank's list
    // Actions of other ranks whose results it takes; what a rank's own gave is there when it is
    // free.
    std::size_t first = kNone, second = kNone;
    std::optional<std::uint32_t> ready = {};  // the chunk whose parameters it waits for
    bool after_send = false;                  // what the rank did before goes to another one
  };

  const PipelineSchedule& schedule_;
  std::vector<std::size_t> first_;  // of each rank: the index of its first action
  std::vector<Step> order_;
};

}  // namespace moesim::workloads
