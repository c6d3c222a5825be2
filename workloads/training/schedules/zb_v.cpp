// ZB-V (arXiv 2405.15362): two chunks a rank in a V, built greedily on given times. Passes are put
// down round by round, a backward and a forward one a rank, those that free the turn of others
// first; what the rank would wait is filled by weights' gradients that it owes. Whether a gap that
// they do not fit in is filled too is a choice for forward and for backward passes; of the four
// ways, and of each once more with what a rank was found to idle allowed to it from the start, the
// one with the least idle rank wins (sail-sg/zero-bubble-pipeline-parallelism, scheduler/zbv.py).
#include <algorithm>
#include <array>
#include <optional>

#include "sim/check.h"
#include "workloads/training/schedules/schedules.h"

namespace moesim::workloads::schedules {
namespace {

using Ticks = std::int64_t;

// Two whole micro-batches a rank's pair of chunks: what 1F1B's first rank holds. In half chunks: a
// forward pass keeps two, its two backward passes free one each.
constexpr std::int64_t kKept = 2, kFreed = 1;

struct Filling {
  bool forward = true, backward = true;
};

class Greedy {
 public:
  Greedy(const ScheduleShape& shape, Filling filling, std::vector<Ticks> allowed)
      : p_(static_cast<std::uint32_t>(shape.ranks)),
        m_(static_cast<std::uint32_t>(shape.micro_batches)),
        forward_(shape.forward),
        backward_(shape.backward_input),
        weight_(shape.backward_weight),
        filling_(filling),
        allowed_(std::move(allowed)),
        most_allowed_(allowed_.empty() ? 0 : *std::ranges::max_element(allowed_)),
        room_(2 * kKept * shape.ranks) {
    for (std::uint32_t r = 0; r < p_; ++r) ranks_.emplace_back();
  }

  void run() {
    warm_up();
    catch_up();
    for (std::uint32_t round = 0; round < 2 * m_; ++round) {
      put_backwards();
      put_forwards();
    }
    for (std::uint32_t r = 0; r < p_; ++r) {
      while (ranks_[r].writer.owes()) put_weight(r);
    }
  }

  // Of the rank that idles most, after its first pass.
  Ticks idle() const {
    Ticks most = 0;
    for (const Rank& rank : ranks_) most = std::max(most, rank.idle);
    return most;
  }
  std::vector<Ticks> idle_of_each() const {
    std::vector<Ticks> idle;
    for (const Rank& rank : ranks_) idle.push_back(rank.idle);
    return idle;
  }
  PipelineSchedule take() && {
    PipelineSchedule schedule{.route = StageRoute::Vee, .chunks = 2};
    for (Rank& rank : ranks_) schedule.ranks.push_back(std::move(rank.writer).take());
    return schedule;
  }

 private:
  struct Rank {
    RankWriter writer{2};
    Ticks now = 0, idle = 0;
    std::int64_t held = 0;                               // half chunks of activations
    std::array<std::vector<Ticks>, 2> forward_end = {};  // [chunk][micro-batch]
    std::array<std::vector<Ticks>, 2> backward_end = {};
  };

  // Forward passes one after another down the V, and up it once more; who waits on the way up takes
  // further micro-batches meanwhile, with all ranks before it.
  void warm_up() {
    for (std::uint32_t r = 0; r < p_; ++r) put_forward(r, 0);
    for (std::uint32_t r = p_; r-- > 0;) {
      if (r + 1 < p_) {
        const Ticks arrives = ranks_[r + 1].forward_end[1][0];
        while (ranks_[r].held + kKept * (2 + 2 * r) <= room_ &&
               ranks_[r].now + forward_ <= arrives && count(r, 0) < m_) {
          for (std::uint32_t j = 0; j <= r; ++j) put_forward(j, 0);
        }
      }
      put_forward(r, 1);
    }
  }

  // Ranks further down take turns of their two chunks until they are as far as those before them.
  void catch_up() {
    std::uint32_t chunk = 0;
    for (std::uint32_t r = 1; r < p_; ++r) {
      while (count(r, 0) + count(r, 1) < count(r - 1, 0) + count(r - 1, 1) ||
             (count(r, 1) <= count(r - 1, 1) && count(r - 1, 1) < m_)) {
        for (std::uint32_t j = p_; j-- > r;) {
          if (count(j, chunk) < m_) put_forward(j, chunk);
        }
        chunk = 1 - chunk;
      }
    }
  }

  // Gradients come down the ranks through chunk 1 and back up through chunk 0.
  void put_backwards() {
    std::vector<std::uint32_t> down, up;  // ranks whose next one is of chunk 1, and of chunk 0
    for (std::uint32_t r = 0; r < p_; ++r) {
      const bool owes_none = done(r, 0) >= done(r, 1);
      const bool there = r + 1 == p_ || done(r, 0) < done(r + 1, 0) || done(r, 1) >= m_;
      (owes_none || !there ? down : up).push_back(r);
    }
    for (auto r = up.rbegin(); r != up.rend(); ++r) {
      fill_gap(*r, arrival_of_backward(*r, 0), true);
      put_backward(*r, 0);
    }
    for (const std::uint32_t r : down) {
      fill_gap(r, arrival_of_backward(r, 1), filling_.backward);
      put_backward(r, 1);
    }
  }

  void put_forwards() {
    for (std::uint32_t r = 0; r < p_; ++r) {
      if (count(r, 1) >= m_) continue;
      const std::optional<std::uint32_t> chunk = next_forward(r);
      if (!chunk) continue;
      while (ranks_[r].held + kKept > room_) put_weight(r);
      fill_gap(r, arrival_of_forward(r, *chunk), filling_.forward);
      put_forward(r, *chunk);
    }
  }

  std::optional<std::uint32_t> next_forward(std::uint32_t r) const {
    if (count(r, 1) >= count(r, 0)) return 0;
    if (r + 1 == p_ || count(r, 1) < count(r + 1, 1)) return 1;
    if (count(r, 0) >= m_) return {};
    if (r == 0 || count(r, 0) < count(r - 1, 0)) return 0;
    return {};
  }

  // Weights' gradients that fit before `arrives`, and one more where the rank would idle longer
  // than it may.
  void fill_gap(std::uint32_t r, std::optional<Ticks> arrives, bool overfill) {
    Rank& rank = ranks_[r];
    while (rank.writer.owes() && arrives && *arrives >= rank.now + weight_) put_weight(r);
    const Ticks may = std::max(idle(), allowed_.empty() ? 0 : most_allowed_ - allowed_[r]);
    if (overfill && rank.writer.owes() && arrives.value_or(-1) - rank.now > may - rank.idle)
      put_weight(r);
  }

  std::optional<Ticks> arrival_of_forward(std::uint32_t r, std::uint32_t chunk) const {
    if (chunk == 0) {
      if (r == 0) return {};
      return ranks_[r - 1].forward_end[0][count(r, 0)];
    }
    if (r + 1 == p_) return {};
    return ranks_[r + 1].forward_end[1][count(r, 1)];
  }
  std::optional<Ticks> arrival_of_backward(std::uint32_t r, std::uint32_t chunk) const {
    if (chunk == 0) {
      if (r + 1 == p_) return {};
      return ranks_[r + 1].backward_end[0][done(r, 0)];
    }
    if (r == 0) return {};
    return ranks_[r - 1].backward_end[1][done(r, 1)];
  }

  void put_forward(std::uint32_t r, std::uint32_t chunk) {
    Rank& rank = ranks_[r];
    const std::optional<Ticks> arrives = arrival_of_forward(r, chunk);
    SIM_CHECK(rank.held + kKept <= room_, "zb_v holds more than 1f1b");
    const bool began = count(r, 0) > 0;
    pass(rank, arrives, forward_, began);
    rank.writer.forward(chunk);
    rank.forward_end[chunk].push_back(rank.now);
    rank.held += kKept;
  }
  void put_backward(std::uint32_t r, std::uint32_t chunk) {
    Rank& rank = ranks_[r];
    pass(rank, arrival_of_backward(r, chunk), backward_, true);
    rank.writer.backward_input(chunk);
    rank.backward_end[chunk].push_back(rank.now);
    rank.held -= kFreed;
  }
  void put_weight(std::uint32_t r) {
    Rank& rank = ranks_[r];
    SIM_CHECK(rank.writer.owes(), "zb_v fills a gap with nothing");
    rank.writer.weight();
    rank.now += weight_;
    rank.held -= kFreed;
  }
  static void pass(Rank& rank, std::optional<Ticks> arrives, Ticks time, bool counts) {
    const Ticks begins = std::max(rank.now, arrives.value_or(0));
    if (counts) rank.idle += begins - rank.now;
    rank.now = begins + time;
  }

  std::uint32_t count(std::uint32_t r, std::uint32_t chunk) const {
    return ranks_[r].writer.forwards(chunk);
  }
  std::uint32_t done(std::uint32_t r, std::uint32_t chunk) const {
    return ranks_[r].writer.backwards(chunk);
  }

  std::uint32_t p_, m_;
  Ticks forward_, backward_, weight_;
  Filling filling_;
  std::vector<Ticks> allowed_;  // what each rank idled the time before
  Ticks most_allowed_;
  std::int64_t room_;
  std::vector<Rank> ranks_;
};

// The best of runs that each know what ranks idled in the one before, for as long as that helps.
Greedy best_of(const ScheduleShape& shape, Filling filling) {
  Greedy best(shape, filling, {});
  best.run();
  while (true) {
    Greedy again(shape, filling, best.idle_of_each());
    again.run();
    if (again.idle() >= best.idle()) return best;
    best = std::move(again);
  }
}

}  // namespace

PipelineSchedule zb_v(const ScheduleShape& shape) {
  std::optional<Greedy> best;
  for (const bool backward : {true, false}) {
    for (const bool forward : {true, false}) {
      Greedy tried = best_of(shape, {.forward = forward, .backward = backward});
      if (!best || tried.idle() < best->idle()) best.emplace(std::move(tried));
    }
  }
  return std::move(*best).take();
}

}  // namespace moesim::workloads::schedules
