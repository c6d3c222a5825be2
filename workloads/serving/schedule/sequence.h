// A request as the engine knows it, and how far it is. The engine does not know how long the output
// will be: what does is a Job (loop/job.h).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "sim/units.h"
#include "workloads/serving/schedule/block_pool.h"

namespace moesim::workloads::serving {

struct Sequence {
  std::int64_t id = 0;
  sim::Time queued{};  // when it reached the engine
  std::int64_t input = 1;
  std::int64_t limit = 1;  // of tokens generated: what the client allows
  std::int64_t priority = 0;
  std::vector<BlockName> names = {};  // of its full blocks, output included; empty: it shares none

  // As planned: an iteration in flight has happened here.
  std::int64_t computed = 0;   // tokens whose keys and values are cached
  std::int64_t generated = 0;  // tokens that it has been given
  HeldBlocks held = {};

  std::int64_t cached = 0;       // tokens found in the cache at its first admission
  std::int64_t preemptions = 0;  // times that it lost its cache
  std::int64_t recomputed = 0;   // tokens that it had computed before
  std::int64_t most_computed = 0;

  std::int64_t known() const { return input + generated; }
  std::int64_t rest() const { return known() - computed; }  // to the next token
  // Whether its next pass is one token after a cache, or the reading of a prompt.
  bool decodes() const { return computed > 0 && rest() == 1; }
};

// What a pass is to do with a sequence.
struct Scheduled {
  Sequence* sequence = nullptr;
  std::int64_t tokens = 0;  // new ones that it computes
  std::int64_t before = 0;  // keys that are there
  bool decode = false;
  bool emits = false;  // it reaches the end of what is known: a token comes out
};

// What one dp rank does in one iteration. Kept as sums, so that a cost costs nothing to ask.
struct BatchPlan {
  struct Chunk {
    std::int64_t tokens = 0, before = 0;
    bool emits = false;
    friend bool operator==(const Chunk&, const Chunk&) = default;
  };
  std::vector<Scheduled> work = {};
  std::int64_t decodes = 0;  // sequences that decode, ...
  std::int64_t queries = 1;  // of so many tokens each (1 + drafted), ...
  std::int64_t keys = 0;     // and the keys that they see at the end, summed
  std::int64_t longest = 0;  // the most that one of them sees
  std::vector<Chunk> chunks = {};
  bool dummy = false;        // nothing to do, while another rank has: one token
  bool gave_way = false;     // somebody lost its cache for it, and nobody was looked at
  std::int64_t padding = 0;  // tokens beyond, up to the size of a graph
  bool graph = false;        // launched as a recorded graph

  std::int64_t prompt_tokens() const {
    std::int64_t sum = 0;
    for (const Chunk& chunk : chunks) sum += chunk.tokens;
    return sum;
  }
  std::int64_t tokens() const { return decodes * queries + prompt_tokens() + (dummy ? 1 : 0); }
  bool empty() const { return work.empty(); }
  bool decode_only() const { return chunks.empty(); }
};

}  // namespace moesim::workloads::serving
