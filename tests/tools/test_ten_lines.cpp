// What a program of ten lines can ask: a deployment made in code, of what ships by its name.
#include <doctest/doctest.h>

#include "tools/moesim/shipped.h"
#include "workloads/step/player.h"

using namespace moesim;
using namespace moesim::workloads;

TEST_CASE("two batches on one deployment are priced without a scenario file") {
  const Deployment mixtral{
      .model = load_model(tools::find_config("models", "mixtral-8x7b")),
      .cluster = hardware::load_cluster(tools::find_config("clusters", "h100-1x8")),
      .layout = {.dp = 8, .ep = 8}};
  const Batch small = on_every_rank({decoding(32, 2048)});
  const Batch large = on_every_rank({decoding(64, 2048), prompts(1, 512, 1536)});
  StepPlayer player(mixtral, {.fullest = large});
  const sim::Duration a = player.play(small).time(), b = player.play(large).time();

  CHECK(a < b);
  // Equal batches have equal prices, whatever was asked before.
  CHECK(player.play(small).time() == a);
  CHECK(StepPlayer(mixtral, {.fullest = large}).play(small).time() == a);
}
