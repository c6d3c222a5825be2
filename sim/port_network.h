// PortFlows on an engine: flows of bytes between ports, sheets of them that start as their places
// are released, and the windows of time between two computations of rates.
//
// Ports that flows join are a component, and each has windows of its own. Rates stay as they are
// for a window, in which flows end: what they leave over is handed on at the end of it. So a port
// that is full wastes, for each flow that ends before the window does, that flow's part of its
// capacity for the rest of the window; and a place that is released in a window waits for its end.
// That is what the tolerance T is spent on, and account is kept of it. Each side of a port
//
//   has a credit of T / 2 x the busiest port's time of its sheets,
//   and T / 2 x the time that passes;
//   may besides waste at once 5 T x its slack: what it has less to carry than the fullest port, or
//   than the time until the busiest, wherever it is, can have carried a sheet.
//
// A window ends with a flow, one that all of them can pay for, and a release that cannot pay for
// its wait ends it. So a side of a port that has no slack, whose lateness is everyone's, wastes no
// more than T of its busiest time or of its time in use, the longer: wasted() says how much it was
// at most.
//
// Each flow ends at its own time, rates never exceed a port's capacity, and no byte is lost. With a
// tolerance of zero windows end with the next flow.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "sim/engine.h"
#include "sim/port_flows.h"
#include "sim/units.h"

namespace moesim::sim {

class PortListener {
 public:
  struct Both {
    double to = 0, from = 0;
  };
  // What a place of a sheet sends to each of the others, and each of them to it; 0 where that is
  // nothing.
  virtual void bytes_between(std::uint64_t tag, std::uint32_t place,
                             std::span<const std::uint32_t> others, std::span<Both> bytes) = 0;
  struct Finishing {
    std::uint32_t source = 0, destination = 0;
    Time at{};
  };
  // These flows of a sheet will have ended then, which is now or later, unless they are withdrawn
  // before.
  virtual void flows_finish(std::uint64_t tag, std::span<const Finishing> flows) = 0;
  // What was announced for a later time no longer holds: other flows have come.
  virtual void flow_withdrawn(std::uint64_t tag, std::uint32_t source,
                              std::uint32_t destination) = 0;

 protected:
  ~PortListener() = default;
};

class PortNetwork {
 public:
  using Port = std::uint32_t;
  using Sheet = std::uint32_t;
  struct Counters {
    std::uint64_t flows = 0;          // started
    std::uint64_t computations = 0;   // of rates
    std::uint64_t flows_touched = 0;  // in flight at them
  };

  // REQUIRES: 0 <= tolerance < 1; the listener outlives the network, and releases nothing while it
  // is told of a flow
  PortNetwork(Engine& engine, double tolerance, PortListener& listener);
  ~PortNetwork();

  Port add_port(Bandwidth out, Bandwidth in);
  // What each place sends and receives of it in all, and the seconds that the busiest port needs,
  // here or wherever it is. REQUIRES: ports are distinct, as many loads
  struct Load {
    double out = 0, in = 0;  // bytes
  };
  Sheet add_sheet(std::span<const Port> ports, std::span<const Load> loads, double busiest,
                  std::uint64_t tag);
  // The flows between these places and all released before start, at the end of this instant or of
  // the window. A place is released once.
  void release(Sheet sheet, std::span<const std::uint32_t> places);
  // REQUIRES: all its flows have ended, or will by what was announced
  void retire(Sheet sheet);

  Counters counters() const { return counters_; }
  // Of its busiest time, or of its time in use, the most that a side of a port wasted beside slack.
  double wasted() const { return wasted_; }

 private:
  struct Component;
  struct PortState {
    Bandwidth out, in;
    std::uint32_t component = ~0u;  // none: nothing to do
    PortFlows::Port local = 0;
  };
  struct SheetState {
    std::uint64_t tag = 0;
    double busiest = 0;
    std::uint32_t component = 0;
    PortFlows::Sheet local = 0;
    std::vector<Port> ports;
    std::vector<std::uint32_t> pending;  // to be released
    std::vector<std::uint32_t> released;
    Time over = Time::max();  // at the earliest: its first release and its busiest time
    std::size_t in_flight = 0;
    bool retired = false;
  };

  std::uint32_t component_of(std::span<const Port> ports);
  std::vector<std::uint32_t> components_at(std::span<const Port> ports) const;
  void dissolve(std::uint32_t component);
  void join(std::uint32_t component, Port port);
  void merge(std::uint32_t into, std::uint32_t from);
  bool pays_for_wait(Component& component, const SheetState& sheet,
                     std::span<const std::uint32_t> places);
  void rebalance_soon(std::uint32_t component);
  void rebalance(std::uint32_t component);
  void start_released(Component& component, SheetState& sheet);
  void serve(Component& component);
  void find_most_left(Component& component) const;
  void begin_window(std::uint32_t component);
  void announce(const Component& component);
  double affordable_window(Component& component);
  bool pays_for(Component& component, std::size_t count) const;
  void keep_affordable(Component& component) const;
  void end_window(Component& component);
  void charge(Component& component);
  void free_retired(Component& component);

  Engine& engine_;
  double tolerance_, credit_rate_;  // the second: of time that passes
  PortListener& listener_;
  std::vector<PortState> ports_;
  std::vector<SheetState> sheets_;
  std::vector<Sheet> free_sheets_;
  std::vector<std::unique_ptr<Component>> components_;
  std::vector<std::uint32_t> free_components_;
  std::vector<PortListener::Both> bytes_;           // of a place that is released
  std::vector<PortListener::Finishing> announced_;  // of one sheet
  Counters counters_;
  double wasted_ = 0;
};

}  // namespace moesim::sim
