// The host as a stream, played alone: kernels of a rank after their launches.
#include "workloads/training/host_stream.h"

#include <doctest/doctest.h>

#include <array>

#include "sim/executor.h"
#include "tests/support/fixed_exchanges.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::sim::literals;
using sim::Duration;
using sim::kNoOp;
using sim::OpId;

namespace {

struct Played {
  sim::OpGraph graph{1, 2};
  sim::LabelId label = graph.add_label({.name = "work"});
  Host host{.per_launch = 1us, .graphs = Graphs::None, .per_operation = 4us};

  sim::Timeline play() {
    sim::Engine engine;
    tests::FixedExchanges network(engine, {});
    return sim::execute(graph, engine, network);
  }
};

}  // namespace

TEST_CASE("work that is long starts with its first launch") {
  // 4 kernels, 10 us each, 5 us a launch: from 5 to 45; the host is done at 20.
  Played p;
  HostStream host(p.graph, p.host, 1, {});
  host.compute(0, p.label, 40us, 4, {}, kNoOp);
  const sim::Timeline timeline = p.play();
  CHECK(timeline.finish == sim::Time{45us});
  CHECK(host.lead(timeline) == 25us);
}

TEST_CASE("work that is short ends a kernel after the last launch") {
  // 4 kernels of 1 us: the last is launched at 20.
  Played p;
  HostStream host(p.graph, p.host, 1, {});
  host.compute(0, p.label, 4us, 4, {}, kNoOp);
  CHECK(p.play().finish == sim::Time{21us});
}

TEST_CASE("a host that is ahead has launched as much, until it waits") {
  // 12 us ahead: 20 - 12 = 8 us are left, the last kernel from 8 to 9. Then it waits for the GPU,
  // and two kernels more are launched at 14 and 19.
  Played p;
  HostStream host(p.graph, p.host, 1, 12us);
  const OpId first = host.compute(0, p.label, 4us, 4, {}, kNoOp);
  host.wait(0, first);
  host.compute(0, p.label, 2us, 2, {}, first);
  const sim::Timeline timeline = p.play();
  CHECK(timeline.spans[first].end == sim::Time{9us});
  CHECK(timeline.finish == sim::Time{20us});
}

TEST_CASE("a wait takes what is left of a lead") {
  // 100 us ahead: the kernel runs at once, 1 us. After the wait a launch takes its 5 us.
  Played p;
  HostStream host(p.graph, p.host, 1, 100us);
  const OpId first = host.compute(0, p.label, 1us, 1, {}, kNoOp);
  host.wait(0, first);
  host.compute(0, p.label, 1us, 1, {}, first);
  CHECK(p.play().finish == sim::Time{7us});
}

TEST_CASE("what is recorded is one launch, and no operation") {
  Played p;
  p.host.recorded[static_cast<std::size_t>(GraphScope::Router)] = true;
  HostStream host(p.graph, p.host, 1, {});
  const OpId router = host.compute(0, p.label, 4us, 4, GraphScope::Router, kNoOp);
  host.compute(0, p.label, 4us, 4, GraphScope::Attention, router);
  const sim::Timeline timeline = p.play();
  CHECK(timeline.spans[router].end == sim::Time{5us});  // launched at 1
  CHECK(timeline.finish == sim::Time{22us});            // the last at 21
}

TEST_CASE("an exchange starts when its operations are launched") {
  Played p;
  HostStream host(p.graph, p.host, 1, {});
  const OpId done = host.compute(0, p.label, 1us, 1, {}, kNoOp);
  const OpId launched = host.launch(0, 3, done);
  const sim::Timeline timeline = p.play();
  CHECK(timeline.spans[launched].end == sim::Time{20us});
}

TEST_CASE("a host without time launches nothing") {
  Played p;
  p.host.graphs = Graphs::All;
  HostStream host(p.graph, p.host, 1, {});
  CHECK_FALSE(host.takes_time());
  const OpId work = host.compute(0, p.label, 4us, 4, {}, kNoOp);
  CHECK(host.launch(0, 3, work) == work);
  const sim::Timeline timeline = p.play();
  CHECK(timeline.finish == sim::Time{4us});
  CHECK(host.lead(timeline) == Duration{});
}
