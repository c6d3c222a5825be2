#include "workloads/training/play_schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <optional>

#include "sim/check.h"
#include "sim/error.h"

namespace moesim::workloads {
namespace {

using sim::Duration;
using sim::Time;

const char* letters(PassKind kind) {
  switch (kind) {
    case PassKind::Forward:
      return "F";
    case PassKind::BackwardInput:
      return "B";
    case PassKind::BackwardWeight:
      return "W";
    case PassKind::Backward:
      return "BW";
  }
  return "?";
}

class Player {
 public:
  Player(const PipelineSchedule& schedule, const ScheduleTimes& times)
      : schedule_(schedule), times_(times) {
    SIM_CHECK(times.of || times.stages.size() == schedule.stages(),
              "a stage of a schedule has no time");
    for (const auto& rank : schedule.ranks) {
      for (const Action& action : rank)
        micro_batches_ = std::max(micro_batches_, std::size_t{action.pass.micro_batch} + 1);
    }
    ends_.resize(std::size_t{schedule.size()} * schedule.chunks * 2 * micro_batches_);
  }

  PlayedSchedule play() {
    PlayedSchedule played;
    played.ranks.resize(schedule_.size());
    std::vector<Time> free(schedule_.size());
    bool moved = true;
    while (moved) {
      moved = false;
      for (std::uint32_t rank = 0; rank < schedule_.size(); ++rank) {
        auto& done = played.ranks[rank];
        while (done.size() < schedule_.ranks[rank].size()) {
          const Action& action = schedule_.ranks[rank][done.size()];
          const std::optional<Time> ready = ready_of(rank, action);
          if (!ready) break;
          const Time start = std::max(*ready, free[rank]);
          const Duration room =
              done.empty() ? Duration{} : room_for_send(rank, done.back(), action, start);
          const Time end = start + time_of(rank, action) + room;
          note(rank, action.pass, end);
          if (action.beside) note(rank, *action.beside, end);
          done.push_back({action, start, end, room});
          free[rank] = end;
          played.step = std::max(played.step, end - Time{});
          moved = true;
        }
      }
    }
    check_done(played);
    return played;
  }

 private:
  // Of a pass of a chunk of a rank. Backward passes of both kinds are known by the inputs' one.
  std::size_t index(ChunkPlace at, bool forward, std::uint32_t micro_batch) const {
    const std::size_t chunk = std::size_t{at.rank} * schedule_.chunks + at.chunk;
    return (chunk * 2 + (forward ? 1 : 0)) * micro_batches_ + micro_batch;
  }

  void note(std::uint32_t rank, const Pass& pass, Time end) {
    if (pass.kind == PassKind::BackwardWeight) return;
    ends_[index({rank, pass.chunk}, pass.kind == PassKind::Forward, pass.micro_batch)] = end;
  }

  // Whether what an action gives goes to another rank.
  bool is_sent(std::uint32_t rank, const Action& action) const {
    const auto leaves = [&](const Pass& pass) {
      if (pass.kind == PassKind::BackwardWeight) return false;
      const ChunkPlace here{rank, pass.chunk};
      const auto to =
          pass.kind == PassKind::Forward ? schedule_.after(here) : schedule_.before(here);
      return to && to->rank != rank;
    };
    return leaves(action.pass) || (action.beside && leaves(*action.beside));
  }

  // What is left of the send of the action before when this one's exchanges want its links.
  Duration room_for_send(std::uint32_t rank, const PlayedAction& before, const Action& action,
                         Time start) const {
    if (!times_.first_use || !is_sent(rank, before.action)) return {};
    const std::optional<Duration> use = times_.first_use(rank, action);
    if (!use) return {};
    return std::max(Duration{}, before.end + times_.send - (start + *use));
  }

  // When a result is on a rank.
  std::optional<Time> arrival(ChunkPlace from, bool forward, const Pass& pass,
                              std::uint32_t rank) const {
    const std::optional<Time>& end = ends_[index(from, forward, pass.micro_batch)];
    if (!end) return {};
    return from.rank == rank ? *end : *end + times_.send;
  }

  std::optional<Time> ready_of(std::uint32_t rank, const Pass& pass) const {
    const ChunkPlace here{rank, pass.chunk};
    if (pass.kind == PassKind::Forward) {
      const Time ready = times_.ready.empty() ? Time{} : Time{times_.ready[rank][pass.chunk]};
      const auto before = schedule_.before(here);
      if (!before) return ready;
      const std::optional<Time> activations = arrival(*before, true, pass, rank);
      if (!activations) return {};
      return std::max(ready, *activations);
    }
    if (pass.kind == PassKind::BackwardWeight) return arrival(here, false, pass, rank);
    const std::optional<Time> own = arrival(here, true, pass, rank);
    const auto after = schedule_.after(here);
    if (!own || !after) return own;
    const std::optional<Time> gradients = arrival(*after, false, pass, rank);
    if (!gradients) return {};
    return std::max(*own, *gradients);
  }
  std::optional<Time> ready_of(std::uint32_t rank, const Action& action) const {
    const std::optional<Time> first = ready_of(rank, action.pass);
    if (!first || !action.beside) return first;
    const std::optional<Time> second = ready_of(rank, *action.beside);
    if (!second) return {};
    return std::max(*first, *second);
  }

  Duration time_of(std::uint32_t rank, const Pass& pass) const {
    const StageTimes& stage = times_.stages[schedule_.stage({rank, pass.chunk})];
    switch (pass.kind) {
      case PassKind::Forward:
        return stage.forward;
      case PassKind::BackwardInput:
        return stage.backward_input;
      case PassKind::BackwardWeight:
        return stage.backward_weight;
      case PassKind::Backward:
        return stage.backward;
    }
    SIM_CHECK(false, "a kind of pass is not listed");
  }
  Duration time_of(std::uint32_t rank, const Action& action) const {
    if (times_.of) return times_.of(rank, action);
    if (!action.beside) return time_of(rank, action.pass);
    if (times_.woven.empty()) return time_of(rank, action.pass) + time_of(rank, *action.beside);
    const std::size_t forward = schedule_.stage({rank, action.pass.chunk});
    return times_
        .woven[forward * times_.stages.size() + schedule_.stage({rank, action.beside->chunk})];
  }

  void check_done(const PlayedSchedule& played) const {
    std::string waiting;
    for (std::uint32_t rank = 0; rank < schedule_.size(); ++rank) {
      const std::size_t next = played.ranks[rank].size();
      if (next == schedule_.ranks[rank].size()) continue;
      const Pass& pass = schedule_.ranks[rank][next].pass;
      waiting +=
          fmt::format("{}rank {} at {} of micro-batch {}, chunk {}", waiting.empty() ? "" : ", ",
                      rank, letters(pass.kind), pass.micro_batch, pass.chunk);
    }
    if (!waiting.empty())
      throw sim::DeadlockError("the schedule's ranks wait for each other: " + waiting);
  }

  const PipelineSchedule& schedule_;
  const ScheduleTimes& times_;
  std::size_t micro_batches_ = 0;  // of a chunk
  std::vector<std::optional<Time>> ends_;
};

}  // namespace

Duration PlayedSchedule::busy(std::uint32_t rank) const {
  Duration sum{};
  for (const PlayedAction& a : ranks[rank]) sum += a.end - a.start;
  return sum;
}

std::int64_t PlayedSchedule::most_in_flight(std::uint32_t rank, bool weights) const {
  std::int64_t now = 0, most = 0;
  const auto frees = [&](PassKind kind) {
    return kind == PassKind::Backward ||
           kind == (weights ? PassKind::BackwardWeight : PassKind::BackwardInput);
  };
  for (const PlayedAction& a : ranks[rank]) {
    if (a.action.pass.kind == PassKind::Forward) most = std::max(most, ++now);
    if (frees(a.action.pass.kind) || a.action.beside) --now;
  }
  return most;
}

PlayedSchedule play(const PipelineSchedule& schedule, const ScheduleTimes& times) {
  return Player(schedule, times).play();
}

}  // namespace moesim::workloads
