// What an engine adds to a step: its host, prompts beside a decode, drafted tokens.
#include <doctest/doctest.h>

#include <array>

#include "tests/workloads/step/hand_scenario.h"
#include "workloads/report/structure.h"
#include "workloads/step/micro_batch.h"

using namespace moesim;
using namespace moesim::sim::literals;
using namespace moesim::workloads;
using namespace moesim::testing;

namespace {

// The step of test_hand_worked.cpp: 41.08808 us.
Scenario four_tokens(const tests::TemporaryFolder& folder) {
  const std::array<ExpertId, 8> choices{0, 1, 0, 2, 2, 3, 0, 1};
  const auto trace = folder.path() / "engine.h5";
  TraceWriter writer(trace, {.layers = 1, .experts = 4, .top_k = 2});
  writer.append({.ids = choices});
  writer.close();
  return hand_scenario(trace);
}

Scenario balanced(std::int64_t batch) {
  Scenario s = hand_scenario("");
  s.deployment.routing.law = Law::Balanced;
  s.question = decode_question(batch, 1);
  return s;
}

std::int64_t prompts_of(const StepKind& kind) {
  std::int64_t sum = 0;
  for (const BatchShape& part : kind.batch.ranks.front()) {
    if (part.phase == StepPhase::Prefill) sum += part.sequences;
  }
  return sum;
}

double host_exposed(const Report& report) {
  return report.phases[index_of(Phase::Host)].exposed_us;
}

}  // namespace

TEST_CASE("a host that is not overlapped thinks before the step") {
  // 5 us a step and 1 us for each of the rank's two sequences: 41.08808 + 7.
  const tests::TemporaryFolder folder;
  Scenario s = four_tokens(folder);
  s.deployment.host.per_step = 5us;
  s.deployment.host.per_sequence = 1us;
  const Report report = run(s).report;
  CHECK(report.step_time_us.mean == doctest::Approx(48.08808).epsilon(1e-12));
  CHECK(host_exposed(report) == doctest::Approx(7).epsilon(1e-12));
}

TEST_CASE("a host that is overlapped is seen where it takes longer than the GPU") {
  const tests::TemporaryFolder folder;
  Scenario s = four_tokens(folder);
  s.deployment.host.overlapped = true;
  s.deployment.host.per_step = 41us;
  const Report shorter = run(s).report;
  CHECK(shorter.step_time_us.mean == doctest::Approx(41.08808).epsilon(1e-12));
  CHECK(shorter.phases[index_of(Phase::Host)].busy_us == doctest::Approx(41));
  // Rank 0 is done at 40.08808, so the host's last 0.91192 us are seen there; rank 1 sees none.
  CHECK(host_exposed(shorter) == doctest::Approx(0.91192 / 2).epsilon(1e-9));
  s.deployment.host.per_step = 50us;
  CHECK(run(s).report.step_time_us.mean == doctest::Approx(50).epsilon(1e-12));
}

TEST_CASE("without a graph a kernel starts when the host has launched it") {
  // 3 us a launch. The embedding is launched at 3 and done at 4.008. The router's three kernels are
  // launched at 12, 7.992 us later, and done at 15.02808, 10.992 us later than with a graph. The
  // experts' three, at 21, are ready before the dispatch is done.
  const tests::TemporaryFolder folder;
  Scenario s = four_tokens(folder);
  s.deployment.host.per_launch = 3us;
  s.deployment.host.graphs = Graphs::None;
  const Report report = run(s).report;
  CHECK(report.step_time_us.mean == doctest::Approx(41.08808 + 10.992).epsilon(1e-12));
  CHECK(host_exposed(report) == doctest::Approx(10.992).epsilon(1e-9));
  s.deployment.host.graphs = Graphs::Decode;  // this is one
  CHECK(run(s).report.step_time_us.mean == doctest::Approx(41.08808).epsilon(1e-12));
}

TEST_CASE("sequences that end make room for prompts, in as many steps as that takes") {
  StepQuestion step = decode_question(128, 1);
  CHECK(step_kinds(step).size() == 1);
  // 128 sequences of 2,048 tokens: one ends in 16 steps.
  step.refill = {.prompt = 1024, .output = 2048, .chunk = 1024};
  auto kinds = step_kinds(step);
  REQUIRE(kinds.size() == 2);
  CHECK(prompts_of(kinds[0]) == 0);
  CHECK(kinds[0].weight == 15.0 / 16);
  CHECK(prompts_of(kinds[1]) == 1);
  CHECK(kinds[1].weight == 1.0 / 16);
  // In chunks of 256 a prompt takes four passes; with 1.5 tokens a step sequences end sooner.
  step.refill.chunk = 256;
  step.speculation = {.draft = 1, .accepted = 1.5};
  kinds = step_kinds(step);
  CHECK(kinds[1].weight == 4 * 1.5 / 16);
  // 8 a step, exactly.
  step = decode_question(128, 1);
  step.refill = {.prompt = 16, .output = 16, .chunk = 16};
  kinds = step_kinds(step);
  REQUIRE(kinds.size() == 1);
  CHECK(prompts_of(kinds[0]) == 8);
  CHECK(kinds[0].weight == 1);
}

TEST_CASE("a decode that prefills takes the mean of its steps") {
  // Every other step holds a prompt of 3 tokens beside the 2 sequences: without attention that is a
  // decode of 5. Generated are 2 tokens a rank and step all the same.
  Scenario s = balanced(2);
  s.step()->refill = {.prompt = 3, .output = 4, .chunk = 3};
  const Report report = run(s).report;
  const double two = run(balanced(2)).report.step_time_us.mean;
  const double five = run(balanced(5)).report.step_time_us.mean;
  CHECK(five > two);
  CHECK(report.step_time_us.mean == doctest::Approx((two + five) / 2).epsilon(1e-12));
  CHECK(report.step_time_us.p50 == doctest::Approx(two).epsilon(1e-12));
  CHECK(report.step_time_us.p99 == doctest::Approx(five).epsilon(1e-12));
  CHECK(report.tokens_per_step == doctest::Approx(4));
  double exposed = report.idle_us;
  for (const PhaseReport& phase : report.phases) exposed += phase.exposed_us;
  CHECK(exposed == doctest::Approx(report.step_time_us.mean).epsilon(1e-9));
}

TEST_CASE("a speculative step checks all tokens at once and drafts them one by one") {
  // Two sequences of a rank with one drafted token each: a pass of 4 tokens; then the draft layer,
  // a pass of 2 without the embedding (1.008 us). Its input is two norms of 2 tokens,
  // 2 x (1 us + 4 x 2 x 1000 x 2 B) = 2.032 us, and a GEMM of [2, 2000] with [1000, 2000]:
  // 1 us + (2,000,000 + 2 x 2000 + 2 x 1000) x 2 B = 5.012 us.
  Scenario s = balanced(2);
  s.step()->speculation = {.draft = 1, .accepted = 1.5};
  const Report report = run(s).report;
  const double four = run(balanced(4)).report.step_time_us.mean;
  const double two = run(balanced(2)).report.step_time_us.mean;
  CHECK(report.step_time_us.mean ==
        doctest::Approx(four + 2.032 + 5.012 + two - 1.008).epsilon(1e-9));
  CHECK(report.tokens_per_step == doctest::Approx(2 * 2 * 1.5));
}

TEST_CASE("without a graph the experts of a mixture are launched kernel by kernel") {
  // 10 us a launch, so that the host is what the GPU waits for: embedding at 10, done at 11.008;
  // router's third kernel at 40, done at 43.02808. Two ranks, 2 tokens each: the dispatch, 14.032,
  // is done at 57.06008; rows come sorted: three kernels, at 70, and 9.016: 79.016. Combine 14.
  Scenario s = balanced(2);
  const auto time = [&] { return time_of(s.deployment, on_every_rank({decoding(2, 1)})); };
  s.deployment.host.per_launch = 10us;
  s.deployment.host.graphs = Graphs::None;
  CHECK(time() == 93'016'000_ps);
  // In fp8 activations are quantised before each product: five kernels, at 90; 3 us + 3,000,000
  // + 16,000 B.
  s.deployment.formats.experts = hardware::Precision::FP8;
  CHECK(time() == 90us + 6'016'000_ps + 14us);
  // Alone a GPU routes, sorts and adds up: six kernels, at 100, and 6 us + 12,000,000 + 8,000 B.
  s.deployment.formats.experts = hardware::Precision::BF16;
  s.deployment.layout = {};
  CHECK(time() == 100us + 18'008'000_ps);
  s.deployment.formats.experts = hardware::Precision::FP8;
  CHECK(time() == 120us + 12'008'000_ps);
}

TEST_CASE("without a graph a quantised GEMM is two launches") {
  // Embedding at 10; a dense layer in fp8 has a norm, two products and the activation: six
  // launches, at 70: 4 us + 16,000 + 1,000,000 + 8,000 + 6,000 + 500,000 + 6,000 B.
  auto d = hand_deployment(hand_model({layer_of(NoMixer{}, hand_dense())}), {});
  d.formats.dense_ffn = hardware::Precision::FP8;
  d.host.per_launch = 10us;
  d.host.graphs = Graphs::None;
  CHECK(time_of(d, on_every_rank({decoding(2, 1)})) == 75'536'000_ps);
}

TEST_CASE("activations that come quantised save a launch a product") {
  // As above, but that the norm and the activation write fp8: four launches, at 50.
  auto d = hand_deployment(hand_model({layer_of(NoMixer{}, hand_dense())}), {});
  d.formats.dense_ffn = hardware::Precision::FP8;
  d.host.per_launch = 10us;
  d.host.graphs = Graphs::None;
  d.engine.composition.quantisation_of[hardware::Precision::FP8] = Quantisation::Fused;
  CHECK(time_of(d, on_every_rank({decoding(2, 1)})) == 55'536'000_ps);
  // Of another format nothing is said.
  d.engine.composition.quantisation_of = {{hardware::Precision::NVFP4, Quantisation::Fused}};
  CHECK(time_of(d, on_every_rank({decoding(2, 1)})) == 75'536'000_ps);
}

TEST_CASE("a step that holds prompts is launched kernel by kernel where only decode is a graph") {
  // 100 us a launch, which a decode of 2 tokens that is a graph does not see.
  auto d = hand_deployment(hand_model({layer_of(NoMixer{}, hand_dense())}), {});
  d.host.per_launch = 100us;
  d.host.graphs = Graphs::Decode;
  // embedding 1.008, dense 7.036
  CHECK(time_of(d, on_every_rank({decoding(2, 1)})) == 8'044'000_ps);
  // Embedding and four kernels: 500 us, and then 7.036.
  CHECK(time_of(d, on_every_rank({prompts(1, 2)})) == 507'036'000_ps);
  CHECK(time_of(d, on_every_rank({decoding(1, 1), prompts(1, 1)})) == 507'036'000_ps);
  d.host.graphs = Graphs::All;
  CHECK(time_of(d, on_every_rank({prompts(1, 2)})) == 8'044'000_ps);
}

TEST_CASE("a host's part of a step may take half or twice as long") {
  // Of a host of 100 us: 50 less, or 100 more. What the kernels of some 7 us may be off by adds to
  // it as squares, which is less than 0.2 %, and what no model has comes on top.
  Scenario s = balanced(2);
  s.deployment.host.per_step = 100us;
  const Report report = run(s).report;
  CHECK(host_exposed(report) == doctest::Approx(100));
  const double time = report.step_time_us.mean;
  const Interval interval = report.interval.at("step_time_us");
  CHECK(interval.p10 ==
        doctest::Approx(time * with_structure(1 - 50 / time, kStepStructure, true)).epsilon(2e-3));
  CHECK(
      interval.p90 ==
      doctest::Approx(time * with_structure(1 + 100 / time, kStepStructure, false)).epsilon(2e-3));
}
