#include "tools/study/plan/rate_match.h"

#include <doctest/doctest.h>

using namespace moesim::tools;
using doctest::Approx;

TEST_CASE("as many that read as feed those that generate") {
  // One that reads carries 3, one that generates 2, each a GPU: 2 and 3 carry 6 with 5 GPUs, 1.2
  // each; 1 and 1 carry 2 with 2, 1 and 2 carry 3 with 3.
  const MatchedPools found = match({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 1}, 64);
  CHECK(found.prefill == 2);
  CHECK(found.decode == 3);
  CHECK(found.capacity == 6);
  // Of 4 GPUs, 1 and 1 or 1 and 2 carry one each GPU: the fewest.
  const MatchedPools few = match({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 1}, 4);
  CHECK(few.prefill == 1);
  CHECK(few.decode == 1);
  CHECK(few.capacity == 2);
}

TEST_CASE("equal ratios take the fewest GPUs, and what carries nothing is no pair") {
  // 1 and 2, 2 and 4, ... carry a fifth a GPU each.
  const MatchedPools found = match({.rate = 2, .gpus = 2}, {.rate = 1, .gpus = 4}, 64);
  CHECK(found.prefill == 1);
  CHECK(found.decode == 2);
  CHECK(found.capacity == Approx(2));
  CHECK(match({.rate = 0, .gpus = 1}, {.rate = 1, .gpus = 1}, 64).prefill == 0);
  // No room for one of each.
  CHECK(match({.rate = 1, .gpus = 8}, {.rate = 1, .gpus = 8}, 8).prefill == 0);
}

TEST_CASE("for a load there are no more engines than carry it") {
  // 5 a second: two that read 3, three that generate 2, of which the lesser is 6.
  const MatchedPools found = fewest_for({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 2}, 5, 64);
  CHECK(found.prefill == 2);
  CHECK(found.decode == 3);
  CHECK(found.capacity == 6);
  CHECK(fewest_for({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 2}, 5, 8).prefill == 2);
  CHECK(fewest_for({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 2}, 5, 7).prefill == 0);  // 2 + 6
  CHECK(fewest_for({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 2}, 0.1, 64).decode == 1);
  CHECK(fewest_for({.rate = 3, .gpus = 1}, {.rate = 2, .gpus = 2}, 16.1, 64).prefill == 0);  // nine
  CHECK(fewest_for({.rate = 3, .gpus = 1}, {.rate = 0, .gpus = 2}, 1, 64).prefill == 0);
}
