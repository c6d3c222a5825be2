// In what order the stages of a pipeline work: lists of slots, which know no times.
#pragma once

#include <cstdint>
#include <vector>

namespace moesim::workloads {

enum class Direction { Forward };

// One pass of a stage over one micro-batch. `chunk`: which of the stage's parts of the model.
struct Slot {
  std::uint32_t chunk = 0;
  std::uint32_t micro_batch = 0;
  Direction direction = Direction::Forward;
  friend bool operator==(const Slot&, const Slot&) = default;
};

// What each stage does, in order: [stage][slot].
using Schedule = std::vector<std::vector<Slot>>;

// Every stage takes the micro-batches as they come: inference.
Schedule in_order(std::int64_t stages, std::int64_t micro_batches);

// A slot of a stage.
struct Step {
  std::uint32_t stage = 0;
  Slot slot;
  friend bool operator==(const Step&, const Step&) = default;
};

// All slots in an order in which they could be done one by one: a forward slot comes after that of
// the stage before, a stage's own in their order; among those that could be next the stages take
// turns, the first one first. Throws DeadlockError, which names what waits, where there is none.
std::vector<Step> one_by_one(const Schedule& schedule);

}  // namespace moesim::workloads
