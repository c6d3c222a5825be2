#include <doctest/doctest.h>

#include <array>

#include "workloads/report/provenance.h"

using namespace moesim;
using namespace moesim::workloads;
using namespace moesim::sim::literals;
using hardware::ModelUse;

namespace {

// A step of 100 us: 60 of attention, 40 of experts.
Report halves() {
  Report report;
  report.step_time_us.mean = 100;
  report.phases[index_of(Phase::Attention)].exposed_us = 60;
  report.phases[index_of(Phase::Experts)].exposed_us = 40;
  return report;
}

Deployment on_h200() {
  Deployment d;
  d.cluster.device.name = "H200";
  d.cluster.device.provenance = {hardware::Origin::Datasheet, "NVIDIA H200 datasheet"};
  return d;
}

}  // namespace

TEST_CASE("nvfp4 on H100 and a head of 999 were extrapolated in silence") {
  const ModelUse gemm{.kind = "gemm", .asked = "trtllm nvfp4", .used = "trtllm fp8"};
  const ModelUse core{.kind = "generation_attention",
                      .asked = "trtllm bf16_bf16",
                      .used = "trtllm bf16_bf16",
                      .axes = {{"keys", 1, 131072}, {"head_dim", 64, 128}}};
  Ledger ledger;
  // Of the attention's time a quarter is the core beyond its fit, a quarter the GEMM that stands in
  // and half within; of the experts' all is within. 15 and 15 of 100 us.
  const std::array attention{PricedTime{&core, 0b10, 1us}, PricedTime{&gemm, 0, 1us},
                             PricedTime{&core, 0, 2us}};
  const std::array experts{PricedTime{&core, 0, 7us}};
  ledger.add(index_of(Phase::Attention), attention, 1);
  ledger.add(index_of(Phase::Experts), experts, 1);
  Report report = halves();
  ledger.write(on_h200(), report);

  const ExtrapolatedReport& out = report.extrapolated;
  CHECK(out.share == doctest::Approx(0.30));
  CHECK(out.by_phase[index_of(Phase::Attention)] == doctest::Approx(0.30));
  CHECK(out.by_phase[index_of(Phase::Experts)] == 0);
  REQUIRE(out.reasons.size() == 2);
  CHECK(out.reasons[0].share == doctest::Approx(0.15));
  CHECK(out.reasons[0].what == "gemm trtllm nvfp4: no fit, trtllm fp8 stands in");
  CHECK(out.reasons[1].what == "generation_attention trtllm bf16_bf16: head_dim beyond 64 to 128");
  REQUIRE(report.stand_ins.size() == 1);
  CHECK(report.stand_ins[0].asked == "trtllm nvfp4");
  CHECK(report.stand_ins[0].used == "trtllm fp8");
}

TEST_CASE("a step counts with its weight, and a model is told once") {
  const ModelUse use{.kind = "moe",
                     .asked = "sglang bf16",
                     .used = "sglang bf16",
                     .provenance = {hardware::Origin::Imported, "public tables"},
                     .carried_from = "H100 SXM",
                     .median_error_percent = 4.2,
                     .p90_error_percent = 17};
  const ModelUse other{.kind = "moe", .asked = "vllm bf16", .used = "sglang bf16"};
  Ledger ledger;
  // 1 x 0.25 of `use` against 3 x 0.25 of `other` in steps of weights 0.75 and 0.25:
  // 0.75 to 0.75.
  ledger.add(index_of(Phase::Experts), std::array{PricedTime{&use, 0, 1us}}, 0.75);
  ledger.add(index_of(Phase::Experts), std::array{PricedTime{&other, 0, 3us}}, 0.25);
  ledger.add(index_of(Phase::Attention), std::array{PricedTime{&use, 0, 1us}}, 1);
  Report report = halves();
  ledger.write(on_h200(), report);
  CHECK(report.extrapolated.by_phase[index_of(Phase::Experts)] == doctest::Approx(0.2));
  REQUIRE(report.carried_over.size() == 1);
  CHECK(report.carried_over[0].kind == "moe");
  CHECK(report.carried_over[0].device == "H100 SXM");
  // The device, and each model once, as it was asked and used.
  REQUIRE(report.provenance.size() == 3);
  CHECK(report.provenance[0].source == "NVIDIA H200 datasheet");
  CHECK(
      report.provenance[1].source ==
      "moe sglang bf16: public tables, held out: median 4.2 %, p90 17.0 %; carried over from H100 "
      "SXM to H200");
  CHECK(report.provenance[1].origin == hardware::Origin::Extrapolated);
  CHECK(report.provenance[2].source == "moe vllm bf16 by sglang bf16");
}
