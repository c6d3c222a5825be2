// Flows that only ports limit: rates against plain progressive filling, and windows by hand.
#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>
#include <vector>

#include "sim/max_min.h"
#include "sim/port_flows.h"
#include "sim/port_network.h"
#include "sim/random.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;

namespace {

struct Flow {
  PortFlows::Sheet sheet;
  std::uint32_t source, destination;
  std::uint32_t from, to;  // ports
};

// Some ports, and sheets over some of them: in a row, or any.
struct World {
  PortFlows flows;
  std::vector<Bandwidth> capacities;  // of each port out, in
  std::vector<Flow> started;

  explicit World(Random& random) {
    const auto ports = static_cast<std::uint32_t>(2 + random.below(70));
    for (std::uint32_t p = 0; p < ports; ++p) {
      capacities.push_back(Bandwidth(1e9 * (1 + static_cast<double>(random.below(50)))));
      capacities.push_back(Bandwidth(1e9 * (1 + static_cast<double>(random.below(50)))));
      flows.add_port(capacities[std::size_t{2} * p], capacities[std::size_t{2} * p + 1]);
    }
    const std::uint64_t sheets = 1 + random.below(3);
    for (std::uint64_t s = 0; s < sheets; ++s) {
      std::vector<std::uint32_t> of(ports);
      std::iota(of.begin(), of.end(), 0u);
      if (random.below(2) == 0) {
        for (std::uint32_t i = ports; i > 1; --i) std::swap(of[i - 1], of[random.below(i)]);
      }
      of.resize(2 + random.below(ports - 1));
      const auto sheet = flows.add_sheet(of);
      for (std::uint32_t i = 0; i < of.size(); ++i) {
        for (std::uint32_t j = 0; j < of.size(); ++j) {
          if (i == j || random.below(3) == 0) continue;
          flows.start(sheet, i, j, 1000.0f + static_cast<float>(random.below(1'000'000)));
          started.push_back({sheet, i, j, of[i], of[j]});
        }
      }
    }
  }

  void check_rates() {
    std::vector<FlowPath> paths;
    for (const Flow& f : started) paths.push_back({.links = {2 * f.from, 2 * f.to + 1}});
    const auto rates = max_min_rates(capacities, paths);
    flows.compute_rates();
    for (std::size_t i = 0; i < started.size(); ++i) {
      const double rate = std::min(flows.level(PortFlows::kOut, started[i].from),
                                   flows.level(PortFlows::kIn, started[i].to));
      CHECK(rate == doctest::Approx(rates[i].bytes_per_second()).epsilon(1e-4));
    }
  }
};

using Loads = std::vector<PortNetwork::Load>;

class Listener final : public PortListener {
 public:
  void bytes_between(std::uint64_t tag, std::uint32_t place, std::span<const std::uint32_t> others,
                     std::span<Both> of_each) override {
    for (std::size_t i = 0; i < others.size(); ++i)
      of_each[i] = {.to = bytes[tag][place * n + others[i]],
                    .from = bytes[tag][others[i] * n + place]};
  }
  void flows_finish(std::uint64_t tag, std::span<const Finishing> flows) override {
    for (const auto& [s, d, at] : flows) ends[{tag, s * n + d}] = at;
  }
  void flow_withdrawn(std::uint64_t tag, std::uint32_t s, std::uint32_t d) override {
    ++withdrawn;
    ends.erase({tag, s * n + d});
  }
  std::uint32_t n = 0;
  std::vector<std::vector<double>> bytes;  // of each tag
  std::map<std::pair<std::uint64_t, std::uint32_t>, Time> ends;
  int withdrawn = 0;
};

}  // namespace

TEST_CASE("levels of ports give the rates of progressive filling, flow by flow") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed, "ports");
    World world(random);
    world.check_rates();
    // And again when some have ended.
    std::erase_if(world.started, [&](const Flow& f) {
      if (random.below(2) == 0) return false;
      world.flows.end(f.sheet, f.source, f.destination);
      return true;
    });
    world.check_rates();
    CHECK(world.flows.flows() == world.started.size());
  }
}

TEST_CASE("loops over rows give the bytes of plain ones") {
  Random random(5, "loops");
  constexpr std::size_t kSize = 80;  // two words of bits and half of one
  std::vector<float> left(kSize), flows(kSize), each(kSize);
  for (std::size_t i = 0; i < kSize; ++i) {
    left[i] = static_cast<float>(random.uniform() * 1e9);
    flows[i] = static_cast<float>(random.below(5));
    each[i] = static_cast<float>(random.uniform() * 1e6);
  }
  const std::vector<std::uint32_t> bits{0x80000001u, 0, 0x12345678u};
  const auto bit = [&](std::size_t i) { return (bits[i / kWord] >> (i % kWord)) & 1; };
  auto fixed = left, fewer = flows;
  fix_flows(bits.data(), kSize, 3e7f, fixed.data(), fewer.data());
  std::vector<float> levels(kSize);
  const float lowest = levels_now(left.data(), flows.data(), kSize, levels.data());
  CHECK(lowest_of(levels.data(), kSize) == lowest);
  std::vector<std::uint32_t> within(words_of(kSize));
  find_within(levels.data(), kSize, levels[40], within.data());  // one of them, itself within
  auto served = left;
  serve_flows(served.data(), kSize, 4e5f, each.data());
  std::vector<float> first(kLanes), of_all(kLanes, kUnlimited);
  of_all[3] = 0.5f;  // of a row before
  first_ends(left.data(), kSize, 4e5f, each.data(), first.data(), of_all.data());
  CHECK(lowest_of(first.data(), kLanes) == *std::min_element(first.begin(), first.end()));
  const std::uint32_t in_lanes = lanes_within(first.data(), first[5]);
  std::vector<std::uint32_t> ends(words_of(kSize));
  find_ends_within(left.data(), kSize, 4e5f, each.data(), first[5], ends.data());
  float lowest_plainly = kUnlimited;
  for (std::size_t i = 0; i < kSize; ++i) {
    CHECK(fixed[i] == (bit(i) ? left[i] - 3e7f : left[i]));
    CHECK(fewer[i] == (bit(i) ? flows[i] - 1 : flows[i]));
    const float level = flows[i] > 0 ? left[i] / flows[i] : kUnlimited;
    CHECK(levels[i] == level);
    lowest_plainly = std::min(lowest_plainly, level);
    CHECK(served[i] == left[i] - std::min(each[i], 4e5f));
    float lane = kUnlimited;
    for (std::size_t j = i % kLanes; j < kSize; j += kLanes) {
      lane = std::min(lane, left[j] * std::max(each[j], 4e5f));
    }
    CHECK(of_all[i % kLanes] == (i % kLanes == 3 ? 0.5f : lane));
    CHECK(first[i % kLanes] == lane);
    CHECK(((within[i / kWord] >> (i % kWord)) & 1) == (level <= levels[40] ? 1 : 0));
    CHECK(((in_lanes >> (i % kLanes)) & 1) == (lane <= first[5] ? 1 : 0));
    const float end = left[i] * std::max(each[i], 4e5f);
    CHECK(((ends[i / kWord] >> (i % kWord)) & 1) == (end <= first[5] ? 1 : 0));
  }
  CHECK(lowest == lowest_plainly);
}

TEST_CASE("flows end when what is left of them is served") {
  // Ports of 10 GB/s each way. 0 sends 10 MB to 1 and 30 MB to 2: 5 GB/s each; the first ends after
  // 2 ms, when the second has 20 MB left. At 10 GB/s it takes 2 ms more.
  PortFlows flows;
  for (int i = 0; i < 3; ++i) flows.add_port(10_GBps, 10_GBps);
  const std::vector<PortFlows::Port> ports{0, 1, 2};
  const auto sheet = flows.add_sheet(ports);
  flows.start(sheet, 0, 1, 10e6f);
  flows.start(sheet, 0, 2, 30e6f);
  flows.compute_rates();
  CHECK(flows.level(PortFlows::kOut, 0) == 5e9f);
  CHECK(flows.level(PortFlows::kIn, 1) == kUnlimited);
  CHECK(flows.first_end() == doctest::Approx(2e-3).epsilon(1e-6));
  std::vector<PortFlows::Ending> ending;
  flows.ending_within(2.001e-3f, ending);
  REQUIRE(ending.size() == 1);
  CHECK(ending[0].destination == 1);
  ending.clear();
  flows.ending_within(6.001e-3f, ending);
  CHECK(ending.size() == 2);
  flows.serve(2e-3);
  flows.end(sheet, 0, 1);
  flows.compute_rates();
  CHECK(flows.first_end() == doctest::Approx(2e-3).epsilon(1e-6));
}

TEST_CASE("a sheet goes on in another place with what is left of it") {
  PortFlows one, two;
  for (int i = 0; i < 2; ++i) one.add_port(10_GBps, 10_GBps);
  for (int i = 0; i < 3; ++i) two.add_port(10_GBps, 10_GBps);
  const std::vector<PortFlows::Port> old{0, 1}, now{2, 0};
  const auto sheet = one.add_sheet(old);
  one.start(sheet, 0, 1, 30e6f);
  one.compute_rates();
  one.serve(1e-3);  // 20 MB are left
  const auto here = two.adopt(one, sheet, now);
  CHECK(one.flows() == 0);
  CHECK(one.sheets() == 0);
  CHECK(two.port_of(here, 0) == 2);
  CHECK(two.flows_at(PortFlows::kOut, 2) == 1);
  CHECK(two.flows_at(PortFlows::kIn, 0) == 1);
  two.compute_rates();
  CHECK(two.first_end() == doctest::Approx(2e-3).epsilon(1e-6));
}

TEST_CASE("what a port of a window wastes is paid from its credit, and no more") {
  // One source of 10 GB/s, 100 flows of 1, 2, … 100 MB. Exactly: all end when the port has carried
  // 5,050 MB, 505 ms. With a tolerance of 10 % no side of a port without slack wastes more than a
  // half of 10 % of twice that; this one is late by what it wasted.
  constexpr std::uint32_t kFlows = 100;
  for (const double tolerance : {0.0, 0.1}) {
    Engine engine;
    Listener listener;
    listener.n = kFlows + 1;
    listener.bytes.emplace_back(listener.n * listener.n);
    Loads loads(listener.n);
    for (std::uint32_t d = 1; d <= kFlows; ++d) {
      listener.bytes[0][d] = loads[d].in = 1e6 * d;
      loads[0].out += 1e6 * d;
    }
    PortNetwork network(engine, tolerance, listener);
    std::vector<PortNetwork::Port> ports;
    for (std::uint32_t i = 0; i <= kFlows; ++i) ports.push_back(network.add_port(10_GBps, 10_GBps));
    const auto sheet = network.add_sheet(ports, loads, 0.505, 0);
    std::vector<std::uint32_t> all(ports.size());
    std::iota(all.begin(), all.end(), 0u);
    network.release(sheet, all);
    engine.run();
    network.retire(sheet);
    engine.run();
    REQUIRE(listener.ends.size() == kFlows);
    const double last = to_us(listener.ends.at({0, kFlows}) - Time{}) * 1e-6;
    // The k-th ends when (101 - k) flows had k MB each and those before what they wanted.
    CHECK(to_us(listener.ends.at({0, 1}) - Time{}) == doctest::Approx(10'000).epsilon(1e-5));
    if (tolerance == 0) {
      CHECK(last == doctest::Approx(0.505).epsilon(1e-5));
      CHECK(network.counters().computations == kFlows);
      CHECK(network.wasted() < 1e-5);
    } else {
      CHECK(network.counters().computations < kFlows / 2);
      CHECK(last > 0.506);
      CHECK(last * (1 - network.wasted()) == doctest::Approx(0.505).epsilon(1e-3));
      CHECK(network.wasted() <= 0.5 * 0.1 * 2);
    }
  }
}

TEST_CASE("a window ends with the last flow that is paid for") {
  // A source of 10 GB/s sends 10, 10.2 and 100 MB, a third of it each: the first two would end at 3
  // and 3.06 ms, the third at 30 ms. Of 10 % of its busiest time, 12.02 ms, a half may be wasted:
  // 0.601 ms. Until 3.06 ms it is a third of 0.06 ms, until 30 ms it would be 18 ms. So the third
  // has all of the port from 3.06 ms on, with 89.8 MB left: 8.98 ms more.
  Engine engine;
  Listener listener;
  listener.n = 4;
  listener.bytes = {{0, 10e6, 10.2e6, 100e6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}};
  PortNetwork network(engine, 0.1, listener);
  std::vector<PortNetwork::Port> ports;
  for (int i = 0; i < 4; ++i) ports.push_back(network.add_port(10_GBps, 10_GBps));
  const auto sheet =
      network.add_sheet(ports, Loads{{120.2e6, 0}, {0, 10e6}, {0, 10.2e6}, {0, 100e6}}, 0.01202, 0);
  network.release(sheet, std::vector<std::uint32_t>{0, 1, 2, 3});
  engine.run();
  network.retire(sheet);
  engine.run();
  const auto end = [&](std::uint32_t to) { return to_us(listener.ends.at({0, to}) - Time{}); };
  CHECK(end(1) == doctest::Approx(3'000).epsilon(1e-6));
  CHECK(end(2) == doctest::Approx(3'060).epsilon(1e-6));
  CHECK(end(3) == doctest::Approx(12'040).epsilon(1e-6));
  CHECK(network.counters().computations == 2);
  CHECK(network.wasted() == doctest::Approx(0.02 / 12.04).epsilon(1e-2));
}

TEST_CASE("flows that come cut a window short where the wait is not paid for") {
  // 0 sends 100 MB to 1 alone at 10 GB/s: it would end at 10 ms. At 5 ms 2 joins, 1 receives from
  // both: 50 MB at 5 GB/s take 10 ms more.
  Engine engine;
  Listener listener;
  listener.n = 3;
  listener.bytes = {{0, 100e6, 0, 0, 0, 0, 0, 50e6, 0}};
  PortNetwork network(engine, 0, listener);
  std::vector<PortNetwork::Port> ports;
  for (int i = 0; i < 3; ++i) ports.push_back(network.add_port(10_GBps, 10_GBps));
  const auto sheet = network.add_sheet(ports, Loads{{100e6, 0}, {0, 150e6}, {50e6, 0}}, 0.015, 0);
  network.release(sheet, std::vector<std::uint32_t>{0, 1});
  engine.at(Time{5ms}, [&] { network.release(sheet, std::vector<std::uint32_t>{2}); });
  engine.run();
  CHECK(listener.withdrawn == 1);
  CHECK(to_us(listener.ends.at({0, 1}) - Time{}) == doctest::Approx(15'000).epsilon(1e-6));
  CHECK(to_us(listener.ends.at({0, 2 * 3 + 1}) - Time{}) == doctest::Approx(15'000).epsilon(1e-6));
}

TEST_CASE("groups that come to share a port share it, and go on") {
  // 0 sends 100 MB to 1, 2 sends 100 MB to 3, apart: 10 GB/s each. At 5 ms a third sheet joins 0
  // and 3 and 4: 0 sends 4 25 MB. Port 0 halves: 5 GB/s each, the 25 MB end at 10 ms, when 25 MB of
  // the first are left: 12.5 ms. The second ends at 10 ms.
  Engine engine;
  Listener listener;
  listener.n = 3;
  listener.bytes = {{0, 100e6, 0, 0}, {0, 100e6, 0, 0}, {0, 0, 25e6, 0, 0, 0, 0, 0, 0}};
  PortNetwork network(engine, 0, listener);
  std::vector<PortNetwork::Port> p;
  for (int i = 0; i < 5; ++i) p.push_back(network.add_port(10_GBps, 10_GBps));
  const std::vector<std::uint32_t> both{0, 1}, three{0, 1, 2};
  const auto first =
      network.add_sheet(std::vector{p[0], p[1]}, Loads{{100e6, 0}, {0, 100e6}}, 0.01, 0);
  const auto second =
      network.add_sheet(std::vector{p[2], p[3]}, Loads{{100e6, 0}, {0, 100e6}}, 0.01, 1);
  network.release(first, both);
  network.release(second, both);
  engine.at(Time{5ms}, [&] {
    const auto third = network.add_sheet(std::vector{p[0], p[3], p[4]},
                                         Loads{{25e6, 0}, {}, {0, 25e6}}, 0.0025, 2);
    network.release(third, three);
  });
  engine.run();
  const auto end = [&](std::uint64_t tag, std::uint32_t pair) {
    return to_us(listener.ends.at({tag, pair}) - Time{});
  };
  CHECK(end(0, 1) == doctest::Approx(12'500).epsilon(1e-6));
  CHECK(end(1, 1) == doctest::Approx(10'000).epsilon(1e-6));
  CHECK(end(2, 2) == doctest::Approx(10'000).epsilon(1e-6));
}

TEST_CASE("a group that comes again over its ports, or over some of them, is as new") {
  // Of 1, 2, … 40 MB from 0, one after another, with a tolerance of 10 %; the same again at 1 s,
  // when nothing is left of the first. At 2 s 1 sends 2 10 MB, ports of that group: 1 ms.
  constexpr std::uint32_t kFlows = 40;
  Engine engine;
  Listener listener;
  listener.n = kFlows + 1;
  listener.bytes.assign(3, std::vector<double>(listener.n * listener.n));
  Loads loads(listener.n);
  for (std::uint32_t d = 1; d <= kFlows; ++d) {
    listener.bytes[0][d] = listener.bytes[1][d] = loads[d].in = 1e6 * d;
    loads[0].out += 1e6 * d;
  }
  listener.bytes[2][1] = 10e6;
  PortNetwork network(engine, 0.1, listener);
  std::vector<PortNetwork::Port> ports;
  for (std::uint32_t i = 0; i <= kFlows; ++i) ports.push_back(network.add_port(10_GBps, 10_GBps));
  std::vector<std::uint32_t> all(ports.size());
  std::iota(all.begin(), all.end(), 0u);
  const auto play = [&](std::uint64_t tag) {
    const auto sheet = network.add_sheet(ports, loads, 0.082, tag);
    network.release(sheet, all);
    engine.after(500ms, [&network, sheet] { network.retire(sheet); });
  };
  play(0);
  engine.at(Time{1s}, [&] { play(1); });
  engine.at(Time{2s}, [&] {
    const auto sheet =
        network.add_sheet(std::vector{ports[1], ports[2]}, Loads{{10e6, 0}, {0, 10e6}}, 0.001, 2);
    network.release(sheet, std::vector<std::uint32_t>{0, 1});
  });
  engine.run();
  for (std::uint32_t d = 1; d <= kFlows; ++d) {
    CHECK(listener.ends.at({1, d}) - Time{1s} == listener.ends.at({0, d}) - Time{});
  }
  CHECK(to_us(listener.ends.at({2, 1}) - Time{2s}) == doctest::Approx(1'000).epsilon(1e-6));
}
