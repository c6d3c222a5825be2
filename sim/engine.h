// The clock and the events of one simulated world.
//
//   Engine engine;
//   engine.after(2us, [&] { … });
//   engine.run();
//
// Actions run by time; at equal times in the order they were scheduled. An engine is passed by
// reference; there is no global one.
#pragma once

#include <cstdint>
#include <utility>

#include "sim/check.h"
#include "sim/event_queue.h"
#include "sim/units.h"

namespace moesim::sim {

class Engine {
 public:
  using EventId = EventQueue::Id;

  Time now() const { return now_; }

  // Runs the action at that instant. REQUIRES: time >= now()
  template <class Action>
  EventId at(Time time, Action&& action) {
    SIM_CHECK(time >= now_, "an event was scheduled in the past");
    return queue_.push(time, std::forward<Action>(action));
  }

  // Runs the action that much later; with no delay: at this instant, after all that is scheduled
  // for it already. Throws InfeasibleError where that is beyond the end of the clock, 106 days: a
  // rate of next to nothing makes such delays, and their sums are negative. REQUIRES: delay >= 0
  template <class Action>
  EventId after(Duration delay, Action&& action) {
    return at(later(delay), std::forward<Action>(action));
  }

  // Returns whether the event was still pending. Harmless after it has run.
  bool cancel(EventId id) { return queue_.cancel(id); }

  // Runs until no event is left.
  void run();

  // Runs all events up to and at `end`; then the clock stands at `end`. REQUIRES: end >= now()
  void run_until(Time end);

  bool idle() const { return queue_.empty(); }
  // How many events have run.
  std::uint64_t events() const { return events_; }

 private:
  Time later(Duration delay) const;

  void step(Time time) {
    now_ = time;
    ++events_;
    queue_.run_next();
  }

  EventQueue queue_;
  Time now_{};
  std::uint64_t events_ = 0;
};

}  // namespace moesim::sim
