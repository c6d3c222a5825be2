// Which kernels carry the tokens of a pass, where prompts and decodes have kernels of their own.
#include "workloads/step/token_kernels.h"

#include "tests/workloads/step/hand_scenario.h"
#include "workloads/deployment/all_to_all.h"
#include "workloads/step/prices.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

// Two dp ranks on DeepEP's kernels of that name, which take four tokens of a rank at low latency.
Deployment carried_by(std::string_view name) {
  auto d =
      hand_deployment(hand_model({layer_of(hand_attention(), hand_moe())}), {.dp = 2, .ep = 2});
  d.cluster.collectives = std::make_shared<hardware::CollectiveModels>(d.cluster.device);
  d.network.fidelity = hardware::Fidelity::Bound;
  d.engine.dispatch_tokens = 4;
  choose_all_to_all(name, d);
  return d;
}

sim::Duration played(const Deployment& d, const Batch& batch) {
  StepPlayer player(d, {.fullest = batch});
  const sim::Duration time = player.play(batch).time();
  CHECK(player.outcome(batch).time == time);
  return time;
}

sim::Duration priced(const Deployment& d, const Batch& batch, const Batch& fullest) {
  StepPlayer player(d, {.fullest = fullest});
  return StepPrices(player).of(batch, 0).time;
}

}  // namespace

TEST_CASE("decodes alone are carried at low latency, as many as it takes; all else is not") {
  const Deployment both = carried_by("deepep"), normal = carried_by("deepep_normal"),
                   quick = carried_by("deepep_low_latency");
  const auto same = [&](const Batch& batch, bool quickly) {
    CAPTURE(tokens_of(batch, 2));
    CHECK(decode_kernels_carry(both, batch) == quickly);
    CHECK_FALSE(decode_kernels_carry(normal, batch));
    const sim::Duration time = played(both, batch);
    CHECK(time == played(quickly ? quick : normal, batch));
    CHECK(time != played(quickly ? normal : quick, batch));
  };
  same(on_every_rank({decoding(4, 10)}), true);
  same(on_every_rank({decoding(5, 10)}), false);
  // One rank decides for both: by its number, and by a prompt.
  same({.ranks = {{decoding(1, 10)}, {decoding(5, 10)}}}, false);
  same({.ranks = {{decoding(1, 10)}, {prompts(1, 3)}}}, false);
  same({.ranks = {{decoding(4, 10)}, {}}}, true);
}

TEST_CASE("prices know the kernels of what they stand for") {
  const Deployment both = carried_by("deepep"), normal = carried_by("deepep_normal"),
                   quick = carried_by("deepep_low_latency");
  const Batch fullest = on_every_rank({decoding(8, 20)});
  const auto same = [&](const Batch& batch, const Deployment& as) {
    CHECK(priced(both, batch, fullest) == priced(as, batch, fullest));
  };
  same(on_every_rank({decoding(3, 10)}), quick);
  same(on_every_rank({decoding(7, 10)}), normal);
  // More decodes than prompts: looked up among decodes, carried as prompts are.
  same(on_every_rank({decoding(2, 10), prompts(1, 1)}), normal);
  same(on_every_rank({prompts(1, 3)}), normal);
}

TEST_CASE(
    "two batches that overlap, micro-batches and ranks that share tokens dispatch their part") {
  Deployment d = carried_by("deepep");
  CHECK(dispatched_at_once(d, 9) == 9);
  d.overlap.two_batch = true;
  CHECK(dispatched_at_once(d, 9) == 5);
  d.layout.pp = 2;
  CHECK(dispatched_at_once(d, 9) == 3);
  d.layout = {.tp = 2, .dp = 2, .ep = 4};  // each tp rank routes its part
  CHECK(dispatched_at_once(d, 9) == 3);
}

TEST_CASE("passes of decodes beyond low latency are said, where there are two kinds of kernels") {
  Deployment d = carried_by("deepep");
  CHECK_FALSE(note_of_large_decodes(d, 4));
  CHECK(note_of_large_decodes(d, 6) ==
        "kernels.all_to_all: deepep: passes of decodes with more than 4 tokens of a rank take "
        "deepep_normal (up to 6 here); engine.dispatch_tokens raises that, at the cost of memory");
  CHECK_FALSE(note_of_large_decodes(carried_by("deepep_normal"), 6));
  d.layout.ep = 1;
  CHECK_FALSE(note_of_large_decodes(d, 6));
}

TEST_CASE("a name chooses what it names, and no name what was there") {
  Deployment d = carried_by("deepep");
  choose_all_to_all("", d);
  CHECK(all_to_all_name(d) == "deepep");
  for (const std::string_view name : all_to_all_names()) {
    choose_all_to_all(name, d);
    CHECK(all_to_all_name(d) == name);
  }
  choose_all_to_all("nccl", d);
  CHECK_FALSE(d.decode_tokens);
}
