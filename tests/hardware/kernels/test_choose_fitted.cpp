#include <doctest/doctest.h>

#include <string_view>

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

TEST_CASE("another engine of the device's generation comes before the engine on another one") {
  Device device = shipped("b200");
  device.fitted.clear();
  const auto add = [&](const char* implementation, const char* variant, bool other_generation) {
    FittedModel m;
    m.kind = "moe";
    m.implementation = implementation;
    m.variant = variant;
    m.other_generation = other_generation;
    device.fitted.push_back(m);
  };
  add("vllm", "bf16", true);
  CHECK(choose_fitted(device, "moe", "vllm", "bf16").model->implementation == "vllm");
  add("trtllm", "fp8", false);
  const Chosen chosen = choose_fitted(device, "moe", "vllm", "bf16");
  CHECK(chosen.model->implementation == "trtllm");
  CHECK(chosen.stand_in);
}

TEST_CASE("an all-reduce in a graph was priced by the host's launches of its own engine") {
  // 49 us for about 5: SGLang's eager fit came before TensorRT-LLM's of graphs.
  Device device = shipped("b200");
  device.fitted.clear();
  const auto add = [&](const char* implementation, const char* variant) {
    FittedModel m;
    m.kind = "custom_allreduce";
    m.implementation = implementation;
    m.variant = variant;
    device.fitted.push_back(m);
  };
  add("sglang", "eager");
  // With no graph's fit at all the own engine's eager one, which may be off tenfold.
  const Chosen eager = choose_fitted(device, "custom_allreduce", "sglang", "graph");
  CHECK(eager.model->variant == "eager");
  CHECK(eager.doubt == doctest::Approx(2.0));
  add("trtllm", "graph");
  const Chosen graph = choose_fitted(device, "custom_allreduce", "sglang", "graph");
  CHECK(graph.model->implementation == "trtllm");
  CHECK(graph.model->variant == "graph");
  CHECK(graph.stand_in);
  CHECK(graph.doubt == doctest::Approx(0.3));
  // And the other way: launched by the host, another engine's launches.
  CHECK(choose_fitted(device, "custom_allreduce", "vllm", "eager").model->implementation ==
        "sglang");
}

TEST_CASE("vLLM's and SGLang's prompts are FlashAttention 3's, and it is no stand-in") {
  Device device = shipped("h100");
  device.fitted.clear();
  FittedModel m;
  m.kind = "context_attention";
  m.implementation = "flash_attention_3";
  m.variant = "bf16_bf16";
  device.fitted.push_back(m);
  for (const char* engine : {"vllm", "sglang", "flash_attention_3"}) {
    const Chosen chosen = choose_fitted(device, "context_attention", engine, "bf16_bf16");
    REQUIRE(chosen.model != nullptr);
    CHECK(!chosen.stand_in);
  }
  CHECK(choose_fitted(device, "context_attention", "trtllm", "bf16_bf16").stand_in);
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

TEST_CASE(
    "generated experts answer in other formats by their own launches and not by those of CUTLASS") {
  const Device b200 = with_generated_experts(shipped("b200"));
  const Chosen own = choose_fitted(b200, "moe", "trtllm_gen", "w4a8_mxfp4_mxfp8");
  REQUIRE(own.model != nullptr);
  CHECK(own.model->variant == "w4a8_mxfp4_mxfp8");
  CHECK_FALSE(own.stand_in);
  for (const char* format : {"nvfp4", "fp8_block"}) {
    CAPTURE(format);
    const Chosen other = choose_fitted(b200, "moe", "trtllm_gen", format);
    REQUIRE(other.model != nullptr);
    // Launches, groups and what a tile takes to start of the measured one, arithmetic of the
    // format's.
    const Chosen cutlass = choose_fitted(b200, "moe", "trtllm", format);
    CHECK(cutlass.model->variant == format);
    for (const char* start : {"launch_us", "per_group_us", "prologue_us", "ramp_us"}) {
      CHECK(other.model->parameters.at(start) == own.model->parameters.at(start));
      CHECK(other.model->parameters.at(start) < cutlass.model->parameters.at(start));
    }
    CHECK(other.model->parameters.at("ramp_scale_us") == own.model->parameters.at("ramp_scale_us"));
    CHECK(other.model->parameters.at("compute_fraction") ==
          cutlass.model->parameters.at("compute_fraction"));
    // Rows in fp8 blocks move by kernels of their own; others' as in the format's fit.
    const double streams = other.model->parameters.at("stream_fraction");
    const double of_cutlass = cutlass.model->parameters.at("stream_fraction");
    if (std::string_view(format) == "fp8_block")
      CHECK(streams < 0.5 * of_cutlass);
    else
      CHECK(streams == of_cutlass);
    CHECK(other.stand_in);
    CHECK(other.doubt == 0.45);  // another number format of the same kernels
  }
  // Hopper has no such table: TensorRT-LLM's.
  CHECK(choose_fitted(with_generated_experts(shipped("h100")), "moe", "trtllm_gen", "bf16")
            .model->implementation == "trtllm");
}

TEST_CASE("Marlin's mxfp4 is its integers of four bits") {
  const Device h100 = shipped("h100");
  const Chosen chosen = choose_fitted(h100, "moe", "marlin", "w4a16_mxfp4");
  REQUIRE(chosen.model != nullptr);
  CHECK(chosen.model->implementation == "vllm");
  CHECK(chosen.model->variant == "int4");
  CHECK(chosen.stand_in);
}
