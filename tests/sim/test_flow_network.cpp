#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

#include "sim/flow_network.h"
#include "sim/max_min.h"
#include "sim/random.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;

namespace {

// When each flow finished, by its tag.
class Finished final : public FlowListener {
 public:
  void flow_finishes(std::uint64_t tag, Time at) override { at_[tag] = at; }
  void flow_withdrawn(std::uint64_t tag) override { at_.erase(tag); }
  Time of(std::uint64_t tag) const { return at_.at(tag); }
  std::size_t size() const { return at_.size(); }

 private:
  std::map<std::uint64_t, Time> at_;
};

struct World {
  explicit World(double tolerance = 0) : network(engine, tolerance, finished) {
    group = network.add_group();
  }
  void start(std::uint64_t tag, double bytes, std::vector<FlowNetwork::Link> links) {
    network.start(group, bytes, links, tag);
  }
  Engine engine;
  Finished finished;
  FlowNetwork network;
  FlowNetwork::Group group = 0;
};

double us(Time time) {
  return to_us(time - Time{});
}

}  // namespace

TEST_CASE("a flow speeds up when its rival leaves") {
  // Both share 100 GB/s until the 1 GB flow ends at 20 ms; the other has 1 GB left at full speed.
  World world;
  const auto link = world.network.add_link(100_GBps);
  world.start(1, 1e9, {link});
  world.start(2, 2e9, {link});
  world.engine.run();
  CHECK(world.finished.of(1) == Time{20ms});
  CHECK(world.finished.of(2) == Time{30ms});
}

TEST_CASE("a flow slows down when a rival comes, and finishes when that says") {
  // Alone 0.5 GB in 5 ms; then at half speed the other 0.5 GB in 10 ms.
  World world;
  const auto link = world.network.add_link(100_GBps);
  world.start(1, 1e9, {link});
  world.engine.at(Time{5ms}, [&] { world.start(2, 1e9, {link}); });
  world.engine.run();
  CHECK(world.finished.of(1) == Time{15ms});
  CHECK(world.finished.of(2) == Time{20ms});
}

TEST_CASE("an announced end is taken back when a rival comes before it") {
  World world;
  const auto link = world.network.add_link(100_GBps);
  world.start(1, 1e9, {link});
  world.engine.run_until(Time{9ms});
  CHECK(world.finished.of(1) == Time{10ms});
  world.start(2, 1e9, {link});
  world.engine.run_until(Time{9ms});
  // 0.1 GB left at half speed: 2 ms more.
  CHECK(world.finished.of(1) == Time{11ms});
  world.engine.run();
  CHECK(world.finished.of(1) == Time{11ms});
  CHECK(world.finished.of(2) == Time{20ms});
}

TEST_CASE("a flow is not done a picosecond early") {
  // 1 byte at 3 GB/s is 333.33 ps: done at 334, not at 333.
  World world;
  const auto link = world.network.add_link(3_GBps);
  world.start(1, 1, {link});
  world.engine.run();
  CHECK(world.finished.of(1) == Time{334_ps});
}

TEST_CASE("a thousandth of a picosecond is the rounding of a sum, and more is not") {
  // 1 GB/s, each flow on a link of its own: 1,000 ps a byte. 0.0005 ps more is whole, and done with
  // the first; 0.05 ps and half a one are not.
  World world;
  const std::vector<double> bytes{1, 1.0000005, 1.00005, 1.0005};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    world.start(i, bytes[i], {world.network.add_link(1_GBps)});
  world.engine.run();
  CHECK(world.finished.of(0) == Time{1000_ps});
  CHECK(world.finished.of(1) == Time{1000_ps});
  CHECK(world.finished.of(2) == Time{1001_ps});
  CHECK(world.finished.of(3) == Time{1001_ps});
  // The second is taken with the first, and rates are not computed for it alone: once when both
  // start, once when both have gone.
  World two;
  for (std::size_t i = 0; i < 2; ++i) two.start(i, bytes[i], {two.network.add_link(1_GBps)});
  two.engine.run();
  CHECK(two.network.counters().computations == 2);
}

TEST_CASE("flows over three links and limits of single flows are fair too") {
  // A, B, C of 10 GB/s; 1 over all three, 2 on A limited to 2 GB/s, 3 on C.
  // 2 has 2; A leaves 8; C is shared: 5 each. Flow 1: 1 GB at 5 GB/s.
  World world;
  const auto a = world.network.add_link(10_GBps), b = world.network.add_link(10_GBps),
             c = world.network.add_link(10_GBps);
  const auto limit = world.network.add_flow_limit(2_GBps);
  world.start(1, 1e9, {a, b, c});
  world.start(2, 1e9, {a, limit});
  world.start(3, 2e9, {c});
  world.engine.run();
  CHECK(world.finished.of(1) == Time{200ms});
  CHECK(world.finished.of(2) == Time{500ms});
  CHECK(world.finished.of(3) == Time{300ms});
}

TEST_CASE("a retired link is used again when its last flow has gone") {
  World world;
  const auto first = world.network.add_link(1_GBps);
  world.start(1, 1e9, {first});
  world.engine.run();
  world.network.retire_link(first);
  const auto again = world.network.add_link(2_GBps);
  CHECK(again == first);
  world.start(2, 1e9, {again});
  world.engine.run();
  CHECK(world.finished.of(2) == Time{1500ms});
}

TEST_CASE("what is carried agrees with progressive filling step by step") {
  // Random flows on random links come at random times. The play must agree with one that computes
  // all rates anew by max_min_rates at every start and completion.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CAPTURE(seed);
    Random random(seed, "flows");
    World world;
    std::vector<Bandwidth> capacities;
    std::vector<FlowNetwork::Link> links;
    for (std::uint64_t l = 0; l < 3 + seed % 8; ++l) {
      capacities.push_back(Bandwidth(1e9 * (1 + 9 * random.uniform())));
      links.push_back(world.network.add_link(capacities.back()));
    }
    struct One {
      double bytes;
      Time start;
      FlowPath path;
      double finish_us = -1;
    };
    std::vector<One> flows(40);
    for (std::size_t f = 0; f < flows.size(); ++f) {
      One& one = flows[f];
      one.bytes = std::ceil(1e6 * (1 + 20 * random.uniform()));
      one.start = Time(Duration(static_cast<std::int64_t>(random.below(4) * 5'000'000'000)));
      for (std::uint32_t l = 0; l < links.size(); ++l) {
        if (random.uniform() < 0.4) one.path.links.push_back(l);
      }
      if (one.path.links.empty()) one.path.links.push_back(0);
      world.engine.at(one.start, [&, f] {
        std::vector<FlowNetwork::Link> path;
        for (const auto l : flows[f].path.links) path.push_back(links[l]);
        world.start(f, flows[f].bytes, path);
      });
    }
    world.engine.run();
    // The plain play.
    double now = 0;
    std::vector<double> left;
    for (const One& one : flows) left.push_back(one.bytes);
    for (int step = 0; step < 1000; ++step) {
      std::vector<FlowPath> running;
      std::vector<std::size_t> which;
      double next = std::numeric_limits<double>::infinity();
      for (std::size_t f = 0; f < flows.size(); ++f) {
        if (flows[f].finish_us >= 0) continue;
        if (us(flows[f].start) > now) {
          next = std::min(next, us(flows[f].start));
        } else {
          running.push_back(flows[f].path);
          which.push_back(f);
        }
      }
      const auto rates = max_min_rates(capacities, running);
      for (std::size_t i = 0; i < which.size(); ++i) {
        next = std::min(next, now + left[which[i]] / rates[i].bytes_per_second() * 1e6);
      }
      if (next == std::numeric_limits<double>::infinity()) break;
      for (std::size_t i = 0; i < which.size(); ++i) {
        const double rate = rates[i].bytes_per_second() * 1e-6;
        left[which[i]] -= rate * (next - now);
        if (left[which[i]] <= rate * 1e-9) flows[which[i]].finish_us = next;
      }
      now = next;
    }
    for (std::size_t f = 0; f < flows.size(); ++f) {
      CAPTURE(f);
      CHECK(us(world.finished.of(f)) == doctest::Approx(flows[f].finish_us).epsilon(1e-8));
    }
  }
}

TEST_CASE("with a tolerance what a flow leaves over is handed on when its window ends") {
  // Three flows on 3 GB/s, of 1, 1.02 and 3 GB. At 1 s the first is done and the others have
  // 1.5 GB/s each. A tolerance of 0.1 merges what ends within half of it times the age, 50 ms: the
  // second is done at 1.0133…, but the third has all of the link only from 1.05 s on, with
  // 2 - 0.075 = 1.925 GB left: 0.641666… s more. Exactly it would be 1.673333… s.
  World world(0.1);
  const auto link = world.network.add_link(3_GBps);
  world.start(1, 1e9, {link});
  world.start(2, 1.02e9, {link});
  world.start(3, 3e9, {link});
  world.engine.run();
  CHECK(world.finished.of(1) == Time{1s});
  CHECK(world.finished.of(2) == Time{1'013'333'333'334_ps});
  CHECK(world.finished.of(3) == Time{1'691'666'666'667_ps});
}

TEST_CASE(
    "with a tolerance a flow waits for the window's end where that is within its group's age") {
  // 1 GB on 3 GB/s ends at 1/3 s. Another of 3 GB comes at 0.32 s: 13.3 ms are less than half of
  // 0.1 times the group's age, 16 ms. It starts when the first is done, and has the link for 1 s.
  {
    World world(0.1);
    const auto link = world.network.add_link(3_GBps);
    world.start(1, 1e9, {link});
    world.engine.at(Time{320ms}, [&] { world.start(2, 3e9, {link}); });
    world.engine.run();
    CHECK(world.finished.of(1) == Time{333'333'333'334_ps});
    CHECK(world.finished.of(2) == Time{1'333'333'333'334_ps});
  }
  // At 0.31 s the window's end is 23.3 ms off, more than 15.5 ms: they share from then on. The
  // first has 0.07 GB left, 46.6 ms at half the rate; all bytes have gone at 0.31 + 3.07 / 3 s.
  World world(0.1);
  const auto link = world.network.add_link(3_GBps);
  world.start(1, 1e9, {link});
  world.engine.at(Time{310ms}, [&] { world.start(2, 3e9, {link}); });
  world.engine.run();
  CHECK(world.finished.of(1) == Time{356'666'666'667_ps});
  CHECK(world.finished.of(2) == Time{1'333'333'333'334_ps});
}

TEST_CASE("a tolerant play stays within its tolerance, and never beats what links can carry") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    CAPTURE(seed);
    double exact = 0, bound = 0;
    for (const double tolerance : {0.0, 0.001, 0.01, 0.05}) {
      CAPTURE(tolerance);
      Random random(seed, "tolerant");
      World world(tolerance);
      constexpr std::uint32_t kRanks = 24;
      std::vector<FlowNetwork::Link> out, in;
      std::vector<double> sent(kRanks, 0), received(kRanks, 0);
      for (std::uint32_t r = 0; r < kRanks; ++r) {
        out.push_back(world.network.add_link(50_GBps));
        in.push_back(world.network.add_link(50_GBps));
      }
      for (std::uint32_t s = 0; s < kRanks; ++s) {
        for (std::uint32_t d = 0; d < kRanks; ++d) {
          if (s == d) continue;
          const double bytes = std::ceil(1e6 * std::pow(1 - random.uniform(), -0.4));
          sent[s] += bytes;
          received[d] += bytes;
          world.start(s * kRanks + d, bytes, {out[s], in[d]});
        }
      }
      world.engine.run();
      CHECK(world.finished.size() == kRanks * (kRanks - 1));
      double last = 0;
      for (std::uint32_t i = 0; i < kRanks * kRanks; ++i) {
        if (i % (kRanks + 1) != 0) last = std::max(last, us(world.finished.of(i)));
      }
      for (std::uint32_t r = 0; r < kRanks; ++r) {
        bound = std::max({bound, sent[r] / 50e3, received[r] / 50e3});
      }
      if (tolerance == 0) exact = last;
      CHECK(last >= bound);
      CHECK(last <= exact * (1 + tolerance) + 1e-5);
      CHECK(last >= exact * (1 - tolerance) - 1e-5);
    }
  }
}
