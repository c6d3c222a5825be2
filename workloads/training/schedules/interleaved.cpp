#include <algorithm>

#include "workloads/training/schedules/schedules.h"

namespace moesim::workloads::schedules {
namespace {

// Chunks of a rank's forward passes in their order: `group` micro-batches chunk by chunk, the last
// group shorter.
std::vector<std::uint32_t> chunk_order(const ScheduleShape& shape, std::int64_t group) {
  std::vector<std::uint32_t> order;
  for (std::int64_t first = 0; first < shape.micro_batches; first += group) {
    const std::int64_t count = std::min(group, shape.micro_batches - first);
    for (std::int64_t chunk = 0; chunk < shape.chunks; ++chunk)
      order.insert(order.end(), static_cast<std::size_t>(count), static_cast<std::uint32_t>(chunk));
  }
  return order;
}

}  // namespace

PipelineSchedule interleaved(const ScheduleShape& shape) {
  const std::int64_t group = shape.group == 0 ? shape.ranks : shape.group;
  const auto chunks = static_cast<std::uint32_t>(shape.chunks);
  const std::vector<std::uint32_t> order = chunk_order(shape, group);
  const auto passes = static_cast<std::int64_t>(order.size());
  const auto forward = [&](std::int64_t i) { return order[static_cast<std::size_t>(i)]; };
  const auto backward = [&](std::int64_t i) { return chunks - 1 - forward(i); };
  PipelineSchedule schedule{.chunks = chunks};
  for (std::int64_t r = 0; r < shape.ranks; ++r) {
    RankWriter rank(chunks);
    const std::int64_t ahead =
        std::min(passes, 2 * (shape.ranks - r - 1) + (shape.chunks - 1) * group +
                             (shape.overlap_passes ? 1 : 0));
    for (std::int64_t i = 0; i < ahead; ++i) rank.forward(forward(i));
    for (std::int64_t i = ahead; i < passes; ++i) {
      if (shape.overlap_passes) {
        rank.both(forward(i), backward(i - ahead));
      } else {
        rank.forward(forward(i));
        rank.backward(backward(i - ahead));
      }
    }
    for (std::int64_t i = passes - ahead; i < passes; ++i) rank.backward(backward(i));
    schedule.ranks.push_back(std::move(rank).take());
  }
  return schedule;
}

}  // namespace moesim::workloads::schedules
