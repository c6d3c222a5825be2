#include "workloads/training/replay_schedule.h"

#include <algorithm>

#include "sim/check.h"

namespace moesim::workloads {

using sim::Duration;
using sim::Time;

ReplaySchedule::ReplaySchedule(const PipelineSchedule& schedule) : schedule_(schedule) {
  std::size_t micro_batches = 0, actions = 0;
  for (const auto& rank : schedule.ranks) {
    first_.push_back(actions);
    actions += rank.size();
    for (const Action& action : rank)
      micro_batches = std::max(micro_batches, std::size_t{action.pass.micro_batch} + 1);
  }
  // Which action gives the result of a pass of a chunk.
  std::vector<std::size_t> gives(std::size_t{schedule.size()} * schedule.chunks * 2 * micro_batches,
                                 kNone);
  const auto place_of = [&](ChunkPlace at, bool forward,
                            std::uint32_t micro_batch) -> std::size_t& {
    const std::size_t chunk = std::size_t{at.rank} * schedule.chunks + at.chunk;
    return gives[(chunk * 2 + (forward ? 1 : 0)) * micro_batches + micro_batch];
  };
  const auto each_pass = [](const Action& action, auto visit) {
    visit(action.pass);
    if (action.beside) visit(*action.beside);
  };
  const auto next_of = [&](std::uint32_t rank, const Pass& pass) {
    const ChunkPlace here{rank, pass.chunk};
    return pass.kind == PassKind::Forward ? schedule.after(here) : schedule.before(here);
  };
  for (std::uint32_t rank = 0; rank < schedule.size(); ++rank) {
    for (std::size_t i = 0; i < schedule.ranks[rank].size(); ++i) {
      each_pass(schedule.ranks[rank][i], [&](const Pass& pass) {
        if (pass.kind != PassKind::BackwardWeight)
          place_of({rank, pass.chunk}, pass.kind == PassKind::Forward, pass.micro_batch) =
              index(rank, i);
      });
    }
  }

  // The order in which they can be played: that of play() on any times.
  std::vector<bool> done(actions);
  std::vector<std::size_t> next(schedule.size());
  for (bool moved = true; moved;) {
    moved = false;
    for (std::uint32_t rank = 0; rank < schedule.size(); ++rank) {
      for (; next[rank] < schedule.ranks[rank].size(); ++next[rank]) {
        const std::size_t i = next[rank];
        const Action& action = schedule.ranks[rank][i];
        Step step{.action = index(rank, i), .rank = rank, .place = i};
        bool waits = false;
        each_pass(action, [&](const Pass& pass) {
          if (pass.kind == PassKind::BackwardWeight) return;
          const bool forward = pass.kind == PassKind::Forward;
          const ChunkPlace here{rank, pass.chunk};
          const auto from = forward ? schedule.before(here) : schedule.after(here);
          if (forward) step.ready = pass.chunk;
          if (!from || from->rank == rank) return;
          const std::size_t giver = place_of(*from, forward, pass.micro_batch);
          (step.first == kNone ? step.first : step.second) = giver;
          waits = waits || giver == kNone || !done[giver];
        });
        if (waits) break;
        if (i > 0) {
          each_pass(schedule.ranks[rank][i - 1], [&](const Pass& pass) {
            if (pass.kind == PassKind::BackwardWeight) return;
            const auto to = next_of(rank, pass);
            step.after_send = step.after_send || (to && to->rank != rank);
          });
        }
        done[step.action] = true;
        order_.push_back(step);
        moved = true;
      }
    }
  }
  if (order_.size() == actions) return;
  // Who waits for whom is play()'s to say.
  (void)workloads::play(schedule, {.of = [](std::uint32_t, const Action&) { return Duration{1}; }});
  SIM_CHECK(false, "a schedule that can be played has an order");
}

void ReplaySchedule::play(const ReplayTimes& times, PlayedSchedule& played) const {
  SIM_CHECK(times.time.size() == order_.size() &&
                (times.first_use.empty() || times.first_use.size() == order_.size()),
            "a time for each action of a schedule");
  if (played.ranks.size() != schedule_.size()) {
    played.ranks.assign(schedule_.size(), {});
    for (std::uint32_t rank = 0; rank < schedule_.size(); ++rank)
      for (const Action& action : schedule_.ranks[rank])
        played.ranks[rank].push_back({.action = action});
  }
  played.step = {};
  std::vector<Time> ends(order_.size());
  for (const Step& step : order_) {
    Time start = step.place > 0 ? ends[step.action - 1] : Time{};
    for (const std::size_t giver : {step.first, step.second})
      if (giver != kNone) start = std::max(start, ends[giver] + times.send);
    if (step.ready && !times.ready.empty())
      start = std::max(start, Time{times.ready[step.rank][*step.ready]});
    Duration room{};
    if (step.after_send && !times.first_use.empty()) {
      if (const auto& use = times.first_use[step.action])
        room = std::max(room, ends[step.action - 1] + times.send - (start + *use));
    }
    const Time end = start + times.time[step.action] + room;
    ends[step.action] = end;
    PlayedAction& action = played.ranks[step.rank][step.place];
    action.start = start;
    action.end = end;
    action.behind_send = room;
    played.step = std::max(played.step, end - Time{});
  }
}

}  // namespace moesim::workloads
