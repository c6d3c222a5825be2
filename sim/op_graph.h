// What is to be done, and in which order: operations of ranks, as a graph.
//
//   Delay     time passes at a rank; occupies nothing (a host that thinks)
//   Compute   occupies a stream of its rank for a time
//   Exchange  bytes between ranks (sim/exchange.h): one exchange has a part at each participant,
//             which occupies a stream of that rank until the rank is done with it
//
// An operation starts when all it waits for has ended and, if it has a stream, when the operation
// added before it to that stream has ended: a stream is first in, first out, as on a GPU.
// Operations are added in an order in which they could be executed one by one: what an operation
// waits for is there before it. So a graph has no cycles but through an exchange, whose parts wait
// for each other; the executor reports those as a deadlock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "sim/exchange.h"
#include "sim/units.h"

namespace moesim::sim {

using OpId = std::uint32_t;
using LabelId = std::uint32_t;
inline constexpr OpId kNoOp = ~OpId{0};

enum class OpKind : std::uint8_t { Delay, Compute, Exchange };

// What operations have in common: a name for people, and the phase that their time is counted
// under.
struct Label {
  std::string name = {};
  std::uint32_t phase = 0;
};

struct Op {
  OpKind kind = OpKind::Delay;
  std::uint8_t stream = 0;  // of the rank; without meaning for a delay
  Rank rank = 0;
  LabelId label = 0;
  Duration duration{};      // of a delay or a computation
  ExchangeId exchange = 0;  // of a part
};

class OpGraph {
 public:
  explicit OpGraph(Rank ranks, std::uint8_t streams_per_rank = 1);

  LabelId add_label(Label label);
  void reserve(std::size_t ops, std::size_t dependencies);

  // REQUIRES of all: rank < ranks(), stream < streams(), every id in `after` was returned before;
  // kNoOp in `after` is passed over.
  OpId add_delay(Rank rank, LabelId label, Duration time, std::span<const OpId> after);
  OpId add_compute(Rank rank, std::uint8_t stream, LabelId label, Duration time,
                   std::span<const OpId> after);
  // Participants ascending, each less than ranks(). Every participant must be given its part, once.
  ExchangeId add_exchange(Exchange exchange);
  OpId add_part(ExchangeId exchange, Rank rank, std::uint8_t stream, LabelId label,
                std::span<const OpId> after);

  Rank ranks() const { return ranks_; }
  std::uint8_t streams() const { return streams_; }
  std::size_t size() const { return ops_.size(); }
  const Op& op(OpId id) const { return ops_[id]; }
  const std::vector<Op>& ops() const { return ops_; }
  const Label& label(LabelId id) const { return labels_[id]; }
  const std::vector<Label>& labels() const { return labels_; }
  const std::vector<Exchange>& exchanges() const { return exchanges_; }
  // What the operation waits for, the one before it on its stream included.
  std::span<const OpId> waits_for(OpId id) const;
  // The part of each participant, in their order; kNoOp where it was not added.
  std::span<const OpId> parts(ExchangeId id) const { return parts_[id]; }

 private:
  OpId add(const Op& op, std::span<const OpId> after);

  Rank ranks_;
  std::uint8_t streams_;
  std::vector<Op> ops_;
  std::vector<std::uint32_t> first_dependency_{0};  // of each op in dependencies_, and the end
  std::vector<OpId> dependencies_;
  std::vector<OpId> last_on_stream_;  // rank x stream
  std::vector<Label> labels_;
  std::vector<Exchange> exchanges_;
  std::vector<std::vector<OpId>> parts_;
};

}  // namespace moesim::sim
