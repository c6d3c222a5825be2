#include "sim/executor.h"

#include <doctest/doctest.h>

#include <array>

#include "sim/error.h"
#include "tests/support/fixed_exchanges.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;
using moesim::tests::FixedExchanges;

namespace {

constexpr std::array<OpId, 0> kNothing{};

Timeline play(const OpGraph& graph, Duration exchange_time = 10us) {
  Engine engine;
  FixedExchanges network(engine, exchange_time);
  return execute(graph, engine, network);
}

}  // namespace

TEST_CASE("an operation starts when all it waits for has ended") {
  // a: 0-3 us, b: 0-5 us on another stream; c waits for both: 5-6 us.
  OpGraph graph(1, 2);
  const LabelId label = graph.add_label({"work"});
  const OpId a = graph.add_compute(0, 0, label, 3us, kNothing);
  const OpId b = graph.add_compute(0, 1, label, 5us, kNothing);
  const OpId c = graph.add_compute(0, 0, label, 1us, std::array{a, b});
  const Timeline timeline = play(graph);
  CHECK(timeline.spans[a].end == Time{3us});
  CHECK(timeline.spans[c].start == Time{5us});
  CHECK(timeline.finish == Time{6us});
}

TEST_CASE("a stream is first in, first out, even where the later operation could go ahead") {
  // Stream 0 holds a (waits for the 5 us delay), then b (waits for nothing): a 5-6, b 6-7.
  OpGraph graph(1);
  const LabelId label = graph.add_label({"work"});
  const OpId delay = graph.add_delay(0, label, 5us, kNothing);
  graph.add_compute(0, 0, label, 1us, std::array{delay});
  const OpId b = graph.add_compute(0, 0, label, 1us, kNothing);
  CHECK(play(graph).spans[b].start == Time{6us});
}

TEST_CASE("a rank leaves an exchange when the network says so") {
  // Rank 0 arrives at 1 us, rank 1 at 4 us; both are done 10 us after the last: 14 us.
  OpGraph graph(2);
  const LabelId label = graph.add_label({"work"});
  const OpId a = graph.add_compute(0, 0, label, 1us, kNothing);
  const OpId b = graph.add_compute(1, 0, label, 4us, kNothing);
  const ExchangeId exchange = graph.add_exchange({.name = "x", .participants = {0, 1}});
  const OpId p = graph.add_part(exchange, 0, 0, label, std::array{a});
  graph.add_part(exchange, 1, 0, label, std::array{b});
  const Timeline timeline = play(graph);
  CHECK(timeline.spans[p].start == Time{1us});
  CHECK(timeline.spans[p].end == Time{14us});
}

TEST_CASE("an operation that is waited for is not waited for when it is none") {
  OpGraph graph(1);
  const LabelId label = graph.add_label({"work"});
  graph.add_compute(0, 0, label, 2us, std::array{kNoOp});
  CHECK(play(graph).finish == Time{2us});
}

TEST_CASE("parts that wait for each other in opposite order are a deadlock that is named") {
  // Rank 0 enters x before y, rank 1 y before x: neither exchange ever has both.
  OpGraph graph(2);
  const LabelId in_x = graph.add_label({"part of x"});
  const LabelId in_y = graph.add_label({"part of y"});
  const ExchangeId x = graph.add_exchange({.name = "x", .participants = {0, 1}});
  const ExchangeId y = graph.add_exchange({.name = "y", .participants = {0, 1}});
  graph.add_part(x, 0, 0, in_x, kNothing);
  graph.add_part(y, 0, 0, in_y, kNothing);
  graph.add_part(y, 1, 0, in_y, kNothing);
  graph.add_part(x, 1, 0, in_x, kNothing);
  CHECK_THROWS_WITH_AS(play(graph),
                       "no event is left but these operations are not done: rank 0 part of x "
                       "(started, never finished), rank 1 part of y (started, never finished)",
                       DeadlockError);
}

TEST_CASE("exposed and idle times of a rank sum to the step, and compute hides an exchange") {
  // Rank 0: compute 0-6 on stream 0; exchange from 0 on stream 1, done 10 us after rank 1 arrives
  // at 2 us: 0-12. Then compute 15-16 after a delay 12-15.
  // Compute is exposed 0-6 and 15-16 = 7, the exchange 6-12 = 6 (no wait: rank 1 came at 2), the
  // delay 12-15 = 3. Rank 1: compute 0-2, exchange 2-12, idle 12-16 = 4.
  enum : std::uint32_t { Work, Network, Host };
  OpGraph graph(2, 2);
  const LabelId work = graph.add_label({"work", Work});
  const LabelId network = graph.add_label({"exchange", Network});
  const LabelId host = graph.add_label({"host", Host});
  const ExchangeId exchange = graph.add_exchange({.name = "x", .participants = {0, 1}});
  graph.add_compute(0, 0, work, 6us, kNothing);
  const OpId part = graph.add_part(exchange, 0, 1, network, kNothing);
  const OpId delay = graph.add_delay(0, host, 3us, std::array{part});
  graph.add_compute(0, 0, work, 1us, std::array{delay});
  const OpId other = graph.add_compute(1, 0, work, 2us, kNothing);
  graph.add_part(exchange, 1, 1, network, std::array{other});

  const Timeline timeline = play(graph);
  const std::vector<RankTime> times = rank_times(graph, timeline, 3);
  CHECK(times[0].phases[Work].exposed == Duration{7us});
  CHECK(times[0].phases[Network].exposed == Duration{6us});
  CHECK(times[0].phases[Network].busy == Duration{12us});
  CHECK(times[0].phases[Network].waiting == Duration{});
  CHECK(times[0].phases[Host].exposed == Duration{3us});
  CHECK(times[0].idle == Duration{});
  CHECK(times[1].idle == Duration{4us});
  for (const RankTime& rank : times) {
    Duration sum = rank.idle;
    for (const PhaseTime& phase : rank.phases) sum += phase.exposed;
    CHECK(Time{sum} == timeline.finish);
  }
}

TEST_CASE("an exchange that waits for a late rank says how long it waited") {
  // Rank 0 arrives at 0, rank 1 at 5 us; done at 15 us. Rank 0 waits 5 us of its 15.
  OpGraph graph(2);
  const LabelId label = graph.add_label({"work"});
  const LabelId network = graph.add_label({"exchange", 1});
  const ExchangeId exchange = graph.add_exchange({.name = "x", .participants = {0, 1}});
  graph.add_part(exchange, 0, 0, network, kNothing);
  const OpId late = graph.add_compute(1, 0, label, 5us, kNothing);
  graph.add_part(exchange, 1, 0, network, std::array{late});
  const auto times = rank_times(graph, play(graph), 2);
  CHECK(times[0].phases[1].exposed == Duration{15us});
  CHECK(times[0].phases[1].waiting == Duration{5us});
  CHECK(times[1].phases[1].waiting == Duration{});
}

TEST_CASE("waiting is counted against the rank that came last") {
  // Rank 0 computes 1 us, rank 1 5 us, then both exchange: rank 0 waits 4 us for rank 1.
  OpGraph graph(2);
  const LabelId work = graph.add_label({.name = "work", .phase = 0});
  const LabelId talk = graph.add_label({.name = "talk", .phase = 1});
  const OpId a = graph.add_compute(0, 0, work, 1us, {});
  const OpId b = graph.add_compute(1, 0, work, 5us, {});
  const ExchangeId exchange = graph.add_exchange({.participants = {0, 1}});
  graph.add_part(exchange, 0, 0, talk, std::array{a});
  graph.add_part(exchange, 1, 0, talk, std::array{b});
  const auto times = rank_times(graph, play(graph), 2);
  CHECK(times[0].phases[1].waiting == 4us);
  CHECK(times[0].waited_for == Duration{});
  CHECK(times[1].waited_for == 4us);
}

TEST_CASE("of a window only what lies in it counts, and only operations from the first one on") {
  // 3 us and 4 us one after another; the window from 2 to 9 us has 4 us of the second, which is
  // all that counts: 3 us are idle.
  OpGraph graph(1);
  const LabelId label = graph.add_label({.name = "work", .phase = 0});
  graph.add_compute(0, 0, label, 3us, {});
  const OpId second = graph.add_compute(0, 0, label, 4us, {});
  const Timeline timeline = play(graph);
  const std::vector<Window> window{{Time{2us}, Time{9us}}};
  const auto both = rank_times(graph, timeline, 1, window);
  CHECK(both[0].phases[0].exposed == 5us);
  CHECK(both[0].phases[0].busy == 5us);
  CHECK(both[0].idle == 2us);
  const auto last = rank_times(graph, timeline, 1, window, second);
  CHECK(last[0].phases[0].exposed == 4us);
  CHECK(last[0].idle == 3us);
}
