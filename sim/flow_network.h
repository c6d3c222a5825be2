// Flows of bytes over links that they share: at every instant each flow has its max-min fair rate
// (sim/max_min.h) over all that is in flight, whoever started it.
//
// Rates are computed when flows start and when flows have finished. With a tolerance of zero that
// is at every completion. With a tolerance above zero completions that lie close together are
// merged: what a finished flow leaves over is handed on up to `tolerance` x the age of the youngest
// group of flows later. Each flow still finishes at its own time, rates never exceed a link's
// capacity, and no byte is lost: a tolerant play is never faster than capacities allow, and later
// by about the tolerance at most.
//
// Cost of one computation of rates: for each link that fills up, the flows on it.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "sim/engine.h"
#include "sim/units.h"

namespace moesim::sim {

// Hears when flows finish.
class FlowListener {
 public:
  // The flow will have finished at `at`, which is now or later, unless it is withdrawn before.
  virtual void flow_finishes(std::uint64_t tag, Time at) = 0;
  // What was announced for a later time no longer holds: other flows have come.
  virtual void flow_withdrawn(std::uint64_t tag) = 0;

 protected:
  ~FlowListener() = default;
};

class FlowNetwork {
 public:
  using Link = std::uint32_t;
  using Group = std::uint32_t;

  // What is to be known of where the time of a simulation goes.
  struct Counters {
    std::uint64_t flows = 0;          // started
    std::uint64_t computations = 0;   // of rates
    std::uint64_t flows_touched = 0;  // flows visited in them, a flow once for each full link
    std::uint64_t windows = 0;        // spans of time with constant rates
  };

  // REQUIRES: 0 <= tolerance < 1; the listener outlives the network
  FlowNetwork(Engine& engine, double tolerance, FlowListener& listener);
  FlowNetwork(const FlowNetwork&) = delete;
  FlowNetwork& operator=(const FlowNetwork&) = delete;

  // REQUIRES: capacity > 0
  Link add_link(Bandwidth capacity);
  // A link on which each flow may have that rate, however many there are.
  Link add_flow_limit(Bandwidth limit);
  // The link goes to a later add_…, when the last flow on it has finished.
  void retire_link(Link link);

  // Flows of one group are about one thing (an exchange): its age is what the tolerance refers to.
  Group add_group();
  // The group goes to a later add_group, when its last flow has finished.
  void retire_group(Group group);

  // Starts a flow now. A flow of no bytes, or over no link, finishes now.
  // REQUIRES: links are distinct
  void start(Group group, double bytes, std::span<const Link> links, std::uint64_t tag);

  std::size_t in_flight() const { return alive_; }
  const Counters& counters() const { return counters_; }

 private:
  static constexpr Link kNone = 0;  // never fills up: the second link of a flow that has one
  static constexpr Link kDead = 1;  // has no rate: the links of a flow that has finished
  static constexpr Link kMany = 0x80000000u;  // + place in many_: a flow of three links or more

  // One flow as a link sees it.
  struct Entry {
    std::uint32_t other;  // its other link, or kMany + …
    std::uint32_t flow;
  };
  // What progressive filling keeps of a link: the capacity and the flows that are not yet fixed.
  struct Filling {
    double left;
    double flows;
  };
  struct GroupState {
    Time start;
    std::size_t in_flight = 0;
  };
  struct Finishing {
    std::uint32_t flow;
    Time at;
  };

  std::span<std::uint32_t> many_links(Link coded) {
    const std::uint32_t at = coded & ~kMany;
    return {many_.data() + at + 1, many_[at]};
  }
  std::span<std::uint32_t> many_places(Link coded) {
    const std::uint32_t at = coded & ~kMany;
    return {many_.data() + at + 1 + many_[at], many_[at]};
  }
  double rate_of(std::size_t flow) const;
  void place(std::uint32_t flow, Link link, std::uint32_t other);
  void unplace(Link link, std::uint32_t place);
  void kill(std::uint32_t flow);
  void free_retired();
  void compact();
  void change_soon(Group group);
  void on_window_end();
  void cut_window();
  void rebalance();
  void compute_rates();
  void begin_window();
  double time_to_next() const;
  double youngest_age() const;

  Engine& engine_;
  FlowListener& listener_;
  double tolerance_;

  // Of each link.
  std::vector<double> capacity_;  // a flow limit's is negative
  std::vector<double> level_;  // the rate of flows that this link holds back; infinite if not full
  std::vector<Filling> filling_;
  std::vector<std::vector<Entry>> on_link_;
  std::vector<Link> free_links_, retired_links_;
  std::vector<std::pair<double, Link>> heap_;

  // Of each flow.
  std::vector<double> left_;  // bytes, at the end of the window
  std::vector<Link> first_, second_;
  std::vector<std::uint32_t> first_place_, second_place_;  // in on_link_ of these
  std::vector<std::uint64_t> tag_;
  std::vector<Group> group_;
  std::vector<std::uint32_t> many_;  // count, links, places of flows with three links or more
  std::size_t alive_ = 0;

  std::vector<GroupState> groups_;
  std::vector<Group> free_groups_, retired_groups_;

  bool changed_ = false;  // flows have come or gone since rates were computed
  bool in_window_ = false;
  std::size_t window_flows_ = 0;  // those that are in the window; later ones wait for its end
  Time window_start_{}, window_end_{};
  Engine::EventId window_event_{}, soon_event_{};
  bool soon_ = false;
  bool expect_completions_ = false;
  std::vector<Finishing> finishing_;
  Counters counters_;
};

}  // namespace moesim::sim
