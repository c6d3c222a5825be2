#include "workloads/step/schedule.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "sim/error.h"

namespace moesim::workloads {

Schedule in_order(std::int64_t stages, std::int64_t micro_batches) {
  std::vector<Slot> slots;
  for (std::int64_t m = 0; m < micro_batches; ++m) {
    slots.push_back({.micro_batch = static_cast<std::uint32_t>(m)});
  }
  return Schedule(static_cast<std::size_t>(stages), slots);
}

std::vector<Step> one_by_one(const Schedule& schedule) {
  std::vector<Step> order;
  std::vector<std::size_t> next(schedule.size(), 0);
  std::set<std::pair<std::uint32_t, std::uint32_t>> done;  // stage, micro-batch
  std::size_t left = 0;
  for (const auto& slots : schedule) left += slots.size();
  while (order.size() < left) {
    const std::size_t before = order.size();
    for (std::uint32_t stage = 0; stage < schedule.size(); ++stage) {
      if (next[stage] == schedule[stage].size()) continue;
      const Slot& slot = schedule[stage][next[stage]];
      if (stage > 0 && !done.contains({stage - 1, slot.micro_batch})) continue;
      done.insert({stage, slot.micro_batch});
      order.push_back({.stage = stage, .slot = slot});
      ++next[stage];
    }
    if (order.size() > before) continue;
    std::string waiting;
    for (std::uint32_t stage = 0; stage < schedule.size(); ++stage) {
      if (next[stage] == schedule[stage].size()) continue;
      waiting += fmt::format("{}stage {} for micro-batch {}", waiting.empty() ? "" : ", ", stage,
                             schedule[stage][next[stage]].micro_batch);
    }
    throw sim::DeadlockError("the schedule's stages wait for each other: " + waiting);
  }
  return order;
}

}  // namespace moesim::workloads
