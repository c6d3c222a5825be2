// What is priced for each rank by itself, from parts that are remembered.
#include "workloads/step/rank_price.h"

#include <doctest/doctest.h>

#include "workloads/scenario.h"
#include "workloads/step/player.h"

using namespace moesim;
using namespace moesim::workloads;

TEST_CASE("a rank's price is that of its layers, of whatever keys") {
  // Latent attention: a decode's core alone depends on keys, of a prompt making them does, too.
  const Scenario scenario =
      load_scenario("configs/scenarios/deepseek-v3-decode-h800-ep128.yaml",
                    {"network=bound", "overlap.two_batch=false", "parallelism={dp: 8, ep: 8}",
                     "cluster=configs/clusters/h800-1x8.yaml", "routing={law: uniform}"});
  const Deployment& d = scenario.deployment;
  const StepPlayer player(d, {.fullest = on_every_rank({decoding(64, 4096)})});
  RankPricer pricer(player.program(), d, 100);
  const auto check = [&](const RankBatch& batch, const LayerRange& layers, bool prompts_only) {
    sim::Duration attention{};
    const Work head = player.program().head_work(batch);
    for (std::int64_t layer = layers.first; layer < layers.last; ++layer) {
      const Work work = player.program().attention_work(layer, batch);
      attention += work.time;
    }
    const RankPrice& price = pricer.of(batch, prompts_only, 1);
    CHECK(price.attention == attention);
    CHECK(price.head == head.time);
  };
  const LayerRange decode = d.model.decode_layers(), prefill = d.model.prefill_layers();
  check({decoding(64, 4096)}, decode, false);
  check({decoding(64, 1)}, decode, false);
  check({decoding(64, 300)}, decode, false);
  check({decoding(7, 300), prompts(1, 512, 1536)}, decode, false);
  check({decoding(7, 300), prompts(1, 512, 512)}, decode, false);
  check({prompts(1, 512), prompts(2, 64, 1000)}, prefill, true);
  check({prompts(1, 512), prompts(2, 64)}, prefill, true);
}
