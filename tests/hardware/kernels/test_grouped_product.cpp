#include "hardware/kernels/grouped_product.h"

#include <doctest/doctest.h>

#include <cmath>

#include "tests/hardware/kernels/devices.h"

using namespace moesim;
using namespace moesim::hardware;

TEST_CASE("a grouped product is what each takes, its arithmetic and traffic at once, and its sum") {
  // 10 rows of 20 to 30: 12,000 FLOP, 2 x (300 + 600 + 200) = 2,200 bytes. At 0.5 of 8,000 FLOP a
  // microsecond 3 us, at 0.9 of 2,200 / 3.6 bytes 4 us: cbrt(27 + 64) = 4.498, and 5 us before.
  Rates rates;
  rates.peak = 8000;
  rates.bandwidth = 2200 / 3.6;
  const GroupedProductParameters p{.each_us = 5, .rate = 0.5};
  GroupedProduct x{.product = {.m = 10, .n = 30, .k = 20}};
  const auto us = [&] { return GroupedProductModel::us(x, rates, p); };
  CHECK(us() == doctest::Approx(5 + std::cbrt(91)));
  x.pass = ProductPass::Input;
  CHECK(us() == doctest::Approx(5 + std::cbrt(91)));
  // Added to a sum of fp32, of 600 numbers: 6 bytes each at 550 a microsecond; of bf16 2; written
  // and not added, none.
  x.pass = ProductPass::Weight;
  CHECK(us() == doctest::Approx(5 + std::cbrt(91) + 3600.0 / 550));
  x.product.accumulate_bytes = 2;
  CHECK(us() == doctest::Approx(5 + std::cbrt(91) + 1200.0 / 550));
  x.product.accumulate_bytes = 0;
  CHECK(us() == doctest::Approx(5 + std::cbrt(91)));
  // A group is as long as its products.
  x.groups = 7;
  CHECK(us() == doctest::Approx(7 * (5 + std::cbrt(91))));
  // Not quicker than the traffic alone: 2,200 at the whole bandwidth.
  CHECK(GroupedProductModel::least_us(x, rates) == doctest::Approx(7 * 3.6));
}

TEST_CASE("grouped products are known where the generation has a fit of them, in bf16") {
  const Device b200 = load_device("configs/devices/b200.yaml"),
               b300 = load_device("configs/devices/b300.yaml"),
               h100 = load_device("configs/devices/h100.yaml");
  const GroupedProducts of_b200(b200, "transformer_engine");
  CHECK(of_b200.know(Precision::BF16));
  CHECK_FALSE(of_b200.know(Precision::FP8Block));
  CHECK(GroupedProducts(b300, "transformer_engine").know(Precision::BF16));
  CHECK_FALSE(GroupedProducts(b200, "trtllm").know(Precision::BF16));
  // B200's fit says nothing of Hopper.
  CHECK_FALSE(GroupedProducts(h100, "transformer_engine").know(Precision::BF16));

  // SimuMax@4dcaae5, 160 groups of 154 rows, 5,120 to 3,072: 10.8 us forward, 23.0 the weight's
  // gradient with its fp32 sum.
  const TrainingProduct few{.m = 154, .n = 3072, .k = 5120};
  const KernelCost forward = of_b200.cost(few, ProductPass::Forward),
                   weight = of_b200.cost(few, ProductPass::Weight);
  CHECK(sim::to_us(forward.time) == doctest::Approx(10.8).epsilon(0.1));
  CHECK(sim::to_us(weight.time) == doctest::Approx(23.0).epsilon(0.1));
  CHECK(forward.launches == 1);
  CHECK(forward.flops.count() == 2.0 * 154 * 3072 * 5120);
  CHECK(weight.bytes.count() - forward.bytes.count() == 6 * 3072 * 5120);
  CHECK(forward.trust.use->used == "transformer_engine bf16_forward");
  CHECK(weight.trust.use->used == "transformer_engine bf16_wgrad");
  // On half of the GPU its arithmetic takes twice as long, its reads and its launch do not.
  const TrainingProduct many{.m = 4096, .n = 3072, .k = 5120};
  const double whole = sim::to_us(of_b200.cost(many, ProductPass::Forward).time),
               half = sim::to_us(of_b200.cost(many, ProductPass::Forward, DeviceShare(0.5)).time);
  CHECK(half > 1.5 * whole);
  CHECK(half < 2 * whole);
}
