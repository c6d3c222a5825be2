// Which fitted model of a device answers a question, where the one asked for may not be there.
#pragma once

#include <string>
#include <string_view>

#include "hardware/device.h"
#include "hardware/trust.h"

namespace moesim::hardware {

struct Chosen {
  const FittedModel* model = nullptr;
  // Another implementation's or number format's parameters: the nearest there are. What comes of
  // them is extrapolated.
  bool stand_in = false;
  // How far the one that stands in may be off beside the errors of its own fit: the 90th percentile
  // of |ln(true / predicted)|.
  double doubt = 0;
};

// The model of that implementation and variant, or of the kernels that it runs under a name of
// their own (vLLM's and SGLang's prompts on Hopper: "flash_attention_3"); else of the same
// implementation in the nearest number format; else the same of another implementation: first those
// of kDonors (choose_fitted.cpp) in their order, then whatever the device has. In each of these a
// fit of the device's own generation comes first: another architecture's is asked last of all. A
// null model only where the device has none of the kind whose variant could stand in.
Chosen choose_fitted(const Device& device, std::string_view kind, std::string_view implementation,
                     std::string_view variant);

// With TensorRT-LLM's generated experts ("trtllm_gen") in every format that its others have. They
// have a public table in MXFP8 x MXFP4 alone (on B200 17 us for all launches, 0.01 us a group, 0.6
// us until a tile is at its pace); tables in nvfp4 and fp8_block are of CUTLASS and DeepGEMM, which
// take 0.1 to 0.26 us for every group that a GPU holds, used or not, and 2.9 us for a tile. So:
// launches, groups, and what tiles and reads take before they are at their pace, are of that table,
// all else of the format's own fit. A device without that table has none.
Device with_generated_experts(Device device);

// What is told of a model that answers where `asked` ("vllm bf16") was wanted; without its axes.
ModelUse use_of(const FittedModel& model, std::string kind, std::string asked);

// "gemm trtllm bf16, gemm trtllm fp8, …": what a device has of a kind, for messages.
std::string fitted_list(const Device& device, std::string_view kind);

}  // namespace moesim::hardware
