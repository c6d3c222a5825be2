// Flows of bytes over links that they share: at every instant each flow has its max-min fair rate
// (sim/max_min.h) over all that is in flight, whoever started it.
//
// A full link has a level: the rate of the flows that it holds back. Each flow is attached to the
// link that holds it back, and a link keeps how much each flow attached to it has been served: a
// change of a level costs nothing for the flows that stay attached, and the next completion at a
// link is the top of its heap.
//
// Rates are computed when flows start and when flows have finished. With a tolerance of zero that
// is at every completion. With a tolerance above zero completions that lie close together are
// merged: what a finished flow leaves over is handed on up to half the tolerance x the age of the
// youngest group of flows later. Each flow still finishes at its own time, rates never exceed a
// link's capacity, and no byte is lost: a tolerant play is not faster than links allow, and later
// by about the tolerance at most.
//
// Cost of one computation of rates: one visit of each flow, at the link that holds it back, and
// somewhat more for each flow that another link holds back from now on.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sim/engine.h"
#include "sim/lowest_first.h"
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
    std::uint64_t flows_touched = 0;  // flows visited in them
    std::uint64_t attached = 0;       // flows that went over to another link
  };

  // REQUIRES: 0 <= tolerance < 1; the listener outlives the network, and starts no flow while it is
  // told of one
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

  // Starts a flow now; rates are computed at the end of this instant. A flow of no bytes, or over
  // no link, finishes now. REQUIRES: links are distinct
  void start(Group group, double bytes, std::span<const Link> links, std::uint64_t tag);

  std::size_t in_flight() const { return alive_; }
  const Counters& counters() const { return counters_; }

 private:
  static constexpr Link kNone = 0;  // never full: the second link of a flow that has one
  static constexpr Link kIdle = 1;  // serves nothing: where a flow is attached until it has a rate
  static constexpr Link kMany = 0x80000000u;  // + place in many_: a flow of three links or more
  static constexpr double kFree = std::numeric_limits<double>::infinity();  // level: not full

  // One flow as a link sees it. A link's entries of flows attached to it come first.
  struct Entry {
    std::uint32_t other;  // its other link, or kMany + …
    std::uint32_t flow;
  };
  struct Flow {
    double finish = 0;  // when its link has served so much
    Link attached = kIdle;
    Link first = kNone, second = kNone;
    std::uint32_t first_place = 0, second_place = 0;  // among the entries of these
    Group group = 0;
    bool announced = false;  // finishes in this window
    std::uint64_t tag = 0;
  };
  struct Due {
    double finish;
    std::uint32_t flow;
    bool operator>(const Due& other) const {
      return finish != other.finish ? finish > other.finish : flow > other.flow;
    }
  };
  struct LinkState {
    double capacity = 0;     // of a flow limit: its negative
    double served = 0;       // bytes that a flow attached all the time would have got
    std::uint32_t here = 0;  // so many of its entries are attached to it
    bool active = false;     // is in active_
    std::vector<Entry> entries = {};
    std::vector<Due> due = {};  // a heap; what has gone elsewhere is stale
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
  std::uint32_t& place_of(Flow& flow, Link link);
  void move_entry(Link link, std::uint32_t from, std::uint32_t to);
  void swap_entries(Link link, std::uint32_t a, std::uint32_t b);
  void enter(Link link, std::uint32_t other, std::uint32_t flow);
  void remove_entry(Link link, Flow& flow);
  void attach(std::uint32_t flow, Link to);
  void kill(std::uint32_t flow);
  void free_retired();
  void change_soon(Group group);
  void on_window_end();
  void cut_window();
  void rebalance();
  void advance_to_now();
  void compute_rates();
  void begin_filling();
  double level_now(Link link) const;
  bool fill_in_order();
  void fill_lowest_first();
  void fill_up(Link link, double level);
  void begin_window();
  bool is_stale(Link link, const Due& due) const {
    return flows_[due.flow].attached != link || flows_[due.flow].finish != due.finish;
  }
  void clean(Link link);
  double youngest_age() const;

  Engine& engine_;
  FlowListener& listener_;
  double tolerance_;

  std::vector<double> level_;  // of each link: the rate of flows attached to it
  std::vector<Filling> filling_;
  std::vector<LinkState> links_;
  std::vector<Link> active_;  // those with flows, in the order in which they filled up
  std::vector<Link> free_links_, retired_links_;
  LowestFirst waiting_;
  struct FirstDue {
    Link link;
    double finish;
  };
  std::vector<FirstDue> first_due_;  // of each link that holds flows back; of this window

  std::vector<Flow> flows_;
  std::vector<std::uint32_t> free_flows_;
  std::vector<std::uint32_t> many_;  // count, links, places of flows with three links or more
  std::vector<std::vector<std::uint32_t>> free_many_;  // places in many_, by the count of links
  std::size_t alive_ = 0;

  std::vector<GroupState> groups_;
  std::vector<Group> free_groups_, retired_groups_;

  std::size_t flow_limits_ = 0;
  bool changed_ = false;  // flows have come or gone since rates were computed
  bool started_ = false;  // and some of them have come
  std::uint32_t order_misses_ = 0, order_pause_ = 0;
  bool soon_ = false;  // rates are computed at the end of this instant
  bool in_window_ = false;
  Time window_end_{}, served_at_{};
  Engine::EventId window_event_{};
  std::vector<Finishing> finishing_;
  Counters counters_;
};

}  // namespace moesim::sim
