// What the fits that ship missed by on groups that they had not seen (holdout: in their files),
// against what they must reach: by kind, medians and 90th percentiles of the absolute error. Those
// that do not are listed by name: a fit that begins to miss fails here, and one that is mended is
// to be taken off the list.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "hardware/device.h"

using namespace moesim;

namespace {

// Of fits whose name, "h100 gemm trtllm bf16", begins so; the first that does counts. Percent.
struct Must {
  std::string_view fits;
  double median, p90;  // none: no figure was set for it
};
constexpr double kNone = 1e9;
constexpr Must kMusts[] = {
    {"h100 gemm trtllm bf16", 5, 14},
    {"h100 gemm trtllm fp8_block", 8, 23},
    {"h100 gemm trtllm fp8", 5, 16},
    {"h100 gemm sglang bf16", 5, 15},
    {"h100 gemm sglang fp8_block", 6.5, 22},
    {"h100 gemm sglang fp8", 6, 18},
    {"h100 moe trtllm w4a16", 7, 20},
    {"h100 moe trtllm", 6, 17},
    {"h100 moe vllm w4a16", 7, 20},
    {"h100 moe vllm int4", 8, 26},
    {"h100 moe vllm", 6, 19},
    {"h100 moe sglang fp8_block", 4, 12},
    {"h100 moe sglang", 8, 34},
    // A row is one draw of its routing; a tile model with the rows' own counts, of another system.
    {"h100 wideep_moe trtllm", 10.2, 35},
    {"h100 wideep_moe deepgemm decode", 5, 20},
    {"h100 wideep_moe deepgemm prefill", 6, 17},
    {"h100 context_attention trtllm", 13, 35},
    {"h100 context_attention", 5.5, 18},
    {"h100 generation_attention trtllm", 15, 55},
    {"h100 generation_attention", 5.5, 18},
    {"h100 context_mla trtllm", 12, 31},
    {"h100 context_mla sglang", 7, 32},
    {"h100 generation_mla trtllm", 9, 26},
    {"h100 generation_mla sglang", 5, 19},
    {"h100 nccl", 6, 20},
    {"h100 custom_allreduce", 6, 20},
    {"h100 deepep_ll deepep dispatch", 4, 15},
    {"h100 deepep_ll deepep combine", 7, 35},
    {"h100 deepep_normal deepep dispatch_internode", 11, 23},
    {"h100 deepep_normal deepep combine_internode", 11, 23},
    {"h100 deepep_normal deepep dispatch", 6, 18},
    {"h100 deepep_normal deepep combine", 10, 24},
    {"h100 training_attention", 5, 12},
    // Of one length, few heads of which wait for their launch.
    {"b200 training_attention", kNone, kNone},
    {"a100 training_attention", 5, 12},
    {"b200 gemm trtllm bf16", 5.5, 15},
    {"b200 gemm trtllm fp8", 4, 11},
    {"b200 gemm trtllm nvfp4", 4, 13},
    {"b200 gemm sglang", 6.5, 25},
    {"b200 gemm transformer_engine", kNone, kNone},
    {"b200 grouped_gemm", 16, 26},
    {"b200 moe trtllm fp8_block", 5.5, 16},
    {"b200 moe trtllm bf16", 7, 27},
    {"b200 moe trtllm fp8", 7, 27},
    {"b200 moe trtllm nvfp4", 11, 34},
    {"b200 moe trtllm w4a16", 7, 20},
    {"b200 moe trtllm w4a8", 9, 26},
    {"b200 moe sglang", 8, 34},
    {"b200 wideep_moe deepgemm", 5, 17},
    // Of several kernels under one name, and of each length and number of heads one at most.
    {"b200 context_attention sglang", 6, 25},
    {"b200 generation_attention sglang", 6.5, 20},
    {"b200 context_attention trtllm", 4, 12},
    {"b200 generation_attention trtllm", 4, 12},
    {"b200 context_mla", 5, 13},
    {"b200 generation_mla", 8, 26},
    {"b200 nccl", 8, 26},
    {"b200 custom_allreduce", 8, 26},
    {"b200 deepep_normal", 5, 13},
    {"b200 deepep_ll", 6, 16},
    {"a100 gemm", 6, 18},
    {"a100 moe", 8, 34},
    {"a100 nccl", 8, 26},
    {"a100 context_attention", kNone, kNone},
    {"a100 generation_attention", kNone, kNone},
    {"l40s gemm", 7.5, 23},
    {"l40s moe", 8, 34},
    {"l40s nccl", 12, 36},  // the all-to-all of eight scatters by half from size to size
    {"l40s context_attention", kNone, kNone},
    {"l40s generation_attention", kNone, kNone},
    {"gb200 trtllm_alltoall", 10, 25},
};

constexpr std::string_view kKnownMisses[] = {
    "h100 gemm sglang fp8",
    "h100 moe trtllm w4a16_mxfp4",
    "h100 moe vllm bf16",
    "h100 moe vllm fp8_block",
    "h100 moe vllm w4a16_mxfp4",
    "h100 context_attention flash_attention_3 bf16_fp8",
    "h100 generation_mla sglang bf16_fp8",
    "b200 gemm trtllm nvfp4",
    "b200 moe sglang bf16",
    "b200 moe trtllm w4a8_mxfp4_mxfp8",
    "b200 wideep_moe deepgemm decode",
    "b200 wideep_moe deepgemm prefill",
    "b200 generation_attention trtllm bf16_fp8",
    "b200 generation_mla trtllm bf16_bf16",
    "b200 generation_mla trtllm bf16_fp8",
    "b200 custom_allreduce sglang eager",
    "b200 deepep_normal deepep combine",
    "b200 deepep_ll deepep combine",
    "l40s gemm trtllm bf16",
    "l40s gemm trtllm fp8_block",
};

const Must* must_of(std::string_view name) {
  const auto found =
      std::ranges::find_if(kMusts, [&](const Must& m) { return name.starts_with(m.fits); });
  return found == std::end(kMusts) ? nullptr : &*found;
}

}  // namespace

TEST_CASE(
    "hold-outs of the fits that ship reach what they must, but for the misses that are known") {
  std::size_t misses = 0;
  for (const std::string device : {"h100", "b200", "a100", "l40s", "gb200"}) {
    for (const hardware::FittedModel& fit :
         hardware::load_fitted("configs/devices/" + device + ".fitted.yaml")) {
      const std::string name =
          fmt::format("{} {} {} {}", device, fit.kind, fit.implementation, fit.variant);
      CAPTURE(name);
      CAPTURE(fit.median_error_percent);
      CAPTURE(fit.p90_error_percent);
      const Must* must = must_of(name);
      REQUIRE(must != nullptr);  // a new fit says what it must reach, or that nothing was set
      CHECK(fit.median_error_percent > 0);  // and has been held out
      const bool missed =
          fit.median_error_percent > must->median || fit.p90_error_percent > must->p90;
      const bool known = std::ranges::find(kKnownMisses, name) != std::end(kKnownMisses);
      CHECK(missed == known);
      misses += known ? 1 : 0;
    }
  }
  CHECK(misses == std::size(kKnownMisses));  // each is a fit that ships
}
