#include "validation/cuda/protocol/replay.h"

#include <algorithm>
#include <cmath>

namespace moesim::validation::cuda {
namespace {

// One replay lasts at least this long: launching the next takes the host some 10 us, and the marks
// a microsecond. An operation of 1 us is repeated 400 times.
constexpr double kReplaySeconds = 400e-6;
constexpr int kMostRepeats = 500;
// Reading clocks and power takes NVML some milliseconds; the card is given work for longer.
constexpr double kHealthSeconds = 30e-3;
constexpr int kMostQueued = 512;
// A card that was just brought to its power cap stays slow for some 20 ms: a short operation behind
// a large product took up to 1.4 times its own time (H100). What is heavy itself gets there again.
constexpr double kRestSeconds = 20e-3;

// Seconds of one replay: `launches` of what is queued.
double replay(ReplayQueue& queue, int launches) {
  for (int i = 0; i < launches; ++i) queue.launch();  // ahead of the mark
  queue.mark_begin();
  for (int i = 0; i < launches; ++i) queue.launch();
  queue.mark_end();
  return queue.between_marks();
}

Health read_at_work(ReplayQueue& queue, double seconds) {
  int count = static_cast<int>(std::min<double>(kMostQueued, std::ceil(kHealthSeconds / seconds)));
  for (int attempt = 0; attempt < 3; ++attempt) {
    for (int i = 0; i <= count; ++i) queue.launch();
    const Health health = queue.read_health();
    const bool at_work = queue.busy();
    queue.wait();
    if (at_work) return health;
    count = std::min(4 * count, kMostQueued);
  }
  return {};
}

}  // namespace

Replayed time_replays(ReplayQueue& queue, std::size_t sets, const TimingRequest& request) {
  Replayed result;
  Timing& timing = result.timing;
  queue.rest(kRestSeconds);
  timing.graph = queue.capture(1);
  replay(queue, 1);
  int repeats = 1, launches = 1;  // executions in a replay; launches that it takes
  // A short operation alone takes what its launch takes: its own time shows when it is repeated.
  for (int i = 0; i < 3 && repeats < kMostRepeats; ++i) {
    const double each = std::max(replay(queue, launches), 1e-7) / repeats;
    const int wanted =
        static_cast<int>(std::min<double>(kMostRepeats, std::ceil(kReplaySeconds / each)));
    if (wanted <= repeats || (timing.graph && !queue.capture(wanted))) break;
    repeats = wanted;
    if (!timing.graph) launches = wanted;
  }
  for (int i = 0; i < 3; ++i) replay(queue, launches);

  const double runs = static_cast<double>(sets) * repeats;
  const double start = queue.now();
  bool read = false;
  while (true) {
    const double elapsed = queue.now() - start;
    const auto count = static_cast<int>(timing.us.size());
    if (count >= request.repeats && elapsed >= request.least_seconds) break;
    if (count >= 5 && elapsed >= request.most_seconds) break;
    const double seconds = replay(queue, launches);
    timing.us.push_back(seconds / runs * 1e6);
    if (!read && (elapsed >= request.least_seconds / 2 || count >= request.repeats / 2)) {
      read = true;
      result.health = read_at_work(queue, std::max(seconds / launches, 1e-7));
    }
  }
  return result;
}

}  // namespace moesim::validation::cuda
