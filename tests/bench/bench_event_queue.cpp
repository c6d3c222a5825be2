// The hold model: N events are pending; each step takes the earliest and schedules one later, by an
// exponentially distributed time. items_per_second is events a second. The engine runs real
// actions; the yardsticks order bare (time, sequence) pairs.
#include <benchmark/benchmark.h>

#include <boost/heap/d_ary_heap.hpp>
#include <cstdint>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "sim/engine.h"
#include "sim/random.h"

namespace {

using namespace moesim::sim;

constexpr std::size_t kDelays = 1 << 16;

const std::vector<std::int64_t>& delays() {
  static const std::vector<std::int64_t> values = [] {
    Random random(1, "hold model");
    std::vector<std::int64_t> made(kDelays);
    for (auto& one : made) one = 1 + static_cast<std::int64_t>(random.exponential(1e6));
    return made;
  }();
  return values;
}

struct Hold {
  Engine& engine;
  const std::int64_t* delay;
  std::uint64_t& count;
  void operator()() const { engine.after(Duration(delay[++count % kDelays]), Hold{*this}); }
};

void engine_hold(benchmark::State& state) {
  Engine engine;
  std::uint64_t count = 0;
  const Hold hold{engine, delays().data(), count};
  for (std::int64_t i = 0; i < state.range(0); ++i) hold();
  for (auto _ : state) {
    const std::uint64_t end = count + 1000;
    Time until = engine.now();
    while (count < end) engine.run_until(until += Duration(1'000'000'000 / state.range(0)));
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count) - state.range(0));
}

using Pair = std::pair<std::int64_t, std::uint64_t>;

template <class Heap>
void heap_hold(benchmark::State& state) {
  Heap heap;
  std::uint64_t count = 0;
  const auto& delay = delays();
  for (std::int64_t i = 0; i < state.range(0); ++i, ++count) {
    heap.push({delay[count % kDelays], count});
  }
  for (auto _ : state) {
    for (int i = 0; i < 1000; ++i) {
      const Pair top = heap.top();
      heap.pop();
      ++count;
      heap.push({top.first + delay[count % kDelays], count});
    }
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(count) - state.range(0));
}

void boost_d_ary_heap_4(benchmark::State& state) {
  heap_hold<boost::heap::d_ary_heap<Pair, boost::heap::arity<4>,
                                    boost::heap::compare<std::greater<Pair>>>>(state);
}
void std_priority_queue(benchmark::State& state) {
  heap_hold<std::priority_queue<Pair, std::vector<Pair>, std::greater<Pair>>>(state);
}

void sizes(benchmark::internal::Benchmark* b) {
  b->Arg(1000)->Arg(100'000)->Arg(1'000'000);
}
BENCHMARK(engine_hold)->Apply(sizes);
BENCHMARK(boost_d_ary_heap_4)->Apply(sizes);
BENCHMARK(std_priority_queue)->Apply(sizes);

}  // namespace

BENCHMARK_MAIN();
