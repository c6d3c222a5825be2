// Which fitted model of a device answers a question, where the one asked for may not be there.
#pragma once

#include <string>
#include <string_view>

#include "hardware/device.h"

namespace moesim::hardware {

struct Chosen {
  const FittedModel* model = nullptr;
  // Another implementation's or number format's parameters: the nearest there are. What comes of
  // them is extrapolated, with a wider interval.
  bool stand_in = false;
};

// The model of that implementation and variant; else of the same implementation in the nearest
// number format; else the same of another implementation (trtllm, sglang, vllm, deepgemm, moesim).
// A null model where the device has none of that kind that could stand in.
Chosen choose_fitted(const Device& device, std::string_view kind, std::string_view implementation,
                     std::string_view variant);

// "gemm trtllm bf16, gemm trtllm fp8, …": what a device has of a kind, for messages.
std::string fitted_list(const Device& device, std::string_view kind);

}  // namespace moesim::hardware
