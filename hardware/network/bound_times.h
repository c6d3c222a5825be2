// What the links need for an exchange, in closed form: how long each member is busy, from the
// instant that all it exchanges bytes with are there.
//
//   sends:    startup + max over its port, the shared links and its limits of bytes / capacity
//   receives: the same + the least latency of the transfers over that link
//
// and completion. Of the links of a path that can limit, all but the last hold up the source, all
// but the first the destination; an only one both.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "hardware/network/participants.h"
#include "hardware/network/path_table.h"
#include "hardware/network/ports.h"

namespace moesim::hardware {

class ClusterNetwork;

class BoundTimes {
 public:
  // A part of the network, which it asks for paths and ports.
  explicit BoundTimes(ClusterNetwork& network);
  // In the order of the participants.
  const std::vector<sim::Duration>& of(const sim::Exchange& exchange,
                                       const Participants& participants);
  // Of the exchange that was asked for last: when its last rank can be done at the earliest. What a
  // rank sends last has still to arrive, so this may be a path's latency after the last rank above.
  sim::Duration whole() const { return whole_; }

 private:
  static constexpr std::uint32_t kNobody = ~0u;
  static constexpr std::int64_t kUnused = std::numeric_limits<std::int64_t>::max();
  // What the exchange at hand puts on a link. Payload is summed as whole bytes, so that the order
  // of the transfers does not matter.
  struct Load {
    std::array<std::int64_t, 2> bytes{};   // between near ranks, between far ones
    std::int64_t least_latency = kUnused;  // ps
    // Whom it held up last; most links hold up one rank only.
    std::uint32_t source = kNobody, destination = kNobody;
  };
  // A link holds up a member.
  struct HeldUp {
    std::uint32_t place;
    LinkId link;
  };

  void carry(LinkId link, std::size_t kind, std::int64_t bytes, std::int64_t latency);
  void holds_up_source(LinkId link, std::uint32_t place);
  void holds_up_destination(LinkId link, std::uint32_t place);
  void add(const sim::Transfer& transfer, const Participants& participants);
  void add_sums(const sim::Exchange& exchange, const Ports& ports);
  void add_loads(const sim::Exchange& exchange, const Participants& participants);
  void add_limits(const sim::Exchange& exchange, const Participants& participants);

  ClusterNetwork& network_;
  std::vector<Load> loads_;      // of each link; as new between calls
  std::vector<double> seconds_;  // of each link that is loaded: how long it is busy
  std::vector<LinkId> loaded_;
  std::vector<HeldUp> sources_, destinations_;
  std::vector<double> busy_;  // of each member, seconds
  double last_arrival_ = 0;   // seconds
  std::vector<sim::Duration> times_;
  sim::Duration whole_{};
};

}  // namespace moesim::hardware
