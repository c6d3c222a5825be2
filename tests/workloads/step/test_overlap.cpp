// What runs beside what: shared experts beside the dispatch, two batches in turn.
//
// Two GPUs, dp 2 = ep 2. Of 2 tokens a rank: router 3.02808; dispatch of 2 messages 14.032; 4 rows,
// experts 3 us + 6,000,000 + 16,000 B = 9.016; combine 14.
#include <doctest/doctest.h>

#include "tests/workloads/step/hand_scenario.h"

using namespace moesim;
using namespace moesim::testing;

namespace {

Deployment with_shared(std::int64_t width) {
  MoeFfn moe = hand_moe();
  moe.shared_experts = 1;
  moe.shared_inter = width;
  return hand_deployment(hand_model({layer_of(NoMixer{}, moe)}), {.dp = 2, .ep = 2});
}

}  // namespace

TEST_CASE("shared experts in series take their time after the dispatch") {
  // 500 wide: up 2,000,000 + 8,000, activation 6,000, down 1,000,000 + 6,000 B, 3 us: 6.02.
  // 1.008 + 3.02808 + 14.032 + 6.02 + 9.016 + 14
  CHECK(time_of(with_shared(500), on_every_rank({decoding(2, 10)})) == 47'104'080_ps);
}

TEST_CASE("shared experts beside the dispatch are hidden behind it as far as it goes") {
  auto d = with_shared(500);
  d.overlap.shared_expert = true;
  // The router is done at 4.03608, shared experts at 10.05608, the dispatch at 18.06808.
  const Batch batch = on_every_rank({decoding(2, 10)});
  CHECK(time_of(d, batch) == 18'068'080_ps + 9'016'000_ps + 14us);
  StepPlayer player(d, {.fullest = batch});
  const auto shared = spans_of(player.play(batch), "shared expert L0", 1);
  REQUIRE(shared.size() == 1);
  CHECK(shared[0].start == sim::Time{4'036'080_ps});
  CHECK(shared[0].end == sim::Time{10'056'080_ps});
  // 2,000 wide: 3 us + 12,048,000 + 8,000 B = 15.056: done at 19.09208, and experts wait.
  auto wide = with_shared(2000);
  wide.overlap.shared_expert = true;
  CHECK(time_of(wide, batch) == 19'092'080_ps + 9'016'000_ps + 14us);
}

TEST_CASE("routed and shared experts are added up before the next layer") {
  // The layer after is attention of 2 tokens: 7.4544 (test_attention.cpp), and before its norm
  // three vectors a token: 1 us + 3 x 2 x 2,000 B.
  auto d = with_shared(500);
  d.model = hand_model({d.model.kinds[0], layer_of(hand_attention(), NoFfn{})});
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) ==
        47'104'080_ps + 7'454'400_ps + 1'012'000_ps);
}

TEST_CASE("a layer's dense branch is computed where its shared experts are") {
  // 500 wide in all: one GEMM of each, as test one.
  auto d = with_shared(300);
  std::get<MoeFfn>(d.model.kinds[0].ffn).residual_inter = 200;
  CHECK(time_of(d, on_every_rank({decoding(2, 10)})) == 47'104'080_ps);
}

TEST_CASE("two batches take turns: one computes while the other exchanges") {
  // 4 tokens a rank, 2 in each half.
  //            compute                                network
  // embedding  a 0 - 1.008, b - 2.016
  // router     a 2.016 - 5.04408, b - 8.07216
  // dispatch                                          a 5.04408 - 19.07608, b - 33.10808
  // experts    a 19.07608 - 28.09208
  //            b 33.10808 - 42.12408
  // combine                                           a 33.10808 - 47.10808, b - 61.10808
  auto d = hand_deployment(hand_model(), {.dp = 2, .ep = 2});
  d.overlap.two_batch = true;
  const Batch batch = on_every_rank({decoding(4, 10)});
  CHECK(time_of(d, batch) == 61'108'080_ps);
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  const auto a = spans_of(step, "experts L0 a", 0), b = spans_of(step, "experts L0 b", 0);
  REQUIRE(a.size() == 1);
  REQUIRE(b.size() == 1);
  CHECK(a[0].start == sim::Time{19'076'080_ps});
  CHECK(b[0].start == sim::Time{33'108'080_ps});
}

TEST_CASE("shared experts of two batches run beside the exchanges") {
  // As above with shared experts of 6.02: a's 8.07216 - 14.09216, beside its dispatch; b's after
  // a's experts, 28.09208 - 34.11208, so that b's experts start 1.004 us later, before a's combine
  // is done: the end is the same.
  auto d = with_shared(500);
  d.overlap.two_batch = true;
  const Batch batch = on_every_rank({decoding(4, 10)});
  CHECK(time_of(d, batch) == 61'108'080_ps);
  StepPlayer player(d, {.fullest = batch});
  const PlayedStep step = player.play(batch);
  const auto a = spans_of(step, "shared expert L0 a", 0),
             b = spans_of(step, "shared expert L0 b", 0);
  REQUIRE(a.size() == 1);
  REQUIRE(b.size() == 1);
  CHECK(a[0].start == sim::Time{8'072'160_ps});
  CHECK(b[0].start == sim::Time{28'092'080_ps});
  CHECK(b[0].end == sim::Time{34'112'080_ps});
  // Which tokens are b's: those after a's, 4 of the routing.
  CHECK(step.built.account.routed_tokens == 8);
}

TEST_CASE("beside an exchange that holds multiprocessors kernels have the rest of the GPU") {
  // 100 multiprocessors: DeepEP's normal kernels hold 20, HybridEP's and NCCL's 16, those of low
  // latency none. A byte within a node is written, read and written: 3 x its link's rate of the
  // memory's bandwidth.
  auto cluster = hand_cluster(1, 2);
  cluster.device.multiprocessors = 100;
  cluster.device.memory_bandwidth = 30_GBps;
  const auto beside = [&](hardware::MulticastAlgorithm tokens,
                          std::optional<std::int64_t> sms = {}) {
    return Communication(cluster, hardware::AllReduceLibrary::Nccl, tokens,
                         hardware::Precision::BF16, hardware::Precision::BF16, sms)
        .share_beside();
  };
  CHECK(beside(hardware::MulticastAlgorithm::DeepEpNormal).multiprocessors == doctest::Approx(0.8));
  CHECK(beside(hardware::MulticastAlgorithm::DeepEpNormal).bandwidth == doctest::Approx(0.9));
  CHECK(beside(hardware::MulticastAlgorithm::DeepEpNormal, 24).multiprocessors ==
        doctest::Approx(0.76));
  CHECK(beside(hardware::MulticastAlgorithm::HybridEp).multiprocessors == doctest::Approx(0.84));
  CHECK(beside(hardware::MulticastAlgorithm::Nccl).multiprocessors == doctest::Approx(0.84));
  CHECK(beside(hardware::MulticastAlgorithm::DeepEpLowLatency).multiprocessors == 1);
  CHECK(beside(hardware::MulticastAlgorithm::DeepEpLowLatency).bandwidth == 1);
  // Exchanges do not starve the rest: half of the bandwidth at most.
  cluster.device.memory_bandwidth = 4_GBps;
  CHECK(beside(hardware::MulticastAlgorithm::DeepEpNormal).bandwidth == doctest::Approx(0.5));
}

TEST_CASE("shared experts on a stream of their own cost their traffic alone") {
  // Of 2 tokens: up [2, 1000] x [1000, 1000], activation, down [2, 500] x [500, 1000]:
  // 2,008,000 + 6,000 + 1,006,000 = 3,020,000 B, and three launches: 6.02 us. Beside the routed
  // ones they take what the memory's bandwidth, 1 / 0.79 B a ps, does: 2.3858 us.
  MoeFfn moe = hand_moe();
  moe.shared_experts = 1;
  moe.shared_inter = 500;
  auto d = hand_deployment(hand_model({layer_of(NoMixer{}, moe)}), {});
  const Batch two = on_every_rank({decoding(2, 10)});
  const sim::Duration in_series = time_of(d, two);
  d.engine.composition.shared_beside_up_to = 2;
  CHECK(in_series - time_of(d, two) == 6'020'000_ps - 2'385'800_ps);
  // A pass of more tokens than that has no second stream.
  d.engine.composition.shared_beside_up_to = 1;
  CHECK(time_of(d, two) == in_series);
}
