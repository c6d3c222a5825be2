// What a client asks: so many tokens in, so many out, at that time. A value.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/units.h"

namespace moesim::workloads::serving {

// Tokens in a row of one text. Two prompts begin alike as far as the ids and places of their spans
// do.
struct Span {
  std::uint64_t text = 0;
  std::int64_t tokens = 0;
  friend bool operator==(const Span&, const Span&) = default;
};

struct Request {
  std::int64_t id = 0;  // in order of arrival, from 0
  sim::Time arrival{};  // when it could be sent
  std::int64_t input = 1, output = 1;
  std::int64_t most_output = 0;   // what the client allows; 0: exactly its output
  std::int64_t priority = 0;      // smaller is served first, where the scheduler looks at it
  std::vector<Span> prompt = {};  // whose texts it is made of; what is beyond them, output
                                  // included, goes on with the last one. Empty: it shares nothing
  std::int64_t session = -1, turn = 0;  // of a conversation; -1: none

  std::int64_t limit() const { return most_output > 0 ? most_output : output; }
  friend bool operator==(const Request&, const Request&) = default;
};

}  // namespace moesim::workloads::serving
