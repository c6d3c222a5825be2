// What no engine of a layout can do better than: floors of its latencies and a ceiling of what it
// carries, by arithmetic alone. Every operation runs at the device's datasheet rate, every byte is
// read at its datasheet bandwidth, nothing is waited for, nothing is sent.
//
// Per request of p prompt tokens that are computed and o output tokens, contexts of at least c:
//
//   FLOP   p x prefill + o x decode(c)                      on all GPUs, at the fastest format's
//   peak bytes  o x (cache(c) + W / b + K / (b dp)) / accepted   W: weights that a dp rank reads in
//   every
//          pass (attention, dense FFNs, shared experts, head); K: top-k experts of each layer, the
//          fewest that a pass touches; b: the most sequences of a dp rank
//   ceiling = GPUs / max(FLOP / peak, bytes / bandwidth) / attained
//
// b is what memory holds and, under a TPOT target T, what leaves (W + K + b cache) / bandwidth
// below T: a pass is longer than that line, which is straight in b, so that by Jensen the mean
// batch of requests that meet T is at most there, whatever the batch does in between. Requests that
// miss a target (1 - attained of all) may run at any batch: hence the last factor.
#pragma once

#include <cstdint>
#include <optional>

#include "workloads/deployment/deployment.h"

namespace moesim::tools {

struct FloorLoad {
  double prompt = 0;          // tokens of a request that are computed at once
  double output = 0;          // tokens of a request that are generated
  double context = 0;         // keys that a generated token sees, at least
  double accepted = 1;        // tokens of a sequence in a pass, at most
  double most_sequences = 1;  // of a dp rank
  std::optional<double> tpot_s = {};
  double attained = 1;
};

struct Floor {
  double ttft_s = 0, tpot_s = 0;  // of one request alone
  double ceiling = 0;             // requests a second of one engine
};

// Of a model without an encoder; one with is not bounded (ttft and tpot 0, ceiling infinite).
Floor floor_of(const workloads::Deployment& deployment, const FloorLoad& load);

}  // namespace moesim::tools
