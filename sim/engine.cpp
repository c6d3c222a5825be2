#include "sim/engine.h"

#include "sim/long_times.h"

namespace moesim::sim {

Time Engine::later(Duration delay) const {
  if (delay < Duration{} || delay >= kForever - now_.time_since_epoch()) throw_too_long();
  return now_ + delay;
}

void Engine::run() {
  while (!queue_.empty()) step(queue_.next_time());
}

void Engine::run_until(Time end) {
  SIM_CHECK(end >= now_, "the clock cannot go back");
  while (!queue_.empty()) {
    const Time time = queue_.next_time();
    if (time > end) break;
    step(time);
  }
  now_ = end;
}

}  // namespace moesim::sim
