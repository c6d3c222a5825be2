// Links that flows share, each flow at its max-min fair rate (sim/max_min.h).
//
// A full link has a level: the rate of the flows that it holds back. Each flow is attached to the
// link that holds it back, and a link keeps how much each flow attached to it has been served: a
// change of a level costs nothing for the flows that stay attached, and the next completion at a
// link is the top of its heap.
//
// Time is what serve() says has passed; nothing happens by itself. Flows end when their user says
// so, who asks here when that is.
//
// Cost of one computation of rates: one visit of each flow, at the link that holds it back, and
// somewhat more for each flow that another link holds back from now on. Where flows have only
// ended, links that fill up below all of them do so as before: what was left at some of the links
// on the way is kept, and filling goes on from there.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "sim/lowest_first.h"
#include "sim/units.h"

namespace moesim::sim {

class FairLinks {
 public:
  using Link = std::uint32_t;
  using FlowId = std::uint32_t;  // goes to a later flow when this one has ended

  // What is to be known of where the time of a simulation goes.
  struct Work {
    std::uint64_t computations = 0;   // of rates
    std::uint64_t flows_touched = 0;  // flows visited in them
    std::uint64_t attached = 0;       // flows that went over to another link
  };
  struct Ending {
    FlowId flow;
    double seconds;  // from now
  };

  FairLinks();

  // REQUIRES: capacity > 0
  Link add_link(Bandwidth capacity);
  // A link on which each flow may have that rate, however many there are.
  Link add_flow_limit(Bandwidth limit);
  // The link goes to a later add_…, when no flow is left on it.
  void retire_link(Link link);
  void free_retired();  // those whose flows have ended since

  // REQUIRES: bytes > 0, at least one link, links are distinct. It has no rate yet.
  FlowId start(double bytes, std::span<const Link> links);
  void end(FlowId flow);
  std::size_t flows() const { return alive_; }

  // Time passes, at the rates computed last.
  void serve(double seconds);
  // If flows have come or gone since.
  void compute_rates();
  // Seconds from now until the first flow ends; infinity: none. REQUIRES: rates are computed
  double next_end();
  // Appends the flows that end within that time. They are not named again unless they are put back.
  // REQUIRES: next_end() was asked, and nothing has changed since
  void take_ending(double seconds, std::vector<Ending>& ending);
  void put_back(FlowId flow);

  const Work& work() const { return counters_; }

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
    bool taken = false;                               // by take_ending
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
  struct FirstDue {
    Link link;
    double finish;
  };
  // What progressive filling keeps of a link: the capacity and the flows that are not yet fixed.
  struct Filling {
    double left;
    double flows;
  };
  // The same of all links when so many of active_ had been filled, or passed by.
  struct Kept {
    std::size_t filled = 0;
    double level = 0;  // of the last of them
    std::vector<Filling> filling = {};
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
  void begin_filling();
  void keep_filling(std::size_t filled, double level);
  const Kept* resume_filling();
  void forget_filling(const Flow& flow);
  double level_now(Link link) const;
  bool fill_in_order(const Kept* from);
  void fill_lowest_first();
  void fill_up(Link link, double level);
  bool is_stale(Link link, const Due& due) const {
    return flows_[due.flow].attached != link || flows_[due.flow].finish != due.finish;
  }
  void clean(Link link);

  std::vector<double> level_;  // of each link: the rate of flows attached to it
  std::vector<Filling> filling_;
  std::vector<std::uint32_t> place_;  // of each link that is full, in active_ when it filled up
  std::vector<Kept> kept_;            // the first kept_count_ hold, for flows that are there
  std::size_t kept_count_ = 0;
  std::vector<LinkState> links_;
  std::vector<Link> active_;  // those with flows, in the order in which they filled up
  std::vector<Link> free_links_, retired_links_;
  LowestFirst waiting_;
  std::vector<Link> without_level_;  // of those that waited
  std::vector<FirstDue> first_due_;  // of each link that holds flows back, as of next_end()

  std::vector<Flow> flows_;
  std::vector<std::uint32_t> free_flows_;
  std::vector<std::uint32_t> many_;  // count, links, places of flows with three links or more
  std::vector<std::vector<std::uint32_t>> free_many_;  // places in many_, by the count of links
  std::size_t alive_ = 0;

  std::size_t flow_limits_ = 0;
  bool changed_ = false;  // flows have come or gone since rates were computed
  bool started_ = false;  // and some of them have come
  std::uint32_t order_misses_ = 0, order_pause_ = 0;
  Work counters_;
};

}  // namespace moesim::sim
