// Flows of bytes over links that they share: at every instant each flow has its max-min fair rate
// (sim/max_min.h) over all that is in flight, whoever started it.
//
// Rates are computed when flows start and when flows have finished. With a tolerance of zero that
// is at every completion. With a tolerance above zero completions that lie close together are
// merged: what a finished flow leaves over is handed on up to half the tolerance x the age of the
// youngest group of flows later. Each flow still finishes at its own time, rates never exceed a
// link's capacity, and no byte is lost: a tolerant play is not faster than links allow, and later
// by less than the tolerance with up to some hundred ranks in an exchange, by 1.4 times the
// tolerance with a thousand (README.md).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "sim/engine.h"
#include "sim/fair_links.h"
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
  using Link = FairLinks::Link;
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
  Link add_link(Bandwidth capacity) { return links_.add_link(capacity); }
  // A link on which each flow may have that rate, however many there are.
  Link add_flow_limit(Bandwidth limit) { return links_.add_flow_limit(limit); }
  // The link goes to a later add_…, when the last flow on it has finished.
  void retire_link(Link link) { links_.retire_link(link); }

  // Flows of one group are about one thing (an exchange): its age is what the tolerance refers to.
  Group add_group();
  // The group goes to a later add_group, when its last flow has finished.
  void retire_group(Group group);

  // Starts a flow now; rates are computed at the end of this instant. A flow of no bytes, or over
  // no link, finishes now. REQUIRES: links are distinct
  void start(Group group, double bytes, std::span<const Link> links, std::uint64_t tag);

  std::size_t in_flight() const { return links_.flows(); }
  Counters counters() const;

 private:
  struct Flow {
    std::uint64_t tag = 0;
    Group group = 0;
  };
  struct GroupState {
    Time start;
    std::size_t in_flight = 0;
  };
  struct Finishing {
    FairLinks::FlowId flow;
    Time at;
  };

  void end(FairLinks::FlowId flow);
  void free_retired();
  void change_soon(Group group);
  void on_window_end();
  void cut_window();
  void rebalance();
  void advance_to_now();
  void begin_window();
  double youngest_age() const;

  Engine& engine_;
  FlowListener& listener_;
  double tolerance_;
  FairLinks links_;

  std::vector<Flow> flows_;
  std::vector<GroupState> groups_;
  std::vector<Group> free_groups_, retired_groups_;
  std::uint64_t flows_started_ = 0;

  bool soon_ = false;  // rates are computed at the end of this instant
  bool in_window_ = false;
  Time window_end_{}, served_at_{};
  Engine::EventId window_event_{};
  std::vector<Finishing> finishing_;  // in this window
  std::vector<FairLinks::Ending> ending_;
};

}  // namespace moesim::sim
