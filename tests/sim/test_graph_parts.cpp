#include "sim/graph_parts.h"

#include <doctest/doctest.h>

#include <array>
#include <map>

#include "sim/engine.h"
#include "sim/executor.h"

using namespace moesim::sim;
using namespace std::chrono_literals;

namespace {

// Nobody waits for anything but the last of its exchange.
class Instant final : public ExchangeModel {
 public:
  explicit Instant(Engine& engine) : engine_(engine) {}
  void arrive(ExchangeId id, const Exchange& exchange, Rank, ExchangeListener& listener) override {
    if (++arrived_[id] < exchange.participants.size()) return;
    for (const Rank rank : exchange.participants)
      engine_.after(1us, [&listener, id, rank] { listener.rank_done(id, rank); });
  }

 private:
  Engine& engine_;
  std::map<ExchangeId, std::size_t> arrived_;
};

// Two ranks from `first` on, `apart` from each other: each computes, they exchange, the second
// computes what comes after both.
struct Pair {
  Rank first = 0, apart = 1;
  Duration time = 3us;
  std::int64_t bytes = 100;
  bool both = true;  // the last computation waits for the first rank's too
};
void add(OpGraph& graph, LabelId label, const Pair& pair) {
  const Rank a = pair.first, b = pair.first + pair.apart;
  const OpId at_a = graph.add_compute(a, 0, label, pair.time, {});
  const OpId at_b = graph.add_compute(b, 0, label, 2us, {});
  const ExchangeId id = graph.add_exchange(
      {.participants = {a, b},
       .transfers = {{.source = a, .destination = b, .bytes = Bytes(pair.bytes)}}});
  const OpId part_a = graph.add_part(id, a, 0, label, std::array{at_a});
  const OpId part_b = graph.add_part(id, b, 0, label, std::array{at_b});
  graph.add_delay(b, label, 1us, std::array{part_b, pair.both ? part_a : kNoOp});
}

}  // namespace

TEST_CASE("parts are what exchanges and waiting tie together, by their first ranks") {
  OpGraph graph(7);
  const LabelId label = graph.add_label({});
  add(graph, label, {.first = 1, .apart = 2});  // 1, 3
  add(graph, label, {.first = 2, .apart = 2});  // 2, 4
  // 5 waits for 4, with no exchange.
  graph.add_delay(5, label, 1us, std::array{OpId(graph.size() - 1)});
  const GraphParts parts(graph);
  REQUIRE(parts.size() == 4);
  const auto ranks = [&](std::size_t part) {
    return std::vector<Rank>(parts.ranks(part).begin(), parts.ranks(part).end());
  };
  CHECK(ranks(0) == std::vector<Rank>{0});
  CHECK(ranks(1) == std::vector<Rank>{1, 3});
  CHECK(ranks(2) == std::vector<Rank>{2, 4, 5});
  CHECK(ranks(3) == std::vector<Rank>{6});
  CHECK(parts.equal(0, 3));  // both do nothing
  CHECK_FALSE(parts.equal(1, 2));
}

TEST_CASE("parts are equal where ranks in their order do the same in the same order") {
  const auto equal = [](const Pair& a, const Pair& b) {
    OpGraph graph(8, 2);
    const LabelId one = graph.add_label({.name = "one"}),
                  other = graph.add_label({.name = "other"});
    add(graph, one, a);
    add(graph, other, b);
    const GraphParts parts(graph);
    std::size_t first = 0, second = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (parts.ranks(i).front() == a.first) first = i;
      if (parts.ranks(i).front() == b.first) second = i;
    }
    return parts.equal(first, second);
  };
  CHECK(equal({.first = 0}, {.first = 4}));
  CHECK(equal({.first = 0}, {.first = 4, .apart = 3}));
  CHECK_FALSE(equal({.first = 0}, {.first = 4, .time = 4us}));
  CHECK_FALSE(equal({.first = 0}, {.first = 4, .bytes = 101}));
  CHECK_FALSE(equal({.first = 0}, {.first = 4, .both = false}));

  // Everything that an exchange is counts.
  const auto same = [](auto change) {
    OpGraph graph(4);
    const LabelId label = graph.add_label({});
    for (const Rank first : {0u, 2u}) {
      Exchange exchange{.participants = {first, first + 1}};
      exchange.messages.counts =
          std::make_shared<std::vector<std::uint32_t>>(std::vector<std::uint32_t>{0, 1, 2, 0});
      exchange.messages.size = Bytes(10);
      if (first == 2) change(exchange);
      const ExchangeId id = graph.add_exchange(std::move(exchange));
      for (const Rank r : {first, first + 1}) graph.add_part(id, r, 0, label, {});
    }
    return GraphParts(graph).equal(0, 1);
  };
  using E = Exchange&;
  CHECK(same([](E) {}));
  CHECK_FALSE(same([](E e) { e.messages.size = Bytes(11); }));
  CHECK_FALSE(same([](E e) { e.messages.back = true; }));
  CHECK_FALSE(same([](E e) {
    e.messages.counts =
        std::make_shared<std::vector<std::uint32_t>>(std::vector<std::uint32_t>{0, 2, 1, 0});
  }));
  CHECK_FALSE(same([](E e) { e.messages.counts = nullptr; }));
  CHECK_FALSE(same([](E e) { e.near.factor = 2; }));
  CHECK_FALSE(same([](E e) { e.far.flow_limit = Bandwidth(1e9); }));
  CHECK_FALSE(same([](E e) { e.startup = 1us; }));
  CHECK_FALSE(same([](E e) { e.completion = 1us; }));
  CHECK_FALSE(same([](E e) { e.send_limit = Bandwidth(1e9); }));
  CHECK_FALSE(same([](E e) { e.receive_limit = Bandwidth(1e9); }));
  CHECK_FALSE(same([](E e) { e.barrier = true; }));
}

TEST_CASE("the timeline of the whole is that of the parts that stand for it") {
  OpGraph graph(8);
  const LabelId label = graph.add_label({});
  const std::array<Pair, 3> pairs{Pair{.first = 0}, Pair{.first = 2, .time = 9us},
                                  Pair{.first = 4}};
  for (const Pair& pair : pairs) add(graph, label, pair);
  const auto played = [](const OpGraph& of) {
    Engine engine;
    Instant network(engine);
    return execute(of, engine, network);
  };
  const GraphParts parts(graph);
  REQUIRE(parts.size() == 5);  // 6 and 7 do nothing
  REQUIRE(parts.equal(0, 2));
  const std::array<std::uint32_t, 3> some{0, 1, 3};
  const std::array<std::uint32_t, 5> stands_for{0, 1, 0, 3, 3};
  const OpGraph only = parts.only(some);
  CHECK(only.size() == 10);
  CHECK(only.exchanges().size() == 2);
  const Timeline all = played(graph), whole = parts.whole(played(only), some, stands_for);
  REQUIRE(whole.spans.size() == all.spans.size());
  for (OpId id = 0; id < graph.size(); ++id) {
    CHECK(whole.spans[id].start == all.spans[id].start);
    CHECK(whole.spans[id].end == all.spans[id].end);
  }
  CHECK(whole.finish == all.finish);
  CHECK(whole.finish - Time{} == 11us);  // 9, the exchange 1, the delay 1
}
