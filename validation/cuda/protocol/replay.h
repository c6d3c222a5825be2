// How the time of operations is taken: by marks (events) around replays of a graph, with one replay
// queued ahead of the first mark, so that the card is at work when the mark comes and what the host
// takes to launch is not part of the time.
#pragma once

#include "validation/cuda/protocol/machine.h"

namespace moesim::validation::cuda {

// A stream of a card, with the sets of operations that are timed on it.
class ReplayQueue {
 public:
  virtual ~ReplayQueue() = default;
  // Makes a graph of all sets, that many times over. False, and nothing changes, where they cannot
  // be captured.
  virtual bool capture(int times) = 0;
  // Queues the graph, or, where there is none, all sets once.
  virtual void launch() = 0;
  virtual void mark_begin() = 0;
  virtual void mark_end() = 0;
  virtual double between_marks() = 0;  // seconds; waits for the second
  virtual bool busy() = 0;             // something queued is not done
  virtual void wait() = 0;             // until all is
  virtual Health read_health() = 0;
  virtual void rest(double seconds) = 0;  // nothing is asked of the card for so long
  virtual double now() = 0;               // seconds since some start
};

struct Replayed {
  Timing timing;
  Health health;  // read while the card worked, else empty
};

// REQUIRES: sets > 0
Replayed time_replays(ReplayQueue& queue, std::size_t sets, const TimingRequest& request);

}  // namespace moesim::validation::cuda
