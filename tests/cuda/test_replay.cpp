#include <doctest/doctest.h>

#include <algorithm>

#include "validation/cuda/protocol/availability.h"
#include "validation/cuda/protocol/replay.h"

using namespace moesim::validation::cuda;

namespace {

// A card with a clock of its own, and a host that takes time for what it asks of it.
struct Card : ReplayQueue {
  double each = 2e-6;         // seconds of all sets, once
  double launch_time = 8e-6;  // of the host
  double health_time = 5e-3;
  double slowed = 1;  // by the power cap, until the card rests for 20 ms
  bool captures = true;
  int most_repeats = 1000;

  double host = 0, free = 0;  // the host's clock; when the card will have done what is queued
  double begin = 0, end = 0;
  int repeats = 1, largest = 1, healths = 0;

  bool capture(int times) override {
    if (!captures || times > most_repeats) return false;
    repeats = times;
    largest = std::max(largest, times);
    return true;
  }
  void launch() override {
    host += launch_time;
    free = std::max(free, host) + each * slowed * repeats;
  }
  void mark_begin() override { begin = std::max(free, host); }
  void mark_end() override { end = std::max(free, host); }
  double between_marks() override {
    host = std::max(host, end);
    return end - begin;
  }
  bool busy() override { return free > host; }
  void wait() override { host = std::max(host, free); }
  Health read_health() override {
    ++healths;
    host += health_time;
    Health health;
    health.sm_mhz = 1000 + healths;
    return health;
  }
  void rest(double seconds) override {
    host = std::max(host, free) + seconds;
    slowed = seconds < 0.02 ? slowed : 1;
  }
  double now() override { return host; }
};

}  // namespace

TEST_CASE("a short operation takes what the card takes, not what the host takes to launch it") {
  Card card;
  const Replayed replayed = time_replays(card, 1, {});
  CHECK(replayed.timing.graph);
  // 2 us, 200 times in 400 us. Without a replay ahead of the mark, 8 us of the host would be in
  // each replay: 2 % of it.
  CHECK(card.largest >= 200);
  CHECK(card.largest <= 201);  // rounded up
  CHECK(replayed.timing.us.size() >= 30);
  for (const double us : replayed.timing.us) CHECK(us == doctest::Approx(2).epsilon(1e-6));
  // An empty kernel of 0.4 us is repeated 500 times at most, and its replay of 200 us is still
  // longer than a launch.
  Card quick;
  quick.each = 0.4e-6;
  CHECK(time_replays(quick, 1, {}).timing.us.front() == doctest::Approx(0.4).epsilon(1e-6));
  CHECK(quick.largest == 500);
}

TEST_CASE("a card that the operation before brought to its power cap rests first") {
  Card card;
  card.slowed = 1.4;
  for (const double us : time_replays(card, 1, {}).timing.us) {
    CHECK(us == doctest::Approx(2).epsilon(1e-6));
  }
}

TEST_CASE("of several sets each gets its share, and a long one is not repeated") {
  Card card;
  card.each = 3e-3;  // three sets of 1 ms
  const Replayed replayed = time_replays(card, 3, {});
  CHECK(card.largest == 1);
  CHECK(replayed.timing.us.front() == doctest::Approx(1000));
}

TEST_CASE("operations that cannot be captured are launched one by one, and that is said") {
  Card card;
  card.captures = false;
  card.each = 20e-6;  // longer than the host takes to launch it
  const Replayed replayed = time_replays(card, 1, {});
  CHECK_FALSE(replayed.timing.graph);
  CHECK(replayed.timing.us.front() == doctest::Approx(20));
  // A graph of one that does not grow to one of twenty is replayed as it is.
  Card small;
  small.each = 20e-6;
  small.most_repeats = 1;
  CHECK(time_replays(small, 1, {}).timing.us.front() == doctest::Approx(20));
}

TEST_CASE("clocks and power are read while the card works, or not at all") {
  // 5 ms to read; 30 ms of work are queued.
  Card card;
  const Replayed replayed = time_replays(card, 1, {});
  CHECK(card.healths == 1);
  CHECK(*replayed.health.sm_mhz == 1001);
  // A reader that takes 100 ms: 30 ms of work are done before it answers, four times as many are
  // not.
  Card slow;
  slow.health_time = 100e-3;
  CHECK(*time_replays(slow, 1, {}).health.sm_mhz == 1002);
  CHECK(slow.healths == 2);
  // One that takes longer than all that can be queued says nothing of a card at work.
  Card slowest;
  slowest.health_time = 10;
  CHECK_FALSE(time_replays(slowest, 1, {}).health.sm_mhz.has_value());
  CHECK(slowest.healths == 3);
}

TEST_CASE("no GPU, a driver that is too old and a card that is too old are three answers") {
  GpuAnswer answer;
  answer.runtime = 13000;
  answer.error = 35;  // cudaErrorInsufficientDriver, without a driver too
  CHECK(judge(answer).gpu == GpuIs::None);
  CHECK(judge(answer).why == "no NVIDIA driver");
  answer.driver = 12040;
  CHECK(judge(answer).gpu == GpuIs::Unusable);
  CHECK(judge(answer).why ==
        "its driver takes CUDA 12.4 at most, and this program needs a driver that takes CUDA 13.0: "
        "a newer driver, or this program built with a toolkit of CUDA 12");
  answer.error = 100;  // cudaErrorNoDevice
  CHECK(judge(answer).gpu == GpuIs::None);
  CHECK(judge(answer).why == "no CUDA device");
  answer.error = 802;
  answer.error_text = "system not yet initialized";
  CHECK(judge(answer).gpu == GpuIs::Unusable);
  CHECK(judge(answer).why == "system not yet initialized");
  answer.error = 0;
  CHECK(judge(answer).gpu == GpuIs::None);
  answer.count = 1;
  answer.name = "Tesla V100";
  answer.major = 7;
  CHECK(judge(answer).gpu == GpuIs::Unusable);
  CHECK(judge(answer).why == "Tesla V100 has compute capability 7.0, and 8.0 is needed");
  answer.major = 8;
  CHECK(judge(answer).gpu == GpuIs::Usable);
}
