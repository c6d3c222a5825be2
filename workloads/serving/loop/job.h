// A request on its way through the service, and what became of it.
#pragma once

#include "workloads/serving/requests/request.h"
#include "workloads/serving/schedule/sequence.h"

namespace moesim::workloads::serving {

// When what happened, at the engine but for `sent`, `first` and `last`, which are the client's.
struct RequestRecord {
  std::int64_t id = 0, input = 0, output = 0;
  std::int64_t pool = 0, replica = 0, rank = 0;  // that generated its tokens
  std::int64_t preemptions = 0, cached = 0, recomputed = 0;
  sim::Time sent{};       // by the client
  sim::Time queued{};     // reached a replica
  sim::Time scheduled{};  // its first pass began
  sim::Time prefilled{};  // its prompt was read
  sim::Time moved{};      // its cache was where it is decoded; as prefilled, where that is the same
  sim::Time emitted{};    // its first token left the engine
  sim::Time first{};      // the client had the first token
  sim::Time last{};       // and all of them

  sim::Duration ttft() const { return first - sent; }
  sim::Duration latency() const { return last - sent; }
  friend bool operator==(const RequestRecord&, const RequestRecord&) = default;
};

// The engine's part is what schedulers see; how long the output is, only the job knows.
struct Job : Sequence {
  Request request = {};
  RequestRecord record = {};
  std::int64_t output = 1;     // tokens after which it ends, here
  std::int64_t delivered = 0;  // tokens that have come out
  sim::Time last_token{};      // when the last one came out
  sim::Time last_message{};    // when the client was last told
  std::int64_t untold = 0;     // tokens that the next message holds
  sim::Duration in_passes{};   // how long the passes took that made those
  bool begun = false;
  bool counted = true;  // not of the warm-up
};

}  // namespace moesim::workloads::serving
