#include "tools/study/plan/layouts.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace moesim;
using tools::engine_sizes;
using tools::is_several_engines;
using tools::layouts_of;
using tools::short_name;
using workloads::Parallelism;

TEST_CASE("engines are powers of two within a node, and 1, 3 or 9 times a power of two nodes") {
  // Nodes of 8 up to 128: 1, 2, 4; 1, 2, 4, 8, 16 nodes; 3, 6, 12 nodes; 9 nodes.
  CHECK(engine_sizes(8, 128) ==
        std::vector<std::int64_t>{1, 2, 4, 8, 16, 24, 32, 48, 64, 72, 96, 128});
  // Nodes of 72: powers of two up to 64, then whole nodes.
  CHECK(engine_sizes(72, 144) == std::vector<std::int64_t>{1, 2, 4, 8, 16, 32, 64, 72, 144});
  CHECK(engine_sizes(8, 6) == std::vector<std::int64_t>{1, 2, 4});
}

TEST_CASE("layouts of eight GPUs are counted by hand") {
  // 256 experts, nodes of 8, pp 1, 2, 4, etp 1 or tp. A stage of 8 GPUs: tp 1 has ep 1, 2, 4, 8: 4;
  // tp 2 has those with etp 1 and ep 1, 2, 4 with etp 2: 7; tp 4: 4 + 2; tp 8: 4 + 1: 22 in all.
  // Of 4 GPUs: 3 + (3 + 2) + (3 + 1) = 12. Of 2: 2 + (2 + 1) = 5. 22 + 12 + 5 = 39.
  CHECK(layouts_of(8, 8, 256, {}).size() == 39);
  // Of 16: a stage of 16 has 5 + (5 + 4) + (5 + 3) + (5 + 2) = 29, and 22 and 12 as above.
  CHECK(layouts_of(16, 8, 256, {}).size() == 63);
  CHECK(layouts_of(32, 8, 256, {}).size() == 87);
}

TEST_CASE("a layout has its GPUs, ep divides the slots, tp lies within a node") {
  for (const Parallelism& p : layouts_of(24, 8, 160, {})) {
    CAPTURE(short_name(p));
    CHECK(p.gpus() == 24);
    CHECK(workloads::check_layout(p).empty());
    CHECK(160 % p.ep == 0);
    CHECK(p.tp <= 8);
  }
  // 24 / 8 GPUs a node of 4: tp 8 is none.
  for (const Parallelism& p : layouts_of(24, 4, 160, {})) CHECK(p.tp <= 4);
  // A dense model divides nothing over ep, and its etp is tp.
  for (const Parallelism& p : layouts_of(8, 8, 0, {})) CHECK((p.ep == 1 && p.etp == p.tp));
  const tools::LayoutSpace only{.tp = {2}, .pp = {1}, .etp_tp = false, .ep = {8}};
  const auto one = layouts_of(8, 8, 64, only);
  REQUIRE(one.size() == 1);
  CHECK(short_name(one.front()) == "tp2-dp4-ep8");
  CHECK(short_name({}) == "tp1");
}

TEST_CASE("dp ranks that share no experts are engines of their own") {
  CHECK(is_several_engines({.dp = 8}));                    // eight engines of one GPU
  CHECK(is_several_engines({.tp = 2, .dp = 4, .ep = 2}));  // four of two
  CHECK(is_several_engines({.dp = 8, .ep = 4}));           // two of four
  // Three of eight, whose experts lie on six of them: the plan of such a service was no layout.
  CHECK(is_several_engines({.tp = 8, .dp = 3, .ep = 6}));
  CHECK_FALSE(is_several_engines({.dp = 8, .ep = 8}));
  CHECK_FALSE(is_several_engines({.tp = 8, .ep = 2}));  // one, whose experts are there 4 times
  CHECK_FALSE(is_several_engines({.tp = 2, .dp = 4, .ep = 4, .etp = 2}));
}
