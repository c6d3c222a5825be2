#include <doctest/doctest.h>

#include "hardware/choose_fitted.h"
#include "hardware/kernels/parameters.h"
#include "sim/error.h"
#include "tests/hardware/kernels/devices.h"

using namespace moesim::hardware;

TEST_CASE("what was fitted is chosen, and nothing stands in for it") {
  const Device device = shipped("h100");
  const Chosen chosen = choose_fitted(device, "moe", "sglang", "fp8_block");
  REQUIRE(chosen.model != nullptr);
  CHECK(chosen.model->implementation == "sglang");
  CHECK(!chosen.stand_in);
}

TEST_CASE("an engine without a table is predicted with the nearest one's parameters and says so") {
  const Device device = shipped("h100");
  const Chosen vllm = choose_fitted(device, "gemm", "vllm", "bf16");
  REQUIRE(vllm.model != nullptr);
  CHECK(vllm.model->implementation == "trtllm");
  CHECK(vllm.stand_in);
  // Its own engine in the nearest format comes before another engine.
  const Chosen fp8 = choose_fitted(device, "moe", "sglang", "fp8");
  CHECK(fp8.model->implementation == "sglang");
  CHECK(fp8.model->variant == "fp8_block");
}

TEST_CASE("a device without fits has nothing to choose") {
  CHECK(choose_fitted(shipped("k40"), "gemm", "trtllm", "bf16").model == nullptr);
  CHECK(fitted_list(shipped("k40"), "gemm").empty());
}

TEST_CASE("a fit without a parameter, or with one that cannot be, says what would do") {
  FittedModel model;
  model.kind = "gemm";
  model.implementation = "mine";
  model.variant = "bf16";
  const auto message = [&] {
    try {
      (void)parameter_of(model, "launch_us", 0.5, 30);
    } catch (const moesim::sim::ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK(
      message() ==
      "gemm mine bf16: parameter launch_us is missing: fit it anew (moesim calibrate fit), or add "
      "it to the device's fitted file");
  model.parameters["launch_us"] = 31;
  CHECK(message() == "gemm mine bf16: launch_us = 31 is outside 0.5 to 30");
  model.parameters["launch_us"] = 30;
  CHECK(message().empty());
}
