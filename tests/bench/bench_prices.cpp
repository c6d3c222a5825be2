// Prices of steps (workloads/step/prices.h): filling their tables, looking up, and what they are
// off.
//
//   bench_prices [scenario [key=value …]]
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <string>
#include <vector>

#include "sim/random.h"
#include "workloads/scenario.h"
#include "workloads/step/prices.h"

using namespace moesim;
using namespace moesim::workloads;

namespace {

double cpu_seconds() {
  return static_cast<double>(std::clock()) / CLOCKS_PER_SEC;
}

// What a serving run asks: ranks decode some sequences each, of contexts that grow; now and then
// one reads a part of a prompt.
Batch drawn(sim::Random& random, const Deployment& d, std::int64_t most, bool chunks) {
  Batch batch;
  const auto below = [&](std::int64_t n) {
    return static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(n)));
  };
  const std::int64_t level = 1 + below(most - (chunks ? 512 : 0));
  for (std::int64_t r = 0; r < d.layout.dp; ++r) {
    const std::int64_t some = std::max<std::int64_t>(1, level - below(1 + level / 4));
    RankBatch rank{decoding(some, 256 + below(4096))};
    if (chunks && below(2) == 0) rank.push_back(prompts(1, 512, 512 * below(8)));
    batch.ranks.push_back(rank);
  }
  return batch;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string file = argc > 1 ? argv[1] : "configs/scenarios/mixtral-8x7b-decode-h100.yaml";
  std::vector<std::string> overrides{"network=bound"};
  for (int i = 2; i < argc; ++i) overrides.push_back(argv[i]);
  const Scenario scenario = load_scenario(file, overrides);
  const Deployment& d = scenario.deployment;
  const std::int64_t routings = 8;
  for (const bool chunks : {false, true}) {
    const std::int64_t most = chunks ? 768 : 128;
    StepPlayer player(
        d, {.fullest = on_every_rank({decoding(most, 4096)}), .routing_steps = routings});
    StepPrices prices(player);
    std::vector<Batch> batches;
    sim::Random random(1, "bench");
    for (int i = 0; i < 64; ++i) batches.push_back(drawn(random, d, most, chunks));

    double begin = cpu_seconds();
    for (const Batch& batch : batches) prices.of(batch, 0);
    const double filling = cpu_seconds() - begin;

    begin = cpu_seconds();
    constexpr int kAgain = 100;
    for (int again = 0; again < kAgain; ++again) {
      for (const Batch& batch : batches) prices.of(batch, again % routings);
    }
    const double look_up = (cpu_seconds() - begin) / (kAgain * static_cast<double>(batches.size()));
    begin = cpu_seconds();
    for (Batch batch : batches) {
      for (RankBatch& rank : batch.ranks) rank.front().kv_length += 1;
      prices.of(batch, 1);
    }
    const double grown = (cpu_seconds() - begin) / static_cast<double>(batches.size());

    begin = cpu_seconds();
    double sum = 0, worst = 0, played = 0;
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const PriceCheck check = prices.check(batches[i], static_cast<std::int64_t>(i) % routings);
      sum += check.error();
      worst = std::max(worst, check.error());
      played += static_cast<double>(check.played.count()) * 1e-6;
    }
    const double checking = (cpu_seconds() - begin) / static_cast<double>(batches.size());
    fmt::print(
        "{}: {} ranks, {}: filling {:.3f} s; look-up {:.2f} us, contexts grown "
        "{:.2f} us; "
        "exact {:.2f} ms; error mean {:.3f} %, worst {:.3f} %; step {:.0f} us\n",
        d.model.name, d.layout.gpus(), chunks ? "decode and prompts" : "decode", filling,
        look_up * 1e6, grown * 1e6, checking * 1e3, 100 * sum / static_cast<double>(batches.size()),
        100 * worst, played / static_cast<double>(batches.size()));
  }
  return 0;
}
