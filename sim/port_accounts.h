// What the ports of a component may still waste, and what they would in a window or have in one
// (sim/port_network.h): one side of them, an array for each number, so that many ports are looked
// at side by side.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "sim/port_flows.h"

namespace moesim::sim {

// Arrays are padded, as those of PortFlows.
class PortAccounts {
 public:
  using Port = PortFlows::Port;

  // Of each port, seconds.
  std::vector<double> credit;        // what it may still waste
  std::vector<double> busiest;       // of its sheets
  std::vector<double> left;          // to carry all that its sheets still have
  std::vector<double> wasted, used;  // since it joined

  void resize(std::size_t ports);  // those that are new have nothing
  void clear();                    // no port has anything
  // A port has what one of another component had.
  void take(Port port, const PortAccounts& from, Port its);

  // So many seconds pass, at the rates computed last; the credit that they give is that part of
  // them, and no more is saved up than that part of a port's busiest sheet.
  void serve(const PortFlows::Ports& flows, double seconds, double credit_rate);
  double most_left() const;

  // What holds of all ports of a component now. Time that a port has before it holds up the others
  // may in part be wasted at once.
  struct Slack {
    double part = 0, most_left = 0;
  };

  // A flow that would end before a window does leaves over its part of a full port.
  void leave(Port port, double of_port, bool full, double seconds) {
    const double part = of_port * static_cast<double>(full);  // no branch: it would be any guess
    ++leaving_[port];
    part_[port] += part;
    when_[port] += part * seconds;
    last_[port] = std::max(last_[port], seconds);
  }
  // Whether the ports at which flows would leave can pay for that; forgets them.
  bool pay_for_leaving(const PortFlows::Ports& flows, double window, double credit_rate,
                       const Slack& slack);

  // What flows wasted that ended before now, in four steps: each is named with how long ago that
  // was; ports that are empty now are seen; each is named again with its part of the port, and
  // whether that was full; ports pay, of their slack first.
  void begin_ended();
  void ended(Port port, double ago) { last_[port] = std::min(last_[port], ago); }
  void see_empty(const PortFlows::Ports& flows);
  void charge(Port port, double part, bool full, double ago) {
    left[port] += ago * part;  // served as if it had gone on until now
    part_[port] += (ago - last_[port]) * part * static_cast<double>(full);
  }
  void pay(const Slack& slack);

 private:
  // Of flows that would leave, or have ended; nothing between two questions: how many, their parts,
  // those times their seconds, the seconds of the last.
  std::vector<std::uint32_t> leaving_;
  std::vector<double> part_, when_, last_;
};

}  // namespace moesim::sim
