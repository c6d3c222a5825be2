#include "sim/workers.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace moesim;

TEST_CASE("results come in order, on any number of threads") {
  for (const std::size_t threads : {0u, 1u, 2u, 7u, 200u}) {
    CAPTURE(threads);
    std::vector<std::size_t> taken;
    const std::thread::id caller = std::this_thread::get_id();
    bool here = true;
    std::atomic<std::size_t> highest = 0;
    sim::in_order(
        threads, 100,
        [&](std::size_t thread, std::size_t i) {
          if (thread > highest) highest = thread;
          if (i % 3 == 0) std::this_thread::yield();  // those after it may be done before
          return i * i;
        },
        [&](std::size_t i, std::size_t square) {
          here = here && std::this_thread::get_id() == caller;
          CHECK(square == i * i);
          taken.push_back(i);
        });
    CHECK(taken.size() == 100);
    CHECK(std::is_sorted(taken.begin(), taken.end()));
    CHECK(here);
    CHECK(highest < std::max<std::size_t>(1, threads));
  }
}

TEST_CASE("more than one thread works at a time") {
  // Each of the two first pieces ends when the other has begun: one thread alone would wait for
  // ever.
  std::atomic<int> begun = 0;
  int taken = 0;
  sim::in_order(
      2, 2,
      [&](std::size_t, std::size_t) {
        ++begun;
        while (begun < 2) std::this_thread::yield();
        return 0;
      },
      [&](std::size_t, int) { ++taken; });
  CHECK(taken == 2);
}

TEST_CASE("no work is nothing to do") {
  sim::in_order(
      4, 0, [](std::size_t, std::size_t) { return 0; },
      [](std::size_t, int) { FAIL("there is nothing to take"); });
}

TEST_CASE("the first piece to fail in order is what is told") {
  for (const std::size_t threads : {1u, 3u}) {
    CAPTURE(threads);
    std::size_t taken = 0;
    std::string told;
    try {
      sim::in_order(
          threads, 50,
          [](std::size_t, std::size_t i) {
            if (i >= 5) throw std::runtime_error("piece " + std::to_string(i));
            return i;
          },
          [&](std::size_t, std::size_t) { ++taken; });
    } catch (const std::runtime_error& error) {
      told = error.what();
    }
    CHECK(told == "piece 5");
    CHECK(taken == 5);
  }
}

TEST_CASE("who takes may fail, and no thread is left behind") {
  std::atomic<int> worked = 0;
  CHECK_THROWS_AS(sim::in_order(
                      3, 1000,
                      [&](std::size_t, std::size_t i) {
                        ++worked;
                        return i;
                      },
                      [](std::size_t i, std::size_t) {
                        if (i == 10) throw std::logic_error("enough");
                      }),
                  std::logic_error);
  CHECK(worked < 1000);  // at most a few pieces ahead
}
