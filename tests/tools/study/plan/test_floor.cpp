#include "tools/study/plan/floor.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tools/study/plan/layouts.h"
#include "workloads/deployment/check.h"
#include "workloads/model/counts.h"
#include "workloads/step/player.h"

using namespace moesim;
using doctest::Approx;
using tools::floor_of;
using tools::FloorLoad;

namespace {

// One layer: attention of 4 heads of 16 over a width of 64, 4 x 64 x 64 = 16,384 numbers; a gated
// FFN of 128, 3 x 64 x 128 = 24,576; a head of 256 words, 16,384. In bf16 114,688 bytes. A token
// caches 2 x 64 numbers, 256 bytes. A device of 1 MB/s and 1 GFLOP/s.
workloads::Deployment toy() {
  workloads::Deployment d;
  d.model.name = "toy";
  d.model.hidden = 64;
  d.model.vocab = 256;
  workloads::add_layer(d.model,
                       {.name = "layer",
                        .mixer = workloads::GqaAttention{.heads = 4, .kv_heads = 4, .head_dim = 16},
                        .ffn = workloads::DenseFfn{.inter = 128}});
  d.cluster.device.memory_bandwidth = sim::Bandwidth(1e6);
  d.cluster.device.peak[hardware::Precision::BF16] = sim::FlopRate(1e9);
  return d;
}

}  // namespace

TEST_CASE("a token reads every weight and its cache once, by hand") {
  workloads::Deployment d = toy();
  // 114,688 + 100 x 256 = 140,288 bytes at 1 MB/s.
  CHECK(floor_of(d, {.output = 1, .context = 100}).tpot_s == Approx(0.140288));
  // Two ranks have half of both.
  d.layout.tp = 2;
  CHECK(floor_of(d, {.output = 1, .context = 100}).tpot_s == Approx(0.070144));
  // Where a pass yields two tokens of a sequence, one takes half of it.
  CHECK(floor_of(d, {.output = 1, .context = 100, .accepted = 2}).tpot_s == Approx(0.035072));
}

TEST_CASE("a request's bytes bound how many an engine carries, by hand") {
  const workloads::Deployment d = toy();
  // Ten tokens, weights shared by four: 10 x (25,600 + 114,688 / 4) = 542,720 bytes, 0.54272 s.
  FloorLoad load{.output = 10, .context = 100, .most_sequences = 4};
  CHECK(floor_of(d, load).ceiling == Approx(1 / 0.54272));
  // A tenth of the requests may miss a target, and then run at any batch.
  load.attained = 0.9;
  CHECK(floor_of(d, load).ceiling == Approx(1 / 0.54272 / 0.9));
  load.attained = 1;
  // Of 0.2 s the weights leave 85,312 bytes: 3.3325 sequences of 25,600, which share them.
  load.tpot_s = 0.2;
  CHECK(floor_of(d, load).ceiling == Approx(1 / (10 * (0.0256 + 0.114688 / 3.3325))));
  // With a slow device arithmetic is what bounds: 10 tokens' FLOP.
  workloads::Deployment slow = toy();
  slow.cluster.device.peak[hardware::Precision::BF16] = sim::FlopRate(1e5);
  const double flops = 10 * workloads::decode_flops(d.model, 100).total();
  CHECK(floor_of(slow, load).ceiling == Approx(1e5 / flops));
}

TEST_CASE("a prompt's arithmetic is what its first token waits for") {
  workloads::Deployment d = toy();
  const double flops = 50 * workloads::prefill_flops(d.model, 50).total();
  CHECK(floor_of(d, {.prompt = 50}).ttft_s == Approx(flops / 1e9));
  d.layout.tp = 2;
  CHECK(floor_of(d, {.prompt = 50}).ttft_s == Approx(flops / 2e9));
  CHECK(floor_of(d, {.prompt = 50}).ceiling == Approx(2e9 / flops));
}

TEST_CASE("no played step is shorter than its floor, or carries more than its ceiling") {
  workloads::Deployment d;
  d.model = workloads::load_model("configs/models/mixtral-8x7b.yaml");
  d.cluster = hardware::load_cluster("configs/clusters/h100-1x8.yaml");
  d.routing.law = workloads::Law::Uniform;
  d.network.fidelity = hardware::Fidelity::Bound;
  int played = 0;
  for (const std::int64_t gpus : {1, 2, 4, 8}) {
    for (const auto& layout : tools::layouts_of(gpus, 8, 8, {})) {
      d.layout = layout;
      if (!workloads::check(d).empty()) continue;
      CAPTURE(tools::short_name(layout));
      for (const std::int64_t batch : {1, 16, 256}) {
        CAPTURE(batch);
        const auto step = workloads::on_every_rank({workloads::decoding(batch, 2048)});
        workloads::StepPlayer player(d, {.fullest = step});
        const double time = sim::to_seconds(player.outcome(step).time);
        const auto floor = floor_of(
            d, {.output = 1, .context = 2048, .most_sequences = static_cast<double>(batch)});
        CHECK(floor.tpot_s <= time);
        CHECK(floor.ceiling >= static_cast<double>(batch * layout.dp) / time);
        ++played;
      }
      const auto reading = workloads::on_every_rank({workloads::prompts(1, 4096)});
      workloads::StepPlayer player(d, {.fullest = reading});
      const double time = sim::to_seconds(player.outcome(reading).time);
      const auto floor = floor_of(d, {.prompt = 4096});
      CHECK(floor.ttft_s <= time);
      CHECK(floor.ceiling >= static_cast<double>(layout.dp) / time);
    }
  }
  CHECK(played > 100);
}
