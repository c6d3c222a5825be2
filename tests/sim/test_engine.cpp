#include <doctest/doctest.h>

#include <vector>

#include "sim/engine.h"
#include "sim/error.h"

using namespace moesim::sim;
using namespace moesim::sim::literals;

TEST_CASE("the clock shows each event's time while it runs") {
  Engine engine;
  std::vector<Time> seen;
  engine.after(2us, [&] {
    seen.push_back(engine.now());
    engine.after(500ns, [&] { seen.push_back(engine.now()); });
  });
  engine.at(Time{1us}, [&] { seen.push_back(engine.now()); });
  engine.run();
  CHECK(seen == std::vector<Time>{Time{1us}, Time{2us}, Time{2500ns}});
  CHECK(engine.now() == Time{2500ns});
  CHECK(engine.events() == 3);
}

TEST_CASE("run_until runs what is due at its end and nothing later") {
  Engine engine;
  int ran = 0;
  engine.at(Time{10ns}, [&] { ran += 1; });
  engine.at(Time{10ns} + 1_ps, [&] { ran += 10; });
  engine.run_until(Time{10ns});
  CHECK(ran == 1);
  CHECK(engine.now() == Time{10ns});
  // The look at the later event does not keep an earlier one from being scheduled now.
  engine.after(Duration{}, [&] { ran += 100; });
  engine.run_until(Time{10ns});
  CHECK(ran == 101);
  engine.run();
  CHECK(ran == 111);
  CHECK(engine.idle());
}

TEST_CASE("a cancelled event neither runs nor moves the clock") {
  Engine engine;
  const auto id = engine.after(1us, [] {});
  CHECK(engine.cancel(id));
  engine.run();
  CHECK(engine.now() == Time{});
  CHECK(engine.events() == 0);
}

TEST_CASE("a delay beyond the end of the clock is refused, not wrapped into the past") {
  Engine engine;
  engine.after(1us, [&] {
    CHECK_THROWS_WITH_AS(
        engine.after(kForever - 1us, [] {}),
        "something takes more than 106 days, the most that is simulated: a rate or a size of the "
        "cluster, the device or the question is far from any machine's",
        InfeasibleError);
    CHECK_NOTHROW(engine.cancel(engine.after(kForever - 2us, [] {})));
  });
  engine.run();
}
