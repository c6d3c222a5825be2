// An exchange: bytes that a group of ranks move between each other as one operation (an all-to-all,
// an all-reduce, a point-to-point send). What the bytes mean is not the core's business.
//
// A rank takes part from the instant it arrives until the instant it is done: when all it sends has
// left it and all it receives has come. Ranks arrive and leave one by one: a transfer starts when
// both its ends have arrived, and nobody waits for a rank that it exchanges no bytes with, unless
// `barrier` says so.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <vector>

#include "sim/units.h"

namespace moesim::sim {

// A rank is a number from 0; what it is (a GPU) is known on the floors above.
using Rank = std::uint32_t;

struct Transfer {
  Rank source = 0;
  Rank destination = 0;
  Bytes bytes;  // payload, as accounted in reports
};

// Messages of one size, counted for every pair of participants: where most pairs exchange some.
struct Messages {
  // [row x column], by place among the participants; null: none. The diagonal stays at home. Shared
  // and not copied, since what goes out by a row comes back by a column.
  std::shared_ptr<const std::vector<std::uint32_t>> counts = nullptr;
  Bytes size{};       // payload of each
  bool back = false;  // a column's participant sends to a row's, not a row's to a column's
};

// How the bytes of an exchange fare on links: those between ranks that are near each other (of one
// node), and those between the others.
struct Wire {
  double factor = 1;       // links carry bytes x factor (headers, inefficiency)
  Bandwidth flow_limit{};  // of each transfer; zero: none of its own
};

struct Exchange {
  std::string name = {};
  std::vector<Rank> participants = {};  // ascending
  // Between participants; source == destination costs nothing. A pair may come more than once.
  std::vector<Transfer> transfers = {};
  Messages messages = {};  // beside the transfers
  Wire near = {}, far = {};
  Duration startup{};      // at each rank, from its arrival until its first byte moves
  Duration completion{};   // at each rank, from its last byte until it is done
  Bandwidth send_limit{};  // of each rank, over all its links; zero: no limit of its own
  Bandwidth receive_limit{};
  bool barrier = false;  // nobody's bytes move before all have arrived
};

// Calls visit(const Transfer&) for all that is moved between two different ranks: the transfers in
// their order, then messages, source by source.
template <class Visit>
void for_each_transfer(const Exchange& exchange, Visit visit) {
  for (const Transfer& transfer : exchange.transfers) {
    if (transfer.source != transfer.destination) visit(transfer);
  }
  const auto& [counts, size, back] = exchange.messages;
  if (!counts) return;
  const auto& ranks = exchange.participants;
  const std::size_t next_source = back ? 1 : ranks.size(), next = back ? ranks.size() : 1;
  for (std::size_t s = 0; s < ranks.size(); ++s) {
    const std::uint32_t* count = counts->data() + s * next_source;
    for (std::size_t d = 0; d < ranks.size(); ++d, count += next) {
      if (*count != 0 && s != d) visit(Transfer{ranks[s], ranks[d], *count * size});
    }
  }
}

// What all of it comes to.
inline Bytes payload_of(const Exchange& exchange) {
  Bytes sum;
  for (const Transfer& transfer : exchange.transfers) {
    if (transfer.source != transfer.destination) sum += transfer.bytes;
  }
  const auto& [counts, size, back] = exchange.messages;
  if (!counts) return sum;
  std::int64_t messages = std::accumulate(counts->begin(), counts->end(), std::int64_t{0});
  for (std::size_t i = 0; i < counts->size(); i += exchange.participants.size() + 1) {
    messages -= (*counts)[i];
  }
  return sum + messages * size;
}

using ExchangeId = std::uint32_t;

// Who wants to know that a rank is done with an exchange.
class ExchangeListener {
 public:
  virtual void rank_done(ExchangeId exchange, Rank rank) = 0;

 protected:
  ~ExchangeListener() = default;
};

// Plays exchanges: a closed form, or flows over links.
class ExchangeModel {
 public:
  virtual ~ExchangeModel() = default;
  // `rank` takes part in the exchange from now on. `exchange` outlives the run, and is the same
  // object for every participant. The listener hears once of each participant, at the instant it is
  // done: at the earliest in an event after this call.
  virtual void arrive(ExchangeId id, const Exchange& exchange, Rank rank,
                      ExchangeListener& listener) = 0;
};

}  // namespace moesim::sim
