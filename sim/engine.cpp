#include "sim/engine.h"

namespace moesim::sim {

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
