// When everything was done: what an execution leaves behind, as plain values.
#pragma once

#include <span>
#include <vector>

#include "sim/op_graph.h"
#include "sim/units.h"

namespace moesim::sim {

struct Span {
  Time start{};
  Time end{};
};

struct Timeline {
  std::vector<Span> spans;  // of each operation, by its id
  Time finish{};            // the latest end
};

// How one rank's time divides among phases (Label::phase).
struct PhaseTime {
  Duration busy{};     // the sum of its operations
  Duration exposed{};  // the part of the step in which it is what the rank does
  Duration waiting{};  // the part of `exposed` in which an exchange waits for a participant that
                       // has not yet arrived: the price of imbalance
};

struct RankTime {
  std::vector<PhaseTime> phases;
  Duration idle{};        // no operation runs
  Duration waited_for{};  // of what all ranks wait: for this one, which arrived last
};

// The part of a rank's time that is looked at.
struct Window {
  Time from{}, to{};
};

// An operation as its rank's time sees it.
struct RankSpan {
  Time start{}, end{};
  OpKind kind = OpKind::Delay;
  std::uint32_t phase = 0;
  // Of an exchange: which participant came last, and when; among equals the first one.
  Time last_arrival{};
  Rank last_rank = 0;
};

// How the window of one rank divides (as below) among its operations, in the order in which they
// were added. What it waits for others is added to theirs in `waited_for`.
RankTime divide(const std::vector<RankSpan>& ops, std::size_t phases, const Window& window,
                std::vector<Duration>& waited_for);

// At an instant at which several operations of a rank run, the time counts as exposed for a
// computation before an exchange and an exchange before a delay; among equals for the one added
// first.
// Of each rank, only what lies in its window counts, and only operations from `first` on. So over a
// rank the exposed times and the idle time sum to the window's length, exactly.
// REQUIRES: a window a rank
std::vector<RankTime> rank_times(const OpGraph& graph, const Timeline& timeline, std::size_t phases,
                                 std::span<const Window> windows, OpId first = 0);
// Of all ranks, from the start to the timeline's finish.
std::vector<RankTime> rank_times(const OpGraph& graph, const Timeline& timeline,
                                 std::size_t phases);

}  // namespace moesim::sim
